"""IAM policies of any schema, whatever the tables are called."""

import re

import pytest

from wikibot_store import policies
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.schema import IndexSchema, TableSchema

TOKENS = TableSchema(
    name="api_tokens",
    partition_key="owner_id",
    sort_key="token_id",
    indexes=(IndexSchema(name="by-token", partition_key="token_id", sort_key="owner_id"),),
    ttl_attribute="expires_at",
    backend=("GetItem", "PutItem"),
    sweep=("Scan",),
)
LOGS = TableSchema(name="logs", partition_key="id", backend=("PutItem",), sweep=("Scan",))
ARN = "arn:aws:dynamodb:eu-central-1:1:table/tokens"
ARNS = {"api_tokens": ARN, "logs": "arn:aws:dynamodb:eu-central-1:1:table/logs"}


@pytest.fixture(autouse=True)
def _another_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the tables of the schema, by one whose name has an underscore and one without indexes and TTL."""
    monkeypatch.setattr(policies, "TABLES", (TOKENS, LOGS))


def test_a_table_with_an_underscore_in_its_name() -> None:
    """IAM allows only letters and digits in a statement id, so underscores are left out of it."""
    statements = backend_policy(ARNS)["Statement"] + operator_policy(ARNS)["Statement"]

    assert [statement["Sid"] for statement in statements] == [
        "ApiTokensTable",
        "ApiTokensIndexes",
        "LogsTable",
        "Tables",
        "Backup",
        "ApiTokensSweep",
        "ApiTokensSweepIndexes",
        "LogsSweep",
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"]) for statement in statements)


def test_the_actions_are_those_of_the_schema() -> None:
    """The backend may do what the schema says, and query the indexes."""
    table, indexes, logs = backend_policy(ARNS)["Statement"]

    assert (table["Action"], table["Resource"]) == (["dynamodb:GetItem", "dynamodb:PutItem"], [ARN])
    assert (indexes["Action"], indexes["Resource"]) == (["dynamodb:Query"], [f"{ARN}/index/by-token"])
    assert (logs["Action"], logs["Resource"]) == (["dynamodb:PutItem"], [ARNS["logs"]])
