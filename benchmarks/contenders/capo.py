"""capo-dynamodb's client: requests as keyword arguments, items in DynamoDB's own notation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from capo_dynamodb import AsyncDynamoDBClient
from zapros import AsyncStdNetworkHandler

from benchmarks.contenders import Endpoint, new_wiki, timestamp

Item = dict[str, Any]


class CapoClient:
    """Calls the client's operations."""

    def __init__(self, client: AsyncDynamoDBClient) -> None:
        self._client = client

    async def get(self, owner_id: str, slug: str) -> Item:
        reply: Any = await self._client.get_item("wikis", {"owner_id": {"S": owner_id}, "wiki_slug": {"S": slug}})
        item: Item = reply["item"]
        return item

    async def create(self, owner_id: str, slug: str) -> None:
        item: Any = {name: _attribute(value) for name, value in new_wiki(owner_id, slug).items()}
        await self._client.put_item("wikis", item, condition_expression="attribute_not_exists(owner_id)")

    async def update(self, wiki: Item) -> Item:
        reply: Any = await self._client.update_item(
            "wikis",
            {"owner_id": wiki["owner_id"], "wiki_slug": wiki["wiki_slug"]},
            update_expression="SET display_name = :name, updated_at = :now, version = :next",
            condition_expression="version = :version",
            expression_attribute_values={
                ":name": {"S": "Field notes"},
                ":now": {"S": timestamp(datetime.now(UTC))},
                ":version": wiki["version"],
                ":next": {"N": str(int(wiki["version"]["N"]) + 1)},
            },
            return_values="ALL_NEW",
        )
        updated: Item = reply["attributes"]
        return updated

    async def page(self, owner_id: str, limit: int) -> Sequence[Item]:
        reply: Any = await self._client.query(
            "wikis",
            key_condition_expression="owner_id = :owner",
            expression_attribute_values={":owner": {"S": owner_id}},
            limit=limit,
        )
        items: list[Item] = reply["items"]
        return items

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Item]:
        items: Any = self._client.iter_query(
            "wikis",
            key_condition_expression="owner_id = :owner",
            expression_attribute_values={":owner": {"S": owner_id}},
            limit=page_size,
        )
        return aiter(items)

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Item]:
        """Read one by one: `batch_get_item` of capo-dynamodb 0.18 fails before it sends anything."""
        keys: dict[str, Item] = {
            "users": {"id": {"S": user_id}},
            "wikis": {"owner_id": {"S": owner_id}, "wiki_slug": {"S": slug}},
            "acls": {"wiki_id": {"S": f"{owner_id}:{slug}"}, "grantee_id": {"S": user_id}},
        }
        replies: Any = await asyncio.gather(
            *(self._client.get_item(table, key, consistent_read=True) for table, key in keys.items())
        )
        return [reply["item"] for reply in replies]

    async def login(self, sub: str) -> Item:
        claim = await self._user(f"claim#oauth#github#{sub}")
        return await self._user(claim["user_id"]["S"])

    async def _user(self, user_id: str) -> Item:
        reply: Any = await self._client.get_item("users", {"id": {"S": user_id}}, consistent_read=True)
        item: Item = reply["item"]
        return item

    def plain(self, item: Item) -> dict[str, Any]:
        return self.values(item)

    def values(self, item: Item) -> dict[str, Any]:
        return {
            name: int(value["N"]) if "N" in value else value.get("S", value.get("BOOL")) for name, value in item.items()
        }


def _attribute(value: str | int | bool) -> dict[str, Any]:  # noqa: FBT001 - a value
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[CapoClient]:
    """Open a client. Its HTTP handler reads the CA bundle from SSL_CERT_FILE."""
    handler = AsyncStdNetworkHandler(
        http1={"max_connections_per_host": endpoint.connections, "max_idle_per_host": endpoint.connections}
    )
    async with AsyncDynamoDBClient(handler, region=endpoint.region, endpoint=endpoint.url) as client:
        yield CapoClient(client)
