"""The same kinds of writes with the client of aiobotocore and its retries."""

from typing import TYPE_CHECKING

from tests.access_patterns import AccessPattern
from tests.integration.samples import an_item
from tests.world import a_wiki

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def _put_item(client: "DynamoDBClient") -> None:
    await client.put_item(
        TableName="wikis",
        Item={**a_wiki("new"), "write_id": {"S": "theirs"}},
        ConditionExpression="attribute_not_exists(owner_id)",
    )


async def _update_item(client: "DynamoDBClient") -> None:
    await client.update_item(
        TableName="wikis",
        Key=an_item(owner_id="ada", wiki_slug="notes"),
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
                    "Item": a_wiki("new"),
                    "ConditionExpression": "attribute_not_exists(owner_id)",
                }
            },
            {
                "Update": {
                    "TableName": "users",
                    "Key": an_item(id="ada"),
                    "UpdateExpression": "ADD wiki_count :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
        ]
    )


CLIENTS = [
    AccessPattern("put_item", _put_item, ["PutItem"]),
    AccessPattern("update_item", _update_item, ["UpdateItem"]),
    AccessPattern("transact_write_items", _transact_write_items, ["TransactWriteItems (Put, Update)"]),
]
