"""The component package serves the component to programs in any language, without the CLI in these tests."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.provider import ConstructResult
from pulumi.provider.experimental import host
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc

from tests.infra.program import COMPONENT_TYPE, INFRA, TABLE_TYPE, run_in_stack, run_program, table_arn
from wikibot_store.policies import backend_policy
from wikibot_store.schema import GRANTEE_INDEX, TABLES

PACKAGE = INFRA / "components"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> ComponentProvider:
    """Run the package as Pulumi does, up to the point where the host would serve, and return what it would serve."""
    served: list[ComponentProvider] = []
    monkeypatch.setattr(host, "is_hosting", False)
    monkeypatch.setattr(host, "main", lambda provider, _arguments: served.append(provider))
    monkeypatch.setattr(sys, "path", list(sys.path))
    runpy.run_path(str(PACKAGE), run_name="__main__")
    (component_provider,) = served
    return component_provider


def test_manifest_names_what_pulumi_runs() -> None:
    """The manifest declares Python; what its virtual environment gets is in the folder, with the program's versions."""
    manifest = yaml.safe_load((PACKAGE / "PulumiPlugin.yaml").read_text())

    assert manifest["runtime"]["name"] == "python"
    environment = (PACKAGE / manifest["runtime"]["options"]["virtualenv"]).resolve()
    assert environment == INFRA.parent / ".venv"
    wanted = (PACKAGE / "requirements.txt").read_text().split()
    assert [(PACKAGE / path.removesuffix("[infra]")).resolve() for path in wanted[1::2]] == [
        INFRA.parent / "constraints.txt",
        INFRA.parent,
    ]


def test_schema(provider: ComponentProvider) -> None:
    """The schema that Pulumi infers has every argument, asks only for the environment, and describes everything."""
    schema = json.loads(str(provider.schema))

    assert schema["name"] == "wikibot"
    ((token, component),) = schema["resources"].items()
    assert token == COMPONENT_TYPE
    inputs = component["inputProperties"]
    assert component["requiredInputs"] == ["environment"]
    assert {name: described.get("type") for name, described in inputs.items()} == {
        "environment": "string",
        "tableNames": "object",
        "granteeIndex": "boolean",
        "recoveryDays": "integer",
        "deletionProtection": "boolean",
        "kmsKeyArn": "string",
        "maxReadUnits": "integer",
        "maxWriteUnits": "integer",
        "alarmTopicArn": "string",
        "tags": "object",
    }
    from components.dynamodb import DynamoDbArgs  # noqa: PLC0415 - the package has put its folder on the path

    assert len(inputs) == len(fields(DynamoDbArgs))
    assert {name: described["type"] for name, described in component["properties"].items()} == {
        "tableNames": "object",
        "tableArns": "object",
        "backendPolicy": "string",
        "operatorPolicy": "string",
        "outputs": "object",
    }
    assert all(described["description"] for described in [*inputs.values(), *component["properties"].values()])


def test_host_constructs_the_component(provider: ComponentProvider) -> None:
    """The host makes of the schema's names what the program makes of its own; only given arguments differ."""
    made: list[ConstructResult] = []

    def program() -> None:
        made.append(provider.construct("wikibot", COMPONENT_TYPE, {"environment": "dev", "maxReadUnits": 10}))

    plan = run_in_stack(program)

    by_program = run_program("dev", {"wikibot:maxReadUnits": "10"})
    for schema in TABLES:
        expected = {name: value for name, value in by_program.table(schema.name).inputs.items() if name != "name"}
        assert plan.table(schema.name).inputs == expected
    (result,) = made
    assert result.state.keys() == json.loads(str(provider.schema))["resources"][COMPONENT_TYPE]["properties"].keys()


class _Engine(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """Takes what the package registers, as Pulumi's engine does, and gives the tables their ARNs."""

    def __init__(self) -> None:
        self.registered: list[resource_pb2.RegisterResourceRequest] = []

    def Log(self, _request: object, _context: object) -> Empty:  # noqa: N802 - the protocol's name
        return Empty()

    def SupportsFeature(self, _request: object, _context: object) -> resource_pb2.SupportsFeatureResponse:  # noqa: N802
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: resource_pb2.RegisterResourceRequest, _context: object
    ) -> resource_pb2.RegisterResourceResponse:
        self.registered.append(request)
        state = Struct()
        state.CopyFrom(request.object)
        if request.type == TABLE_TYPE:
            state["arn"] = table_arn(state["name"])
        urn = f"urn:pulumi:dev::somebody::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name if request.custom else "", object=state)

    def RegisterResourceOutputs(self, _request: object, _context: object) -> Empty:  # noqa: N802 - the protocol's name
        return Empty()


@pytest.fixture
def engine() -> Iterator[tuple[_Engine, str]]:
    """Serve an engine; give it and its address."""
    engine, server = _Engine(), grpc.server(ThreadPoolExecutor(4))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield engine, f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def package(engine: tuple[_Engine, str]) -> Iterator[Any]:
    """Start the package in a process of its own, as Pulumi does, and give a client of it."""
    with subprocess.Popen(  # noqa: S603 - the project's own package
        [sys.executable, PACKAGE, engine[1]],
        stdout=subprocess.PIPE,
        cwd=INFRA.anchor,
        env=os.environ | {"PYTHONPATH": str(INFRA.parent)},
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.terminate()


def test_package_runs(package: Any, engine: tuple[_Engine, str], provider: ComponentProvider) -> None:  # noqa: ANN401 - a stub
    """The running package answers with its schema, and makes the component and its tables for another program."""
    schema = package.GetSchema(provider_pb2.GetSchemaRequest(), timeout=60).schema
    assert json.loads(schema) == json.loads(str(provider.schema))

    inputs = Struct()
    inputs.update(
        {
            "environment": "prod",
            "granteeIndex": True,
            "recoveryDays": 7,
            "tableNames": {schema.name: f"club-{schema.name}" for schema in TABLES},
        }
    )
    request = provider_pb2.ConstructRequest(
        project="somebody",
        stack="dev",
        monitorEndpoint=engine[1],
        type=COMPONENT_TYPE,
        name="store",
        inputs=inputs,
    )
    made = package.Construct(request, timeout=60)

    registered = [(resource.type, resource.name) for resource in engine[0].registered]
    assert sorted(registered) == sorted(
        [(COMPONENT_TYPE, "store"), *((TABLE_TYPE, f"store-{schema.name}") for schema in TABLES)]
    )
    assert made.urn.endswith(f"::{COMPONENT_TYPE}::store")
    arns = {schema.name: table_arn(f"club-{schema.name}") for schema in TABLES}
    assert dict(made.state["tableArns"]) == arns
    assert json.loads(made.state["backendPolicy"]) == backend_policy(arns, optional_indexes={GRANTEE_INDEX})
    assert made.state["outputs"]["users_table"] == "club-users"
