"""Compares the live tables with the schema."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from botocore.exceptions import ClientError

from wikibot_store._wire import UNKNOWN_OPERATION, client_errors
from wikibot_store.config import StoreConfig
from wikibot_store.schema import PROJECT_TAG, TABLES, TableSchema, create_table_request, optional_indexes

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

KEYS = "keys"
BILLING = "billing"
INDEX = "index "
RECOVERY = "point-in-time recovery"
TTL = "TTL"
TAG = "tag "
PROTECTION = "deletion protection"

NONE = "none"
MISSING = "MISSING"
ON_OFF = {True: "on", False: "off"}


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a table differs from the schema."""

    table: str
    setting: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.table}: {self.setting} is {self.found}, not {self.expected}"


class _Tables(Protocol):
    """A store, or the wire of a store that is being opened."""

    async def client(self) -> "DynamoDBClient":
        """Return the aiobotocore client."""

    @property
    def config(self) -> StoreConfig:
        """The settings, which name the tables."""


async def verify_tables(
    store: _Tables, *, environment: str | None = None, deletion_protection: bool | None = None
) -> list[Drift]:
    """Return every difference between the live tables and the schema; an empty list if there is none.

    This compares status, keys, attribute types, indexes with their projections, billing, point-in-time recovery, TTL
    and tags. It compares the tag `environment` and the deletion protection only if their arguments are given. It skips
    settings that the engine does not support (DynamoDB Local: point-in-time recovery, tags).

    Requests, per table: DescribeTable, DescribeContinuousBackups, DescribeTimeToLive, ListTagsOfResource.

    Raises:
        RequestFailedError: DynamoDB refused a request.
        UnavailableError: There was no usable answer.

    """
    drift: list[Drift] = []
    client = await store.client()
    with client_errors():
        for schema in TABLES:
            name = store.config.table_name(schema.name)
            expected = expected_settings(
                schema, store.config, environment=environment, deletion_protection=deletion_protection
            )
            drift += differences(name, expected, await live_settings(client, name))
    return drift


def differences(table: str, expected: Mapping[str, str], found: Mapping[str, str]) -> list[Drift]:
    """Return the settings of a table that differ, in the order of `expected`, then the indexes that it does not have.

    A setting that `found` lacks is one that the engine does not support: it is skipped. An index that only one side has
    is a difference.
    """
    if found["status"] != MISSING:
        expected = {**expected, **{name: NONE for name in found if name.startswith(INDEX) and name not in expected}}
        found = {name: NONE for name in expected if name.startswith(INDEX)} | {**found}
    return [
        Drift(table=table, setting=setting, expected=expected[setting], found=found[setting])
        for setting in expected
        if setting in found and expected[setting] != found[setting]
    ]


def expected_settings(
    schema: TableSchema, config: StoreConfig, *, environment: str | None = None, deletion_protection: bool | None = None
) -> dict[str, str]:
    """Return the settings that the schema requires of a table."""
    request = create_table_request(schema, config.table_name(schema.name), optional=optional_indexes(config))
    expected = _structure(request, request["BillingMode"]) | {
        "status": "ACTIVE",
        RECOVERY: "ENABLED",
        TTL: schema.ttl_attribute or NONE,
        f"{TAG}project": PROJECT_TAG,
    }
    if environment is not None:
        expected[f"{TAG}environment"] = environment
    if deletion_protection is not None:
        expected[PROTECTION] = ON_OFF[deletion_protection]
    return expected


async def live_settings(client: "DynamoDBClient", name: str) -> dict[str, str]:
    """Return the settings of a table in DynamoDB, without those that the engine does not support."""
    try:
        table: Any = (await client.describe_table(TableName=name))["Table"]
    except client.exceptions.ResourceNotFoundException:
        return {"status": MISSING}
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    found = _structure(table, billing) | {
        "status": table["TableStatus"],
        PROTECTION: ON_OFF[table.get("DeletionProtectionEnabled", False)],
    }
    ttl = (await client.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
    found[TTL] = ttl.get("AttributeName", NONE) if ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else NONE
    try:
        backups = (await client.describe_continuous_backups(TableName=name))["ContinuousBackupsDescription"]
        found[RECOVERY] = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table["TableArn"])
        tags = {tag["Key"]: tag["Value"] async for page in pages for tag in page["Tags"]}
        found |= {f"{TAG}{key}": tags.get(key, NONE) for key in ("project", "environment")}
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNKNOWN_OPERATION:
            raise
    return found


def _structure(table: Mapping[str, Any], billing: str) -> dict[str, str]:
    """Return the settings that a CreateTable request and a DescribeTable answer write alike: keys, billing, indexes."""
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    indexes = {
        f"{INDEX}{index['IndexName']}": f"{_key(index, types)}, {index['Projection']['ProjectionType']}"
        for index in table.get("GlobalSecondaryIndexes", ())
    }
    return {KEYS: _key(table, types), BILLING: billing, **indexes}


def _key(table: Mapping[str, Any], types: Mapping[str, str]) -> str:
    names: Iterable[str] = (key["AttributeName"] for key in table["KeySchema"])
    return " + ".join(f"{name} ({types[name]})" for name in names)
