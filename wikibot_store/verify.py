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

_NONE = "none"
_MISSING = "MISSING"
_INDEX = "index "
_ON_OFF = {True: "on", False: "off"}


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
            expected = _expected(schema, store.config, environment=environment, deletion_protection=deletion_protection)
            found = await _found(client, name)
            if found["status"] != _MISSING:
                # An index that only one side has is a difference. Another missing setting is one that the engine lacks.
                expected = {setting: _NONE for setting in found if setting.startswith(_INDEX)} | expected
                found = {setting: _NONE for setting in expected if setting.startswith(_INDEX)} | found
            drift += [
                Drift(table=name, setting=setting, expected=expected[setting], found=found[setting])
                for setting in expected
                if setting in found and expected[setting] != found[setting]
            ]
    return drift


def _expected(
    schema: TableSchema, config: StoreConfig, *, environment: str | None, deletion_protection: bool | None
) -> dict[str, str]:
    """Return the settings that the schema requires."""
    request = create_table_request(schema, config.table_name(schema.name), optional=optional_indexes(config))
    expected = _structure(request, request["BillingMode"]) | {
        "status": "ACTIVE",
        "point-in-time recovery": "ENABLED",
        "TTL": schema.ttl_attribute or _NONE,
        "tag project": PROJECT_TAG,
    }
    if environment is not None:
        expected["tag environment"] = environment
    if deletion_protection is not None:
        expected["deletion protection"] = _ON_OFF[deletion_protection]
    return expected


async def _found(client: "DynamoDBClient", name: str) -> dict[str, str]:
    """Return the live settings, without those that the engine does not support."""
    try:
        table: Any = (await client.describe_table(TableName=name))["Table"]
    except client.exceptions.ResourceNotFoundException:
        return {"status": _MISSING}
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    found = _structure(table, billing) | {
        "status": table["TableStatus"],
        "deletion protection": _ON_OFF[table.get("DeletionProtectionEnabled", False)],
    }
    ttl = (await client.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
    found["TTL"] = ttl.get("AttributeName", _NONE) if ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else _NONE
    try:
        backups = (await client.describe_continuous_backups(TableName=name))["ContinuousBackupsDescription"]
        found["point-in-time recovery"] = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table["TableArn"])
        tags = {tag["Key"]: tag["Value"] async for page in pages for tag in page["Tags"]}
        found |= {f"tag {key}": tags.get(key, _NONE) for key in ("project", "environment")}
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNKNOWN_OPERATION:
            raise
    return found


def keys_of(table: Mapping[str, Any]) -> str:
    """Return the names and types of the primary key in a CreateTable request or a DescribeTable answer."""
    return _structure(table, "")["keys"]


def _structure(table: Mapping[str, Any], billing: str) -> dict[str, str]:
    """Return the settings that a CreateTable request and a DescribeTable answer write alike: keys, billing, indexes."""
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    indexes = {
        f"{_INDEX}{index['IndexName']}": f"{_key(index, types)}, {index['Projection']['ProjectionType']}"
        for index in table.get("GlobalSecondaryIndexes", ())
    }
    return {"keys": _key(table, types), "billing": billing, **indexes}


def _key(table: Mapping[str, Any], types: Mapping[str, str]) -> str:
    names: Iterable[str] = (key["AttributeName"] for key in table["KeySchema"])
    return " + ".join(f"{name} ({types[name]})" for name in names)
