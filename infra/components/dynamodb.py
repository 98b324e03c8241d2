"""The tables of wikibot.io, as the schema describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, dynamodb

from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.schema import OPTIONAL_INDEXES, TABLES, TableSchema, create_table_request, optional_indexes, tags

_ALARMS = {"throttles": "ThrottledRequests", "system-errors": "SystemErrors"}
"""The alarms of a table and their metrics."""


@dataclass(frozen=True, kw_only=True)
class DynamoDbArgs:
    """How to set up the tables."""

    environment: str
    """The value of the tag environment, such as dev or prod."""

    table_names: Mapping[str, pulumi.Input[str]] | None = None
    """The name in DynamoDB of each table, by its name in the schema. Pulumi makes a unique one for each other table."""

    grantee_index: bool | None = False
    """Whether the table acls has the index by-grantee."""

    recovery_days: pulumi.Input[int] | None = 35
    """How many days point-in-time recovery reaches back, 1 to 35."""

    deletion_protection: pulumi.Input[bool] | None = False
    """Whether AWS refuses to delete the tables."""

    kms_key_arn: pulumi.Input[str] | None = None
    """The key that encrypts the tables. The default is the account's aws/dynamodb key."""

    max_read_units: pulumi.Input[int] | None = None
    """The most read request units per second, for each table and each index. The default is no limit."""

    max_write_units: pulumi.Input[int] | None = None
    """The most write request units per second, for each table and each index. The default is no limit."""

    alarm_topic_arn: pulumi.Input[str] | None = None
    """The SNS topic that alarms notify of throttled requests and system errors. The default is no alarms."""

    tags: Mapping[str, pulumi.Input[str]] | None = None
    """More tags for all resources. The component itself sets project and environment."""

    def __post_init__(self) -> None:
        names = [schema.name for schema in TABLES]
        if unknown := sorted((self.table_names or {}).keys() - names):
            raise ValueError(f"table_names: {', '.join(unknown)} is not a table; the tables are {', '.join(names)}")

    @property
    def capped(self) -> bool:
        """Whether reads or writes are limited."""
        return self.max_read_units is not None or self.max_write_units is not None

    @property
    def all_tags(self) -> dict[str, pulumi.Input[str]]:
        """The tags of every resource."""
        return {**(self.tags or {}), **tags(self.environment)}


class DynamoDbComponent(pulumi.ComponentResource):
    """The tables of wikibot.io, with alarms if a topic for them is given."""

    table_names: pulumi.Output[dict[str, str]]
    """The name in DynamoDB of each table."""

    table_arns: pulumi.Output[dict[str, str]]
    """The ARN of each table."""

    backend_policy: pulumi.Output[str]
    """The IAM policy document of the web backend, as JSON."""

    operator_policy: pulumi.Output[str]
    """The IAM policy document of operators, as JSON."""

    outputs: dict[str, Any]
    """What StoreConfig.from_stack_outputs reads, and the ARN of each table."""

    def __init__(self, name: str, args: DynamoDbArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # Stacks from before the component was a package have this type in their state.
        renamed = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="wikibot:dynamodb:Tables")])
        super().__init__("wikibot:index:DynamoDbComponent", name, None, pulumi.ResourceOptions.merge(renamed, opts))
        if not isinstance(args, DynamoDbArgs):  # Pulumi's component host passes a mapping
            args = DynamoDbArgs(**args)
        self.tables = {schema.name: self._table(f"{name}-{schema.name}", schema, args) for schema in TABLES}
        optional = optional_indexes(args)
        self.table_names = pulumi.Output.all(**{key: table.name for key, table in self.tables.items()})
        self.table_arns = pulumi.Output.all(**{key: table.arn for key, table in self.tables.items()})
        self.backend_policy = pulumi.Output.json_dumps(
            self.table_arns.apply(partial(backend_policy, optional_indexes=optional))
        )
        self.operator_policy = pulumi.Output.json_dumps(self.table_arns.apply(operator_policy))
        self.outputs = {str(index.setting): index.name in optional for index in OPTIONAL_INDEXES}
        for schema in TABLES:
            indexes = schema.indexes_with(optional)
            self.outputs |= {
                f"{schema.name}_table": self.tables[schema.name].name,
                f"{schema.name}_table_arn": self.tables[schema.name].arn,
                f"{schema.name}_table_indexes": [index.name for index in indexes],
            }
        if args.alarm_topic_arn is not None:
            for key, table in self.tables.items():
                self._alarms(f"{name}-{key}", table, args.alarm_topic_arn, args.all_tags)
        self.register_outputs(
            {**self.outputs, "backend_policy": self.backend_policy, "operator_policy": self.operator_policy}
        )

    def _table(self, name: str, schema: TableSchema, args: DynamoDbArgs) -> dynamodb.Table:
        request = create_table_request(schema, schema.name, optional=optional_indexes(args))
        return dynamodb.Table(
            name,
            name=(args.table_names or {}).get(schema.name),
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
            tags=args.all_tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _alarms(
        self, name: str, table: dynamodb.Table, topic: pulumi.Input[str], all_tags: Mapping[str, pulumi.Input[str]]
    ) -> None:
        """Create the alarms of a table, each on the sum of a metric over all operations."""
        for kind, metric in _ALARMS.items():
            query = pulumi.Output.concat(
                f'SELECT SUM({metric}) FROM SCHEMA("AWS/DynamoDB", Operation, TableName) ',  # noqa: S608 - no SQL
                "WHERE TableName = '",
                table.name,
                "'",
            )
            cloudwatch.MetricAlarm(
                f"{name}-{kind}",
                alarm_description=pulumi.Output.concat(metric, " of table ", table.name, " in 3 of the last 5 minutes"),
                metric_queries=[
                    cloudwatch.MetricAlarmMetricQueryArgs(
                        id="total", label=metric, expression=query, period=60, return_data=True
                    )
                ],
                comparison_operator="GreaterThanThreshold",
                threshold=0,
                evaluation_periods=5,
                datapoints_to_alarm=3,
                treat_missing_data="notBreaching",
                alarm_actions=[topic],
                ok_actions=[topic],
                tags=all_tags,
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
