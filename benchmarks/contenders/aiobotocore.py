"""aiobotocore's client: requests and items in DynamoDB's own notation."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.contenders import Endpoint, new_wiki, timestamp

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

Item = dict[str, Any]


class BotocoreClient:
    """Calls the client's operations."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    async def get(self, owner_id: str, slug: str) -> Item:
        reply = await self._client.get_item(
            TableName="wikis", Key={"owner_id": {"S": owner_id}, "wiki_slug": {"S": slug}}
        )
        item: Item = reply["Item"]
        return item

    async def create(self, owner_id: str, slug: str) -> None:
        await self._client.put_item(
            TableName="wikis",
            Item={name: _attribute(value) for name, value in new_wiki(owner_id, slug).items()},
            ConditionExpression="attribute_not_exists(owner_id)",
        )

    async def update(self, wiki: Item) -> Item:
        reply = await self._client.update_item(
            TableName="wikis",
            Key={"owner_id": wiki["owner_id"], "wiki_slug": wiki["wiki_slug"]},
            UpdateExpression="SET display_name = :name, updated_at = :now, version = :next",
            ConditionExpression="version = :version",
            ExpressionAttributeValues={
                ":name": {"S": "Field notes"},
                ":now": {"S": timestamp(datetime.now(UTC))},
                ":version": wiki["version"],
                ":next": {"N": str(int(wiki["version"]["N"]) + 1)},
            },
            ReturnValues="ALL_NEW",
        )
        updated: Item = reply["Attributes"]
        return updated

    async def page(self, owner_id: str, limit: int) -> Sequence[Item]:
        reply = await self._client.query(
            TableName="wikis",
            KeyConditionExpression="owner_id = :owner",
            ExpressionAttributeValues={":owner": {"S": owner_id}},
            Limit=limit,
        )
        items: list[Item] = reply["Items"]
        return items

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Item]:
        pages = self._client.get_paginator("query").paginate(
            TableName="wikis",
            KeyConditionExpression="owner_id = :owner",
            ExpressionAttributeValues={":owner": {"S": owner_id}},
            PaginationConfig={"PageSize": page_size},
        )
        async for page in pages:
            for item in page["Items"]:
                yield item

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Item]:
        reply = await self._client.batch_get_item(
            RequestItems={
                "users": {"Keys": [{"id": {"S": user_id}}], "ConsistentRead": True},
                "wikis": {"Keys": [{"owner_id": {"S": owner_id}, "wiki_slug": {"S": slug}}], "ConsistentRead": True},
                "acls": {
                    "Keys": [{"wiki_id": {"S": f"{owner_id}:{slug}"}, "grantee_id": {"S": user_id}}],
                    "ConsistentRead": True,
                },
            }
        )
        return [reply["Responses"][table][0] for table in ("users", "wikis", "acls")]

    async def login(self, sub: str) -> Item:
        claim = await self._user(f"claim#oauth#github#{sub}")
        return await self._user(claim["user_id"]["S"])

    async def _user(self, user_id: str) -> Item:
        reply = await self._client.get_item(TableName="users", Key={"id": {"S": user_id}}, ConsistentRead=True)
        item: Item = reply["Item"]
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
async def connect(endpoint: Endpoint) -> AsyncIterator[BotocoreClient]:
    """Open a client. It reads the CA bundle from AWS_CA_BUNDLE."""
    config = AioConfig(max_pool_connections=endpoint.connections)
    async with get_session().create_client("dynamodb", endpoint_url=endpoint.url, config=config) as client:
        yield BotocoreClient(client)
