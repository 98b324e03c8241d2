"""Connections between two requests, and the requests that wait for one."""

import asyncio
import math
from collections import OrderedDict, deque

from wikibot_store._wire._protocol import Connection

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
        self._connections: deque[tuple[Connection, float]] = deque()
        self._next_check: asyncio.TimerHandle | None = None

    def take(self) -> tuple[Connection | None, float]:
        """Return a connection and when it was last used, or None and NEW."""
        while self._connections:
            connection, last_used = self._connections.pop()
            if connection.is_usable and self._now() - last_used <= self._timeout:
                return connection, last_used
            connection.close()
        return None, NEW

    def keep(self, connection: Connection) -> None:
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
            self._connections.popleft()[0].abort()

    def give_back(self) -> None:
        """Leave all connections to aiohttp's connector, which waits for their end when it is closed."""
        if self._next_check is not None:
            self._next_check.cancel()
        while self._connections:
            self._connections.pop()[0].give_back()

    def _close_expired(self) -> None:
        while self._connections and self._connections[0][1] + self._timeout <= self._now():
            self.close_oldest()
        self._next_check = None
        if self._connections:
            self._next_check = self._call_at(self._connections[0][1] + self._timeout, self._close_expired)


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
