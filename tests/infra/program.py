"""Runs the Pulumi program as Pulumi's language host does, on an engine that makes nothing and takes notes."""

import asyncio
import json
import runpy
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, rpc
from pulumi.runtime.mocks import MockEngine, MockMonitor
from pulumi.runtime.proto import resource_pb2

INFRA = Path(__file__).parents[2] / "infra"
PROJECT = yaml.safe_load((INFRA / "Pulumi.yaml").read_text())["name"]
REGION = "eu-central-1"
STACK_TYPE = "pulumi:pulumi:Stack"
COMPONENT_TYPE = "wikibot:index:DynamoDbComponent"
TABLE_TYPE = "aws:dynamodb/table:Table"
ALARM_TYPE = "aws:cloudwatch/metricAlarm:MetricAlarm"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What the program registered; `inputs` are in the provider's own words, with nothing that is unset."""

    type: str
    name: str
    parent: str
    protect: bool
    inputs: dict[str, Any]
    former_types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run of the program registered, by URN, and the outputs of stack and components, by URN."""

    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def only(self, type_: str) -> str:
        """Return the URN of the one resource of this type."""
        (urn,) = [urn for urn, resource in self.resources.items() if resource.type == type_]
        return urn

    @property
    def stack_outputs(self) -> dict[str, Any]:
        """What `pulumi stack output --json` prints."""
        return self.outputs[self.only(STACK_TYPE)]

    def table(self, name: str) -> Resource:
        """Return one of the schema's tables."""
        (table,) = [table for table in self.resources.values() if table.name == f"wikibot-{name}"]
        return table


def table_arn(name: str) -> str:
    """Return the ARN that the engine gives to a table."""
    return f"arn:aws:dynamodb:{REGION}:123456789012:table/{name}"


def run_program(stack: str = "dev", config: Mapping[str, str] | None = None, *, folder: Path = INFRA) -> Plan:
    """Run infra/__main__.py, or that of another folder; the keys of `config` are whole ones, as wikibot:pitrDays.

    The modules of the folder are imported anew, and forgotten afterwards.
    """

    def program() -> None:
        with pytest.MonkeyPatch.context() as patch:
            for module in [name for name in sys.modules if name.partition(".")[0] in ("components", "config")]:
                patch.delitem(sys.modules, module)
            before = set(sys.modules)
            runpy.run_path(str(folder), run_name="__main__")
            for module in sys.modules.keys() - before:
                if module.partition(".")[0] in ("components", "config"):
                    del sys.modules[module]

    return run_in_stack(program, stack, config)


def run_in_stack(program: Callable[[], None], stack: str = "dev", config: Mapping[str, str] | None = None) -> Plan:
    """Run `program` as the program of a stack.

    It has a thread to itself: Pulumi keeps its state in context variables and runs event loops of its own.
    """
    plan = Plan()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.setenv("PULUMI_CONFIG", json.dumps(config or {}))
        thread.submit(_run, plan, stack, program).result()
    return plan


def _run(plan: Plan, stack: str, program: Callable[[], None]) -> None:
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env())
    monitor = _NoteTaker(plan)
    pulumi.runtime.configure(
        pulumi.runtime.Settings(project=PROJECT, stack=stack, monitor=monitor, engine=MockEngine(None))
    )
    # The mocks want an event loop in the thread that they are called in, and would leave it open.
    mocks_loop = asyncio.new_event_loop()
    try:
        with asyncio.Runner() as runner:
            mocks_thread = ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(mocks_loop,))
            runner.get_loop().set_default_executor(mocks_thread)
            runner.run(pulumi.runtime.run_in_stack(program))
    finally:
        mocks_loop.close()


class _Provider(Mocks):
    """Answers for AWS."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        assert args.token == "aws:index/getRegion:getRegion"
        return {"region": REGION}, []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:
            return None, args.inputs
        name = args.inputs.get("name", f"{args.name}-3f0c2d1")
        arn = table_arn(name) if args.typ == TABLE_TYPE else f"arn:{args.typ}:{name}"
        return name, args.inputs | {"name": name, "arn": arn}


class _NoteTaker(MockMonitor):
    """Notes what Pulumi's own mocks keep to themselves: parents, protection and outputs."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(_Provider())
        self._plan = plan

    def RegisterResource(  # noqa: N802 - the protocol's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        response: resource_pb2.RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        assert response.urn not in self._plan.resources, f"two resources are called {response.urn}"
        self._plan.resources[response.urn] = Resource(
            type=request.type,
            name=request.name,
            parent=request.parent,
            protect=request.protect,
            inputs=rpc.deserialize_properties(request.object),
            former_types=tuple(alias.spec.type for alias in request.aliases),
        )
        return response

    def RegisterResourceOutputs(  # noqa: N802 - the protocol's name
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> object:
        self._plan.outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]
