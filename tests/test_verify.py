"""Every kind of drift between the tables and the schema is found, each made on moto."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tests.engines import patient
from wikibot_store import ConfigurationError, RequestFailedError, StoreConfig, UnavailableError, WikibotStore
from wikibot_store.local import local_session, local_store
from wikibot_store.schema import ACLS, USERS, WIKIS, TableSchema, create_table_request
from wikibot_store.verify import verify_tables

Sabotage = Callable[[WikibotStore], Awaitable[Any]]


@pytest.fixture
async def store() -> AsyncIterator[WikibotStore]:
    """A store whose tables are as they should be."""
    async with local_store(patient()) as store:
        yield store


def remake(schema: TableSchema, change: Callable[[dict[str, Any]], None]) -> Sabotage:
    """Make a table anew from a request that was tampered with, with the settings that it had."""

    async def sabotage(store: WikibotStore) -> None:
        request = create_table_request(schema, schema.name)
        change(request)
        tags: list[Any] = [{"Key": "project", "Value": "wikibot-io"}, {"Key": "environment", "Value": "local"}]
        await (await store.client()).delete_table(TableName=schema.name)
        await (await store.client()).create_table(**request, Tags=tags)
        await (await store.client()).update_continuous_backups(
            TableName=schema.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )

    return sabotage


def with_sort_key(request: dict[str, Any]) -> None:
    """Give the users table a sort key."""
    request["KeySchema"].append({"AttributeName": "oauth_provider", "KeyType": "RANGE"})


def with_numbers(request: dict[str, Any]) -> None:
    """Make the owner ids numbers."""
    request["AttributeDefinitions"][0]["AttributeType"] = "N"


def without_index(request: dict[str, Any]) -> None:
    """Leave the index out."""
    del request["GlobalSecondaryIndexes"]
    request["AttributeDefinitions"] = request["AttributeDefinitions"][:1]


def with_keys_only(request: dict[str, Any]) -> None:
    """Let the index hold only keys."""
    request["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}


def with_foreign_index(request: dict[str, Any]) -> None:
    """Add an index that nobody knows."""
    request["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "by-slug",
            "KeySchema": [{"AttributeName": "wiki_slug", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]


def with_provisioned_capacity(request: dict[str, Any]) -> None:
    """Bill by provisioned capacity."""
    request["BillingMode"] = "PROVISIONED"
    request["ProvisionedThroughput"] = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}


async def drop(store: WikibotStore) -> None:
    """Delete a table."""
    await (await store.client()).delete_table(TableName="wikis")


async def stop_backups(store: WikibotStore) -> None:
    """Switch point-in-time recovery off."""
    await (await store.client()).update_continuous_backups(
        TableName="wikis", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )


async def stop_expiry(store: WikibotStore) -> None:
    """Switch TTL off."""
    await (await store.client()).update_time_to_live(
        TableName="acls", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
    )


async def expire_users(store: WikibotStore) -> None:
    """Let DynamoDB delete users."""
    await (await store.client()).update_time_to_live(
        TableName="users", TimeToLiveSpecification={"Enabled": True, "AttributeName": "last_login_at"}
    )


async def protect(store: WikibotStore) -> None:
    """Switch deletion protection on."""
    await (await store.client()).update_table(TableName="users", DeletionProtectionEnabled=True)


def tag(key: str, value: str) -> Sabotage:
    """Change a tag of the wikis table."""

    async def sabotage(store: WikibotStore) -> None:
        table = (await (await store.client()).describe_table(TableName="wikis"))["Table"]
        await (await store.client()).tag_resource(ResourceArn=table["TableArn"], Tags=[{"Key": key, "Value": value}])

    return sabotage


async def untag(store: WikibotStore) -> None:
    """Remove a tag of the wikis table."""
    table = (await (await store.client()).describe_table(TableName="wikis"))["Table"]
    await (await store.client()).untag_resource(ResourceArn=table["TableArn"], TagKeys=["project"])


async def test_fresh_tables_do_not_differ(store: WikibotStore) -> None:
    """What create_tables makes is what the schema says."""
    assert await verify_tables(store, environment="local", deletion_protection=False) == []


@pytest.mark.parametrize(
    ("sabotage", "difference"),
    [
        (drop, "wikis: status is MISSING, not ACTIVE"),
        (remake(USERS, with_sort_key), "users: keys is id (S) + oauth_provider (S), not id (S)"),
        (remake(WIKIS, with_numbers), "wikis: keys is owner_id (N) + wiki_slug (S), not owner_id (S) + wiki_slug (S)"),
        (
            remake(USERS, without_index),
            "users: index by-oauth is none, not oauth_provider (S) + oauth_provider_sub (S), ALL",
        ),
        (
            remake(USERS, with_keys_only),
            (
                "users: index by-oauth is oauth_provider (S) + oauth_provider_sub (S), KEYS_ONLY, "
                "not oauth_provider (S) + oauth_provider_sub (S), ALL"
            ),
        ),
        (remake(WIKIS, with_foreign_index), "wikis: index by-slug is wiki_slug (S), ALL, not none"),
        (remake(WIKIS, with_provisioned_capacity), "wikis: billing is PROVISIONED, not PAY_PER_REQUEST"),
        (stop_backups, "wikis: point-in-time recovery is DISABLED, not ENABLED"),
        (stop_expiry, "acls: TTL is none, not expires_at"),
        (expire_users, "users: TTL is last_login_at, not none"),
        (protect, "users: deletion protection is on, not off"),
        (tag("environment", "prod"), "wikis: tag environment is prod, not local"),
        (untag, "wikis: tag project is none, not wikibot-io"),
    ],
)
async def test_finds_drift(store: WikibotStore, sabotage: Sabotage, difference: str) -> None:
    """Exactly the setting that was tampered with is reported."""
    await sabotage(store)

    drift = await verify_tables(store, environment="local", deletion_protection=False)

    assert [str(difference) for difference in drift] == [difference]


async def test_environment_and_protection_are_compared_on_demand_only(store: WikibotStore) -> None:
    """Without being told, verify_tables takes any environment and any deletion protection."""
    await protect(store)

    assert await verify_tables(store) == []


async def test_configured_index_must_be_there(store: WikibotStore) -> None:
    """A store that counts on the opt-in index notices that the table lacks it."""
    config = replace(store.config, grantee_index=True)

    with pytest.raises(ConfigurationError, match="acls: index by-grantee is none, not grantee_id"):
        async with WikibotStore.open(config, session=local_session(), verify=True):
            pytest.fail("the store must not open")


async def test_open_verifies(store: WikibotStore) -> None:
    """A store on tables that are right opens with verify=True."""
    async with WikibotStore.open(store.config, session=local_session(), verify=True) as verified:
        assert await verified.users.get("nobody") is None


async def test_missing_tables_are_one_line_each(store: WikibotStore) -> None:
    """Of a table that is not there nothing else is reported."""
    await (await store.client()).delete_table(TableName=ACLS.name)

    assert [drift.setting for drift in await verify_tables(store)] == ["status"]


async def refuse_backups(store: WikibotStore, code: str) -> None:
    """Let the engine answer DescribeContinuousBackups with this error."""

    def refuse(**_: object) -> Any:  # noqa: ANN401 - what botocore's event takes as an answer
        body = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 400},
        }
        return AWSResponse("", 400, HTTPHeaders(), None), body

    events: Any = (await store.client()).meta.events
    events.register("before-call.dynamodb.DescribeContinuousBackups", refuse)


async def test_what_the_engine_lacks_is_passed_over(store: WikibotStore) -> None:
    """An engine without backups and tags, such as DynamoDB Local, does not differ for that."""
    await refuse_backups(store, "UnknownOperationException")

    assert await verify_tables(store, environment="elsewhere") == []


async def test_refusals_are_not_drift(store: WikibotStore) -> None:
    """An error of the engine other than an operation that it lacks is raised."""
    await refuse_backups(store, "AccessDeniedException")

    with pytest.raises(RequestFailedError, match="AccessDeniedException"):
        await verify_tables(store)


async def test_no_answer_is_unavailable() -> None:
    """A dead endpoint is one clear error."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:9", region="us-east-1", max_attempts=1)

    with pytest.raises(UnavailableError):
        async with WikibotStore.open(config, session=local_session(), verify=True):
            pytest.fail("the store must not open")
