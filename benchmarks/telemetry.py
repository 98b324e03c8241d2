"""Measures what telemetry adds to the cost of a call: off, with `collect()`, and with OpenTelemetry, sampled and not.

The reference is a store whose wire has no code for telemetry. All stores run in one process and in turns, so that other
load on the machine affects all of them.
"""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle, islice
from typing import TypeVar

import msgspec
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from benchmarks.contenders import Endpoint
from benchmarks.contenders.wikibot_store import StoreClient
from benchmarks.worker import Figures, medians, timed
from benchmarks.works import BY_NAME, Work
from wikibot_store import StoreConfig, Wiki, WikibotStore
from wikibot_store._wire._answers import Progress
from wikibot_store._wire._client import Wire
from wikibot_store.telemetry import instrument
from wikibot_store.usage import collect

T = TypeVar("T")

_WORKS = ("point read", "conditional create")
_CALLS = 100
_TURNS_PER_SECOND = 500


class _UnmeteredWire(Wire):
    """The wire without the code for `collect()` and for an observer."""

    async def _observed(self, progress: Progress, decode: Callable[[bytes], T], deadline: float) -> T:
        return await self._send(progress, msgspec.json.encode(progress.request), decode, deadline)


class _CollectingClient(StoreClient):
    """Uses `collect()` for each single call, which is the most expensive way to use it."""

    async def get(self, owner_id: str, slug: str) -> Wiki | None:
        with collect():
            return await super().get(owner_id, slug)

    async def create(self, owner_id: str, slug: str) -> None:
        with collect():
            await super().create(owner_id, slug)


class _Discarding(SpanExporter):
    """Discards all spans."""

    def export(self, spans: object) -> SpanExportResult:  # noqa: ARG002 - OpenTelemetry's signature
        return SpanExportResult.SUCCESS


def _unmetered(store: WikibotStore) -> StoreClient:
    store._wire.__class__ = _UnmeteredWire
    return StoreClient(store)


def _instrumented(store: WikibotStore, sampler: Sampler = ALWAYS_ON) -> StoreClient:
    tracers = TracerProvider(sampler)
    tracers.add_span_processor(BatchSpanProcessor(_Discarding()))
    instrument(store, tracer_provider=tracers, meter_provider=MeterProvider([InMemoryMetricReader()]))
    return StoreClient(store)


_STORES: dict[str, Callable[[WikibotStore], StoreClient]] = {
    "no telemetry": _unmetered,
    "telemetry off": StoreClient,
    "collect()": _CollectingClient,
    "instrument()": _instrumented,
    "instrument(), not sampled": partial(_instrumented, sampler=ALWAYS_OFF),
}
_REFERENCE = next(iter(_STORES))


async def compare(endpoint: Endpoint, seconds: float) -> dict[str, Figures]:
    """Return the cost of a call by workload and store; `to_unmetered` is the ratio to the reference of this turn."""
    figures: dict[str, Figures] = {}
    async with _opened(endpoint) as clients:
        for work in map(BY_NAME.__getitem__, _WORKS):
            turns = await _take_turns(work, clients, seconds)
            figures |= {f"{work.name}, {name}": medians([turn[name] for turn in turns]) for name in clients}
    return figures


@asynccontextmanager
async def _opened(endpoint: Endpoint) -> AsyncIterator[dict[str, StoreClient]]:
    """Open the stores without coalescing, so that each point read is one request."""
    config = StoreConfig(endpoint_url=endpoint.url, max_pool_connections=endpoint.connections, coalesce_reads=False)
    async with AsyncExitStack() as stack:
        yield {
            name: prepare(await stack.enter_async_context(WikibotStore.open(config)))
            for name, prepare in _STORES.items()
        }


async def _take_turns(work: Work, clients: dict[str, StoreClient], seconds: float) -> list[dict[str, Figures]]:
    """Run the clients one after the other; each turn starts with another client."""
    for client in clients.values():
        await work.run(client, _CALLS)
    gc.collect()
    turns = []
    for number in range(max(1, round(seconds * _TURNS_PER_SECOND))):
        first = number % len(clients)
        order = islice(cycle(clients), first, first + len(clients))
        turn = {name: await timed(work.run(clients[name], _CALLS), _CALLS) for name in order}
        reference = turn[_REFERENCE]["cpu_us"]
        turns.append({name: each | {"to_unmetered": each["cpu_us"] / reference} for name, each in turn.items()})
    return turns
