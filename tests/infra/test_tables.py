"""The program's tables are the schema's: the same requests, and they work on an engine."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.access_patterns import PATTERNS, call_all
from tests.engines import dynamodb_local, missing_for_dynamodb_local
from tests.infra.program import Resource, run_program
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session
from wikibot_store.schema import GRANTEE_INDEX, TABLES, TableSchema, create_table_request


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Run DynamoDB Local, which CI requires and a person may be without."""
    if (reason := missing_for_dynamodb_local()) is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with dynamodb_local() as url:
        yield url


def as_create_table(table: Resource) -> dict[str, Any]:
    """Return the CreateTable request that the provider makes of a table."""
    inputs = table.inputs
    keys = [{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}]
    if "rangeKey" in inputs:
        keys.append({"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"})
    request = {
        "TableName": inputs["name"],
        "AttributeDefinitions": [
            {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
            for attribute in inputs["attributes"]
        ],
        "KeySchema": keys,
        "BillingMode": inputs["billingMode"],
    }
    if inputs["globalSecondaryIndexes"]:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["name"],
                "KeySchema": [
                    {"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in index["keySchemas"]
                ],
                "Projection": {"ProjectionType": index["projectionType"]},
            }
            for index in inputs["globalSecondaryIndexes"]
        ]
    return request


@pytest.mark.parametrize("grantee_index", ["false", "true"])
@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_program_and_provisioning_make_the_same_tables(schema: TableSchema, grantee_index: str) -> None:
    """Keys, attribute types, indexes in their order, and billing are those of create_table_request."""
    table = run_program("dev", {"wikibot:granteeIndex": grantee_index}).table(schema.name)

    expected = create_table_request(
        schema, f"wikibot-dev-{schema.name}", optional={GRANTEE_INDEX} if grantee_index == "true" else ()
    )
    assert as_create_table(table) == expected
    assert table.inputs.get("ttl", {}).get("attributeName") == schema.ttl_attribute


async def test_store_works_on_the_programs_tables(endpoint: str) -> None:
    """On tables made from what the program registers, with its outputs as configuration, every access pattern works."""
    plan = run_program("dev", {"wikibot:granteeIndex": "true"})
    config = replace(StoreConfig.from_stack_outputs(plan.stack_outputs), endpoint_url=endpoint)

    async with WikibotStore.open(config, session=local_session()) as store:
        for schema in TABLES:
            await (await store.client()).create_table(**as_create_table(plan.table(schema.name)))
        found = await call_all(store, PATTERNS)

    assert found["users.get_by_oauth"].id == "ada"
    assert [wiki.wiki_slug for wiki in found["wikis.list_by_owner"]] == ["journal"]
    assert [acl.wiki_id for acl in found["acls.list_by_grantee"]] == ["ada:journal", "ada:notes"]
    assert found["wikis.delete"]
