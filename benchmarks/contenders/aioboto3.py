"""aioboto3's Table resource: plain values, numbers as Decimal."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from boto3.dynamodb.conditions import Attr, Key

from benchmarks.contenders import Endpoint, new_wiki, timestamp

Item = dict[str, Any]


class ResourceClient:
    """Calls the resource and its Table."""

    def __init__(self, dynamodb: Any, wikis: Any, users: Any) -> None:  # noqa: ANN401 - resource classes are made at run time
        self._dynamodb = dynamodb
        self._wikis = wikis
        self._users = users

    async def get(self, owner_id: str, slug: str) -> Item:
        reply = await self._wikis.get_item(Key={"owner_id": owner_id, "wiki_slug": slug})
        item: Item = reply["Item"]
        return item

    async def create(self, owner_id: str, slug: str) -> None:
        await self._wikis.put_item(Item=new_wiki(owner_id, slug), ConditionExpression=Attr("owner_id").not_exists())

    async def update(self, wiki: Item) -> Item:
        reply = await self._wikis.update_item(
            Key={"owner_id": wiki["owner_id"], "wiki_slug": wiki["wiki_slug"]},
            UpdateExpression="SET display_name = :name, updated_at = :now, version = :next",
            ConditionExpression=Attr("version").eq(wiki["version"]),
            ExpressionAttributeValues={
                ":name": "Field notes",
                ":now": timestamp(datetime.now(UTC)),
                ":next": wiki["version"] + 1,
            },
            ReturnValues="ALL_NEW",
        )
        updated: Item = reply["Attributes"]
        return updated

    async def page(self, owner_id: str, limit: int) -> Sequence[Item]:
        reply = await self._wikis.query(KeyConditionExpression=Key("owner_id").eq(owner_id), Limit=limit)
        items: list[Item] = reply["Items"]
        return items

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Item]:
        query: dict[str, Any] = {"KeyConditionExpression": Key("owner_id").eq(owner_id), "Limit": page_size}
        while True:
            reply = await self._wikis.query(**query)
            for item in reply["Items"]:
                yield item
            if "LastEvaluatedKey" not in reply:
                return
            query["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Item]:
        reply = await self._dynamodb.batch_get_item(
            RequestItems={
                "users": {"Keys": [{"id": user_id}], "ConsistentRead": True},
                "wikis": {"Keys": [{"owner_id": owner_id, "wiki_slug": slug}], "ConsistentRead": True},
                "acls": {
                    "Keys": [{"wiki_id": f"{owner_id}:{slug}", "grantee_id": user_id}],
                    "ConsistentRead": True,
                },
            }
        )
        return [reply["Responses"][table][0] for table in ("users", "wikis", "acls")]

    async def login(self, sub: str) -> Item:
        claim = await self._user(f"claim#oauth#github#{sub}")
        return await self._user(claim["user_id"])

    async def _user(self, user_id: str) -> Item:
        reply = await self._users.get_item(Key={"id": user_id}, ConsistentRead=True)
        item: Item = reply["Item"]
        return item

    def plain(self, item: Item) -> Item:
        return item

    def values(self, item: Item) -> dict[str, Any]:
        return item


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[ResourceClient]:
    """Open the resource. It reads the CA bundle from AWS_CA_BUNDLE."""
    config = AioConfig(max_pool_connections=endpoint.connections)
    async with aioboto3.Session().resource("dynamodb", endpoint_url=endpoint.url, config=config) as dynamodb:
        yield ResourceClient(dynamodb, await dynamodb.Table("wikis"), await dynamodb.Table("users"))
