"""What calls cost: for the handler that makes them, and for the store as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

_READS = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})


@dataclass(kw_only=True)
class Call:
    """One call of DynamoDB, filled in while it is under way; `capacity` is in capacity units by table."""

    operation: str
    tables: tuple[str, ...] = ()
    attempts: int = 0
    throttles: int = 0
    capacity: dict[str, float] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """Whether the capacity units are read units; otherwise they are write units."""
        return self.operation in _READS


@dataclass(kw_only=True)
class Usage:
    """What was sent: requests with those sent again, and read and write capacity units as DynamoDB reports them."""

    requests: int = 0
    retries: int = 0
    throttles: int = 0
    read_units: float = 0.0
    write_units: float = 0.0

    def add(self, call: Call) -> None:
        """Count a call that has ended."""
        self.requests += call.attempts
        self.retries += max(call.attempts - 1, 0)
        self.throttles += call.throttles
        units = sum(call.capacity.values())
        if call.reads:
            self.read_units += units
        else:
            self.write_units += units


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a store has done since it was opened.

    `requests` counts by operation, retries included. `unanswered` are calls that ended without a usable answer.
    `coalesced_reads` point reads went into `coalesced_requests` BatchGetItem. `in_flight` of at most `pool_size`
    requests are under way.
    """

    requests: dict[str, int]
    retries: int
    throttles: int
    unanswered: int
    coalesced_reads: int
    coalesced_requests: int
    in_flight: int
    pool_size: int


_collecting: ContextVar[tuple[Usage, ...]] = ContextVar("wikibot_store_usage", default=())


@contextmanager
def collect() -> Iterator[Usage]:
    """Collect what the calls inside the block cost, with those of tasks that are started inside.

        with collect() as usage:
            await store.members("ada", "notes")
        print(usage.requests, usage.read_units)

    Blocks may be nested; each counts all that is inside. A BatchGetItem that several handlers share counts for the one
    that has started it. Asking DynamoDB for the capacity costs a few microseconds a call.
    """
    usage = Usage()
    token = _collecting.set((*_collecting.get(), usage))
    try:
        yield usage
    finally:
        _collecting.reset(token)


def collecting() -> tuple[Usage, ...]:
    """Return what collects the calls of this task."""
    return _collecting.get()
