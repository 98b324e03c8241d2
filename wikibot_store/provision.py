"""Makes the tables on any endpoint: once, and again without harm."""

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
    """What `create_tables` did to one table; `unsupported` names the settings that the engine does not know."""

    name: str
    created: bool
    unsupported: tuple[str, ...] = ()


async def create_tables(
    store: WikibotStore, *, environment: str = "dev", deletion_protection: bool = False, patience: float = 300
) -> list[ProvisionedTable]:
    """Create the tables that are missing, set them all up, and wait until they are ACTIVE.

    Each gets on-demand billing, point-in-time recovery, tags, its indexes, TTL where the schema has it, and deletion
    protection if asked for. Existing tables keep their items. `patience` is in seconds, per table.

    Raises:
        ConfigurationError: A table of that name has other keys.
        RequestFailedError: DynamoDB refused a request.
        UnavailableError: There was no answer, or a table did not become ACTIVE in time.

    """
    provisioned = []
    with client_errors():
        for schema in TABLES:
            try:
                async with asyncio.timeout(patience):
                    table = await _create_table(store, schema, environment, deletion_protection=deletion_protection)
            except TimeoutError as error:
                name = store.config.table_name(schema.name)
                raise UnavailableError("CreateTable", 1, f"table {name!r} is not ready after {patience} s") from error
            provisioned.append(table)
    return provisioned


async def delete_tables(store: WikibotStore) -> None:
    """Delete the tables with all that is in them; one that does not exist is passed over.

    Raises:
        RequestFailedError: DynamoDB refused, such as for a table with deletion protection.

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
    """Bring the settings that are not part of the keys into their state; return those that the engine lacks."""
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
        # Only ever switched on: forgetting the flag must not bare a table that holds people's work.
        if deletion_protection and not table.get("DeletionProtectionEnabled", False):
            await client.update_table(TableName=name, DeletionProtectionEnabled=True)

    steps = {"point-in-time recovery": back_up, "tags": tag, "TTL": expire, "deletion protection": protect}
    return tuple([setting for setting, step in steps.items() if not await _supported(step)])


async def _supported(step: Callable[[], Awaitable[None]]) -> bool:
    """Run a step; False if the engine does not have its operation."""
    while True:
        try:
            await step()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in UNKNOWN_OPERATION:
                return False
            if code != "ContinuousBackupsUnavailableException":  # the table is too new
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return True


async def _wait_until_active(client: "DynamoDBClient", name: str) -> Any:  # noqa: ANN401 - a TypedDict
    """Return the table's description as soon as it and its indexes are ACTIVE."""
    while True:
        table = (await client.describe_table(TableName=name))["Table"]
        indexes = table.get("GlobalSecondaryIndexes", ())
        if {table["TableStatus"], *(index["IndexStatus"] for index in indexes)} == {"ACTIVE"}:
            return table
        await asyncio.sleep(_POLL_SECONDS)


def _check_keys(table: Any, request: dict[str, Any]) -> None:  # noqa: ANN401 - a TypedDict
    """Refuse a table that was made with other keys: they cannot be changed afterwards."""
    if keys_of(table) != keys_of(request):
        raise ConfigurationError(
            f"table {table['TableName']!r} exists with the keys {keys_of(table)} instead of {keys_of(request)}: "
            "configure another name, or delete it"
        )
