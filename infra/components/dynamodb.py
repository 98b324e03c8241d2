"""The tables of wikibot.io, as the schema describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import dynamodb

from wikibot_store.schema import OPTIONAL_INDEXES, TABLES, TableSchema, create_table_request, optional_indexes, tags


@dataclass(frozen=True, kw_only=True)
class DynamoDbArgs:
    """How to set up the tables; `table_names` has the physical name of each table of the schema.

    `max_read_units` and `max_write_units` are request units per second, per table and per index; None is no limit.
    Without `kms_key_arn` the tables are encrypted with the account's `aws/dynamodb` key.
    """

    environment: str
    table_names: Mapping[str, pulumi.Input[str]]
    grantee_index: bool = False
    recovery_days: pulumi.Input[int] = 35
    deletion_protection: pulumi.Input[bool] = False
    kms_key_arn: pulumi.Input[str] | None = None
    max_read_units: pulumi.Input[int] | None = None
    max_write_units: pulumi.Input[int] | None = None
    tags: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    @property
    def capped(self) -> bool:
        """Whether reads or writes are limited."""
        return self.max_read_units is not None or self.max_write_units is not None


class DynamoDbComponent(pulumi.ComponentResource):
    """The tables of the schema; `tables` holds them by their names in the schema."""

    def __init__(self, name: str, args: DynamoDbArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wikibot:dynamodb:Tables", name, None, opts)
        self.tables = {schema.name: self._table(f"{name}-{schema.name}", schema, args) for schema in TABLES}
        optional = optional_indexes(args)
        self.outputs: dict[str, Any] = {str(index.setting): index.name in optional for index in OPTIONAL_INDEXES}
        for schema in TABLES:
            indexes = schema.indexes_with(optional)
            self.outputs |= {
                f"{schema.name}_table": self.tables[schema.name].name,
                f"{schema.name}_table_arn": self.tables[schema.name].arn,
                f"{schema.name}_table_indexes": [index.name for index in indexes],
            }
        self.register_outputs(self.outputs)

    def _table(self, name: str, schema: TableSchema, args: DynamoDbArgs) -> dynamodb.Table:
        request = create_table_request(schema, schema.name, optional=optional_indexes(args))
        return dynamodb.Table(
            name,
            name=args.table_names[schema.name],
            billing_mode=request["BillingMode"],
            attributes=[
                dynamodb.TableAttributeArgs(name=attribute["AttributeName"], type=attribute["AttributeType"])
                for attribute in request["AttributeDefinitions"]
            ],
            hash_key=schema.partition_key,
            range_key=schema.sort_key,
            # The provider compares indexes by position: indexes_with keeps their order.
            global_secondary_indexes=[_index(index, args) for index in request.get("GlobalSecondaryIndexes", ())],
            point_in_time_recovery=dynamodb.TablePointInTimeRecoveryArgs(
                enabled=True, recovery_period_in_days=args.recovery_days
            ),
            server_side_encryption=dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.kms_key_arn),
            ttl=dynamodb.TableTtlArgs(attribute_name=schema.ttl_attribute, enabled=True)
            if schema.ttl_attribute is not None
            else None,
            on_demand_throughput=dynamodb.TableOnDemandThroughputArgs(
                max_read_request_units=args.max_read_units, max_write_request_units=args.max_write_units
            )
            if args.capped
            else None,
            deletion_protection_enabled=args.deletion_protection,
            tags={**args.tags, **tags(args.environment)},
            opts=pulumi.ResourceOptions(parent=self),
        )


def _index(index: Mapping[str, Any], args: DynamoDbArgs) -> dynamodb.TableGlobalSecondaryIndexArgs:
    """Return a GSI of a CreateTable request as an argument of the provider."""
    return dynamodb.TableGlobalSecondaryIndexArgs(
        name=index["IndexName"],
        key_schemas=[
            dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                attribute_name=key["AttributeName"], key_type=key["KeyType"]
            )
            for key in index["KeySchema"]
        ],
        projection_type=index["Projection"]["ProjectionType"],
        on_demand_throughput=dynamodb.TableGlobalSecondaryIndexOnDemandThroughputArgs(
            max_read_request_units=args.max_read_units, max_write_request_units=args.max_write_units
        )
        if args.capped
        else None,
    )
