"""The IAM policies of the web backend and of the operator, computed from the schema."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from wikibot_store.schema import TABLES

_OPERATOR = (
    "CreateTable",
    "DeleteTable",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "ListTagsOfResource",
    "TagResource",
    "UpdateContinuousBackups",
    "UpdateTable",
    "UpdateTimeToLive",
)
# What wikibot_store.backup sends. DescribeTable is above.
_BACKUP = ("BatchWriteItem", "PutItem", "Scan")


def backend_policy(table_arns: Mapping[str, str], *, optional_indexes: Collection[str] = ()) -> dict[str, Any]:
    """Return the policy of the web backend: only the actions that the store sends to these tables and indexes.

    `table_arns` maps the name of each table in the schema to its ARN; `optional_indexes` names the opt-in indexes that
    exist.
    """
    statements = []
    for schema in TABLES:
        arn = table_arns[schema.name]
        statements.append(_allow(_sid(schema.name, "Table"), schema.backend, [arn]))
        if indexes := schema.indexes_with(optional_indexes):
            resources = [f"{arn}/index/{index.name}" for index in indexes]
            statements.append(_allow(_sid(schema.name, "Indexes"), ["Query"], resources))
    return _document(statements)


def operator_policy(table_arns: Mapping[str, str]) -> dict[str, Any]:
    """Return the policy of an operator, who creates, sets up, verifies, sweeps, backs up and deletes these tables."""
    sweeps = []
    for schema in TABLES:
        arn = table_arns[schema.name]
        sweeps.append(_allow(_sid(schema.name, "Sweep"), schema.sweep, [arn]))
        if indexes := schema.indexes_with(()):
            resources = [f"{arn}/index/{index.name}" for index in indexes]
            sweeps.append(_allow(_sid(schema.name, "SweepIndexes"), ["Query"], resources))
    arns = [table_arns[schema.name] for schema in TABLES]
    return _document([_allow("Tables", _OPERATOR, arns), _allow("Backup", _BACKUP, arns), *sweeps])


def _sid(table: str, purpose: str) -> str:
    """Return a statement id; IAM allows letters and digits only."""
    return "".join(part.title() for part in table.split("_")) + purpose


def _allow(sid: str, operations: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"dynamodb:{operation}" for operation in operations],
        "Resource": resources,
    }


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}
