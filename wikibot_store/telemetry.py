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
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, get_origin
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

import wikibot_store
from wikibot_store._wire import ExhaustedError, Refusal, access_pattern
from wikibot_store.errors import (
    BackupError,
    ConfigurationError,
    CorruptItemError,
    IndexNotConfiguredError,
    RequestFailedError,
    UnavailableError,
    WikibotStoreError,
    WriteOutcomeUnknownError,
)
from wikibot_store.store import WikibotStore
from wikibot_store.usage import Call, Usage, counting
from wikibot_store.workflows.scans import Scan

_SYSTEM = {"db.system.name": "aws.dynamodb"}
# A conditional write asks for these answers, so they are not errors of the request.
_REFUSALS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
# The errors that somebody has to look into. The library's others are answers that callers have to expect.
_FAILURES = (
    BackupError,
    ConfigurationError,
    CorruptItemError,
    IndexNotConfiguredError,
    RequestFailedError,
    UnavailableError,
    WriteOutcomeUnknownError,
)


def instrument(
    store: WikibotStore,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure a store from now on; by default, with OpenTelemetry's global providers.

    Spans: one per access pattern, such as `wikis.list_by_owner`, and below it one per request, such as `Query wikis`.
    The span of an `iter_…` method or of `admin.sweep` begins with the first item and ends with the iteration. It
    includes the time that the consumer takes.

    A span of an access pattern has `wikibot_store.access_pattern`, `aws.dynamodb.table_names`,
    `aws.dynamodb.consumed_capacity`, `wikibot_store.attempts` (of all its requests, retries included),
    `wikibot_store.hedges` (late reads that were sent once more, if there were any) and `wikibot_store.outcome`: "ok",
    "refused", "error" or "cancelled". "refused" is an error of the library that callers have to expect, such as
    `NotFoundError`, `AlreadyExistsError` or `InvalidKeyError`; the status of the span is not ERROR then. `error.type`
    names it. A request that several point reads share belongs to the span of one of them.

    Metrics: `db.client.operation.duration` (in seconds), `wikibot_store.retries`, `wikibot_store.throttles`,
    `wikibot_store.hedges` and `wikibot_store.consumed_capacity`, by table and access pattern;
    `db.client.connection.count`, `wikibot_store.coalesced_reads` and `wikibot_store.coalesced_requests`. The access
    pattern is the same as in the log: the method that the caller has called, or "shared reads" if several point reads
    share the request.

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
        for name, method in inspect.getmembers(part, inspect.ismethod):
            if name.startswith("_"):
                continue
            if inspect.iscoroutinefunction(method):
                setattr(part, name, _traced(tracer, prefix + name, method))
            elif get_origin(inspect.signature(method).return_annotation) in {AsyncGenerator, Scan}:
                setattr(part, name, _traced_stream(tracer, prefix + name, method))


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
        call = _TracedCall(tracer, pattern)
        with call.ending(), call.working():
            return await method(*args, **kwargs)

    return traced


def _traced_stream(
    tracer: trace.Tracer, pattern: str, method: Callable[..., AsyncGenerator[Any, None] | Scan[Any]]
) -> Callable[..., AsyncGenerator[Any, None] | Scan[Any]]:
    """Return a method whose generator runs in a span of its own; the consumer's code does not run in it."""

    async def steps(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        call = _TracedCall(tracer, pattern)
        with call.ending():
            async with aclosing(stream):
                while True:
                    with call.working():
                        try:
                            item = await anext(stream)
                        except StopAsyncIteration:
                            return
                    yield item

    @functools.wraps(method)
    def traced(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None] | Scan[Any]:  # noqa: ANN401 - whatever the method takes
        stream = method(*args, **kwargs)
        return stream.wrapped(steps) if isinstance(stream, Scan) else steps(stream)

    return traced


@dataclass(kw_only=True)
class _Total(Usage):
    """What the requests of an access pattern have used, by table, if its span is recorded."""

    is_recorded: bool
    tables: dict[str, None] = field(default_factory=dict)
    capacity: dict[str, float] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        if not self.is_recorded:
            return
        super().add(call)
        for table in call.tables:
            self.tables[table] = None
        for table, units in call.capacity.items():
            self.capacity[table] = self.capacity.get(table, 0.0) + units


class _TracedCall:
    """The span of one call of a public method."""

    def __init__(self, tracer: trace.Tracer, pattern: str) -> None:
        self._span = tracer.start_span(pattern, attributes={**_SYSTEM, "wikibot_store.access_pattern": pattern})
        self._total = _Total(is_recorded=self._span.is_recording())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let the requests that are sent inside belong to the span."""
        # The exception is not recorded, because its message names keys.
        with (
            trace.use_span(self._span, record_exception=False, set_status_on_exception=False),
            counting(self._total),
        ):
            yield

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End the span with the block, and record the outcome."""
        outcome = "cancelled"
        try:
            yield
            outcome = "ok"
        except GeneratorExit:  # the consumer needs no more items
            outcome = "ok"
            raise
        except Exception as error:
            refused = isinstance(error, WikibotStoreError) and not isinstance(error, _FAILURES)
            outcome = "refused" if refused else "error"
            self._span.set_attribute("error.type", type(error).__qualname__)
            if not refused:
                self._span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            if self._total.is_recorded:
                total = self._total
                costs = _costs(total.requests - total.hedges, total.hedges, total.capacity)
                tables = {"aws.dynamodb.table_names": tuple(total.tables), "wikibot_store.outcome": outcome}
                self._span.set_attributes(costs | tables)
            self._span.end()


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
        self._hedges = meter.create_counter("wikibot_store.hedges", "{request}", "Late reads that were sent once more")
        self._throttles = meter.create_counter("wikibot_store.throttles", "{request}", "Requests that were throttled")
        self._capacity = meter.create_counter("wikibot_store.consumed_capacity", "{unit}", "Capacity units consumed")

    @contextmanager
    def observe(self, call: Call) -> Iterator[None]:
        """Record a call from its start to its end."""
        pattern = {"wikibot_store.access_pattern": access_pattern()}
        attributes: dict[str, Any] = {**_SYSTEM, **self._server, **pattern, "db.operation.name": call.operation}
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
                outcome = _outcome(error)
                attributes |= outcome
                span.set_attributes(outcome)
                if attributes["error.type"] not in _REFUSALS:
                    span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                if span.is_recording():
                    span.set_attributes(_costs(call.attempts, call.hedges, call.capacity))
                self._duration.record(time.perf_counter() - begin, attributes)
                self._count(call, attributes, pattern)

    def _count(self, call: Call, attributes: dict[str, Any], pattern: dict[str, str]) -> None:
        if call.attempts > 1:
            self._retries.add(call.attempts - 1, attributes)
        if call.hedges:
            self._hedges.add(call.hedges, attributes)
        if call.throttles:
            self._throttles.add(call.throttles, attributes)
        for table, units in call.capacity.items():
            kind = "read" if call.reads else "write"
            where = {**_SYSTEM, "db.collection.name": table, **pattern}
            self._capacity.add(units, {**where, "wikibot_store.capacity": kind})


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


def _costs(attempts: int, hedges: int, capacity: Mapping[str, float]) -> dict[str, Any]:
    # Names of tables need no escapes in JSON.
    consumed = [f'{{"TableName": "{table}", "CapacityUnits": {units}}}' for table, units in capacity.items()]
    costs: dict[str, Any] = {"wikibot_store.attempts": attempts, "aws.dynamodb.consumed_capacity": consumed}
    return costs | {"wikibot_store.hedges": hedges} if hedges else costs


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
