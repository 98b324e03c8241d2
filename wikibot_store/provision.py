"""Creates and deletes the tables on any endpoint. Creating them again is harmless."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from wikibot_store._wire import UNKNOWN_OPERATION, client_errors
from wikibot_store.errors import ConfigurationError, UnavailableError
from wikibot_store.schema import TABLES, TableSchema, create_table_request, optional_indexes, tags
from wikibot_store.store import WikibotStore
from wikibot_store.verify import keys_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_POLL_SECONDS = 0.5


class ProvisionedTable(msgspec.Struct, frozen=True, kw_only=True):
    """What `create_tables` did with one table. `unsupported` names the settings that the engine does not support."""

    name: str
    created: bool
    unsupported: tuple[str, ...] = ()


async def create_tables(
    store: WikibotStore, *, environment: str = "dev", deletion_protection: bool = False, patience: float = 300
) -> list[ProvisionedTable]:
    """Create the tables that are missing, bring all of them to the schema, and wait until they are ACTIVE.

    Each table gets on-demand billing, point-in-time recovery, tags, its indexes, and TTL if the schema has it. With
    `deletion_protection` it is protected; without, existing protection stays on. Existing tables keep their items.
    `patience` is the longest time in seconds to wait for one table.

    Raises:
        ConfigurationError: A table of this name exists with other keys.
        RequestFailedError: DynamoDB refused a request.
        UnavailableError: There was no usable answer, or a table did not become ACTIVE within `patience`.

    """
    provisioned = []
    with client_errors():
        for schema in TABLES:
            try:
                async with asyncio.timeout(patience):
                    table = await _create_table(store, schema, environment, deletion_protection=deletion_protection)
            except TimeoutError as error:
                name = store.config.table_name(schema.name)
                raise UnavailableError("CreateTable", 1, f"table {name!r} is not ACTIVE after {patience} s") from error
            provisioned.append(table)
    return provisioned


async def delete_tables(store: WikibotStore) -> None:
    """Delete the tables with all their items; skip a table that does not exist.

    Raises:
        RequestFailedError: DynamoDB refused a request, such as for a table with deletion protection.
        UnavailableError: There was no usable answer.

    """
    client = await store.client()
    with client_errors():
        for schema in TABLES:
            try:
                await client.delete_table(TableName=store.config.table_name(schema.name))
            except client.exceptions.ResourceNotFoundException:
                continue


async def _create_table(
    store: WikibotStore, schema: TableSchema, environment: str, *, deletion_protection: bool
) -> ProvisionedTable:
    client, name = await store.client(), store.config.table_name(schema.name)
    request = create_table_request(schema, name, optional=optional_indexes(store.config))
    created = True
    try:
        await client.create_table(**request)
    except client.exceptions.ResourceInUseException:
        created = False
    table = await _wait_until_active(client, name)
    _check_keys(table, request)
    for index in request.get("GlobalSecondaryIndexes", ()):
        if index["IndexName"] not in {there["IndexName"] for there in table.get("GlobalSecondaryIndexes", ())}:
            await client.update_table(
                TableName=name,
                AttributeDefinitions=request["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            table = await _wait_until_active(client, name)
    unsupported = await _set_up(client, schema, table, environment, deletion_protection=deletion_protection)
    await _wait_until_active(client, name)
    return ProvisionedTable(name=name, created=created, unsupported=unsupported)


async def _set_up(
    client: "DynamoDBClient", schema: TableSchema, table: dict[str, Any], environment: str, *, deletion_protection: bool
) -> tuple[str, ...]:
    """Set what CreateTable does not set; return the settings that the engine does not support."""
    name, arn = table["TableName"], table["TableArn"]

    async def back_up() -> None:
        await client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )

    async def tag() -> None:
        wanted: list[Any] = [{"Key": key, "Value": value} for key, value in tags(environment).items()]
        await client.tag_resource(ResourceArn=arn, Tags=wanted)

    async def expire() -> None:
        state = (await client.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
        if schema.ttl_attribute is not None and state.get("AttributeName") != schema.ttl_attribute:
            await client.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": schema.ttl_attribute},
            )

    async def protect() -> None:
        # Never switched off here: a forgotten argument must not remove the protection of a table.
        if deletion_protection and not table.get("DeletionProtectionEnabled", False):
            await client.update_table(TableName=name, DeletionProtectionEnabled=True)

    steps = {"point-in-time recovery": back_up, "tags": tag, "TTL": expire, "deletion protection": protect}
    return tuple([setting for setting, step in steps.items() if not await _supported(step)])


async def _supported(step: Callable[[], Awaitable[None]]) -> bool:
    """Run a step; return False if the engine does not support its operation."""
    while True:
        try:
            await step()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in UNKNOWN_OPERATION:
                return False
            if code != "ContinuousBackupsUnavailableException":  # raised for a new table: try again
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return True


async def _wait_until_active(client: "DynamoDBClient", name: str) -> Any:  # noqa: ANN401 - a TypedDict
    """Wait until the table and its indexes are ACTIVE; return the table's description."""
    while True:
        table = (await client.describe_table(TableName=name))["Table"]
        indexes = table.get("GlobalSecondaryIndexes", ())
        if {table["TableStatus"], *(index["IndexStatus"] for index in indexes)} == {"ACTIVE"}:
            return table
        await asyncio.sleep(_POLL_SECONDS)


def _check_keys(table: Any, request: dict[str, Any]) -> None:  # noqa: ANN401 - a TypedDict
    """Reject a table that exists with other keys, because the keys of a table cannot be changed."""
    if keys_of(table) != keys_of(request):
        raise ConfigurationError(
            f"table {table['TableName']!r} exists with the keys {keys_of(table)} instead of {keys_of(request)}: "
            "configure another table name, or delete the table"
        )
