"""aws-sdk-dynamodb, AWS's own async SDK: requests and items as dataclasses, attributes in DynamoDB's own notation."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aws_sdk_dynamodb.client import AsyncDynamoDBClient
from aws_sdk_dynamodb.config import AsyncDynamoDBConfig
from aws_sdk_dynamodb.models import (
    AttributeValueBOOL,
    AttributeValueN,
    AttributeValueS,
    BatchGetItemInput,
    GetItemInput,
    KeysAndAttributes,
    PutItemInput,
    QueryInput,
    UpdateItemInput,
)

from benchmarks.contenders import Endpoint, new_wiki, timestamp

Item = dict[str, Any]


class AwsClient:
    """Calls the client's operations."""

    def __init__(self, client: AsyncDynamoDBClient) -> None:
        self._client = client

    async def get(self, owner_id: str, slug: str) -> Item:
        reply: Any = await self._client.get_item(GetItemInput(table_name="wikis", key=_wiki_key(owner_id, slug)))
        item: Item = reply.item
        return item

    async def create(self, owner_id: str, slug: str) -> None:
        await self._client.put_item(
            PutItemInput(
                table_name="wikis",
                item={name: _attribute(value) for name, value in new_wiki(owner_id, slug).items()},
                condition_expression="attribute_not_exists(owner_id)",
            )
        )

    async def update(self, wiki: Item) -> Item:
        reply: Any = await self._client.update_item(
            UpdateItemInput(
                table_name="wikis",
                key={"owner_id": wiki["owner_id"], "wiki_slug": wiki["wiki_slug"]},
                update_expression="SET display_name = :name, updated_at = :now, version = :next",
                condition_expression="version = :version",
                expression_attribute_values={
                    ":name": AttributeValueS("Field notes"),
                    ":now": AttributeValueS(timestamp(datetime.now(UTC))),
                    ":version": wiki["version"],
                    ":next": AttributeValueN(str(int(wiki["version"].value) + 1)),
                },
                return_values="ALL_NEW",
            )
        )
        updated: Item = reply.attributes
        return updated

    async def page(self, owner_id: str, limit: int) -> Sequence[Item]:
        items: list[Item] = (await self._query(owner_id, limit, None)).items
        return items

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Item]:
        """Read page after page: the SDK has no paginators."""
        after: Item | None = None
        while True:
            page = await self._query(owner_id, page_size, after)
            for item in page.items:
                yield item
            after = page.last_evaluated_key
            if not after:
                return

    async def _query(self, owner_id: str, limit: int, after: Item | None) -> Any:  # noqa: ANN401 - the SDK is not typed for mypy
        return await self._client.query(
            QueryInput(
                table_name="wikis",
                key_condition_expression="owner_id = :owner",
                expression_attribute_values={":owner": AttributeValueS(owner_id)},
                limit=limit,
                exclusive_start_key=after,
            )
        )

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Item]:
        keys: dict[str, Item] = {
            "users": {"id": AttributeValueS(user_id)},
            "wikis": _wiki_key(owner_id, slug),
            "acls": {"wiki_id": AttributeValueS(f"{owner_id}:{slug}"), "grantee_id": AttributeValueS(user_id)},
        }
        reply: Any = await self._client.batch_get_item(
            BatchGetItemInput(
                request_items={
                    table: KeysAndAttributes(keys=[key], consistent_read=True) for table, key in keys.items()
                }
            )
        )
        return [reply.responses[table][0] for table in keys]

    async def login(self, sub: str) -> Item:
        claim = await self._user(f"claim#oauth#github#{sub}")
        return await self._user(claim["user_id"].value)

    async def _user(self, user_id: str) -> Item:
        key = {"id": AttributeValueS(user_id)}
        reply: Any = await self._client.get_item(GetItemInput(table_name="users", key=key, consistent_read=True))
        item: Item = reply.item
        return item

    def plain(self, item: Item) -> dict[str, Any]:
        return self.values(item)

    def values(self, item: Item) -> dict[str, Any]:
        return {
            name: int(each.value) if isinstance(each, AttributeValueN) else each.value for name, each in item.items()
        }


def _wiki_key(owner_id: str, slug: str) -> Item:
    return {"owner_id": AttributeValueS(owner_id), "wiki_slug": AttributeValueS(slug)}


def _attribute(value: str | int | bool) -> Any:  # noqa: ANN401, FBT001 - a value, and a union of many dataclasses
    if isinstance(value, bool):
        return AttributeValueBOOL(value)
    return AttributeValueN(str(value)) if isinstance(value, int) else AttributeValueS(value)


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[AwsClient]:
    """Open a client. Its pool has no setting, and it reads the CA bundle from SSL_CERT_FILE."""
    config = await AsyncDynamoDBConfig.resolve(region=endpoint.region, endpoint_uri=endpoint.url)
    async with AsyncDynamoDBClient(config=config) as client:
        yield AwsClient(client)
