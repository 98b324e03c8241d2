"""OpenTelemetry for a store: a span per access pattern and per request, and metrics. Needs the extra `otel`.

    from wikibot_store.telemetry import instrument

    async with WikibotStore.open() as store:
        instrument(store)

Names follow OpenTelemetry's conventions for database clients and for DynamoDB:
https://opentelemetry.io/docs/specs/semconv/database/dynamodb/. Other names begin with `wikibot_store`. No key, item or
other value of a request is recorded. Only this module imports OpenTelemetry, and only an instrumented store uses it.
"""

import functools
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

import wikibot_store
from wikibot_store._wire import ExhaustedError, Refusal
from wikibot_store.store import WikibotStore
from wikibot_store.usage import Call

_SYSTEM = {"db.system.name": "aws.dynamodb"}
# A conditional write asks for these answers, so they are not errors of the request.
_REFUSALS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
_pattern: ContextVar[str] = ContextVar("wikibot_store_access_pattern", default="none")


def instrument(
    store: WikibotStore,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure a store from now on; by default, with OpenTelemetry's global providers.

    Spans: one per access pattern, such as `wikis.list_by_owner`, and below it one per request, such as `Query wikis`.
    Metrics: `db.client.operation.duration` (in seconds), `db.client.connection.count`, `wikibot_store.retries`,
    `wikibot_store.throttles`, `wikibot_store.consumed_capacity` (by table and access pattern),
    `wikibot_store.coalesced_reads` and `wikibot_store.coalesced_requests`.

    Raises:
        RuntimeError: The store is already instrumented.

    """
    wire = store._wire  # noqa: SLF001 - the library's own
    if wire.observer is not None:
        raise RuntimeError("the store is already instrumented: call instrument() once per store")
    tracer = trace.get_tracer("wikibot_store", wikibot_store.__version__, tracer_provider)
    meter = metrics.get_meter("wikibot_store", wikibot_store.__version__, meter_provider)
    wire.observer = _Observer(tracer, meter, wire.endpoint_url).observe
    _observe_stats(meter, store)
    for prefix, part in _parts(store):
        for name, method in inspect.getmembers(part, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                setattr(part, name, _traced(tracer, prefix + name, method))


def _parts(store: WikibotStore) -> Iterator[tuple[str, object]]:
    """Yield the store and its DAOs, each with the prefix of its access patterns."""
    yield "", store
    for name, dao in vars(store).items():
        if not name.startswith("_"):
            yield f"{name}.", dao


def _traced(tracer: trace.Tracer, pattern: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a method that runs `method` in a span of its own."""

    @functools.wraps(method)
    async def traced(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the method takes and returns
        token = _pattern.set(pattern)
        try:
            # The exception is not recorded, because its message names keys.
            with tracer.start_as_current_span(pattern, record_exception=False, set_status_on_exception=False) as span:
                try:
                    return await method(*args, **kwargs)
                except Exception as error:
                    span.set_attribute("error.type", type(error).__qualname__)
                    span.set_status(Status(StatusCode.ERROR))
                    raise
        finally:
            _pattern.reset(token)

    return traced


class _Observer:
    """Records the spans and metrics of each call."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter, endpoint_url: str) -> None:
        host, port = _address(endpoint_url)
        self._server: dict[str, Any] = {"server.address": host, "server.port": port}
        self._tracer = tracer
        self._duration = meter.create_histogram(
            "db.client.operation.duration", "s", "Duration of calls, with all attempts"
        )
        self._retries = meter.create_counter("wikibot_store.retries", "{request}", "Requests that were sent again")
        self._throttles = meter.create_counter("wikibot_store.throttles", "{request}", "Requests that were throttled")
        self._capacity = meter.create_counter("wikibot_store.consumed_capacity", "{unit}", "Capacity units consumed")

    @contextmanager
    def observe(self, call: Call) -> Iterator[None]:
        """Record a call from its start to its end."""
        attributes: dict[str, Any] = {**_SYSTEM, **self._server, "db.operation.name": call.operation}
        if len(call.tables) == 1:
            attributes["db.collection.name"] = call.tables[0]
        begin = time.perf_counter()
        name = f"{call.operation} {' '.join(call.tables)}"
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={**attributes, "aws.dynamodb.table_names": call.tables},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                attributes |= _outcome(error)
                span.set_attributes(_outcome(error))
                if attributes["error.type"] not in _REFUSALS:
                    span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                span.set_attributes(_costs(call))
                self._duration.record(time.perf_counter() - begin, attributes)
                self._count(call, attributes)

    def _count(self, call: Call, attributes: dict[str, Any]) -> None:
        if call.attempts > 1:
            self._retries.add(call.attempts - 1, attributes)
        if call.throttles:
            self._throttles.add(call.throttles, attributes)
        for table, units in call.capacity.items():
            kind = "read" if call.reads else "write"
            where = {"db.collection.name": table, "wikibot_store.access_pattern": _pattern.get()}
            self._capacity.add(units, {**_SYSTEM, **where, "wikibot_store.capacity": kind})


def _address(endpoint_url: str) -> tuple[str, int]:
    """Return the host and port of an endpoint; the rest of its URL may hold a password."""
    url = urlsplit(endpoint_url)
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _outcome(error: Exception) -> dict[str, str]:
    """Return the attributes that describe a failed call."""
    match error:
        case Refusal():
            return {"error.type": error.code, "db.response.status_code": error.code}
        case ExhaustedError():
            return {"error.type": "throttled" if error.throttled else "unavailable"}
        case _:
            return {"error.type": type(error).__qualname__}


def _costs(call: Call) -> dict[str, Any]:
    consumed = [json.dumps({"TableName": table, "CapacityUnits": units}) for table, units in call.capacity.items()]
    return {"wikibot_store.attempts": call.attempts, "aws.dynamodb.consumed_capacity": consumed}


def _observe_stats(meter: metrics.Meter, store: WikibotStore) -> None:
    """Register the figures that the store counts itself; the meter reads them when it exports."""

    def connections(_: CallbackOptions) -> Iterable[Observation]:
        stats = store.stats()
        host, port = _address(store._wire.endpoint_url)  # noqa: SLF001 - the library's own
        pool = {"db.client.connection.pool.name": f"{host}:{port}"}
        yield Observation(stats.in_flight, {**pool, "db.client.connection.state": "used"})
        yield Observation(stats.pool_size - stats.in_flight, {**pool, "db.client.connection.state": "idle"})

    meter.create_observable_up_down_counter(
        "db.client.connection.count", [connections], "{connection}", "Connections in use and available"
    )
    meter.create_observable_counter(
        "wikibot_store.coalesced_reads",
        [lambda _: [Observation(store.stats().coalesced_reads)]],
        "{read}",
        "Point reads that shared a request",
    )
    meter.create_observable_counter(
        "wikibot_store.coalesced_requests",
        [lambda _: [Observation(store.stats().coalesced_requests)]],
        "{request}",
        "Requests that several point reads shared",
    )
