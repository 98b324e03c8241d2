"""Counts the requests and capacity units of one handler, with `collect()`, and of a whole store, with `stats()`."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_READS = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})


@dataclass(kw_only=True)
class Call:
    """One call to DynamoDB, with all its attempts. The wire fills it in.

    `capacity` holds capacity units by table. `retried` says when and why attempts have failed before the last one; the
    time is in nanoseconds since 1970.
    """

    operation: str
    tables: tuple[str, ...] = ()
    attempts: int = 0
    hedges: int = 0
    throttles: int = 0
    retried: tuple[tuple[int, str], ...] = ()
    capacity: dict[str, float] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """Whether the call reads: its capacity units are read units, otherwise write units."""
        return self.operation in _READS


@dataclass(kw_only=True)
class Usage:
    """What a block of code sent. `requests` includes retries and hedges.

    The capacity units are those that DynamoDB reports. A hedged read counts the capacity of its first answer only.
    """

    requests: int = 0
    retries: int = 0
    hedges: int = 0
    throttles: int = 0
    read_units: float = 0.0
    write_units: float = 0.0

    def add(self, call: Call) -> None:
        """Count a call that has ended."""
        self.requests += call.attempts + call.hedges
        self.retries += max(call.attempts - 1, 0)
        self.hedges += call.hedges
        self.throttles += call.throttles
        units = sum(call.capacity.values())
        if call.reads:
            self.read_units += units
        else:
            self.write_units += units


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a store has sent since it was opened.

    `requests` counts requests by operation, retries and hedges included. `unanswered` counts calls that ended without a
    usable answer. `hedges` counts late reads that were sent once more. `coalesced_reads` counts point reads that shared
    a request, and `coalesced_requests` the BatchGetItem requests that they shared. `in_flight` requests are under way
    now, of at most `pool_size`.
    """

    requests: dict[str, int]
    retries: int
    throttles: int
    unanswered: int
    hedges: int
    coalesced_reads: int
    coalesced_requests: int
    in_flight: int
    pool_size: int


_collecting: ContextVar[tuple[Usage, ...]] = ContextVar("wikibot_store_usage", default=())


@contextmanager
def collect() -> Iterator[Usage]:
    """Measure what the calls inside the block cost, and those of the tasks that are started inside.

        with collect() as usage:
            await store.acls.list_members("ada:notes")
        print(usage.requests, usage.read_units)

    Blocks may be nested; each one counts all calls inside it. A BatchGetItem that several handlers share is counted for
    the handler that started it. DynamoDB reports the capacity on request, which costs a few microseconds per call.
    """
    usage = Usage()
    token = _collecting.set((*_collecting.get(), usage))
    try:
        yield usage
    finally:
        _collecting.reset(token)


def collecting() -> tuple[Usage, ...]:
    """Return the Usage objects that count the calls of this task."""
    return _collecting.get()
