"""The IAM policies of those who use the tables, computed from the schema: the web backend's and the operator's.

`_BACKEND` has a line per table with what its access patterns send. A new access pattern adds there what it sends first.
`_SWEEPS` likewise has what `sweep` and `reconcile_wiki_count` send.
IAM knows no TransactWriteItems: each action of a transaction is authorised as PutItem, UpdateItem, DeleteItem or, for
a ConditionCheck, ConditionCheckItem. Indexes need no line; what is sent to any index is Query.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wikibot_store.schema import ACLS, TABLES, USERS, WIKIS

_BACKEND = {
    USERS.name: ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
    WIKIS.name: (
        "BatchGetItem",
        "ConditionCheckItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "UpdateItem",
    ),
    ACLS.name: ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query"),
}
_SWEEPS = {
    USERS.name: ("ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Scan", "UpdateItem"),
    WIKIS.name: ("ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"),
    ACLS.name: ("ConditionCheckItem", "DeleteItem", "PutItem", "Query", "Scan"),
}
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
)


def backend_policy(table_arns: Mapping[str, str], *, optional_indexes: bool = False) -> dict[str, Any]:
    """Return what the web backend may do: what the store sends on these tables and their indexes, nothing else.

    `table_arns` has the ARN of each table of the schema.
    """
    statements = []
    for schema in TABLES:
        arn = table_arns[schema.name]
        statements.append(_allow(f"{schema.name.title()}Table", _BACKEND[schema.name], [arn]))
        if indexes := schema.with_indexes(optional=optional_indexes):
            resources = [f"{arn}/index/{index.name}" for index in indexes]
            statements.append(_allow(f"{schema.name.title()}Indexes", ["Query"], resources))
    return _document(statements)


def operator_policy(table_arns: Mapping[str, str]) -> dict[str, Any]:
    """Return what an operator may do: make, set up, verify, sweep and delete these tables."""
    sweeps = [
        _allow(f"{schema.name.title()}Sweep", _SWEEPS[schema.name], [table_arns[schema.name]]) for schema in TABLES
    ]
    expiring = [table_arns[schema.name] for schema in TABLES if schema.ttl_attribute is not None]
    return _document(
        [
            _allow("Tables", _OPERATOR, [table_arns[schema.name] for schema in TABLES]),
            _allow("Expiry", ["UpdateTimeToLive"], expiring),
            *sweeps,
        ]
    )


def _allow(sid: str, operations: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"dynamodb:{operation}" for operation in operations],
        "Resource": resources,
    }


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}
