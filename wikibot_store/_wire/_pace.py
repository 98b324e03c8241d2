"""A limit on the capacity units that requests consume per second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wikibot_store.usage import collect


class Pace:
    """Limits the capacity units that requests consume per second, approximately; a `rate` of None is no limit.

    How many units a request consumes is known only afterwards. So each request waits for what the earlier ones have
    consumed. Requests that start at the same time, before any has consumed anything, do not wait for each other.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._turn = asyncio.Lock()
        self._owed = 0.0  # seconds

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Wait before the request that is sent inside the block, and count what it consumes."""
        if self.rate is None:
            yield
            return
        async with self._turn:
            await self._wait()
        with collect() as usage:
            yield
        self._owed += (usage.read_units + usage.write_units) / self.rate

    async def _wait(self) -> None:
        if pause := self._owed:
            await asyncio.sleep(pause)
            self._owed -= pause
