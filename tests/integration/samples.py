"""Unique made-up values, items as they are stored, and reads that may be eventually consistent."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from wikibot_store import User, Wiki, WikibotStore

T = TypeVar("T")

STORED_TIME = "2026-01-02T03:04:05.000006Z"
_BATCH_WRITE = 25
_WRITES_AT_A_TIME = 8
_MAX_POLLS = 50
_POLL_SECONDS = 0.1


def fresh() -> str:
    """Return a random value that is valid as id, slug, username, provider and subject."""
    return secrets.token_hex(8)


async def a_user(store: WikibotStore, **attributes: Any) -> User:  # noqa: ANN401 - those of users.create
    """Create a user."""
    return await store.users.create(**({"oauth_provider": fresh(), "oauth_provider_sub": fresh()} | attributes))


async def a_user_id(store: WikibotStore) -> str:
    """Create a user; return the id."""
    return (await a_user(store)).id


async def a_wiki(store: WikibotStore, owner_id: str | None = None, **attributes: Any) -> Wiki:  # noqa: ANN401 - those of wikis.create
    """Create a wiki, of a new user if no owner is given."""
    required = {"display_name": "A wiki", "repo_path": "/srv/a"}
    return await store.wikis.create(owner_id or await a_user_id(store), fresh(), **(required | attributes))


def key_of(wiki: Wiki) -> dict[str, str]:
    """Return a wiki's key by its attributes."""
    return {"owner_id": wiki.owner_id, "wiki_slug": wiki.wiki_slug}


def an_item(**attributes: str | bool | int | dict[str, Any] | None) -> dict[str, Any]:
    """Return an item as DynamoDB writes it; a dict is an attribute value already, None is no attribute."""
    return {name: _attribute(value) for name, value in attributes.items() if value is not None}


def _attribute(value: str | bool | int | dict[str, Any]) -> dict[str, Any]:  # noqa: FBT001 - data
    match value:
        case dict():
            return value
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case _:
            return {"S": value}


def a_user_item(**attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - see an_item
    """Return a user's item with the required attributes and these."""
    required = {"oauth_provider": fresh(), "oauth_provider_sub": fresh()}
    times = {"created_at": STORED_TIME, "updated_at": STORED_TIME}
    return an_item(**({"id": fresh()} | required | times | attributes))


def a_wiki_item(**attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - see an_item
    """Return a wiki's item with the required attributes and these."""
    key = {"owner_id": fresh(), "wiki_slug": fresh()}
    required = {"uid": fresh(), "display_name": "A wiki", "repo_path": "/srv/a"}
    times = {"created_at": STORED_TIME, "updated_at": STORED_TIME}
    return an_item(**(key | required | times | attributes))


def an_acl_item(**attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - see an_item
    """Return a grant's item with the required attributes and these."""
    key = {"wiki_id": f"{fresh()}:{fresh()}", "grantee_id": fresh()}
    required = {"role": "editor", "granted_by": fresh(), "granted_at": STORED_TIME}
    return an_item(**(key | required | attributes))


async def put(store: WikibotStore, table: str, item: dict[str, Any]) -> None:
    """Store an item as it is; `table` is its name in the schema."""
    await (await store.client()).put_item(TableName=store.config.table_name(table), Item=item)


async def change(store: WikibotStore, table: str, key: dict[str, str], **attributes: Any) -> dict[str, Any]:  # noqa: ANN401 - see an_item
    """Set attributes of a stored item, without the store's invariants; return the item. None removes an attribute."""
    item = await stored(store, table, **key)
    assert item is not None
    kept = {name: value for name, value in item.items() if name not in attributes}
    await put(store, table, kept | an_item(**attributes))
    return kept | an_item(**attributes)


async def put_all(store: WikibotStore, table: str, items: list[dict[str, Any]]) -> None:
    """Store many items as they are, in as few requests as possible, several at the same time."""
    table_name, turns = store.config.table_name(table), asyncio.Semaphore(_WRITES_AT_A_TIME)

    async def write(batch: list[dict[str, Any]]) -> None:
        pending: Any = {table_name: [{"PutRequest": {"Item": item}} for item in batch]}
        while pending:
            async with turns:
                pending = (await (await store.client()).batch_write_item(RequestItems=pending))["UnprocessedItems"]

    await asyncio.gather(*[write(items[start : start + _BATCH_WRITE]) for start in range(0, len(items), _BATCH_WRITE)])


async def stored(store: WikibotStore, table: str, **key: str) -> dict[str, Any] | None:
    """Return an item as it is stored, or None; `table` is its name in the schema."""
    reply = await (await store.client()).get_item(
        TableName=store.config.table_name(table), Key=an_item(**key), ConsistentRead=True
    )
    return reply.get("Item")


async def indexed(store: WikibotStore, table: str, index: str, **partition: str) -> list[dict[str, Any]]:
    """Return the items that an index has under one partition key, as they are stored."""
    ((name, value),) = partition.items()
    reply = await (await store.client()).query(
        TableName=store.config.table_name(table),
        IndexName=index,
        KeyConditionExpression=f"{name} = :value",
        ExpressionAttributeValues={":value": {"S": value}},
    )
    return reply["Items"]


async def collect(items: AsyncIterator[T]) -> list[T]:
    """Return all items of an async iterator."""
    return [item async for item in items]


async def eventually(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Assert that an eventually consistent read gives `expected`: at once on local engines, after a while on AWS."""
    for _ in range(_MAX_POLLS):
        if await read() == expected:
            return
        await asyncio.sleep(_POLL_SECONDS)
    assert await read() == expected
