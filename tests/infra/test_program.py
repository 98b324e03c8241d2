"""What the Pulumi program registers and exports."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.program import (
    ALARM_TYPE,
    COMPONENT_TYPE,
    INFRA,
    REGION,
    STACK_TYPE,
    TABLE_TYPE,
    run_program,
    table_arn,
)
from wikibot_store import StoreConfig
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.schema import GRANTEE_INDEX, TABLES

KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/0f1e2d3c-aaaa-bbbb-cccc-0123456789ab"
EVERYTHING = {
    "wikibot:tablePrefix": "acme",
    "wikibot:aclsTable": "Grants_1.0",
    "wikibot:granteeIndex": "true",
    "wikibot:pitrDays": "7",
    "wikibot:kmsKeyArn": KEY_ARN,
    "wikibot:deletionProtection": "true",
    "wikibot:protect": "true",
    "wikibot:maxReadUnits": "400",
    "wikibot:maxWriteUnits": "200",
    "wikibot:tags": '{"team": "wiki", "cost-centre": "4711"}',
}


def test_a_component_with_the_tables_is_all_there_is() -> None:
    """The program registers one component in the stack and the schema's tables in the component, and nothing else."""
    plan = run_program()

    types = Counter(resource.type for resource in plan.resources.values())
    assert types == {STACK_TYPE: 1, COMPONENT_TYPE: 1, TABLE_TYPE: len(TABLES)}
    parents = {resource.type: resource.parent for resource in plan.resources.values()}
    assert parents == {STACK_TYPE: "", COMPONENT_TYPE: plan.only(STACK_TYPE), TABLE_TYPE: plan.only(COMPONENT_TYPE)}
    assert [plan.table(schema.name).inputs["name"] for schema in TABLES] == [
        f"wikibot-dev-{schema.name}" for schema in TABLES
    ]


def test_component_keeps_the_tables_of_older_stacks() -> None:
    """The component has its former type as an alias, so that Pulumi does not replace it and its tables."""
    plan = run_program()

    assert plan.resources[plan.only(COMPONENT_TYPE)].former_types == ("wikibot:dynamodb:Tables",)


def test_alarms() -> None:
    """With a topic, each table has two alarms that notify it, of throttles and of system errors."""
    topic = "arn:aws:sns:eu-central-1:123456789012:alerts"
    plan = run_program("prod", {"wikibot:alarmTopicArn": topic})

    alarms = {resource.name: resource for resource in plan.resources.values() if resource.type == ALARM_TYPE}
    assert alarms.keys() == {
        f"wikibot-{schema.name}-{kind}" for schema in TABLES for kind in ("throttles", "system-errors")
    }
    assert {alarm.parent for alarm in alarms.values()} == {plan.only(COMPONENT_TYPE)}
    assert alarms["wikibot-users-throttles"].inputs == {
        "alarmDescription": "ThrottledRequests of table wikibot-prod-users in 3 of the last 5 minutes",
        "metricQueries": [
            {
                "id": "total",
                "label": "ThrottledRequests",
                "expression": (
                    'SELECT SUM(ThrottledRequests) FROM SCHEMA("AWS/DynamoDB", Operation, TableName) '
                    "WHERE TableName = 'wikibot-prod-users'"
                ),
                "period": 60,
                "returnData": True,
            }
        ],
        "comparisonOperator": "GreaterThanThreshold",
        "threshold": 0,
        "evaluationPeriods": 5,
        "datapointsToAlarm": 3,
        "treatMissingData": "notBreaching",
        "alarmActions": [topic],
        "okActions": [topic],
        "tags": {"project": "wikibot-io", "environment": "prod"},
    }
    (query,) = alarms["wikibot-acls-system-errors"].inputs["metricQueries"]
    assert "SUM(SystemErrors)" in query["expression"]
    assert "'wikibot-prod-acls'" in query["expression"]


def test_defaults() -> None:
    """Without settings a table has on-demand billing, 35 days of recovery, encryption, two tags and its index."""
    users = run_program("staging").table("users")

    assert users.inputs == {
        "name": "wikibot-staging-users",
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "id",
        "attributes": [
            {"name": "id", "type": "S"},
            {"name": "oauth_provider", "type": "S"},
            {"name": "oauth_provider_sub", "type": "S"},
        ],
        "globalSecondaryIndexes": [
            {
                "name": "by-oauth",
                "keySchemas": [
                    {"attributeName": "oauth_provider", "keyType": "HASH"},
                    {"attributeName": "oauth_provider_sub", "keyType": "RANGE"},
                ],
                "projectionType": "ALL",
            }
        ],
        "pointInTimeRecovery": {"enabled": True, "recoveryPeriodInDays": 35},
        "serverSideEncryption": {"enabled": True},
        "deletionProtectionEnabled": False,
        "tags": {"project": "wikibot-io", "environment": "staging"},
    }


def test_every_setting() -> None:
    """Each setting reaches the table, caps its index too, and adds to the tags."""
    acls = run_program("dev", EVERYTHING).table("acls")

    throughput = {"maxReadRequestUnits": 400, "maxWriteRequestUnits": 200}
    assert acls.protect
    assert acls.inputs == {
        "name": "Grants_1.0",
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "wiki_id",
        "rangeKey": "grantee_id",
        "attributes": [{"name": "wiki_id", "type": "S"}, {"name": "grantee_id", "type": "S"}],
        "globalSecondaryIndexes": [
            {
                "name": "by-grantee",
                "keySchemas": [
                    {"attributeName": "grantee_id", "keyType": "HASH"},
                    {"attributeName": "wiki_id", "keyType": "RANGE"},
                ],
                "projectionType": "ALL",
                "onDemandThroughput": throughput,
            }
        ],
        "pointInTimeRecovery": {"enabled": True, "recoveryPeriodInDays": 7},
        "serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY_ARN},
        "ttl": {"enabled": True, "attributeName": "expires_at"},
        "onDemandThroughput": throughput,
        "deletionProtectionEnabled": True,
        "tags": {"project": "wikibot-io", "environment": "dev", "team": "wiki", "cost-centre": "4711"},
    }


def test_one_cap_leaves_the_other_open() -> None:
    """Reads can be capped without capping writes."""
    users = run_program("dev", {"wikibot:maxReadUnits": "10"}).table("users")

    assert users.inputs["onDemandThroughput"] == {"maxReadRequestUnits": 10}


@pytest.mark.parametrize(
    ("stack", "config", "deletion_protection", "protect"),
    [
        ("dev", {}, False, False),
        ("staging", {}, False, False),
        ("prod", {}, True, True),
        ("dev", {"wikibot:deletionProtection": "true"}, True, False),
        ("dev", {"wikibot:protect": "true"}, False, True),
        ("prod", {"wikibot:deletionProtection": "false", "wikibot:protect": "false"}, False, False),
    ],
)
def test_protection(stack: str, config: dict[str, str], deletion_protection: bool, protect: bool) -> None:  # noqa: FBT001 - parameters
    """Only in prod are tables protected without being asked for, from AWS's side and from Pulumi's; settings decide."""
    plan = run_program(stack, config)

    tables = [plan.table(schema.name) for schema in TABLES]
    assert {table.inputs["deletionProtectionEnabled"] for table in tables} == {deletion_protection}
    assert {table.protect for table in tables} == {protect}
    assert plan.resources[plan.only(COMPONENT_TYPE)].protect == protect


@pytest.mark.parametrize("file", sorted(INFRA.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_stack_files(file: Path) -> None:
    """The stack files that come with the program have a region and settings that it takes."""
    config = yaml.safe_load(file.read_text())["config"]
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}

    plan = run_program(file.name.split(".")[1], values)

    assert config["aws:region"]
    assert len(plan.resources) == 2 + len(TABLES)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, StoreConfig(region=REGION, table_prefix="wikibot-dev")),
        (
            EVERYTHING,
            StoreConfig(region=REGION, table_prefix="acme", acls_table="Grants_1.0", grantee_index=True),
        ),
    ],
    ids=["defaults", "everything"],
)
def test_outputs_configure_the_store(config: dict[str, str], expected: StoreConfig, tmp_path: Path) -> None:
    """The stack's outputs, printed as JSON, are what StoreConfig reads, as a mapping or from the file."""
    printed = json.dumps(run_program("dev", config).stack_outputs)
    file = tmp_path / "stack-outputs.json"
    file.write_text(printed)

    expected = replace(expected, table_prefix=None)  # the outputs have each name as a whole
    assert StoreConfig.from_stack_outputs(json.loads(printed)) == expected
    assert StoreConfig.from_env({"WIKIBOT_STACK_OUTPUTS": str(file)}) == expected


def test_outputs_name_arns_and_indexes() -> None:
    """ARN and indexes of each table are exported, by stack and component alike."""
    plan = run_program()

    expected: dict[str, Any] = {f"{schema.name}_table_indexes": [] for schema in TABLES}
    expected |= {"users_table_indexes": ["by-oauth"]}
    expected |= {f"{schema.name}_table_arn": table_arn(f"wikibot-dev-{schema.name}") for schema in TABLES}
    assert plan.stack_outputs.items() >= expected.items()
    assert plan.outputs[plan.only(COMPONENT_TYPE)].items() >= expected.items()


@pytest.mark.parametrize("grantee_index", [False, True])
def test_outputs_hold_the_policies(grantee_index: bool) -> None:  # noqa: FBT001 - a parameter
    """Both policies are exported as JSON documents about these very tables."""
    outputs = run_program("dev", {"wikibot:granteeIndex": json.dumps(grantee_index)}).stack_outputs

    arns = {schema.name: table_arn(f"wikibot-dev-{schema.name}") for schema in TABLES}
    assert json.loads(outputs["backend_policy"]) == backend_policy(
        arns, optional_indexes={GRANTEE_INDEX} if grantee_index else ()
    )
    assert json.loads(outputs["operator_policy"]) == operator_policy(arns)
