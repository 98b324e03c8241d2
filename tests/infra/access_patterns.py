"""Every access pattern of the store, called once, on tables that are empty at first."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_origin

from wikibot_store import WikibotStore, WikiKey
from wikibot_store.daos import AclDao, UserDao, WikiDao

T = TypeVar("T")

_WIKI_ID = "ada:notes"


async def _all(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def _delete_shared_wiki(store: WikibotStore) -> None:
    await store.grant("ada", "diary", "bob", "viewer", granted_by="ada")
    await store.delete_wiki("ada", "diary")


async def _rename_shared_wiki(store: WikibotStore) -> None:
    await store.grant("ada", "journal", "bob", "viewer", granted_by="ada")
    await store.rename_wiki("ada", "journal", "diary")


async def _transfer(store: WikibotStore) -> None:
    await store.users.create(id="carol", oauth_provider="github", oauth_provider_sub="4")
    await store.transfer_wiki("ada", "diary", "carol", limit=1)
    await store.transfer_wiki("carol", "diary", "ada")


async def _invite_and_accept(store: WikibotStore) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    _, token = await store.invite("ada", "diary", "bob@example.org", "editor", invited_by="ada", expires_at=tomorrow)
    await store.accept_invite(token, "carol")


# Point reads come in pairs, so that they share a BatchGetItem; the writes read single items by themselves.
CALLS: dict[str, Callable[[WikibotStore], Awaitable[Any]]] = {
    "users.create": lambda store: store.users.create(
        id="ada", oauth_provider="github", oauth_provider_sub="1", username="ada"
    ),
    "users.get_or_create_by_oauth": lambda store: store.users.get_or_create_by_oauth("github", "2", username="bob"),
    "users.get": lambda store: asyncio.gather(store.users.get("ada"), store.users.get("nobody")),
    "users.require": lambda store: store.users.require("ada"),
    "users.get_many": lambda store: store.users.get_many(["ada", "nobody"]),
    "users.get_by_oauth": lambda store: store.users.get_by_oauth("github", "1"),
    "users.get_by_username": lambda store: store.users.get_by_username("ada"),
    "users.update": lambda store: store.users.update("ada", display_name="Ada"),
    "users.set_username": lambda store: store.users.set_username("ada", "countess"),
    "users.link_identity": lambda store: store.users.link_identity("ada", "google", "3"),
    "users.get_identities": lambda store: store.users.get_identities("ada"),
    "users.unlink_identity": lambda store: store.users.unlink_identity("ada", "github", "1"),
    "users.record_login": lambda store: store.users.record_login("ada"),
    "wikis.create": lambda store: store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes"),
    "wikis.get": lambda store: asyncio.gather(store.wikis.get("ada", "notes"), store.wikis.get("ada", "none")),
    "wikis.require": lambda store: store.wikis.require("ada", "notes"),
    "wikis.get_many": lambda store: store.wikis.get_many([WikiKey("ada", "notes")]),
    "wikis.list_by_owner": lambda store: store.wikis.list_by_owner("ada", limit=1),
    "wikis.iter_by_owner": lambda store: _all(store.wikis.iter_by_owner("ada")),
    "wikis.update": lambda store: store.wikis.update("ada", "notes", is_public=True),
    "wikis.touch": lambda store: store.wikis.touch("ada", "notes"),
    "wikis.record_usage": lambda store: store.wikis.record_usage(
        "ada", "notes", uid="another", page_count=1, disk_usage_bytes=1, measured_at=datetime.now(UTC)
    ),
    "acls.create": lambda store: store.acls.create(_WIKI_ID, "bob", "editor", granted_by="ada"),
    "acls.get": lambda store: asyncio.gather(store.acls.get(_WIKI_ID, "bob"), store.acls.get(_WIKI_ID, "nobody")),
    "acls.list_by_wiki": lambda store: store.acls.list_by_wiki(_WIKI_ID),
    "acls.iter_by_wiki": lambda store: _all(store.acls.iter_by_wiki(_WIKI_ID)),
    "acls.list_by_grantee": lambda store: store.acls.list_by_grantee("bob"),
    "acls.list_invitations": lambda store: store.acls.list_invitations(_WIKI_ID),
    "client": lambda store: store.client(),
    "authorize": lambda store: store.authorize("bob", "ada", "notes"),
    "create_wiki": lambda store: store.create_wiki("ada", "journal", display_name="Journal", repo_path="/srv/journal"),
    "grant": lambda store: store.grant("ada", "journal", "bob", "viewer", granted_by="ada"),
    "members": lambda store: store.members("ada", "journal"),
    "revoke": lambda store: store.revoke("ada", "journal", "bob"),
    "list_shared_with": lambda store: store.list_shared_with("bob"),
    "rename_wiki": _rename_shared_wiki,
    "transfer_wiki": _transfer,
    "invite": _invite_and_accept,
    "accept_invite": _invite_and_accept,
    "delete_wiki": _delete_shared_wiki,
    "acls.delete": lambda store: store.acls.delete(_WIKI_ID, "bob"),
    "wikis.delete": lambda store: store.wikis.delete("ada", "notes"),
    "delete_user": lambda store: store.delete_user("ada", wikis="delete"),
}

OPERATOR_CALLS: dict[str, Callable[[WikibotStore], Awaitable[Any]]] = {
    "reconcile_wiki_count": lambda store: store.reconcile_wiki_count("ada"),
    "sweep": lambda store: _all(store.sweep(apply=True)),
}


def public_methods() -> Iterator[str]:
    """Return the names of all methods of an open store that send something."""
    for name, dao in {"users": UserDao, "wikis": WikiDao, "acls": AclDao}.items():
        yield from (f"{name}.{method}" for method in vars(dao) if not method.startswith("_"))
    for name, method in vars(WikibotStore).items():
        if inspect.iscoroutinefunction(method) or _is_stream(method):
            yield name


def _is_stream(method: object) -> bool:
    """Tell whether a method returns an async generator, as `sweep` does: it is no coroutine function."""
    return inspect.isfunction(method) and get_origin(inspect.signature(method).return_annotation) is AsyncGenerator


async def sweep_and_reconcile(store: WikibotStore) -> None:
    """Make the operator's calls, on tables with a user `ada` that somebody has put faults into."""
    for call in OPERATOR_CALLS.values():
        await call(store)


async def call_all(store: WikibotStore) -> dict[str, Any]:
    """Call one after the other and return what each returned; by-grantee only where there is this index."""
    return {
        name: await call(store)
        for name, call in CALLS.items()
        if store.config.grantee_index or name not in {"acls.list_by_grantee", "list_shared_with"}
    }
