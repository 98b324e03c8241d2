"""Connections between two requests, and the time limit of a request that is under way."""

import asyncio
import math
from collections import OrderedDict, deque
from typing import Any

# A timer that fires this much too late shows that the event loop stood still.
_LATE = 0.01
# How long an event loop that stood still may take to read what has arrived in the meantime.
_CATCH_UP = 0.1
NEW = -math.inf
"""When a new connection was last used: before all others."""


class IdleConnections:
    """The open connections that no request uses, in the order of their last use.

    The connection that was used last is taken first: it is the least likely to have been forgotten by a NAT gateway or
    a firewall on the way. Connections that are not needed grow old and are closed.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._now = asyncio.get_running_loop().time
        self._call_at = asyncio.get_running_loop().call_at
        self._connections: deque[tuple[Any, float]] = deque()
        self._next_check: asyncio.TimerHandle | None = None

    def take(self) -> tuple[Any, float]:
        """Return a connection and when it was last used, or None and NEW.

        A server may send something that nobody asked for, such as status 408 before it hangs up. It would pass for the
        answer to the next request, so such a connection is not used again.
        """
        while self._connections:
            connection, last_used = self._connections.pop()
            protocol = connection.protocol
            if protocol.is_connected() and not protocol.should_close and self._now() - last_used <= self._timeout:
                return connection, last_used
            connection.close()
        return None, NEW

    def keep(self, connection: Any) -> None:  # noqa: ANN401 - aiohttp exports no type for it
        """Keep a connection whose request is answered."""
        now = self._now()
        self._connections.append((connection, now))
        if self._next_check is None:
            self._next_check = self._call_at(now + self._timeout, self._close_expired)

    def close_oldest(self) -> None:
        """Close the connection that has been idle for longest, if there is one."""
        if self._connections:
            self._connections.popleft()[0].close()

    def abort(self, last_used: float) -> None:
        """Drop all connections whose last use is not later than this."""
        while self._connections and self._connections[0][1] <= last_used:
            abort(self._connections.popleft()[0])

    def give_back(self) -> None:
        """Leave all connections to aiohttp's connector, which waits for their end when it is closed."""
        if self._next_check is not None:
            self._next_check.cancel()
        while self._connections:
            self._connections.pop()[0].release()

    def _close_expired(self) -> None:
        while self._connections and self._connections[0][1] + self._timeout <= self._now():
            self.close_oldest()
        self._next_check = None
        if self._connections:
            self._next_check = self._call_at(self._connections[0][1] + self._timeout, self._close_expired)


def abort(connection: Any) -> None:  # noqa: ANN401 - aiohttp exports no type for it
    """Close a connection that may be dead: without waiting until the other side has confirmed it."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


class TimeLimit:
    """Aborts a connection at the end of a request's time, but not while its answer is being read.

    An event loop that stood still finds the timer and the answer at once. Cancelling the reader, as `asyncio.timeout`
    does, would throw away an answer that is there. So the connection is aborted one turn of the loop later, and after a
    stall only when the loop has had time to read what has arrived.
    """

    __slots__ = ("_connection", "_handle", "_loop", "_until", "expired")

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any, until: float) -> None:  # noqa: ANN401 - see above
        self.expired = False
        self._loop = loop
        self._connection = connection
        self._until = until
        self._handle = loop.call_at(until, self._warn)

    def cancel(self) -> None:
        """Lift the limit: the request is answered, or has failed."""
        self._handle.cancel()

    def _warn(self) -> None:
        late = self._loop.time() - self._until > _LATE
        self._handle = self._loop.call_later(_CATCH_UP if late else 0, self._expire)

    def _expire(self) -> None:
        self.expired = True
        # Only the transport: aiohttp's Connection.close() forgets the reader of a body, which would then wait for ever.
        if self._connection.transport is not None:
            self._connection.transport.abort()


class Slots:
    """The requests that may be under way at the same time. Those that have to wait get a slot in the order they asked.

    asyncio's semaphore cannot be taken without a coroutine, which a timer does not have.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def is_free(self) -> bool:
        """Whether there is a slot that nobody waits for."""
        return self._free > 0

    def take_free(self) -> None:
        """Take a slot that is free."""
        self._free -= 1

    async def take(self, deadline: float) -> None:
        """Wait for a slot.

        Raises:
            TimeoutError: None was free before the deadline.

        """
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException:
            if turn.cancelled():
                self._waiting.pop(turn, None)
            else:  # it got a slot in the same moment
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back, or on to who has waited for longest."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():  # it is cancelled before its task knows
                turn.set_result(None)
                return
        self._free += 1
