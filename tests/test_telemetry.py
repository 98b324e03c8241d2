"""OpenTelemetry: which spans and metrics a store gives, and that it gives no secrets."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.wire.items import wiki_item
from tests.wire.scripted_server import ScriptedServer, refuse, reply, scripted_server
from wikibot_store import AlreadyExistsError, ConflictError, NotFoundError, StoreConfig, ThrottledError, WikibotStore
from wikibot_store.local import local_session, local_store
from wikibot_store.telemetry import instrument


@dataclass(frozen=True)
class Telemetry:
    """What a store's telemetry has exported so far."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def spans(self) -> dict[str, ReadableSpan]:
        """Return the spans by name; the last one of each."""
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def metric(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return attributes and value (of a histogram: the count) of each data point."""
        exported = self.reader.get_metrics_data()
        assert exported is not None
        data = json.loads(exported.to_json())
        metrics = data["resource_metrics"][0]["scope_metrics"][0]["metrics"]
        points = [point for metric in metrics if metric["name"] == name for point in metric["data"]["data_points"]]
        return [(point["attributes"], point.get("value", point.get("count"))) for point in points]


def observed(store: WikibotStore) -> Telemetry:
    """Instrument a store, with exporters in memory."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(store, tracer_provider=tracers, meter_provider=MeterProvider([reader]))
    return Telemetry(exporter, reader)


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[WikibotStore]:
    """An instrumented store on the embedded engine."""
    async with local_store() as store:
        yield store


@pytest.fixture(scope="module")
def telemetry(store: WikibotStore) -> Telemetry:
    """What it exports."""
    return observed(store)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server."""
    async with scripted_server() as server:
        yield server


async def test_spans_of_an_access_pattern(store: WikibotStore, telemetry: Telemetry) -> None:
    """An access pattern is a span, and each of its requests a client span below it, named as the conventions say."""
    await store.wikis.list_by_owner("ada")

    pattern, request = telemetry.spans()["wikis.list_by_owner"], telemetry.spans()["Query wikis"]
    assert request.parent is not None
    assert request.parent.span_id == pattern.context.span_id
    assert request.kind is SpanKind.CLIENT
    attributes: dict[str, Any] = dict(request.attributes or {})
    port = attributes.pop("server.port")
    (consumed,) = attributes.pop("aws.dynamodb.consumed_capacity")
    assert attributes == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "Query",
        "db.collection.name": "wikis",
        "aws.dynamodb.table_names": ("wikis",),
        "server.address": "127.0.0.1",
        "wikibot_store.attempts": 1,
    }
    assert f":{port}" in (store.config.endpoint_url or "")
    assert json.loads(consumed)["TableName"] == "wikis"


async def test_spans_over_several_tables(store: WikibotStore, telemetry: Telemetry) -> None:
    """A batch and a transaction name all of their tables, each once."""
    await store.users.create(id="bob", oauth_provider="github", oauth_provider_sub="2")
    await store.authorize("bob", "ada", "notes")

    spans = telemetry.spans()
    assert dict(spans["TransactWriteItems users"].attributes or {})["aws.dynamodb.table_names"] == ("users",)
    batch = dict(spans["BatchGetItem wikis users acls"].attributes or {})
    assert batch["aws.dynamodb.table_names"] == ("wikis", "users", "acls")
    assert "db.collection.name" not in batch


@pytest.fixture(scope="module")
async def ada(store: WikibotStore) -> str:
    """A user who can own wikis."""
    return (await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")).id


async def test_a_refused_condition_is_no_failed_request(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """A conflict is an error of the access pattern; the request got the answer that it asked for."""
    with pytest.raises(ConflictError):
        await store.users.update(ada, expected_version=7, tier="pro")

    pattern, request = telemetry.spans()["users.update"], telemetry.spans()["UpdateItem users"]
    assert pattern.status.status_code is StatusCode.ERROR
    assert dict(pattern.attributes or {}) == {"error.type": "ConflictError"}
    assert request.status.status_code is StatusCode.UNSET
    assert dict(request.attributes or {})["db.response.status_code"] == "ConditionalCheckFailedException"


async def test_a_refused_transaction_is_no_failed_request(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """The same holds for a transaction that is cancelled because of a condition."""
    await store.wikis.create(ada, "taken", display_name="A", repo_path="/a")

    with pytest.raises(AlreadyExistsError):
        await store.wikis.create(ada, "taken", display_name="A", repo_path="/a")

    pattern, request = telemetry.spans()["wikis.create"], telemetry.spans()["TransactWriteItems users wikis"]
    assert dict(pattern.attributes or {}) == {"error.type": "AlreadyExistsError"}
    assert request.status.status_code is StatusCode.UNSET
    assert dict(request.attributes or {})["db.response.status_code"] == "TransactionCanceledException"


async def test_nothing_of_an_item_is_recorded(store: WikibotStore, telemetry: Telemetry) -> None:
    """Spans hold no key and no value, not even in the messages of errors."""
    with pytest.raises(NotFoundError):
        await store.users.require("secret-id")
    await store.users.create(id="secret-id", oauth_provider="github", oauth_provider_sub="secret-sub", email="secret@x")

    exported = "".join(span.to_json() for span in telemetry.exporter.get_finished_spans())
    assert "secret" not in exported


async def test_metrics(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """Durations by operation and table, capacity by table and access pattern, coalesced reads, the pool."""
    await store.wikis.create(ada, "metered", display_name="A", repo_path="/a")
    await store.wikis.touch(ada, "metered")
    await asyncio.gather(*[store.wikis.get(ada, slug) for slug in ("metered", "none")])

    durations = telemetry.metric("db.client.operation.duration")
    assert any(
        attributes["db.operation.name"] == "UpdateItem" and attributes["db.collection.name"] == "wikis"
        for attributes, _ in durations
    )
    capacity = {
        (attributes["wikibot_store.access_pattern"], attributes["wikibot_store.capacity"]): units
        for attributes, units in telemetry.metric("wikibot_store.consumed_capacity")
    }
    assert capacity["wikis.touch", "write"] > 0
    assert capacity["wikis.get", "read"] > 0
    ((_, reads),) = telemetry.metric("wikibot_store.coalesced_reads")
    ((_, requests),) = telemetry.metric("wikibot_store.coalesced_requests")
    assert reads >= 2 * requests > 0
    connections = telemetry.metric("db.client.connection.count")
    assert {attributes["db.client.connection.state"]: count for attributes, count in connections} == {
        "used": 0,
        "idle": store.config.max_pool_connections,
    }


async def test_retries_and_throttles(server: ScriptedServer) -> None:
    """What is sent again, and what was throttled, is counted; a call without an answer is an error of its request."""
    throttle = refuse("ThrottlingException")
    async with WikibotStore.open(
        StoreConfig(endpoint_url=server.url, max_attempts=2), session=local_session()
    ) as store:
        telemetry = observed(store)
        server.play(throttle, reply({"Item": wiki_item()}), throttle, throttle)
        await store.wikis.get("u-1", "notes")
        with pytest.raises(ThrottledError):
            await store.wikis.get("u-1", "notes")

    request = telemetry.spans()["GetItem wikis"]
    assert request.status.status_code is StatusCode.ERROR
    assert dict(request.attributes or {})["error.type"] == "throttled"
    assert sum(count for _, count in telemetry.metric("wikibot_store.retries")) == 2
    assert sum(count for _, count in telemetry.metric("wikibot_store.throttles")) == 3


async def test_no_answer_and_cancellation(server: ScriptedServer) -> None:
    """A call that cannot be answered is unavailable; one that is cut off by a bug has the bug's name."""
    async with WikibotStore.open(
        StoreConfig(endpoint_url=server.url, max_attempts=1), session=local_session()
    ) as store:
        telemetry = observed(store)
        server.play(reply([]), reply({}))
        with pytest.raises(Exception, match="GetItem failed"):
            await store.wikis.get("u-1", "notes")
        with pytest.raises(ZeroDivisionError):
            await store._wire.call("GetItem", {"TableName": "t"}, lambda _: 1 / 0, deadline=store._wire.deadline())

    assert dict(telemetry.spans()["GetItem wikis"].attributes or {})["error.type"] == "unavailable"
    assert dict(telemetry.spans()["GetItem t"].attributes or {})["error.type"] == "ZeroDivisionError"


async def test_an_https_endpoint_has_its_usual_port() -> None:
    """An endpoint without a port is named with the port of its scheme."""
    async with WikibotStore.open(StoreConfig(region="eu-central-1"), session=local_session()) as store:
        telemetry = observed(store)
        ((attributes, _), _) = telemetry.metric("db.client.connection.count")

    assert attributes["db.client.connection.pool.name"] == "dynamodb.eu-central-1.amazonaws.com:443"


async def test_a_store_is_instrumented_once(store: WikibotStore, telemetry: Telemetry) -> None:
    """A second time would count everything twice."""
    assert telemetry.spans() is not None
    with pytest.raises(RuntimeError, match="already instrumented"):
        instrument(store)


OPEN_AND_READ = """
import asyncio, sys
from wikibot_store.local import local_store

async def main():
    async with local_store() as store:
        await store.users.get("ada")
        print([module for module in sys.modules if "opentelemetry" in module])

asyncio.run(main())
"""


def test_nothing_is_imported_without_it() -> None:
    """A store that is not instrumented does not even load OpenTelemetry, open and at work."""
    loaded = subprocess.run([sys.executable, "-c", OPEN_AND_READ], check=True, capture_output=True, text=True)  # noqa: S603 - the project's own code

    assert loaded.stdout.strip() == "[]"
