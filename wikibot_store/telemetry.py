"""OpenTelemetry for a store: a span for each call of a method, and metrics. Needs the extra `otel`.

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
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Self, get_origin
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider

import wikibot_store
from wikibot_store._wire import ExhaustedError, Refusal, access_pattern, inherited_pattern
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
from wikibot_store.usage import Call
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
# Attributes are kept for so many kinds of calls and requests.
_KINDS = 1024
_NOTHING = Call(operation="")


def instrument(
    store: WikibotStore,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure a store from now on; by default, with OpenTelemetry's global providers.

    Spans: one for each call of a public method, such as `wikis.list_by_owner`, of kind CLIENT. Each request has a span
    below it, such as `Query wikis`, if the call has sent several requests, or shares its request with other calls. So a
    call with one request is one span. The span of an `iter_…` method or of `admin.sweep` begins with the first item and
    ends with the iteration. It includes the time that the consumer takes.

    The span of a call has `wikibot_store.access_pattern`, `aws.dynamodb.table_names`, `aws.dynamodb.consumed_capacity`,
    `wikibot_store.attempts` (of all its requests, retries included), `wikibot_store.hedges` (late reads that were sent
    once more, if there were any) and `wikibot_store.outcome`: "ok", "refused", "error" or "cancelled". "refused" is an
    error of the library that callers have to expect, such as `NotFoundError`, `AlreadyExistsError` or
    `InvalidKeyError`; the status of the span is not ERROR then. `error.type` names it. With one request it also has
    `db.operation.name`, `db.collection.name` and, if DynamoDB has refused the request, `db.response.status_code`.

    Each attempt that was followed by another one is an event `wikibot_store.retry` of the request's span, with the
    reason as `error.type`. A request that several point reads share belongs to the call of one of them. Where the span
    of a call is not sampled, its requests have none.

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
    observer = _Observer(tracer, meter, wire.endpoint_url)
    wire.observer = observer.observe
    _observe_stats(meter, store)
    for prefix, part in _parts(store):
        for name, method in inspect.getmembers(part, inspect.ismethod):
            if name.startswith("_"):
                continue
            if inspect.iscoroutinefunction(method):
                setattr(part, name, _traced(observer, prefix + name, method))
            elif get_origin(inspect.signature(method).return_annotation) in {AsyncGenerator, Scan}:
                setattr(part, name, _traced_stream(observer, prefix + name, method))


def _parts(store: WikibotStore) -> Iterator[tuple[str, object]]:
    """Yield the store and its DAOs, each with the prefix of its access patterns."""
    yield "", store
    for name, dao in vars(store).items():
        if not name.startswith("_"):
            yield f"{name}.", dao


def _traced(
    observer: "_Observer", pattern: str, method: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    """Return a method that runs `method` in a span, unless another public method calls it, which has one."""

    @functools.wraps(method)
    async def traced(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the method takes and returns
        if _running.get() is not None:
            return await method(*args, **kwargs)
        with observer.called(pattern) as called, _Working(called):
            return await method(*args, **kwargs)

    return traced


def _traced_stream(
    observer: "_Observer", pattern: str, method: Callable[..., AsyncGenerator[Any, None] | Scan[Any]]
) -> Callable[..., AsyncGenerator[Any, None] | Scan[Any]]:
    """Return a method whose generator runs in a span of its own; the consumer's code does not run in it."""

    async def steps(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        with observer.called(pattern) as called:
            async with aclosing(stream):
                while True:
                    with _Working(called):
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


class _Called:
    """One call of a public method: its span, and what its requests have used."""

    __slots__ = ("_is_recorded", "_only", "_span", "_total", "pattern")

    def __init__(self, pattern: str, span: trace.Span) -> None:
        self.pattern = pattern
        self._span = span
        self._is_recorded = span.is_recording()
        self._only: _Request | None = None  # while it is the only one
        self._total: Call | None = None  # of all requests, once one of them has a span of its own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End the span and record the outcome. The exception is not recorded, because its message names keys."""
        if self._is_recorded:
            only, self._only = self._only, None
            attributes = _used(self._total or _NOTHING) if only is None else only.described_in(self._span)
            outcome = "cancelled"
            if error is None or kind is GeneratorExit:  # the consumer needs no more items
                outcome = "ok"
            elif isinstance(error, Exception):
                refused = isinstance(error, WikibotStoreError) and not isinstance(error, _FAILURES)
                outcome = "refused" if refused else "error"
                attributes["error.type"] = type(error).__qualname__
                if not refused:
                    self._span.set_status(StatusCode.ERROR)
            attributes["wikibot_store.outcome"] = outcome
            self._span.set_attributes(attributes)
        self._span.end()

    def context(self) -> Context:
        """Return the current context with the span in it."""
        return trace.set_span_in_context(self._span)

    def add(self, request: "_Request") -> None:
        """Count a request that has ended. It gets a span of its own, unless it is the only one and nobody shares it."""
        if not self._is_recorded:
            return
        if self._total is None:
            if self._only is None and request.pattern == self.pattern and self._span.is_recording():
                self._only = request
                return
            self._total = Call(operation="")
        for each in filter(None, (self._only, request)):
            _add(self._total, each.call)
            each.give_span(self.context())
        self._only = None


_running: ContextVar[_Called | None] = ContextVar("wikibot_store_called", default=None)


class _Working:
    """Lets the requests that are sent inside the block belong to the span of a call."""

    __slots__ = ("_attached", "_called", "_token")

    def __init__(self, called: _Called) -> None:
        self._called = called

    def __enter__(self) -> None:
        self._attached = attach(self._called.context())
        self._token = _running.set(self._called)

    def __exit__(self, *_: object) -> None:
        _running.reset(self._token)
        detach(self._attached)


class _Observer:
    """Starts the spans of calls, and measures requests. Attributes are prepared once per kind of call and request."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter, endpoint_url: str) -> None:
        host, port = _address(endpoint_url)
        self._common: dict[str, Any] = {**_SYSTEM, "server.address": host, "server.port": port}
        self.start_span = tracer.start_span
        self.attributes = functools.lru_cache(_KINDS)(self._attributes)
        self._capacity = defaultdict[tuple[str, str, str], float](float)
        self._duration = meter.create_histogram(
            "db.client.operation.duration", "s", "Duration of calls, with all attempts"
        )
        self._retries = meter.create_counter("wikibot_store.retries", "{request}", "Requests that were sent again")
        self._hedges = meter.create_counter("wikibot_store.hedges", "{request}", "Late reads that were sent once more")
        self._throttles = meter.create_counter("wikibot_store.throttles", "{request}", "Requests that were throttled")
        # Read when the meter exports: this costs a request less than a counter that it adds to.
        meter.create_observable_counter(
            "wikibot_store.consumed_capacity", [self._consumed], "{unit}", "Capacity units consumed"
        )

    def called(self, pattern: str) -> _Called:
        """Start the span of a call of a public method."""
        return _Called(pattern, self.start_span(pattern, kind=SpanKind.CLIENT, attributes=self.attributes(pattern)))

    def observe(self, call: Call) -> "_Request":
        """Return a context manager that measures a request."""
        return _Request(self, call)

    def measure(self, call: Call, seconds: float, pattern: str, attributes: dict[str, Any]) -> None:
        """Record a request in the metrics."""
        self._duration.record(seconds, attributes)
        if call.attempts > 1:
            self._retries.add(call.attempts - 1, attributes)
        if call.hedges:
            self._hedges.add(call.hedges, attributes)
        if call.throttles:
            self._throttles.add(call.throttles, attributes)
        for table, units in call.capacity.items():
            self._capacity[table, pattern, "read" if call.reads else "write"] += units

    def _attributes(
        self, pattern: str, operation: str = "", tables: tuple[str, ...] = (), outcome: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return the attributes of an access pattern or, with an operation, of a request."""
        attributes = {**self._common, "wikibot_store.access_pattern": pattern}
        if operation:
            attributes["db.operation.name"] = operation
        if len(tables) == 1:
            attributes["db.collection.name"] = tables[0]
        return attributes | dict(zip(("error.type", "db.response.status_code"), outcome, strict=False))

    def _consumed(self, _: CallbackOptions) -> Iterable[Observation]:
        for (table, pattern, kind), units in list(self._capacity.items()):
            where = {**_SYSTEM, "db.collection.name": table, "wikibot_store.access_pattern": pattern}
            yield Observation(units, {**where, "wikibot_store.capacity": kind})


class _Request:
    """A request from its start to its end, with all its attempts."""

    __slots__ = ("_attributes", "_begin", "_called", "_from", "_observer", "_outcome", "_until", "call", "pattern")

    def __init__(self, observer: _Observer, call: Call) -> None:
        self._observer = observer
        self.call = call

    def __enter__(self) -> None:
        self._called = _running.get()
        self.pattern = access_pattern() if self._called is None else inherited_pattern() or self._called.pattern
        self._from = time.time_ns()
        self._begin = time.perf_counter()

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        seconds = time.perf_counter() - self._begin
        self._until = self._from + int(seconds * 1e9)
        self._outcome = _outcome(error) if isinstance(error, Exception) else ()
        call, called = self.call, self._called
        self._attributes = self._observer.attributes(self.pattern, call.operation, call.tables, self._outcome)
        self._observer.measure(call, seconds, self.pattern, self._attributes)
        self._called = None  # which may keep this request
        if called is None:
            self.give_span(None)
        else:
            called.add(self)

    def give_span(self, context: Context | None) -> None:
        """Give the request a span of its own."""
        span = self._observer.start_span(
            f"{self.call.operation} {' '.join(self.call.tables)}",
            context,
            SpanKind.CLIENT,
            self._attributes,
            start_time=self._from,
        )
        if span.is_recording():
            span.set_attributes(_used(self.call))
            self._add_retries(span)
            if self._outcome and self._outcome[0] not in _REFUSALS:
                span.set_status(StatusCode.ERROR)
        span.end(self._until)

    def described_in(self, span: trace.Span) -> dict[str, Any]:
        """Return the attributes that the span of a call has for its only request, and add the retries to the span."""
        self._add_retries(span)
        attributes = _used(self.call)
        attributes["db.operation.name"] = self.call.operation
        if len(self.call.tables) == 1:
            attributes["db.collection.name"] = self.call.tables[0]
        if self._outcome[1:]:
            attributes["db.response.status_code"] = self._outcome[1]
        return attributes

    def _add_retries(self, span: trace.Span) -> None:
        for moment, reason in self.call.retried:
            span.add_event("wikibot_store.retry", {"error.type": reason}, moment)


def _address(endpoint_url: str) -> tuple[str, int]:
    """Return the host and port of an endpoint; the rest of its URL may hold a password."""
    url = urlsplit(endpoint_url)
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _outcome(error: Exception) -> tuple[str, ...]:
    """Return the type of the error that a request has ended with and, if DynamoDB refused it, the code."""
    match error:
        case Refusal():
            return error.code, error.code
        case ExhaustedError():
            return ("throttled" if error.throttled else "unavailable",)
        case _:
            return (type(error).__qualname__,)


def _used(call: Call) -> dict[str, Any]:
    """Return the attributes for what a request, or several together, have used."""
    # Names of tables need no escapes in JSON.
    consumed = [f'{{"TableName": "{table}", "CapacityUnits": {units}}}' for table, units in call.capacity.items()]
    attributes: dict[str, Any] = {
        "aws.dynamodb.table_names": call.tables,
        "aws.dynamodb.consumed_capacity": consumed,
        "wikibot_store.attempts": call.attempts,
    }
    if call.hedges:
        attributes["wikibot_store.hedges"] = call.hedges
    return attributes


def _add(total: Call, call: Call) -> None:
    """Add what a request has used."""
    total.tables = tuple(dict.fromkeys(total.tables + call.tables))
    total.attempts += call.attempts
    total.hedges += call.hedges
    for table, units in call.capacity.items():
        total.capacity[table] = total.capacity.get(table, 0.0) + units


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
