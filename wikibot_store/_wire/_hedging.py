"""Hedged reads: a read whose answer is late is sent once more, and the first answer wins."""

import asyncio
from collections.abc import Callable

TIMER = 0.001
"""Seconds by which a timer of uvloop may be early: its times are whole milliseconds."""
# The share of answers that are late: nearly as many as the budget has hedges for, so that it lasts. But not fewer than
# one in 100, which an estimate could not follow, and not more than one in 20.
_OF_BUDGET = 0.9
_FEWEST = 0.01
_MOST = 0.05
# How fast the estimate follows: a late answer raises it by 5 %, and 20 to 100 answers in time lower it as much again.
_STEP = 0.05
# The estimate starts at the fastest of the first answers, from where it rises within some dozens of answers.
_FIRST = 10
_LEARNED = 100
# An estimate of 0 would never rise.
_SHORTEST = TIMER
# Hedges that may be saved up for later.
_MOST_TOKENS = 10.0
# If more than this share of the latest reads is late, everything is slow, and more requests would not help.
_MOST_LATE = 0.25
_LATEST = 16
# Seconds without hedges after a throttle.
_QUIET = 1.0


class Quantile:
    """An estimate of the time that a share of the answers, `late`, exceeds; in constant memory.

    It follows the present: old answers lose their weight. It only compares, so it may be told of an answer that is late
    without knowing how late. The rule is DUMIQE of Yazidi and Hammer, "Multiplicative Update Methods for Incremental
    Quantile Estimation", IEEE Transactions on Cybernetics 49(3), 2019.
    """

    __slots__ = ("_count", "_estimate", "_late")

    def __init__(self, late: float) -> None:
        self._late = late
        self._count = 0
        self._estimate = float("inf")

    @property
    def value(self) -> float | None:
        """The estimate in seconds, None while there were too few answers for one."""
        return self._estimate if self._count >= _LEARNED else None

    def add(self, seconds: float) -> None:
        """Take one more answer into account."""
        self._count += 1
        seconds = max(seconds, _SHORTEST)
        if self._count <= _FIRST:
            self._estimate = min(self._estimate, seconds)
        elif seconds > self._estimate:
            self._estimate *= 1 + _STEP * (1 - self._late)
        else:
            self._estimate *= 1 - _STEP * self._late


class Hedges:
    """Decides when a read is late and whether it may be sent once more.

    Each read earns `budget` of a hedge, so hedges are at most this share of the reads.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._tokens = 0.0
        self._late = 0.0
        self._quiet_until = 0.0
        late = min(max(_OF_BUDGET * budget, _FEWEST), _MOST)
        self._times = {operation: Quantile(late) for operation in ("BatchGetItem", "GetItem", "Query")}

    def late_after(self, operation: str) -> float | None:
        """Return the seconds after which a read is late, None if nobody knows yet. A write has none at all."""
        times = self._times.get(operation)
        return None if times is None else times.value

    def answered(self, operation: str, seconds: float) -> None:
        """Take into account how long an answer took; of a hedged read, the first answer."""
        times = self._times.get(operation)
        if times is None:
            return
        self._tokens = min(self._tokens + self._budget, _MOST_TOKENS)
        if times.value is None or seconds <= times.value:
            self._late -= self._late / _LATEST
        times.add(seconds)

    def throttled(self, now: float) -> None:
        """Send no hedge for a while: DynamoDB has asked for fewer requests."""
        self._quiet_until = now + _QUIET

    def take(self, now: float) -> bool:
        """Return whether a read that is late may be sent once more, and pay for it."""
        self._late += (1 - self._late) / _LATEST
        if self._late > _MOST_LATE or self._tokens < 1 or now < self._quiet_until:
            return False
        self._tokens -= 1
        return True


class Race:
    """The one or two requests of one read.

    The answer that comes second is read to its end and dropped, within the time limit of its request: closing its
    connection would cost a TLS handshake, which costs more than the answer. If the caller is cancelled, both requests
    are cancelled and their connections closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[], asyncio.Task[bytes]]) -> None:
        self._send = send
        self._first: asyncio.Future[bytes] = loop.create_future()
        self._under_way: set[asyncio.Task[bytes]] = set()

    def start(self) -> None:
        """Send the read, once more at the second call."""
        task = self._send()
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def answer(self) -> bytes:
        """Return the first answer; raise the error of the last request if all failed."""
        try:
            return await self._first
        except asyncio.CancelledError:
            for task in self._under_way:
                task.cancel()
            raise

    @property
    def is_over(self) -> bool:
        """Whether there is an answer, or nobody waits for it."""
        return self._first.done()

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._under_way.discard(task)
        error = RuntimeError("the store was closed during this call") if task.cancelled() else task.exception()
        if self._first.done():
            return
        if error is None:
            self._first.set_result(task.result())
        elif not self._under_way:
            self._first.set_exception(error)
