"""Tables are created once, set up, updated, and rejected if their keys differ."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import repeat
from typing import Any

import aioboto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tests.engines import Engine
from tests.integration.samples import a_user, a_user_item, an_acl_item, eventually, fresh, put
from wikibot_store import ConfigurationError, RequestFailedError, UnavailableError, WikibotStore, WikiKey, provision
from wikibot_store.provision import create_tables, delete_tables
from wikibot_store.schema import GRANTEE_INDEX, OAUTH_INDEX, TABLES, USERS, WIKIS, create_table_request
from wikibot_store.verify import verify_tables

UNSUPPORTED = {"moto": (), "dynamodb-local": ("point-in-time recovery", "tags"), "aws": ()}
"""The settings that an engine does not know; an endpoint may be of any kind."""


def _names(store: WikibotStore) -> list[str]:
    return [store.config.table_name(schema.name) for schema in TABLES]


async def _describe(store: WikibotStore, name: str) -> Any:  # noqa: ANN401 - a TypedDict
    return (await (await store.client()).describe_table(TableName=name))["Table"]


@asynccontextmanager
async def _answering(store: WikibotStore, operation: str, answers: Iterator[dict[str, Any]]) -> AsyncIterator[None]:
    """Replace the client's answers of an operation; after these, the engine answers."""

    def handle(**_: object) -> Any:  # noqa: ANN401 - what botocore wants in place of a response, or None
        body = next(answers, None)
        return body and (AWSResponse("", 400 if "Error" in body else 200, HTTPHeaders(), None), body)

    event, events = f"before-call.dynamodb.{operation}", (await store.client()).meta.events
    events.register(event, handle)
    try:
        yield
    finally:
        events.unregister(event, handle)


def _refusal(code: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": "refused"}, "ResponseMetadata": {"RequestId": "4711"}}


async def test_tables_are_made_once(bare_store: WikibotStore, engine: Engine) -> None:
    """The first call creates the tables; the second one finds them and keeps their items."""
    first = await create_tables(bare_store)
    user = await a_user(bare_store)
    second = await create_tables(bare_store)

    assert [table.name for table in first] == [table.name for table in second] == _names(bare_store)
    assert [table.created for table in first] == [True] * len(TABLES)
    assert [table.created for table in second] == [False] * len(TABLES)
    unsupported = UNSUPPORTED.get(engine.name, first[0].unsupported)
    assert {table.unsupported for table in [*first, *second]} == {unsupported}
    assert await bare_store.users.get(user.id, consistent=True) == user


@pytest.mark.parametrize("grantee_index", [False, True])
async def test_tables_are_as_the_schema_says(
    bare_store: WikibotStore, session: aioboto3.Session, *, grantee_index: bool
) -> None:
    """The tables have the keys, indexes and billing of the schema, opt-in indexes if switched on, and are ACTIVE."""
    async with WikibotStore.open(replace(bare_store.config, grantee_index=grantee_index), session=session) as store:
        await create_tables(store)

    for schema, name in zip(TABLES, _names(bare_store), strict=True):
        wanted = create_table_request(schema, name, optional={GRANTEE_INDEX} if grantee_index else ())
        table = await _describe(bare_store, name)
        assert table["TableStatus"] == "ACTIVE"
        assert table["KeySchema"] == wanted["KeySchema"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        found = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", ())}
        assert found.keys() == {index["IndexName"] for index in wanted.get("GlobalSecondaryIndexes", ())}
        for index in wanted.get("GlobalSecondaryIndexes", ()):
            assert found[index["IndexName"]]["KeySchema"] == index["KeySchema"]
            assert found[index["IndexName"]]["Projection"] == {"ProjectionType": "ALL"}
            assert found[index["IndexName"]]["IndexStatus"] == "ACTIVE"


async def _has_backups(store: WikibotStore, name: str) -> bool:
    reply = await (await store.client()).describe_continuous_backups(TableName=name)
    recovery = reply["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    return recovery["PointInTimeRecoveryStatus"] == "ENABLED"


async def _has_tags(store: WikibotStore, name: str) -> bool:
    arn = (await _describe(store, name))["TableArn"]
    tags = (await (await store.client()).list_tags_of_resource(ResourceArn=arn))["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags} == {"project": "wikibot-io", "environment": "staging"}


async def _has_ttl(store: WikibotStore, name: str) -> bool:
    reply = await (await store.client()).describe_time_to_live(TableName=name)
    (schema,) = [schema for schema in TABLES if store.config.table_name(schema.name) == name]
    return reply["TimeToLiveDescription"].get("AttributeName") == schema.ttl_attribute


async def _is_protected(store: WikibotStore, name: str) -> bool:
    return (await _describe(store, name)).get("DeletionProtectionEnabled", False) is True


SETTINGS: dict[str, Callable[[WikibotStore, str], Awaitable[bool]]] = {
    "point-in-time recovery": _has_backups,
    "tags": _has_tags,
    "TTL": _has_ttl,
    "deletion protection": _is_protected,
}


@pytest.mark.parametrize("existed", [False, True], ids=["new tables", "existing tables"])
async def test_settings_are_really_there(bare_store: WikibotStore, *, existed: bool) -> None:
    """Every supported setting is in force on every table, also on tables that existed before."""
    if existed:
        for schema, name in zip(TABLES, _names(bare_store), strict=True):
            await (await bare_store.client()).create_table(**create_table_request(schema, name))
            await (await bare_store.client()).get_waiter("table_exists").wait(TableName=name)

    tables = await create_tables(bare_store, environment="staging", deletion_protection=True)

    for table in tables:
        assert set(table.unsupported) < set(SETTINGS)
        for setting, in_force in SETTINGS.items():
            assert setting in table.unsupported or await in_force(bare_store, table.name), (table.name, setting)


async def test_environment_stays_unless_it_is_given(bare_store: WikibotStore) -> None:
    """New tables are tagged dev; later calls change the tag only if they name an environment."""
    first = await create_tables(bare_store)
    if "tags" in first[0].unsupported:
        pytest.skip("the engine has no tags")
    seen = [await _environment(bare_store)]
    changed = []
    for environment in (None, "prod", None, "prod"):
        tables = await create_tables(bare_store, environment=environment)
        seen.append(await _environment(bare_store))
        changed.append([str(change) for table in tables for change in table.changes])

    assert seen == ["dev", "dev", "prod", "prod", "prod"]
    retagged = [f"{name}: tag environment is dev, not prod" for name in _names(bare_store)]
    assert changed == [[], retagged, [], []]


async def _environment(store: WikibotStore) -> str | None:
    """Return the tag `environment` of all tables."""
    found = set()
    for name in _names(store):
        arn = (await _describe(store, name))["TableArn"]
        tags = (await (await store.client()).list_tags_of_resource(ResourceArn=arn))["Tags"]
        found.add({tag["Key"]: tag["Value"] for tag in tags}.get("environment"))
    (environment,) = found
    return environment


async def test_untagged_table_that_existed_gets_no_environment(bare_store: WikibotStore) -> None:
    """An existing table without the tag is not called dev: it may be production's. It does get the project."""
    await _create_plain_tables(bare_store)

    tables = await create_tables(bare_store)

    if "tags" not in tables[0].unsupported:
        assert await _environment(bare_store) is None
        tagged = {change.setting for table in tables for change in table.changes if change.setting.startswith("tag")}
        assert tagged == {"tag project"}


async def _create_plain_tables(store: WikibotStore, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Create the tables by plain requests, each of which `change` may alter, and set up nothing."""
    for schema, name in zip(TABLES, _names(store), strict=True):
        request = create_table_request(schema, name, optional={GRANTEE_INDEX})
        change(request)
        await (await store.client()).create_table(**request)
        await (await store.client()).get_waiter("table_exists").wait(TableName=name)


async def test_calls_that_find_nothing_to_do_change_nothing(bare_store: WikibotStore) -> None:
    """Ten more calls report no change, send no write that the engine supports, and the tables verify afterwards."""
    first = await create_tables(bare_store, environment="prod", deletion_protection=True)
    sent: set[str] = set()

    def note(model: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's
        sent.add(model.name)

    events: Any = (await bare_store.client()).meta.events
    events.register("before-call.dynamodb", note)
    for _ in range(10):
        for table in await create_tables(bare_store, environment="prod", deletion_protection=True):
            assert (table.created, table.changes, table.left) == (False, (), ())
    events.unregister("before-call.dynamodb", note)

    refused = {"UpdateContinuousBackups", "TagResource"} if first[0].unsupported else set()
    assert {operation for operation in sent if operation.startswith(("Update", "Tag"))} <= refused
    assert await verify_tables(bare_store, environment="prod", deletion_protection=True) == []


async def _stop_ttl(store: WikibotStore) -> None:
    await _switch_ttl(store, store.config.acls_table, "expires_at", on=False)


async def _expire_users(store: WikibotStore) -> None:
    await _switch_ttl(store, store.config.users_table, "last_login_at", on=True)


async def _expire_acls_by_another_attribute(store: WikibotStore) -> None:
    await _switch_ttl(store, store.config.acls_table, "expires_at", on=False)
    await _switch_ttl(store, store.config.acls_table, "granted_at", on=True)


async def _switch_ttl(store: WikibotStore, table: str, attribute: str, *, on: bool) -> None:
    await (await store.client()).update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": on, "AttributeName": attribute}
    )


async def _bill_by_capacity(store: WikibotStore) -> None:
    capacity: Any = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    await (await store.client()).update_table(
        TableName=store.config.wikis_table, BillingMode="PROVISIONED", ProvisionedThroughput=capacity
    )


@pytest.mark.parametrize(
    ("sabotage", "changes"),
    [
        (_stop_ttl, ["acls: TTL is none, not expires_at"]),
        (_expire_users, ["users: TTL is last_login_at, not none"]),
        (
            _expire_acls_by_another_attribute,
            ["acls: TTL is granted_at, not none", "acls: TTL is none, not expires_at"],
        ),
        (_bill_by_capacity, ["wikis: billing is PROVISIONED, not PAY_PER_REQUEST"]),
    ],
)
async def test_drift_is_repaired_and_reported(
    bare_store: WikibotStore, sabotage: Callable[[WikibotStore], Awaitable[None]], changes: list[str]
) -> None:
    """A setting that somebody changed is set back; the result names exactly that change, and the tables verify."""
    await create_tables(bare_store)
    await sabotage(bare_store)

    tables = await create_tables(bare_store)

    prefix = bare_store.config.users_table.removesuffix("users")
    assert [str(change).removeprefix(prefix) for table in tables for change in table.changes] == changes
    assert [table.left for table in tables] == [()] * len(TABLES)
    assert await verify_tables(bare_store) == []


async def test_provisioned_table_gets_its_index(bare_store: WikibotStore) -> None:
    """A table that is billed by capacity is switched to on-demand first, because its index would need a capacity."""

    def provision_without_index(request: dict[str, Any]) -> None:
        if request.pop("GlobalSecondaryIndexes", None) is not None:
            keys = {key["AttributeName"] for key in request["KeySchema"]}
            request["AttributeDefinitions"] = [
                each for each in request["AttributeDefinitions"] if each["AttributeName"] in keys
            ]
        request["BillingMode"] = "PROVISIONED"
        request["ProvisionedThroughput"] = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}

    await _create_plain_tables(bare_store, provision_without_index)

    users, *_ = await create_tables(bare_store)

    assert [change.setting for change in users.changes][:2] == ["billing", f"index {OAUTH_INDEX}"]
    assert await verify_tables(bare_store) == []


async def test_wrong_indexes_are_left_and_reported(bare_store: WikibotStore) -> None:
    """An index with another projection and one that is not in the schema stay, and the result names both."""

    def alter(request: dict[str, Any]) -> None:
        if request["TableName"] == bare_store.config.users_table:
            request["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
        if request["TableName"] == bare_store.config.wikis_table:
            key = [{"AttributeName": "wiki_slug", "KeyType": "HASH"}]
            projection = {"ProjectionType": "ALL"}
            request["GlobalSecondaryIndexes"] = [{"IndexName": "by-slug", "KeySchema": key, "Projection": projection}]

    await _create_plain_tables(bare_store, alter)

    tables = await create_tables(bare_store)

    left = [difference for table in tables for difference in table.left]
    assert [difference.setting for difference in left] == ["index by-oauth", "index by-slug"]
    assert await verify_tables(bare_store) == left


@pytest.mark.parametrize(
    ("sabotage", "left"),
    [
        (_stop_ttl, ["acls: TTL is none, not expires_at"]),
        (_expire_users, ["users: TTL is last_login_at, not none"]),
    ],
)
async def test_ttl_that_dynamodb_refuses_to_change_is_left(
    bare_store: WikibotStore, sabotage: Callable[[WikibotStore], Awaitable[None]], left: list[str]
) -> None:
    """DynamoDB refuses a second change of TTL within an hour: the result says that TTL is left."""
    await create_tables(bare_store)
    await sabotage(bare_store)

    async with _answering(bare_store, "UpdateTimeToLive", iter([_refusal("ValidationException")])):
        tables = await create_tables(bare_store)

    prefix = bare_store.config.users_table.removesuffix("users")
    assert [table.changes for table in tables] == [()] * len(TABLES)
    assert [str(each).removeprefix(prefix) for table in tables for each in table.left] == left


async def test_other_refusals_of_ttl_are_raised(bare_store: WikibotStore) -> None:
    """Another refusal of TTL is an error."""
    async with _answering(bare_store, "UpdateTimeToLive", iter([_refusal("AccessDeniedException")])):
        with pytest.raises(RequestFailedError, match="AccessDeniedException"):
            await create_tables(bare_store)


async def test_deletion_protection_is_never_switched_off(bare_store: WikibotStore) -> None:
    """Protection can be added to existing tables and stays when a later call does not ask for it."""
    await create_tables(bare_store)
    before = [await _is_protected(bare_store, name) for name in _names(bare_store)]
    await create_tables(bare_store, deletion_protection=True)
    protected = [await _is_protected(bare_store, name) for name in _names(bare_store)]
    await create_tables(bare_store)
    after = [await _is_protected(bare_store, name) for name in _names(bare_store)]

    assert (set(before), set(protected), set(after)) == ({False}, {True}, {True})


async def test_missing_indexes_are_added(bare_store: WikibotStore) -> None:
    """A table without an index gets it, with the existing items, and the result says so."""
    for schema, name in zip(TABLES, _names(bare_store), strict=True):
        await (await bare_store.client()).create_table(**create_table_request(replace(schema, indexes=()), name))
        await (await bare_store.client()).get_waiter("table_exists").wait(TableName=name)
    await put(bare_store, "users", a_user_item(id="u-1", oauth_provider="github", oauth_provider_sub="4711"))
    await put(bare_store, "acls", an_acl_item(grantee_id="u-1"))

    tables = await create_tables(bare_store)

    added = [change.setting for table in tables for change in table.changes if change.setting.startswith("index")]
    assert added == [f"index {index.name}" for schema in TABLES for index in schema.indexes]

    async def found() -> list[str]:
        user = await bare_store.users.get_by_oauth("github", "4711")
        grants = await bare_store.acls.list_by_grantee("u-1")
        return [*([] if user is None else [user.id]), *[acl.grantee_id for acl in grants]]

    await eventually(found, ["u-1", "u-1"])


@pytest.mark.parametrize("sort_key", [None, "slug"])
async def test_table_with_other_keys_is_refused(bare_store: WikibotStore, sort_key: str | None) -> None:
    """A table with other keys is rejected; the error names it, its keys and the expected ones."""
    name = bare_store.config.wikis_table
    await (await bare_store.client()).create_table(**create_table_request(replace(WIKIS, sort_key=sort_key), name))

    with pytest.raises(ConfigurationError) as refused:
        await create_tables(bare_store)

    message = str(refused.value)
    assert name in message
    assert f"owner_id (S){f' + {sort_key} (S)' if sort_key else ''} instead of owner_id (S) + wiki_slug (S)" in message


async def test_table_with_keys_of_another_type_is_refused(bare_store: WikibotStore) -> None:
    """A table whose keys have another type is rejected."""
    name = bare_store.config.users_table
    request = create_table_request(replace(USERS, indexes=()), name)
    request["AttributeDefinitions"] = [{"AttributeName": "id", "AttributeType": "N"}]
    await (await bare_store.client()).create_table(**request)

    with pytest.raises(ConfigurationError, match=name):
        await create_tables(bare_store)


async def test_waits_until_tables_and_indexes_are_active(
    bare_store: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call waits until the table and its indexes are ACTIVE."""
    monkeypatch.setattr(provision, "_POLL_SECONDS", 0.01)
    index = {"IndexName": OAUTH_INDEX, "IndexStatus": "CREATING"}
    answers: Iterator[dict[str, Any]] = iter(
        [
            {"Table": {"TableStatus": "CREATING"}},
            {"Table": {"TableStatus": "ACTIVE", "GlobalSecondaryIndexes": [index]}},
        ]
    )

    async with _answering(bare_store, "DescribeTable", answers):
        tables = await create_tables(bare_store)

    assert list(answers) == []
    assert len(tables) == len(TABLES)


async def test_patience_ends(bare_store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is not ACTIVE in time raises an error that names it."""
    monkeypatch.setattr(provision, "_POLL_SECONDS", 0.01)
    creating = repeat({"Table": {"TableStatus": "CREATING"}})

    async with _answering(bare_store, "DescribeTable", creating):
        with pytest.raises(UnavailableError, match=f"{bare_store.config.users_table}.*is not ACTIVE"):
            await create_tables(bare_store, patience=0.2)


async def test_waits_for_backups_of_a_new_table(bare_store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point-in-time recovery is retried while a table is too new."""
    monkeypatch.setattr(provision, "_POLL_SECONDS", 0.01)
    answers = iter([_refusal("ContinuousBackupsUnavailableException")] * 2)

    async with _answering(bare_store, "UpdateContinuousBackups", answers):
        tables = await create_tables(bare_store)

    assert list(answers) == []
    assert len(tables) == len(TABLES)


async def test_other_refusals_are_raised(bare_store: WikibotStore) -> None:
    """A setting that is refused raises an error; it is not reported as unsupported."""
    answers = iter([_refusal("AccessDeniedException")])

    async with _answering(bare_store, "TagResource", answers):
        with pytest.raises(RequestFailedError) as refused:
            await create_tables(bare_store)

    assert (refused.value.operation, refused.value.code) == ("TagResource", "AccessDeniedException")


async def test_unreachable_endpoint(unreachable_store: WikibotStore) -> None:
    """An unreachable endpoint raises UnavailableError for create and delete."""
    with pytest.raises(UnavailableError):
        await create_tables(unreachable_store)
    with pytest.raises(UnavailableError):
        await delete_tables(unreachable_store)


async def test_delete_passes_over_what_is_missing(bare_store: WikibotStore) -> None:
    """Deleting removes the existing tables; deleting again does nothing."""
    await create_tables(bare_store)
    await (await bare_store.client()).delete_table(TableName=bare_store.config.wikis_table)
    await (await bare_store.client()).get_waiter("table_not_exists").wait(TableName=bare_store.config.wikis_table)

    await delete_tables(bare_store)
    for name in _names(bare_store):
        await (await bare_store.client()).get_waiter("table_not_exists").wait(TableName=name)
    await delete_tables(bare_store)


async def test_protected_table_is_not_deleted(bare_store: WikibotStore) -> None:
    """A table with deletion protection is not deleted."""
    await create_tables(bare_store, deletion_protection=True)

    with pytest.raises(RequestFailedError) as refused:
        await delete_tables(bare_store)

    assert refused.value.operation == "DeleteTable"
    assert await _is_protected(bare_store, bare_store.config.users_table)


MISSING: list[tuple[str, Callable[[WikibotStore], Awaitable[object]]]] = [
    ("users", lambda store: store.users.get(fresh())),
    ("users", a_user),
    ("users", lambda store: store.users.get_by_oauth(fresh(), fresh())),
    ("wikis", lambda store: store.wikis.get(fresh(), fresh())),
    ("wikis", lambda store: store.wikis.get_many([WikiKey(fresh(), fresh())])),
    ("wikis", lambda store: store.wikis.touch(fresh(), fresh())),
    ("acls", lambda store: store.acls.list_by_wiki(f"{fresh()}:{fresh()}")),
    ("acls", lambda store: store.acls.get(f"{fresh()}:{fresh()}", fresh())),
]


async def test_missing_table_is_named(bare_store: WikibotStore) -> None:
    """A call on a missing table raises an error with the table's name and the command that creates it."""
    for table, call in MISSING:
        with pytest.raises(RequestFailedError) as failed:
            await call(bare_store)

        assert bare_store.config.table_name(table) in str(failed.value)
        assert "wikibot-store tables create" in str(failed.value)
