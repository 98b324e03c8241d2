"""Creates and deletes the tables on any endpoint. Creating them again is harmless."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from wikibot_store._wire import UNKNOWN_OPERATION, client_errors
from wikibot_store.errors import ConfigurationError, UnavailableError
from wikibot_store.schema import TABLES, TableSchema, create_table_request, optional_indexes
from wikibot_store.store import WikibotStore
from wikibot_store.verify import (
    BILLING,
    INDEX,
    KEYS,
    NONE,
    PROTECTION,
    RECOVERY,
    TAG,
    TTL,
    Drift,
    differences,
    expected_settings,
    live_settings,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_POLL_SECONDS = 0.5
_UNSET = {RECOVERY: "DISABLED", TTL: NONE, f"{TAG}project": NONE, f"{TAG}environment": NONE, PROTECTION: "off"}
"""The settings of a table that CreateTable has just made."""


class ProvisionedTable(msgspec.Struct, frozen=True, kw_only=True):
    """What `create_tables` did with one table.

    `changes` are the differences from the schema that it removed from an existing table, and `left` those that it left:
    an index that differs from the schema or is not in it, and TTL if DynamoDB refuses to change it now. `unsupported`
    names the settings that the engine does not support.
    """

    name: str
    created: bool
    changes: tuple[Drift, ...] = ()
    left: tuple[Drift, ...] = ()
    unsupported: tuple[str, ...] = ()


async def create_tables(
    store: WikibotStore, *, environment: str | None = None, deletion_protection: bool = False, patience: float = 300
) -> list[ProvisionedTable]:
    """Create the tables that are missing, bring all of them to the schema, and wait until they are ACTIVE.

    Each table gets on-demand billing, point-in-time recovery, tags, its indexes, and TTL if the schema has it. In an
    existing table only what differs is changed, and the items stay.

    `environment` is the value of the tag `environment`. Without it, a table that this call creates is tagged `dev`, and
    an existing table keeps the tag that it has, or none. With `deletion_protection` all tables are protected; without,
    existing protection stays on. `patience` is the longest time in seconds to wait for one table.

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
    store: WikibotStore, schema: TableSchema, environment: str | None, *, deletion_protection: bool
) -> ProvisionedTable:
    client, name = await store.client(), store.config.table_name(schema.name)
    request = create_table_request(schema, name, optional=optional_indexes(store.config))
    created = True
    try:
        await client.create_table(**request)
    except client.exceptions.ResourceInUseException:
        created = False
    table = await _wait_until_active(client, name)
    if created and environment is None:
        environment = "dev"
    # Never switched off here: a forgotten argument must not remove the protection of a table.
    protection = True if deletion_protection else None
    expected = expected_settings(schema, store.config, environment=environment, deletion_protection=protection)
    found = expected | _UNSET if created else _UNSET | await live_settings(client, name)
    _check_keys(name, expected, found)
    changes: list[Drift] = []
    left: list[Drift] = []
    unsupported: list[str] = []
    for step in _steps(differences(name, expected, found)):
        try:
            (changes if await _repair(client, table["TableArn"], request, step) else left).extend(step)
        except ClientError as error:
            if error.response["Error"]["Code"] not in UNKNOWN_OPERATION:
                raise
            unsupported.append("tags" if step[0].setting.startswith(TAG) else step[0].setting)
    return ProvisionedTable(
        name=name,
        created=created,
        changes=() if created else tuple(changes),
        left=tuple(left),
        unsupported=tuple(unsupported),
    )


def _check_keys(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Reject a table that exists with other keys, because the keys of a table cannot be changed."""
    if found[KEYS] != expected[KEYS]:
        raise ConfigurationError(
            f"table {name!r} exists with the keys {found[KEYS]} instead of {expected[KEYS]}: "
            "configure another table name, or delete the table"
        )


def _steps(drift: Sequence[Drift]) -> Iterator[list[Drift]]:
    """Yield the differences that one request removes: those of all tags together, and of any other setting by itself.

    If TTL is on for another attribute, that takes two requests, because DynamoDB changes the attribute only while TTL
    is off.
    """
    for difference in drift:
        if difference.setting == TTL and NONE not in (difference.expected, difference.found):
            yield [msgspec.structs.replace(difference, expected=NONE)]
            yield [msgspec.structs.replace(difference, found=NONE)]
        elif not difference.setting.startswith(TAG):
            yield [difference]
    if tags := [difference for difference in drift if difference.setting.startswith(TAG)]:
        yield tags


async def _repair(client: "DynamoDBClient", arn: str, request: dict[str, Any], step: list[Drift]) -> bool:
    """Remove the differences; return False if they are left."""
    difference = step[0]
    name = difference.table
    if difference.setting == TTL:
        return await _set_ttl(client, difference)
    if difference.setting == RECOVERY:
        await _back_up(client, name)
    elif difference.setting.startswith(TAG):
        tags: list[Any] = [{"Key": each.setting.removeprefix(TAG), "Value": each.expected} for each in step]
        await client.tag_resource(ResourceArn=arn, Tags=tags)
    elif (update := _table_update(difference, request)) is not None:
        await client.update_table(TableName=name, **update)
        await _wait_until_active(client, name)
    else:
        return False
    return True


def _table_update(difference: Drift, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what UpdateTable needs to remove a difference; None if it cannot, because an index would be deleted."""
    if difference.setting == BILLING:
        return {"BillingMode": difference.expected}
    if difference.setting == PROTECTION:
        return {"DeletionProtectionEnabled": True}
    if difference.found != NONE:
        return None
    (index,) = [
        index for index in request["GlobalSecondaryIndexes"] if f"{INDEX}{index['IndexName']}" == difference.setting
    ]
    return {
        "AttributeDefinitions": request["AttributeDefinitions"],
        "GlobalSecondaryIndexUpdates": [{"Create": index}],
    }


async def _set_ttl(client: "DynamoDBClient", difference: Drift) -> bool:
    """Switch TTL on or off; return False if DynamoDB refuses, because it accepts one change of TTL per hour."""
    on = difference.expected != NONE
    attribute = difference.expected if on else difference.found
    try:
        await client.update_time_to_live(
            TableName=difference.table, TimeToLiveSpecification={"Enabled": on, "AttributeName": attribute}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return False
    return True


async def _back_up(client: "DynamoDBClient", name: str) -> None:
    """Switch point-in-time recovery on, which DynamoDB refuses while a table is too new."""
    while True:
        try:
            await client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
        except client.exceptions.ContinuousBackupsUnavailableException:
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


async def _wait_until_active(client: "DynamoDBClient", name: str) -> Any:  # noqa: ANN401 - a TypedDict
    """Wait until the table and its indexes are ACTIVE; return the table's description."""
    while True:
        table = (await client.describe_table(TableName=name))["Table"]
        indexes = table.get("GlobalSecondaryIndexes", ())
        if {table["TableStatus"], *(index["IndexStatus"] for index in indexes)} == {"ACTIVE"}:
            return table
        await asyncio.sleep(_POLL_SECONDS)
