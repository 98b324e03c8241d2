"""docs/how-to/use-the-component.md describes the component, and its program works beside other resources."""

import json
import re
import shutil
from collections import Counter
from dataclasses import fields
from inspect import get_annotations
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
import yaml
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.runtime import rpc

from tests.docs.pages import ROOT, blocks
from tests.infra.program import (
    ALARM_TYPE,
    COMPONENT_TYPE,
    INFRA,
    REGION,
    STACK_TYPE,
    TABLE_TYPE,
    Plan,
    run_in_stack,
    run_program,
    table_arn,
)
from wikibot_store import StoreConfig
from wikibot_store.policies import backend_policy
from wikibot_store.schema import GRANTEE_INDEX, TABLES

PAGE = ROOT / "docs" / "how-to" / "use-the-component.md"


def code(language: str) -> str:
    """Return the page's block in this language."""
    (block,) = [block.code for block in blocks(PAGE) if block.language == language]
    return block


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Run the page's program, made as the page says: in a folder that has a package `components` of its own."""
    components = tmp_path / "components"
    components.mkdir()
    (components / "__init__.py").touch()
    shutil.copy(INFRA / "components" / "dynamodb.py", components)
    (tmp_path / "__main__.py").write_text(code("py"))
    return run_program("prod", folder=tmp_path)


def only(plan: Plan, type_: str) -> dict[str, Any]:
    """Return the inputs of the one resource of a type."""
    return plan.resources[plan.only(type_)].inputs


def test_program_has_the_tables_beside_its_own_resources(plan: Plan) -> None:
    """The component, its tables and alarms stand beside the program's own resources, in the component's protection."""
    assert Counter(resource.type for resource in plan.resources.values()) == {
        STACK_TYPE: 1,
        "aws:sns/topic:Topic": 1,
        COMPONENT_TYPE: 1,
        TABLE_TYPE: len(TABLES),
        ALARM_TYPE: 2 * len(TABLES),
        "aws:iam/role:Role": 1,
        "aws:iam/rolePolicy:RolePolicy": 1,
        "aws:ssm/parameter:Parameter": 1,
    }
    tables = [resource for resource in plan.resources.values() if resource.type == TABLE_TYPE]
    assert {(table.parent, table.protect) for table in tables} == {(plan.only(COMPONENT_TYPE), True)}
    assert all(table.inputs["tags"]["team"] == "wiki" for table in tables)


def test_outputs_are_inputs_of_other_resources(plan: Plan) -> None:
    """The role gets the policy for these tables, the alarms the topic, the parameter the settings of the store."""
    names = {schema.name: f"store-{schema.name}-3f0c2d1" for schema in TABLES}
    arns = {schema: table_arn(name) for schema, name in names.items()}
    attached = only(plan, "aws:iam/rolePolicy:RolePolicy")
    assert attached["role"] == "backend-3f0c2d1"
    assert json.loads(attached["policy"]) == backend_policy(arns, optional_indexes={GRANTEE_INDEX})

    topic = "arn:aws:sns/topic:Topic:alerts-3f0c2d1"
    alarms = [resource for resource in plan.resources.values() if resource.type == ALARM_TYPE]
    assert {(*alarm.inputs["alarmActions"], *alarm.inputs["okActions"]) for alarm in alarms} == {(topic, topic)}

    # The provider marks the value of a parameter as a secret.
    settings = json.loads(rpc.unwrap_rpc_secret(only(plan, "aws:ssm/parameter:Parameter")["value"]))
    config = StoreConfig.from_stack_outputs({**settings, "region": REGION})
    assert {schema.name: config.table_name(schema.name) for schema in TABLES} == names
    assert config.grantee_index
    assert plan.stack_outputs == {"users_table": names["users"]}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a module
    """Import the component as a program in infra/ does."""
    monkeypatch.syspath_prepend(INFRA)
    from components import dynamodb  # noqa: PLC0415 - from there

    return dynamodb


def test_names_do_not_clash(module: Any) -> None:  # noqa: ANN401 - a module
    """Two components, and a table of the program's own that is called users, have names of their own."""

    def program() -> None:
        aws.dynamodb.Table("users", hash_key="id", attributes=[{"name": "id", "type": "S"}])
        for name in ("old", "new"):
            module.DynamoDbComponent(name, module.DynamoDbArgs(environment="dev", alarm_topic_arn="topic"))

    plan = run_in_stack(program)

    names = [resource.name for resource in plan.resources.values() if resource.type == TABLE_TYPE]
    assert sorted(names) == sorted(["users", *(f"{age}-{schema.name}" for age in ("old", "new") for schema in TABLES)])


def test_one_name_can_be_given(module: Any) -> None:  # noqa: ANN401 - a module
    """A table gets its name from `table_names`, which may be an output of a resource; Pulumi names the others."""

    def program() -> None:
        name = pulumi.Output.from_input("people")
        module.DynamoDbComponent("store", module.DynamoDbArgs(environment="dev", table_names={"users": name}))

    plan = run_in_stack(program)

    named = [resource.inputs.get("name") for resource in plan.resources.values() if resource.type == TABLE_TYPE]
    assert named == ["people", *[None] * (len(TABLES) - 1)]


def test_unknown_table_is_rejected(module: Any) -> None:  # noqa: ANN401 - a module
    """A name for a table that the schema does not have is an error that names the tables."""
    names = ", ".join(schema.name for schema in TABLES)
    with pytest.raises(ValueError, match=f"table_names: user is not a table; the tables are {names}"):
        module.DynamoDbArgs(environment="dev", table_names={"user": "people"})


def described(heading: str) -> set[str]:
    """Return the names in the first column of a table on the page."""
    table = PAGE.read_text().partition(f"| {heading} |")[2].partition("\n\n")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)}


def test_page_describes_every_argument_and_output(module: Any) -> None:  # noqa: ANN401 - a module
    """The page's tables have each argument and each output, and no others."""
    assert described("argument") == {field.name for field in fields(module.DynamoDbArgs)}
    assert described("output") == get_annotations(module.DynamoDbComponent).keys()


def test_other_languages_use_names_of_the_schema(module: Any) -> None:  # noqa: ANN401 - a module
    """The programs in TypeScript and YAML use only arguments and outputs that the package's schema has."""
    provider = ComponentProvider([module.DynamoDbComponent], "wikibot")
    ((token, component),) = json.loads(str(provider.schema))["resources"].items()
    inputs, outputs = component["inputProperties"].keys(), component["properties"].keys()

    typescript = code("ts")
    (arguments,) = re.findall(r'DynamoDbComponent\("store", \{(.*?)\}\)', typescript)
    assert set(re.findall(r"(\w+):", arguments)) <= inputs
    assert set(re.findall(r"store\.(\w+)", typescript)) <= outputs

    program = yaml.safe_load(code("yaml"))
    assert program["resources"]["store"]["type"] == token
    assert program["resources"]["store"]["properties"].keys() <= inputs
    assert set(re.findall(r"store\.(\w+)", program["outputs"]["usersTable"])) <= outputs
