"""A small world to call access patterns on, the same before each call."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

from tests.daos import made_up, model_of
from tests.faults.invariants import Item, Stored, read_all
from tests.integration.samples import STORED_TIME, an_item
from wikibot_store import WikibotStore
from wikibot_store._dynamo.items import ItemCodec
from wikibot_store.schema import ACLS, TABLES, USERS, WIKIS, TableSchema

_NEXT_CENTURY = 4_102_444_800
_BATCH_WRITE = 25
_SECRET = "s" * 43
TOKEN = f"{urlsafe_b64encode(b'ada:notes').decode()}.{_SECRET}"
"""The open invitation's."""


def _user(user_id: str, sub: str, wiki_count: int) -> list[Item]:
    user = an_item(
        id=user_id,
        oauth_provider="github",
        oauth_provider_sub=sub,
        username=user_id,
        tier="free",
        status="active",
        wiki_count=wiki_count,
        created_at=STORED_TIME,
        updated_at=STORED_TIME,
        version=1,
        write_id="seed",
    )
    claims = (f"claim#oauth#github#{sub}", f"claim#username#{user_id}")
    return [user, *[an_item(id=claim, user_id=user_id, write_id="seed") for claim in claims]]


def a_wiki(slug: str, *, is_public: bool = False) -> Item:
    """Return a wiki of Ada's."""
    return an_item(
        owner_id="ada",
        wiki_slug=slug,
        uid=f"uid-{slug}",
        display_name=slug,
        repo_path=f"/srv/{slug}",
        is_public=is_public,
        status="active",
        page_count=0,
        disk_usage_bytes=0,
        created_at=STORED_TIME,
        updated_at=STORED_TIME,
        version=1,
        write_id="seed",
    )


def _acl(slug: str, grantee_id: str) -> Item:
    return an_item(
        wiki_id=f"ada:{slug}",
        grantee_id=grantee_id,
        role="viewer",
        granted_by="ada",
        granted_at=STORED_TIME,
        wiki_uid=f"uid-{slug}",
        write_id="seed",
    )


def _invitation(slug: str) -> Item:
    acl = _acl(slug, f"invite#{hashlib.sha256(_SECRET.encode()).hexdigest()}")
    return acl | an_item(invited_email="eve@example.org", expires_at=_NEXT_CENTURY)


def _linked(user: list[Item], provider: str, sub: str) -> list[Item]:
    item, *claims = user
    claim = an_item(id=f"claim#oauth#{provider}#{sub}", user_id=item["id"]["S"], write_id="seed")
    return [item | an_item(identities=f"{provider}#{sub}"), *claims, claim]


def _made_up(schema: TableSchema) -> Item:
    """Return an item of a table that the small world does not name."""
    return ItemCodec(model_of(schema.name), schema.key).encode(made_up(schema.name), "seed")


NOTHING = Stored.of()
WORLD = Stored.of(
    **{schema.name: [_made_up(schema)] for schema in TABLES if schema not in {USERS, WIKIS, ACLS}},
    users=[
        *_linked(_user("ada", "1", 3), "google", "7"),
        *_user("bob", "2", 0),
        *_user("eve", "3", 0),
        *_user("max", "4", 3),
    ],
    wikis=[a_wiki("notes"), a_wiki("journal", is_public=True), a_wiki("todo", is_public=True)],
    acls=[
        *[_acl("notes", "bob"), _invitation("notes")],
        *[_acl("journal", "bob"), _acl("journal", "eve"), _acl("journal", "max")],
    ],
)
"""Ada has three wikis, two of them shared and two public, and one invitation is open; the count of Max is off.

Every further table holds one item, such as a token whose owner_id is "owner_id" and whose token_id is "token_id".
"""


async def reset(store: WikibotStore) -> None:
    """Have nothing stored but the small world."""
    await replace(store, await read_all(store), WORLD)


async def replace(store: WikibotStore, there: Stored, wanted: Stored) -> None:
    """Have nothing stored but `wanted`; `there` is what is stored now."""
    changes, client = list(_changes(store, there, wanted)), await store.client()
    for start in range(0, len(changes), _BATCH_WRITE):
        pending: dict[str, Any] = {}
        for table, request in changes[start : start + _BATCH_WRITE]:
            pending.setdefault(table, []).append(request)
        while pending:
            pending = (await client.batch_write_item(RequestItems=pending))["UnprocessedItems"]


def _changes(store: WikibotStore, there: Stored, wanted: Stored) -> Iterator[tuple[str, Item]]:
    for schema in TABLES:
        before, after = (
            {tuple([item[name]["S"] for name in schema.key]): item for item in stored.tables[schema.name]}
            for stored in (there, wanted)
        )
        table = store.config.table_name(schema.name)
        for key in before.keys() - after.keys():
            yield table, {"DeleteRequest": {"Key": {name: before[key][name] for name in schema.key}}}
        for key, item in after.items():
            if before.get(key) != item:
                yield table, {"PutRequest": {"Item": item}}
