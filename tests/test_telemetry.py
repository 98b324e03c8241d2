"""OpenTelemetry: which spans and metrics a store gives, and that it gives no secrets."""

import asyncio
import inspect
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import get_meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from tests.engines import patient
from tests.hedges import prime
from tests.waiting import together
from tests.wire.items import wiki_item
from tests.wire.scripted_server import ScriptedServer, in_turn, keep_silent, refuse, reply, scripted_server
from wikibot_store import (
    AlreadyExistsError,
    ConflictError,
    InvalidKeyError,
    NotFoundError,
    RequestFailedError,
    StoreConfig,
    ThrottledError,
    WikibotStore,
    WikibotStoreError,
    errors,
)
from wikibot_store._wire import ExhaustedError, Refusal
from wikibot_store.local import local_session, local_store
from wikibot_store.telemetry import _Observer, _traced, instrument

DURATION = "db.client.operation.duration"


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
    async with local_store(patient()) as store:
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


async def test_a_call_with_one_request_is_one_span(store: WikibotStore, telemetry: Telemetry) -> None:
    """A call is a client span. It describes its only request, with the names of the conventions."""
    telemetry.exporter.clear()
    await store.wikis.list_by_owner("ada")

    (span,) = telemetry.exporter.get_finished_spans()
    assert span.name == "wikis.list_by_owner"
    assert span.kind is SpanKind.CLIENT
    attributes: dict[str, Any] = dict(span.attributes or {})
    port = attributes.pop("server.port")
    (consumed,) = attributes.pop("aws.dynamodb.consumed_capacity")
    assert attributes == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "Query",
        "db.collection.name": "wikis",
        "aws.dynamodb.table_names": ("wikis",),
        "server.address": "127.0.0.1",
        "wikibot_store.access_pattern": "wikis.list_by_owner",
        "wikibot_store.attempts": 1,
        "wikibot_store.outcome": "ok",
    }
    assert f":{port}" in (store.config.endpoint_url or "")
    assert json.loads(consumed)["TableName"] == "wikis"


async def test_several_requests_have_spans(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """If a call sends several requests, each is a client span below that of the call, which has what they cost."""
    await store.wikis.create(ada, "shown", display_name="A", repo_path="/a")
    await store.acls.create("ada:shown", "guest", "viewer", granted_by=ada, check_grantee=False)
    telemetry.exporter.clear()
    await store.acls.list_members("ada:shown")

    query, batch, call = telemetry.exporter.get_finished_spans()
    assert (query.name, batch.name, call.name) == ("Query acls", "BatchGetItem users", "acls.list_members")
    for request in (query, batch):
        assert request.parent is not None
        assert request.parent.span_id == call.context.span_id
        assert request.kind is SpanKind.CLIENT
        assert (call.start_time or 0) <= (request.start_time or 0) <= (request.end_time or 0)
    attributes: dict[str, Any] = dict(query.attributes or {})
    del attributes["server.port"]
    consumed = attributes.pop("aws.dynamodb.consumed_capacity")
    assert attributes == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "Query",
        "db.collection.name": "acls",
        "aws.dynamodb.table_names": ("acls",),
        "server.address": "127.0.0.1",
        "wikibot_store.access_pattern": "acls.list_members",
        "wikibot_store.attempts": 1,
    }
    total: dict[str, Any] = dict(call.attributes or {})
    del total["server.port"]
    assert total == {
        "db.system.name": "aws.dynamodb",
        "server.address": "127.0.0.1",
        "aws.dynamodb.table_names": ("acls", "users"),
        "aws.dynamodb.consumed_capacity": consumed + dict(batch.attributes or {})["aws.dynamodb.consumed_capacity"],
        "wikibot_store.access_pattern": "acls.list_members",
        "wikibot_store.attempts": 2,
        "wikibot_store.outcome": "ok",
    }


async def test_a_call_without_a_request(store: WikibotStore, telemetry: Telemetry) -> None:
    """A call that is refused before its request is a span too."""
    with pytest.raises(InvalidKeyError):
        await store.wikis.get("ada", "No Slug")

    span = telemetry.spans()["wikis.get"]
    assert outcome_of(span) == ("refused", "InvalidKeyError", StatusCode.UNSET)
    assert dict(span.attributes or {})["wikibot_store.attempts"] == 0


async def test_a_method_that_calls_another(store: WikibotStore, telemetry: Telemetry) -> None:
    """A public method that another one calls has no span: the span belongs to what the caller has called."""
    telemetry.exporter.clear()
    with pytest.raises(NotFoundError):
        await store.users.require("nobody")

    (span,) = telemetry.exporter.get_finished_spans()
    assert span.name == "users.require"
    assert dict(span.attributes or {})["wikibot_store.access_pattern"] == "users.require"


async def test_a_request_of_several_calls(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """A request that several reads share is a span of its own, below one of them."""
    telemetry.exporter.clear()
    await together(store, *[store.wikis.get(ada, slug) for slug in ("one", "other")])

    batch, *reads = telemetry.exporter.get_finished_spans()
    assert [span.name for span in (batch, *reads)] == ["BatchGetItem wikis", "wikis.get", "wikis.get"]
    assert dict(batch.attributes or {})["wikibot_store.access_pattern"] == "shared reads"
    assert batch.parent is not None
    assert batch.parent.span_id in {span.context.span_id for span in reads}
    assert sorted(dict(span.attributes or {})["wikibot_store.attempts"] for span in reads) == [0, 1]  # type: ignore[type-var]  # numbers


async def test_a_request_that_outlives_its_call(server: ScriptedServer) -> None:
    """A request that ends after its call has failed is recorded too."""
    server.play(refuse("ValidationException"), keep_silent)
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=local_session()) as store:
        telemetry = observed(store)
        with pytest.raises(RequestFailedError):
            await store.users.get_many([f"u-{number}" for number in range(101)])
        await asyncio.sleep(0)

    assert [span.name for span in telemetry.exporter.get_finished_spans()] == ["users.get_many", "BatchGetItem users"]


async def test_spans_over_several_tables(store: WikibotStore, telemetry: Telemetry) -> None:
    """A batch and a transaction name all of their tables, each once."""
    await store.users.create(id="bob", oauth_provider="github", oauth_provider_sub="2")
    await store.authorize("bob", "ada", "notes")

    spans = telemetry.spans()
    assert dict(spans["users.create"].attributes or {})["aws.dynamodb.table_names"] == ("users",)
    batch = dict(spans["authorize"].attributes or {})
    assert batch["aws.dynamodb.table_names"] == ("wikis", "users", "acls")
    assert batch["db.operation.name"] == "BatchGetItem"
    assert "db.collection.name" not in batch


@pytest.fixture(scope="module")
async def ada(store: WikibotStore) -> str:
    """A user who can own wikis."""
    return (await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")).id


def outcome_of(span: ReadableSpan) -> tuple[object, object, StatusCode]:
    """Return the outcome of an access pattern, the type of its error and the status."""
    attributes: dict[str, Any] = dict(span.attributes or {})
    return attributes["wikibot_store.outcome"], attributes.get("error.type"), span.status.status_code


async def test_a_refused_condition_is_no_failed_request(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """A conflict is an answer that the caller has to expect, and the request got the answer that it asked for."""
    with pytest.raises(ConflictError):
        await store.users.update(ada, expected_version=7, tier="pro")

    span = telemetry.spans()["users.update"]
    assert outcome_of(span) == ("refused", "ConflictError", StatusCode.UNSET)
    assert dict(span.attributes or {})["db.response.status_code"] == "ConditionalCheckFailedException"


async def test_a_refused_transaction_is_no_failed_request(store: WikibotStore, telemetry: Telemetry, ada: str) -> None:
    """The same holds for a transaction that is cancelled because of a condition."""
    await store.wikis.create(ada, "taken", display_name="A", repo_path="/a")

    with pytest.raises(AlreadyExistsError):
        await store.wikis.create(ada, "taken", display_name="A", repo_path="/a")

    span = telemetry.spans()["wikis.create"]
    assert outcome_of(span) == ("refused", "AlreadyExistsError", StatusCode.UNSET)
    assert dict(span.attributes or {})["db.response.status_code"] == "TransactionCanceledException"


REFUSALS = {
    "AlreadyExistsError",
    "ConflictError",
    "InvalidCursorError",
    "InvalidInviteError",
    "InvalidKeyError",
    "LastIdentityError",
    "NotActiveError",
    "NotFoundError",
    "ProtectedOwnerError",
    "QuotaExceededError",
    "UserOwnsWikisError",
}
FAILURES = {
    "BackupError",
    "ConfigurationError",
    "CorruptItemError",
    "IndexNotConfiguredError",
    "RequestFailedError",
    "ThrottledError",
    "UnavailableError",
    "WriteOutcomeUnknownError",
}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WikibotStoreError)],
)
async def test_every_error_is_a_refusal_or_a_failure(kind: type[WikibotStoreError]) -> None:
    """Each error of the library is either an answer that callers have to expect, or a failure with status ERROR."""
    if kind.__name__ in {"WikibotStoreError", "_ItemError"}:  # no error is of exactly these
        return
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))

    async def fail() -> None:
        raise kind.__new__(kind)

    with pytest.raises(kind):
        await _traced(_Observer(tracers.get_tracer("test"), get_meter("test"), "http://localhost"), "fail", fail)()

    (span,) = exporter.get_finished_spans()
    expected = ("refused", StatusCode.UNSET) if kind.__name__ in REFUSALS else ("error", StatusCode.ERROR)
    assert (kind.__name__ in REFUSALS) != (kind.__name__ in FAILURES)
    assert outcome_of(span) == (expected[0], kind.__name__, expected[1])


async def test_misuse_is_an_error(store: WikibotStore, telemetry: Telemetry) -> None:
    """What is outside of the library's tree of errors is a bug of the caller."""
    with pytest.raises(TypeError):
        await store.users.get("ada", consistent="no")  # type: ignore[arg-type]  # misuse

    assert outcome_of(telemetry.spans()["users.get"]) == ("error", "TypeError", StatusCode.ERROR)


# ---- streams


async def shelf(store: WikibotStore, owner: str, wikis: int) -> None:
    """Create a user with wikis."""
    await store.users.create(id=owner, oauth_provider="github", oauth_provider_sub=owner)
    for number in range(wikis):
        await store.wikis.create(owner, f"w-{number}", display_name="W", repo_path="/w")


async def test_a_stream_has_a_span(store: WikibotStore, telemetry: Telemetry) -> None:
    """All pages of a stream are below its span, which has what they cost; what the consumer does is not below it."""
    await shelf(store, "streaming", 3)
    telemetry.exporter.clear()

    async for wiki in store.wikis.iter_by_owner("streaming", page_size=2):
        assert not trace.get_current_span().is_recording()
        await store.wikis.touch("streaming", wiki.wiki_slug)

    finished = telemetry.exporter.get_finished_spans()
    (stream,) = [span for span in finished if span.name == "wikis.iter_by_owner"]
    queries = [span for span in finished if span.name == "Query wikis"]
    assert len(queries) == 2
    assert {span.parent and span.parent.span_id for span in queries} == {stream.context.span_id}
    assert {dict(span.attributes or {})["wikibot_store.access_pattern"] for span in queries} == {"wikis.iter_by_owner"}
    assert all(span.parent is None for span in finished if span.name == "wikis.touch")
    attributes: dict[str, Any] = dict(stream.attributes or {})
    assert attributes["wikibot_store.attempts"] == 2
    assert attributes["aws.dynamodb.table_names"] == ("wikis",)
    assert outcome_of(stream) == ("ok", None, StatusCode.UNSET)


async def test_a_stream_that_is_left_early(store: WikibotStore, telemetry: Telemetry) -> None:
    """If the consumer stops, the span ends as ok, and no further page is read."""
    await shelf(store, "leaving", 3)

    async with aclosing(store.wikis.iter_by_owner("leaving", page_size=1)) as wikis:
        assert (await anext(wikis)).wiki_slug == "w-0"

    stream = telemetry.spans()["wikis.iter_by_owner"]
    assert outcome_of(stream) == ("ok", None, StatusCode.UNSET)
    assert dict(stream.attributes or {})["wikibot_store.attempts"] == 1


async def test_a_stream_that_fails(server: ScriptedServer) -> None:
    """A failure of a later page is an error of the stream; an invalid argument is raised by the call, as without."""
    async with WikibotStore.open(
        StoreConfig(endpoint_url=server.url, max_attempts=1), session=local_session()
    ) as store:
        telemetry = observed(store)
        server.play(reply({"Items": [wiki_item("a")], "LastEvaluatedKey": {"owner_id": {"S": "u-1"}}}))
        server.play(refuse("ThrottlingException"))
        wikis = store.wikis.iter_by_owner("u-1")
        await anext(wikis)
        with pytest.raises(ThrottledError):
            await anext(wikis)
        with pytest.raises(ValueError, match="page_size"):
            store.wikis.iter_by_owner("u-1", page_size=0)

    assert outcome_of(telemetry.spans()["wikis.iter_by_owner"]) == ("error", "ThrottledError", StatusCode.ERROR)


async def test_an_iteration_over_everything_has_a_span(store: WikibotStore, telemetry: Telemetry) -> None:
    """The Scans of `admin.iter_users` belong to one span, and the traced iterator still says where to continue."""
    users = store.admin.iter_users(segments=2)
    assert users.resume is not None
    _ = [user async for user in users]

    iteration, scan = telemetry.spans()["admin.iter_users"], telemetry.spans()["Scan users"]
    assert scan.parent is not None
    assert scan.parent.span_id == iteration.context.span_id
    assert outcome_of(iteration) == ("ok", None, StatusCode.UNSET)
    assert users.resume is None


async def test_a_sweep_has_a_span(store: WikibotStore, telemetry: Telemetry) -> None:
    """A sweep is one span over all its requests, and they are counted as its own."""
    pages = [page async for page in store.admin.sweep()]

    sweep, scan = telemetry.spans()["admin.sweep"], telemetry.spans()["Scan wikis"]
    assert scan.parent is not None
    assert scan.parent.span_id == sweep.context.span_id
    attributes: dict[str, Any] = dict(sweep.attributes or {})
    assert set(attributes["aws.dynamodb.table_names"]) == {page.table for page in pages}
    assert attributes["wikibot_store.attempts"] >= len(pages)
    assert "admin.sweep" in {point["wikibot_store.access_pattern"] for point, _ in telemetry.metric(DURATION)}


def test_every_public_method_has_a_span(store: WikibotStore, telemetry: Telemetry) -> None:
    """No method that sends requests is left out: only `stats`, which sends none, and `open`."""
    assert telemetry.spans() is not None
    parts = {"": store, "users.": store.users, "wikis.": store.wikis, "acls.": store.acls, "admin.": store.admin}
    methods = {
        prefix + name: method
        for prefix, part in parts.items()
        for name, method in inspect.getmembers(part, callable)
        if not name.startswith("_")
    }

    assert {name for name, method in methods.items() if inspect.ismethod(method)} == {"open", "stats"}
    assert {name for name, method in methods.items() if inspect.isfunction(method) and "iter_" in name}


async def test_a_cancelled_call(server: ScriptedServer) -> None:
    """A call that is cancelled is neither ok nor an error."""
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=local_session()) as store:
        telemetry = observed(store)
        server.play(keep_silent)
        call = asyncio.create_task(store.wikis.get("u-1", "notes"))
        await server.received(1)
        call.cancel()
        await asyncio.wait([call])

    assert outcome_of(telemetry.spans()["wikis.get"]) == ("cancelled", None, StatusCode.UNSET)


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
    await together(store, *[store.wikis.get(ada, slug) for slug in ("metered", "none")])

    durations = {
        (attributes["wikibot_store.access_pattern"], attributes["db.operation.name"], attributes["db.collection.name"])
        for attributes, _ in telemetry.metric(DURATION)
        if "db.collection.name" in attributes
    }
    assert {("wikis.touch", "UpdateItem", "wikis"), ("shared reads", "BatchGetItem", "wikis")} <= durations
    capacity = {
        (attributes["wikibot_store.access_pattern"], attributes["wikibot_store.capacity"]): units
        for attributes, units in telemetry.metric("wikibot_store.consumed_capacity")
    }
    assert capacity["wikis.touch", "write"] > 0
    assert capacity["shared reads", "read"] > 0
    ((_, reads),) = telemetry.metric("wikibot_store.coalesced_reads")
    ((_, requests),) = telemetry.metric("wikibot_store.coalesced_requests")
    assert reads >= 2 * requests > 0
    connections = telemetry.metric("db.client.connection.count")
    assert {attributes["db.client.connection.state"]: count for attributes, count in connections} == {
        "used": 0,
        "idle": store.config.max_pool_connections,
    }


async def test_hedges(server: ScriptedServer) -> None:
    """A late read that was sent once more counts in the metrics, and in the span."""
    config = StoreConfig(endpoint_url=server.url, hedge_reads=True)
    gate = asyncio.Event()
    server.play(in_turn(lambda _: gate.wait(), reply({})), reply({}))
    async with WikibotStore.open(config, session=local_session()) as store:
        prime(store)
        telemetry = observed(store)
        await store.wikis.get("u-1", "notes")
        gate.set()

    attributes = dict(telemetry.spans()["wikis.get"].attributes or {})
    assert (attributes["wikibot_store.attempts"], attributes["wikibot_store.hedges"]) == (1, 1)
    assert [count for _, count in telemetry.metric("wikibot_store.hedges")] == [1]


async def test_without_a_span_that_records(server: ScriptedServer) -> None:
    """If a trace is not sampled, nothing is computed for its spans, and the metrics count as always."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(sampler=ALWAYS_OFF)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    server.play(reply({"ConsumedCapacity": {"TableName": "wikis", "CapacityUnits": 0.5}}), reply({}))
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=local_session()) as store:
        instrument(store, tracer_provider=tracers, meter_provider=MeterProvider([reader]))
        await store.wikis.get("u-1", "notes")
        await outside(store)

    telemetry = Telemetry(exporter, reader)
    assert telemetry.spans() == {}
    assert [units for _, units in telemetry.metric("wikibot_store.consumed_capacity")] == [0.5]


async def outside(store: WikibotStore) -> Any:  # noqa: ANN401 - whatever the server says
    """Send a request that belongs to no public method, as an export does."""
    return await store._wire.call("GetItem", {"TableName": "t"}, json.loads, deadline=store._wire.deadline())


async def test_retries_and_throttles(server: ScriptedServer) -> None:
    """What is sent again, and what was throttled, is counted, and the span tells when and why."""
    throttle = refuse("ThrottlingException")
    async with WikibotStore.open(
        StoreConfig(endpoint_url=server.url, max_attempts=2), session=local_session()
    ) as store:
        telemetry = observed(store)
        server.play(throttle, reply({"Item": wiki_item()}), throttle, throttle)
        await store.wikis.get("u-1", "notes")
        with pytest.raises(ThrottledError):
            await store.wikis.get("u-1", "notes")

    answered, failed = telemetry.exporter.get_finished_spans()
    assert outcome_of(answered) == ("ok", None, StatusCode.UNSET)
    assert outcome_of(failed) == ("error", "ThrottledError", StatusCode.ERROR)
    for span in (answered, failed):
        (event,) = span.events
        assert (event.name, event.attributes) == ("wikibot_store.retry", {"error.type": "ThrottlingException"})
        assert (span.start_time or 0) <= event.timestamp <= (span.end_time or 0)
    assert sum(count for _, count in telemetry.metric("wikibot_store.retries")) == 2
    assert sum(count for _, count in telemetry.metric("wikibot_store.throttles")) == 3
    assert {attributes.get("error.type") for attributes, _ in telemetry.metric(DURATION)} == {None, "throttled"}


async def test_a_request_of_no_method(server: ScriptedServer) -> None:
    """A request that belongs to no public method has a span of its own, with its retries and its error."""
    async with WikibotStore.open(
        StoreConfig(endpoint_url=server.url, max_attempts=2), session=local_session()
    ) as store:
        telemetry = observed(store)
        refused, failed = refuse("ConditionalCheckFailedException"), refuse("ValidationException")
        server.play(refuse("ThrottlingException"), reply({}), refused, failed, reply([]), reply([]))
        await outside(store)
        for code in ("ConditionalCheckFailedException", "ValidationException"):
            with pytest.raises(Refusal, match=code):
                await outside(store)
        with pytest.raises(ExhaustedError):
            await outside(store)

    spans = telemetry.exporter.get_finished_spans()
    assert [(span.name, dict(span.attributes or {}).get("error.type"), span.status.status_code) for span in spans] == [
        ("GetItem t", None, StatusCode.UNSET),
        ("GetItem t", "ConditionalCheckFailedException", StatusCode.UNSET),
        ("GetItem t", "ValidationException", StatusCode.ERROR),
        ("GetItem t", "unavailable", StatusCode.ERROR),
    ]
    assert [len(span.events) for span in spans] == [1, 0, 0, 1]


async def test_a_request_that_a_bug_ends(server: ScriptedServer) -> None:
    """A request that is cut off by a bug has the bug's name."""
    server.play(reply({}))
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=local_session()) as store:
        telemetry = observed(store)
        with pytest.raises(ZeroDivisionError):
            await store._wire.call("GetItem", {"TableName": "t"}, lambda _: 1 / 0, deadline=store._wire.deadline())

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
