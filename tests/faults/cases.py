"""What the matrix calls: every public method of the store, on a small world that is the same before each call."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tests.faults.invariants import Item, Stored
from wikibot_store import WikiKey

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

T = TypeVar("T")

LONG_AGO = "2026-01-02T03:04:05.000006Z"
_MEASURED = datetime(2026, 2, 3, tzinfo=UTC)
_NEXT_CENTURY = datetime(2100, 1, 1, tzinfo=UTC)
_SECRET = "s" * 43
_TOKEN = f"{urlsafe_b64encode(b'ada:notes').decode()}.{_SECRET}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call of a public method, or of another `client`'s.

    `repeatable`: called again after it was applied, it changes nothing more. `saga`: it is several writes, of which a
    typed error may leave the first ones, for the next call to go on from.
    """

    method: str
    call: Callable[[Any], Awaitable[object]]
    variant: str = ""
    repeatable: bool = True
    saga: bool = False
    client: bool = False

    def __str__(self) -> str:
        """Name the method and what is special about this call of it."""
        return f"{self.method}, {self.variant}" if self.variant else self.method


def _item(**attributes: str | int | bool) -> Item:
    return {name: _value(value) for name, value in attributes.items()}


def _value(value: str | int | bool) -> Item:  # noqa: FBT001 - data
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case _:
            return {"S": value}


def _user(user_id: str, sub: str, wiki_count: int) -> list[Item]:
    user = _item(
        id=user_id,
        oauth_provider="github",
        oauth_provider_sub=sub,
        username=user_id,
        tier="free",
        status="active",
        wiki_count=wiki_count,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        version=1,
        write_id="seed",
    )
    claims = (f"claim#oauth#github#{sub}", f"claim#username#{user_id}")
    return [user, *[_item(id=claim, user_id=user_id, write_id="seed") for claim in claims]]


def _wiki(slug: str) -> Item:
    return _item(
        owner_id="ada",
        wiki_slug=slug,
        uid=f"uid-{slug}",
        display_name=slug,
        repo_path=f"/srv/{slug}",
        is_public=False,
        status="active",
        page_count=0,
        disk_usage_bytes=0,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
        version=1,
        write_id="seed",
    )


def _acl(slug: str, grantee_id: str) -> Item:
    return _item(
        wiki_id=f"ada:{slug}",
        grantee_id=grantee_id,
        role="viewer",
        granted_by="ada",
        granted_at=LONG_AGO,
        wiki_uid=f"uid-{slug}",
        write_id="seed",
    )


def _invitation(slug: str) -> Item:
    invitation = _item(invited_email="eve@example.org", expires_at=int(_NEXT_CENTURY.timestamp()))
    return _acl(slug, f"invite#{hashlib.sha256(_SECRET.encode()).hexdigest()}") | invitation


def _linked(user: list[Item], provider: str, sub: str) -> list[Item]:
    item, *claims = user
    claim = _item(id=f"claim#oauth#{provider}#{sub}", user_id=item["id"]["S"], write_id="seed")
    return [item | _item(identities=f"{provider}#{sub}"), *claims, claim]


NOTHING = Stored(users=[], wikis=[], acls=[])
WORLD = Stored(
    users=[
        *_linked(_user("ada", "1", 2), "google", "7"),
        *_user("bob", "2", 0),
        *_user("eve", "3", 0),
        *_user("max", "4", 3),
    ],
    wikis=[_wiki("notes"), _wiki("journal")],
    acls=[_acl("notes", "bob"), _invitation("notes"), _acl("journal", "bob"), _acl("journal", "eve")],
)
"""Ada has two wikis, shared with Bob and Eve, and one invitation is open; the count of Max is off."""


async def _all(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def _twice(read: Callable[[str], Awaitable[T]], *arguments: str) -> list[T]:
    """Read at once what is read one by one otherwise, so that the reads share a request."""
    return await asyncio.gather(*[read(argument) for argument in arguments])


NO_REQUESTS = frozenset({"client"})
"""The public methods that send nothing."""

READS = [
    Case(method="users.get", call=lambda store: store.users.get("ada")),
    Case(method="users.get", variant="two at once", call=lambda store: _twice(store.users.get, "ada", "bob")),
    Case(method="users.require", call=lambda store: store.users.require("ada")),
    Case(method="users.get_many", call=lambda store: store.users.get_many(["ada", "bob", "nobody"])),
    Case(method="users.get_by_oauth", call=lambda store: store.users.get_by_oauth("github", "1")),
    Case(
        method="users.get_by_oauth",
        variant="consistent",
        call=lambda store: store.users.get_by_oauth("github", "1", consistent=True),
    ),
    Case(method="users.get_identities", call=lambda store: store.users.get_identities("ada")),
    Case(method="users.get_by_username", call=lambda store: store.users.get_by_username("ada")),
    Case(method="wikis.get", call=lambda store: store.wikis.get("ada", "notes")),
    Case(method="wikis.require", call=lambda store: store.wikis.require("ada", "notes", consistent=True)),
    Case(
        method="wikis.get_many",
        call=lambda store: store.wikis.get_many([WikiKey("ada", "notes"), WikiKey("ada", "journal")]),
    ),
    Case(method="wikis.list_by_owner", call=lambda store: store.wikis.list_by_owner("ada", limit=1)),
    Case(method="wikis.iter_by_owner", call=lambda store: _all(store.wikis.iter_by_owner("ada", page_size=1))),
    Case(method="acls.get", call=lambda store: store.acls.get("ada:notes", "bob")),
    Case(method="acls.list_by_wiki", call=lambda store: store.acls.list_by_wiki("ada:journal", limit=1)),
    Case(method="acls.iter_by_wiki", call=lambda store: _all(store.acls.iter_by_wiki("ada:journal", page_size=1))),
    Case(method="acls.list_by_grantee", call=lambda store: store.acls.list_by_grantee("bob")),
    Case(method="acls.list_invitations", call=lambda store: store.acls.list_invitations("ada:notes")),
    Case(method="list_shared_with", call=lambda store: store.list_shared_with("bob")),
    Case(method="authorize", call=lambda store: store.authorize("bob", "ada", "notes")),
    Case(method="members", call=lambda store: store.members("ada", "journal")),
]

WRITES = [
    Case(
        method="users.create",
        call=lambda store: store.users.create(
            id="new", oauth_provider="gitlab", oauth_provider_sub="9", username="new"
        ),
    ),
    Case(
        method="users.get_or_create_by_oauth",
        variant="new",
        call=lambda store: store.users.get_or_create_by_oauth("gitlab", "9", username="new"),
    ),
    Case(
        method="users.get_or_create_by_oauth",
        variant="known",
        call=lambda store: store.users.get_or_create_by_oauth("github", "1"),
    ),
    Case(method="users.update", call=lambda store: store.users.update("ada", display_name="Ada"), repeatable=False),
    Case(
        method="users.update",
        variant="of a version",
        call=lambda store: store.users.update("ada", expected_version=1, email="ada@example.org"),
    ),
    Case(method="users.set_username", call=lambda store: store.users.set_username("ada", "countess")),
    Case(method="users.set_username", variant="None", call=lambda store: store.users.set_username("ada", None)),
    Case(method="users.link_identity", call=lambda store: store.users.link_identity("ada", "gitlab", "9")),
    Case(method="users.unlink_identity", call=lambda store: store.users.unlink_identity("ada", "google", "7")),
    Case(
        method="users.unlink_identity",
        variant="the first",
        call=lambda store: store.users.unlink_identity("ada", "github", "1"),
    ),
    Case(method="users.record_login", call=lambda store: store.users.record_login("ada")),
    Case(
        method="wikis.create",
        call=lambda store: store.wikis.create("ada", "new", display_name="New", repo_path="/srv/new"),
    ),
    Case(
        method="wikis.update", call=lambda store: store.wikis.update("ada", "notes", is_public=True), repeatable=False
    ),
    Case(
        method="wikis.update",
        variant="of a version",
        call=lambda store: store.wikis.update("ada", "notes", expected_version=1, display_name="New"),
    ),
    Case(method="wikis.touch", call=lambda store: store.wikis.touch("ada", "notes")),
    Case(
        method="wikis.record_usage",
        call=lambda store: store.wikis.record_usage(
            "ada", "notes", uid="uid-notes", page_count=3, disk_usage_bytes=4, measured_at=_MEASURED
        ),
    ),
    Case(method="wikis.delete", call=lambda store: store.wikis.delete("ada", "notes")),
    Case(
        method="acls.create",
        variant="new",
        call=lambda store: store.acls.create("ada:notes", "eve", "editor", granted_by="ada"),
    ),
    Case(
        method="acls.create",
        variant="again",
        call=lambda store: store.acls.create("ada:notes", "bob", "editor", granted_by="ada"),
    ),
    Case(method="acls.delete", call=lambda store: store.acls.delete("ada:notes", "bob")),
    Case(
        method="create_wiki",
        call=lambda store: store.create_wiki("ada", "new", display_name="New", repo_path="/srv/new", limit=9),
    ),
    Case(
        method="grant",
        variant="new",
        call=lambda store: store.grant("ada", "notes", "eve", "editor", granted_by="ada"),
    ),
    Case(
        method="grant",
        variant="again",
        call=lambda store: store.grant("ada", "notes", "bob", "editor", granted_by="ada"),
    ),
    Case(method="revoke", call=lambda store: store.revoke("ada", "notes", "bob")),
    Case(
        method="invite",
        call=lambda store: store.invite(
            "ada", "journal", "max@example.org", "viewer", invited_by="ada", expires_at=_NEXT_CENTURY
        ),
        repeatable=False,
    ),
    Case(method="accept_invite", call=lambda store: store.accept_invite(_TOKEN, "eve")),
    Case(method="reconcile_wiki_count", call=lambda store: store.reconcile_wiki_count("max")),
    Case(method="rename_wiki", call=lambda store: store.rename_wiki("ada", "journal", "diary"), saga=True),
    Case(method="transfer_wiki", call=lambda store: store.transfer_wiki("ada", "journal", "bob", limit=1), saga=True),
    Case(method="delete_wiki", call=lambda store: store.delete_wiki("ada", "journal"), saga=True),
    Case(method="delete_user", call=lambda store: store.delete_user("eve"), saga=True),
    Case(
        method="delete_user",
        variant="with wikis",
        call=lambda store: store.delete_user("ada", wikis="delete"),
        saga=True,
    ),
    Case(method="sweep", call=lambda store: _all(store.sweep(apply=True)), saga=True),
]


async def _put_item(client: "DynamoDBClient") -> None:
    await client.put_item(
        TableName="wikis",
        Item={**_wiki("new"), "write_id": {"S": "theirs"}},
        ConditionExpression="attribute_not_exists(owner_id)",
    )


async def _update_item(client: "DynamoDBClient") -> None:
    await client.update_item(
        TableName="wikis",
        Key=_item(owner_id="ada", wiki_slug="notes"),
        UpdateExpression="SET display_name = :name ADD version :one",
        ConditionExpression="version = :one",
        ExpressionAttributeValues={":name": {"S": "New"}, ":one": {"N": "1"}},
    )


async def _transact_write_items(client: "DynamoDBClient") -> None:
    await client.transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": "wikis",
                    "Item": _wiki("new"),
                    "ConditionExpression": "attribute_not_exists(owner_id)",
                }
            },
            {
                "Update": {
                    "TableName": "users",
                    "Key": _item(id="ada"),
                    "UpdateExpression": "ADD wiki_count :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
        ]
    )


CLIENTS = [
    Case(method="put_item", call=_put_item, client=True),
    Case(method="update_item", call=_update_item, client=True),
    Case(method="transact_write_items", call=_transact_write_items, client=True),
]
"""The same kinds of write by aiobotocore's own client, with its own retries."""
