"""The tables, described once; everything that needs to know them is computed from here."""

from dataclasses import dataclass
from typing import Any

OAUTH_INDEX = "by-oauth"
GRANTEE_INDEX = "by-grantee"

PROJECT_TAG = "wikibot-io"


@dataclass(frozen=True, kw_only=True)
class IndexSchema:
    """A global secondary index. Its key attributes are strings and its projection is ALL."""

    name: str
    partition_key: str
    sort_key: str


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """A table. Its key attributes are strings; `ttl_attribute` holds epoch seconds."""

    name: str
    partition_key: str
    sort_key: str | None = None
    indexes: tuple[IndexSchema, ...] = ()
    optional_indexes: tuple[IndexSchema, ...] = ()
    ttl_attribute: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the primary key's attributes, partition key first."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)

    def with_indexes(self, *, optional: bool) -> tuple[IndexSchema, ...]:
        """Return the indexes in their fixed order, the opt-in ones last and only if asked for."""
        return self.indexes + (self.optional_indexes if optional else ())


USERS = TableSchema(
    name="users",
    partition_key="id",
    indexes=(IndexSchema(name=OAUTH_INDEX, partition_key="oauth_provider", sort_key="oauth_provider_sub"),),
)
WIKIS = TableSchema(name="wikis", partition_key="owner_id", sort_key="wiki_slug")
ACLS = TableSchema(
    name="acls",
    partition_key="wiki_id",
    sort_key="grantee_id",
    optional_indexes=(IndexSchema(name=GRANTEE_INDEX, partition_key="grantee_id", sort_key="wiki_id"),),
    ttl_attribute="expires_at",
)
TABLES = (USERS, WIKIS, ACLS)


def tags(environment: str) -> dict[str, str]:
    """Return the tags that every resource carries."""
    return {"project": PROJECT_TAG, "environment": environment}


def create_table_request(schema: TableSchema, table_name: str, *, optional_indexes: bool = False) -> dict[str, Any]:
    """Return the CreateTable request for `schema`: on-demand billing, keys and indexes."""
    indexes = schema.with_indexes(optional=optional_indexes)
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
