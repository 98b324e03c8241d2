"""The schema of the tables, from which requests, checks, Pulumi resources and IAM policies are computed.

To add a table, add one `TableSchema` to TABLES. Its name is also the name of its DAO on the store, the prefix of its
setting (`users_table`) and of its Pulumi outputs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

OAUTH_INDEX = "by-oauth"
GRANTEE_INDEX = "by-grantee"

PROJECT_TAG = "wikibot-io"


@dataclass(frozen=True, kw_only=True)
class IndexSchema:
    """A global secondary index. Its key attributes are strings and its projection is ALL.

    An index with a `setting` is opt-in: it exists only where the StoreConfig field of that name is True.
    """

    name: str
    partition_key: str
    sort_key: str
    setting: str | None = None


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """A table. Its key attributes are strings; `ttl_attribute` holds epoch seconds.

    Add a new index at the end of `indexes`: Pulumi compares them by position. `backend` and `sweep` are the DynamoDB
    actions on the table that the web backend, and the operator's sweep and adoption, need; the IAM policies list them.
    IAM has no permission TransactWriteItems: each action of a transaction needs the permission for the same single
    write, and a condition check needs ConditionCheckItem. Query includes the indexes.
    """

    name: str
    partition_key: str
    sort_key: str | None = None
    indexes: tuple[IndexSchema, ...] = ()
    ttl_attribute: str | None = None
    backend: tuple[str, ...]
    sweep: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the primary key's attributes, partition key first."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)

    def indexes_with(self, optional: Collection[str]) -> tuple[IndexSchema, ...]:
        """Return the indexes in their order, without the opt-in indexes whose names are not in `optional`."""
        return tuple([index for index in self.indexes if index.setting is None or index.name in optional])


USERS = TableSchema(
    name="users",
    partition_key="id",
    indexes=(IndexSchema(name=OAUTH_INDEX, partition_key="oauth_provider", sort_key="oauth_provider_sub"),),
    backend=("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
    sweep=("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Scan", "UpdateItem"),
)
WIKIS = TableSchema(
    name="wikis",
    partition_key="owner_id",
    sort_key="wiki_slug",
    backend=("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    sweep=("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "Query", "Scan", "UpdateItem"),
)
ACLS = TableSchema(
    name="acls",
    partition_key="wiki_id",
    sort_key="grantee_id",
    indexes=(IndexSchema(name=GRANTEE_INDEX, partition_key="grantee_id", sort_key="wiki_id", setting="grantee_index"),),
    ttl_attribute="expires_at",
    backend=("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query"),
    sweep=("DeleteItem", "Query", "Scan", "UpdateItem"),
)
TABLES = (USERS, WIKIS, ACLS)
OPTIONAL_INDEXES = tuple(index for schema in TABLES for index in schema.indexes if index.setting is not None)


def optional_indexes(settings: object) -> frozenset[str]:
    """Return the names of the opt-in indexes that `settings`, such as a StoreConfig, switch on."""
    return frozenset(index.name for index in OPTIONAL_INDEXES if getattr(settings, str(index.setting)))


def tags(environment: str) -> dict[str, str]:
    """Return the tags that every resource carries."""
    return {"project": PROJECT_TAG, "environment": environment}


def create_table_request(schema: TableSchema, table_name: str, *, optional: Collection[str] = ()) -> dict[str, Any]:
    """Return the CreateTable request for `schema`: on-demand billing, keys and indexes.

    `optional` names the opt-in indexes that the table has.
    """
    indexes = schema.indexes_with(optional)
    attributes = dict.fromkeys([*schema.key, *(name for index in indexes for name in _index_key(index))])
    request: dict[str, Any] = {
        "TableName": table_name,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        "KeySchema": _key_schema(schema.key),
        "BillingMode": "PAY_PER_REQUEST",
    }
    if indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _key_schema(_index_key(index)),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in indexes
        ]
    return request


def _index_key(index: IndexSchema) -> tuple[str, str]:
    return index.partition_key, index.sort_key


def _key_schema(key: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "KeyType": key_type} for name, key_type in zip(key, ("HASH", "RANGE"), strict=False)
    ]
