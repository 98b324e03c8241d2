"""Every access pattern of the store, once: how it is called on the small world, and what it sends.

From these entries the tests take what each pattern costs (integration/test_requests.py), what the IAM policies must
allow (infra/test_policies.py), and what is called under faults, on bad answers and beside secrets.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import Any, get_origin

from tests.daos import DAOS
from tests.integration.samples import collect
from tests.world import TOKEN, reset
from wikibot_store import WikibotStore, WikiKey
from wikibot_store.schema import TABLES

_MEASURED = datetime(2026, 2, 3, tzinfo=UTC)
_NEXT_CENTURY = datetime(2100, 1, 1, tzinfo=UTC)
_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


@dataclass(frozen=True, eq=False)
class AccessPattern:
    """One call of a public method on the small world, and the requests that it sends, as `described` has them.

    `in_order`: the requests come in this order; it is False where a Scan's order decides. `repeatable`: called again
    after it was applied, it changes nothing more. `saga`: it is several writes, of which a typed error may leave the
    first ones, for the next call to go on from. `operator`: operators call it, the backend does not.
    """

    method: str
    call: Callable[[Any], Awaitable[Any]]
    requests: list[str]
    _: KW_ONLY
    variant: str = ""
    in_order: bool = True
    repeatable: bool = True
    saga: bool = False
    operator: bool = False

    def __str__(self) -> str:
        """Name the method and what is special about this call of it."""
        return f"{self.method}, {self.variant}" if self.variant else self.method

    @property
    def writes(self) -> bool:
        """Whether one of the requests is a write."""
        return any(request.startswith(_WRITES) for request in self.requests)


async def _sorted(items: AsyncIterator[object]) -> list[object]:
    """Collect items that come in no particular order, because segments are read at the same time."""
    return sorted([item async for item in items], key=repr)


def _nobodies(count: int) -> list[str]:
    return [f"nobody{number}" for number in range(count)]


PATTERNS = [
    AccessPattern("client", lambda store: store.client(), []),
    # ---- users
    AccessPattern(
        "users.create",
        lambda store: store.users.create(id="new", oauth_provider="gitlab", oauth_provider_sub="9", username="new"),
        ["Query (by-oauth)", "TransactWriteItems (Put, Put, Put)"],
    ),
    AccessPattern(
        "users.create",
        lambda store: store.users.create(id="new", oauth_provider="gitlab", oauth_provider_sub="9"),
        ["Query (by-oauth)", "TransactWriteItems (Put, Put)"],
        variant="without a username",
    ),
    AccessPattern("users.get", lambda store: store.users.get("ada"), ["GetItem"]),
    AccessPattern(
        "users.get",
        lambda store: store.users.get("ada", consistent=True),
        ["GetItem (consistent)"],
        variant="consistent",
    ),
    AccessPattern(
        "users.get",
        lambda store: asyncio.gather(store.users.get("ada"), store.users.get("bob")),
        ["GetItem", "GetItem"],  # a connection is free for each
        variant="two at once",
    ),
    AccessPattern("users.require", lambda store: store.users.require("ada"), ["GetItem"]),
    # 100 keys, one of them twice.
    AccessPattern(
        "users.get_many", lambda store: store.users.get_many(["ada", "ada", "bob", *_nobodies(98)]), ["BatchGetItem"]
    ),
    AccessPattern("users.get_many", lambda store: store.users.get_many([]), [], variant="of none"),
    AccessPattern(
        "users.get_many",
        lambda store: store.users.get_many(["ada", *_nobodies(100)]),
        ["BatchGetItem", "BatchGetItem"],
        variant="of 101",
    ),
    AccessPattern("users.get_by_oauth", lambda store: store.users.get_by_oauth("github", "1"), ["Query (by-oauth)"]),
    AccessPattern(
        "users.get_by_oauth",
        lambda store: store.users.get_by_oauth("github", "1", consistent=True),
        ["GetItem (consistent)", "GetItem (consistent)"],
        variant="consistent",
    ),
    AccessPattern(
        "users.get_by_oauth",
        lambda store: store.users.get_by_oauth("google", "7"),
        ["Query (by-oauth)", "GetItem (consistent)", "GetItem (consistent)"],
        variant="of a linked identity",
    ),
    AccessPattern(
        "users.get_by_oauth",
        lambda store: store.users.get_by_oauth("github", "nobody", consistent=True),
        ["GetItem (consistent)", "Query (by-oauth)"],
        variant="of nobody, consistent",
    ),
    AccessPattern(
        "users.get_by_username",
        lambda store: store.users.get_by_username("ada"),
        ["GetItem (consistent)", "GetItem (consistent)"],
    ),
    AccessPattern(
        "users.get_or_create_by_oauth",
        lambda store: store.users.get_or_create_by_oauth("gitlab", "9", username="new"),
        ["GetItem (consistent)", "Query (by-oauth)", "TransactWriteItems (Put, Put, Put)"],
        variant="new",
    ),
    AccessPattern(
        "users.get_or_create_by_oauth",
        lambda store: store.users.get_or_create_by_oauth("github", "1"),
        ["GetItem (consistent)", "GetItem (consistent)"],
        variant="known",
    ),
    AccessPattern(
        "users.update",
        lambda store: store.users.update("ada", display_name="Ada"),
        ["GetItem (consistent)", "UpdateItem"],
        repeatable=False,
    ),
    AccessPattern(
        "users.update",
        lambda store: store.users.update("ada", expected_version=1, email="ada@example.org"),
        ["UpdateItem"],
        variant="of a version",
    ),
    AccessPattern(
        "users.set_username",
        lambda store: store.users.set_username("ada", "countess"),
        ["GetItem (consistent)", "TransactWriteItems (Update, Put, Delete)"],
    ),
    AccessPattern(
        "users.set_username",
        lambda store: store.users.set_username("ada", None),
        ["GetItem (consistent)", "TransactWriteItems (Update, Delete)"],
        variant="None",
    ),
    AccessPattern(
        "users.set_username",
        lambda store: store.users.set_username("ada", "ada"),
        ["GetItem (consistent)"],
        variant="the same",
    ),
    AccessPattern(
        "users.link_identity",
        lambda store: store.users.link_identity("ada", "gitlab", "9"),
        ["GetItem (consistent)", "Query (by-oauth)", "TransactWriteItems (Update, Put)"],
    ),
    AccessPattern(
        "users.link_identity",
        lambda store: store.users.link_identity("ada", "google", "7"),
        ["GetItem (consistent)"],
        variant="that is linked",
    ),
    AccessPattern(
        "users.unlink_identity",
        lambda store: store.users.unlink_identity("ada", "google", "7"),
        ["GetItem (consistent)", "TransactWriteItems (Update, Delete)"],
    ),
    AccessPattern(
        "users.unlink_identity",
        lambda store: store.users.unlink_identity("ada", "github", "1"),
        ["GetItem (consistent)", "TransactWriteItems (Update, Delete)"],
        variant="the first",
    ),
    AccessPattern("users.get_identities", lambda store: store.users.get_identities("ada"), ["GetItem (consistent)"]),
    AccessPattern("users.record_login", lambda store: store.users.record_login("ada"), ["UpdateItem"]),
    # ---- wikis
    AccessPattern("wikis.get", lambda store: store.wikis.get("ada", "notes"), ["GetItem"]),
    AccessPattern(
        "wikis.require", lambda store: store.wikis.require("ada", "notes", consistent=True), ["GetItem (consistent)"]
    ),
    AccessPattern(
        "wikis.get_many",
        lambda store: store.wikis.get_many([WikiKey("ada", "notes"), WikiKey("ada", "journal")]),
        ["BatchGetItem"],
    ),
    AccessPattern("wikis.list_by_owner", lambda store: store.wikis.list_by_owner("ada", limit=1), ["Query"]),
    AccessPattern(
        "wikis.list_by_owner", lambda store: store.wikis.list_by_owner("nobody"), ["Query"], variant="of nobody"
    ),
    AccessPattern(
        "wikis.iter_by_owner", lambda store: collect(store.wikis.iter_by_owner("ada", page_size=2)), ["Query", "Query"]
    ),
    AccessPattern(
        "wikis.iter_by_owner", lambda store: collect(store.wikis.iter_by_owner("ada")), ["Query"], variant="in one page"
    ),
    AccessPattern(
        "wikis.list_public_by_owner",
        lambda store: store.wikis.list_public_by_owner("ada", limit=1),
        ["Query", "Query", "GetItem"],
    ),
    AccessPattern(
        "wikis.update",
        lambda store: store.wikis.update("ada", "notes", is_public=True),
        ["GetItem (consistent)", "UpdateItem"],
        repeatable=False,
    ),
    AccessPattern(
        "wikis.update",
        lambda store: store.wikis.update("ada", "notes", expected_version=1, display_name="New"),
        ["UpdateItem"],
        variant="of a version",
    ),
    AccessPattern("wikis.touch", lambda store: store.wikis.touch("ada", "notes"), ["UpdateItem"]),
    AccessPattern(
        "wikis.record_usage",
        lambda store: store.wikis.record_usage(
            "ada", "notes", uid="uid-notes", page_count=3, disk_usage_bytes=4, measured_at=_MEASURED
        ),
        ["UpdateItem"],
    ),
    # ---- acls
    AccessPattern("acls.get", lambda store: store.acls.get("ada:notes", "bob"), ["GetItem"]),
    AccessPattern("acls.list_by_wiki", lambda store: store.acls.list_by_wiki("ada:journal", limit=1), ["Query"]),
    AccessPattern(
        "acls.iter_by_wiki",
        lambda store: collect(store.acls.iter_by_wiki("ada:journal", page_size=2)),
        ["Query", "Query"],
    ),
    AccessPattern(
        "acls.iter_by_wiki",
        lambda store: collect(store.acls.iter_by_wiki("ada:journal")),
        ["Query"],
        variant="in one page",
    ),
    AccessPattern("acls.list_by_grantee", lambda store: store.acls.list_by_grantee("bob"), ["Query (by-grantee)"]),
    AccessPattern("acls.list_invitations", lambda store: store.acls.list_invitations("ada:notes"), ["Query"]),
    # ---- across the tables
    AccessPattern("authorize", lambda store: store.authorize("bob", "ada", "notes"), ["BatchGetItem"]),
    AccessPattern("authorize_token", lambda store: store.authorize_token("ada", "notes", "a token"), ["BatchGetItem"]),
    AccessPattern(
        "wikis.set_mcp_token",
        lambda store: store.wikis.set_mcp_token("ada", "notes"),
        ["GetItem (consistent)", "UpdateItem"],
        repeatable=False,
    ),
    AccessPattern(
        "wikis.delete", lambda store: store.wikis.delete("ada", "none"), ["GetItem (consistent)"], variant="of none"
    ),
    AccessPattern(
        "acls.create",
        lambda store: store.acls.create("ada:notes", "elsewhere", "editor", granted_by="ada", check_grantee=False),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, Put)"],
        variant="to an id that another system manages",
    ),
    AccessPattern(
        "wikis.create",
        lambda store: store.wikis.create("ada", "new", display_name="New", repo_path="/srv/new", limit=9),
        ["TransactWriteItems (Update, Put)"],
    ),
    AccessPattern(
        "wikis.delete",
        lambda store: store.wikis.delete("ada", "journal"),
        [
            "GetItem (consistent)",
            "TransactWriteItems (Update, Update)",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, Delete, Delete, Delete)",
            "TransactWriteItems (Delete)",
        ],
        saga=True,
    ),
    AccessPattern(
        "wikis.rename",
        lambda store: store.wikis.rename("ada", "journal", "diary"),
        [
            "GetItem (consistent)",
            "GetItem (consistent)",
            "TransactWriteItems (Update, Put, ConditionCheck)",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, ConditionCheck, Put, ConditionCheck, Put, ConditionCheck, Put)",
            "GetItem (consistent)",
            "TransactWriteItems (Update, Put)",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, Delete, Delete, Delete)",
            "TransactWriteItems (Delete, Update)",
        ],
        saga=True,
    ),
    AccessPattern(
        "wikis.transfer",
        lambda store: store.wikis.transfer("ada", "journal", "bob", limit=1),
        [
            "GetItem (consistent)",
            "GetItem (consistent)",
            "TransactWriteItems (Update, Put, ConditionCheck)",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, ConditionCheck, Put, ConditionCheck, Put)",
            "GetItem (consistent)",
            "TransactWriteItems (Update, Put, Update, Update)",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, Delete, Delete, Delete)",
            "TransactWriteItems (Delete, Update)",
        ],
        saga=True,
    ),
    AccessPattern(
        "acls.create",
        lambda store: store.acls.create("ada:notes", "eve", "editor", granted_by="ada"),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, Put)"],
        variant="new",
    ),
    AccessPattern(
        "acls.create",
        lambda store: store.acls.create("ada:notes", "bob", "editor", granted_by="ada"),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, Put)"],
        variant="again",
    ),
    AccessPattern(
        "acls.delete",
        lambda store: store.acls.delete("ada:notes", "bob"),
        ["GetItem (consistent)", "GetItem (consistent)", "TransactWriteItems (ConditionCheck, Delete)"],
    ),
    AccessPattern("acls.list_members", lambda store: store.acls.list_members("ada:journal"), ["Query", "BatchGetItem"]),
    AccessPattern(
        "acls.list_shared_with",
        lambda store: store.acls.list_shared_with("bob"),
        ["Query (by-grantee)", "BatchGetItem"],
    ),
    AccessPattern(
        "acls.list_shared_with",
        lambda store: store.acls.list_shared_with("nobody"),
        ["Query (by-grantee)"],
        variant="of nobody",
    ),
    AccessPattern(
        "acls.invite",
        lambda store: store.acls.invite(
            "ada:journal", "max@example.org", "viewer", invited_by="ada", expires_at=_NEXT_CENTURY
        ),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, Put)"],
        repeatable=False,
    ),
    AccessPattern(
        "acls.accept_invite",
        lambda store: store.acls.accept_invite(TOKEN, "eve"),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, ConditionCheck, Delete, Put)"],
    ),
    AccessPattern(
        "users.delete",
        lambda store: store.users.delete("eve"),
        [
            *["GetItem (consistent)", "Query (consistent)"] * 2,
            "TransactWriteItems (Delete, Delete, Delete)",
        ],
        saga=True,
    ),
    AccessPattern(
        "users.delete",
        lambda store: store.users.delete("ada", wikis="delete"),
        [
            *["GetItem (consistent)", "UpdateItem"],
            *["GetItem (consistent)", "Query (consistent)"],
            # delete_wiki: of journal, notes and todo
            *["GetItem (consistent)", "TransactWriteItems (Update, Update)", "Query (consistent)"],
            *["TransactWriteItems (ConditionCheck, Delete, Delete, Delete)", "TransactWriteItems (Delete)"],
            *["GetItem (consistent)", "TransactWriteItems (Update, Update)", "Query (consistent)"],
            *["TransactWriteItems (ConditionCheck, Delete, Delete)", "TransactWriteItems (Delete)"],
            *["GetItem (consistent)", "TransactWriteItems (Update, Update)", "Query (consistent)"],
            "TransactWriteItems (Delete)",
            # and once more, for what came meanwhile
            *["GetItem (consistent)", "Query (consistent)"],
            "TransactWriteItems (Delete, Delete, Delete, Delete)",
        ],
        variant="with wikis",
        saga=True,
    ),
    AccessPattern(
        "admin.adopt",
        lambda store: collect(store.admin.adopt(apply=True)),
        [
            *["Scan"] * len(TABLES),
            *["BatchGetItem"] * 2,  # the claims of the users, and the owners of the wikis
        ],
        in_order=False,
        operator=True,
    ),
    AccessPattern(
        "admin.iter_users", lambda store: _sorted(store.admin.iter_users(segments=2)), ["Scan"] * 2, operator=True
    ),
    AccessPattern(
        "admin.iter_wikis", lambda store: _sorted(store.admin.iter_wikis(segments=2)), ["Scan"] * 2, operator=True
    ),
    AccessPattern(
        "admin.iter_acls", lambda store: _sorted(store.admin.iter_acls(segments=2)), ["Scan"] * 2, operator=True
    ),
    AccessPattern(
        "admin.reconcile_wiki_count",
        lambda store: store.admin.reconcile_wiki_count("max"),
        [*["GetItem (consistent)", "Query (consistent)"] * 2, "UpdateItem"],
        operator=True,
    ),
    AccessPattern(
        "admin.reconcile_wiki_count",
        lambda store: store.admin.reconcile_wiki_count("ada"),
        ["GetItem (consistent)", "Query (consistent)"] * 2,
        variant="of a right count",
        operator=True,
    ),
    AccessPattern(
        "admin.sweep",
        lambda store: collect(store.admin.sweep(apply=True, segments=1)),
        [
            *["Scan"] * len(TABLES),
            *["BatchGetItem"] * 3,  # what wikis, users with their claims, and grants name
            *["Query (consistent)"] * 4,  # of the users: their wikis
            # of the user with a wrong count: user, claims and wikis, and again until two passes agree
            *["GetItem (consistent)"] * 3,
            "Query (consistent)",
            *["GetItem (consistent)", "Query (consistent)"] * 2,
            *[*["GetItem (consistent)", "Query (consistent)"] * 2, "UpdateItem"],  # reconcile_wiki_count
        ],
        in_order=False,
        saga=True,
        operator=True,
    ),
]

BACKEND = [pattern for pattern in PATTERNS if not pattern.operator]
"""What the web backend may call."""

WRITERS = {pattern.method for pattern in PATTERNS if pattern.writes}
"""The methods that write, or do where there is something to write."""


def public_methods() -> Iterator[str]:
    """Return the names of all methods of an open store that may send something."""
    for name, dao in DAOS.items():
        yield from (f"{name}.{method}" for method in vars(dao) if not method.startswith("_"))
    for name, method in vars(WikibotStore).items():
        if inspect.iscoroutinefunction(method) or _is_stream(method):
            yield name


def _is_stream(method: object) -> bool:
    """Return whether a method returns an async generator, as `sweep` does; it is not a coroutine function."""
    return inspect.isfunction(method) and get_origin(inspect.signature(method).return_annotation) is AsyncGenerator


async def call_all(store: WikibotStore, patterns: Iterable[AccessPattern]) -> dict[str, Any]:
    """Call each on the small world, and return what each returned."""
    found = {}
    await reset(store)
    for pattern in patterns:
        found[str(pattern)] = await pattern.call(store)
        if pattern.writes:
            await reset(store)
    return found
