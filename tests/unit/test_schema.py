"""The schema of the tables: keys, attribute definitions, indexes and tags."""

from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from tests.daos import model_of
from wikibot_store import StoreConfig
from wikibot_store._dynamo.items import EPOCH
from wikibot_store.schema import (
    ACLS,
    GRANTEE_INDEX,
    OAUTH_INDEX,
    OPTIONAL_INDEXES,
    TABLES,
    USERS,
    WIKIS,
    IndexSchema,
    TableSchema,
    create_table_request,
    optional_indexes,
    tags,
)

PROJECTION = {"ProjectionType": "ALL"}


def key_schema(partition_key: str, sort_key: str | None = None) -> list[dict[str, str]]:
    """Return a key in the form of CreateTable."""
    partition = [{"AttributeName": partition_key, "KeyType": "HASH"}]
    return partition if sort_key is None else [*partition, {"AttributeName": sort_key, "KeyType": "RANGE"}]


def strings(*names: str) -> list[dict[str, str]]:
    """Return the definitions of string attributes."""
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


BY_OAUTH = {
    "IndexName": "by-oauth",
    "KeySchema": key_schema("oauth_provider", "oauth_provider_sub"),
    "Projection": PROJECTION,
}
BY_GRANTEE = {"IndexName": "by-grantee", "KeySchema": key_schema("grantee_id", "wiki_id"), "Projection": PROJECTION}


@pytest.mark.parametrize("optional", [False, True])
def test_users(*, optional: bool) -> None:
    """The users table has the key `id` and always the index by-oauth."""
    assert create_table_request(USERS, "dev-users", optional={GRANTEE_INDEX} if optional else ()) == {
        "TableName": "dev-users",
        "AttributeDefinitions": strings("id", "oauth_provider", "oauth_provider_sub"),
        "KeySchema": key_schema("id"),
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [BY_OAUTH],
    }


@pytest.mark.parametrize("optional", [False, True])
def test_wikis(*, optional: bool) -> None:
    """The wikis table has owner and slug as key, and no index."""
    assert create_table_request(WIKIS, "dev-wikis", optional={GRANTEE_INDEX} if optional else ()) == {
        "TableName": "dev-wikis",
        "AttributeDefinitions": strings("owner_id", "wiki_slug"),
        "KeySchema": key_schema("owner_id", "wiki_slug"),
        "BillingMode": "PAY_PER_REQUEST",
    }


def test_acls() -> None:
    """The acls table has wiki and grantee as key, and no index by default."""
    assert create_table_request(ACLS, "dev-acls") == {
        "TableName": "dev-acls",
        "AttributeDefinitions": strings("wiki_id", "grantee_id"),
        "KeySchema": key_schema("wiki_id", "grantee_id"),
        "BillingMode": "PAY_PER_REQUEST",
    }


def test_acls_with_the_opt_in_index() -> None:
    """The opt-in index has the reversed key and needs no other attribute."""
    assert create_table_request(ACLS, "dev-acls", optional={GRANTEE_INDEX}) == {
        "TableName": "dev-acls",
        "AttributeDefinitions": strings("wiki_id", "grantee_id"),
        "KeySchema": key_schema("wiki_id", "grantee_id"),
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [BY_GRANTEE],
    }


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_exactly_the_key_attributes_are_defined(schema: TableSchema, *, optional: bool) -> None:
    """Each key attribute is defined once and no other, because DynamoDB refuses anything else."""
    request = create_table_request(schema, schema.name, optional={GRANTEE_INDEX} if optional else ())
    keys = [request["KeySchema"], *(index["KeySchema"] for index in request.get("GlobalSecondaryIndexes", ()))]

    defined = [definition["AttributeName"] for definition in request["AttributeDefinitions"]]
    assert sorted(defined) == sorted({part["AttributeName"] for key in keys for part in key})


def test_opt_in_indexes_are_named_one_by_one() -> None:
    """Pulumi compares indexes by position, so they keep their order, whichever are switched on."""
    one = IndexSchema(name="by-one", partition_key="one", sort_key="id")
    two = IndexSchema(name="by-two", partition_key="two", sort_key="id", setting="two_index")
    three = IndexSchema(name="by-three", partition_key="three", sort_key="id", setting="three_index")
    schema = TableSchema(name="things", partition_key="id", indexes=(one, two, three), backend=(), sweep=())

    assert schema.indexes_with(()) == (one,)
    assert schema.indexes_with({"by-two"}) == (one, two)
    assert schema.indexes_with({"by-three"}) == (one, three)
    assert schema.indexes_with(["by-three", "by-two", "of another table"]) == (one, two, three)


@pytest.mark.parametrize("switched_on", [False, True])
def test_the_settings_switch_the_opt_in_indexes_on(*, switched_on: bool) -> None:
    """An opt-in index exists where the setting that the schema names for it is True."""
    assert optional_indexes(StoreConfig(grantee_index=switched_on)) == ({GRANTEE_INDEX} if switched_on else set())


def test_every_opt_in_index_has_a_setting() -> None:
    """The setting of an opt-in index is a switch of StoreConfig, off by default."""
    assert {index.name for index in OPTIONAL_INDEXES} == {GRANTEE_INDEX}
    for index in OPTIONAL_INDEXES:
        assert getattr(StoreConfig(), str(index.setting)) is False


def test_the_tables() -> None:
    """Users, wikis and grants have these primary keys and TTL attributes."""
    assert {schema.name: (schema.key, schema.ttl_attribute) for schema in (USERS, WIKIS, ACLS)} == {
        "users": (("id",), None),
        "wikis": (("owner_id", "wiki_slug"), None),
        "acls": (("wiki_id", "grantee_id"), "expires_at"),
    }
    assert TABLES[:3] == (USERS, WIKIS, ACLS)


def test_the_names_of_the_indexes() -> None:
    """The index names in queries are those of the schema."""
    assert [index.name for index in USERS.indexes] == [OAUTH_INDEX] == ["by-oauth"]
    assert [(index.name, index.setting) for index in ACLS.indexes] == [(GRANTEE_INDEX, "grantee_index")]
    assert GRANTEE_INDEX == "by-grantee"


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_the_schema_fits_the_model(schema: TableSchema) -> None:
    """Every key attribute is a string that its model requires, and what TTL reads is stored as epoch seconds."""
    model = model_of(schema.name)
    hints: dict[str, Any] = get_type_hints(model, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(model) if field.required}

    for name in [
        *schema.key,
        *(name for index in schema.indexes for name in (index.partition_key, index.sort_key)),
    ]:
        assert hints[name] is str
        assert name in required
    if schema.ttl_attribute is not None:
        assert any(EPOCH in get_args(option) for option in get_args(hints[schema.ttl_attribute]))


def test_tags() -> None:
    """Every resource is tagged with the project and the environment."""
    assert tags("dev") == {"project": "wikibot-io", "environment": "dev"}
