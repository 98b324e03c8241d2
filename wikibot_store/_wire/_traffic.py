"""Whether a read should go at once and alone, or wait for others to share a request with."""

import asyncio

from wikibot_store._wire._connections import Slots

# So many reads in one turn of the event loop, and a turn that follows at once: the loop is behind with its work.
_MANY = 8


class Traffic:
    """Watches the connections and the event loop.

    A shared request is as slow as its slowest item, so sharing costs latency. It pays where reads have to wait anyway:
    for a connection, or for an event loop that is behind. The loop is behind if its last turn issued many reads and the
    next turn has followed without a break. It counts reads and measures no time, so it is the same on a slow machine.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._call_soon = asyncio.get_running_loop().call_soon
        self._reads = 0
        self._is_behind = False

    def is_light(self) -> bool:
        """Count a read that starts now and return whether it should go at once and alone."""
        if not self._reads and not self._is_behind:
            self._call_soon(self._next_turn)
        self._reads += 1
        return self._slots.is_free and not self._is_behind

    def _next_turn(self) -> None:
        self._is_behind = self._reads >= _MANY
        self._reads = 0
        if self._is_behind:
            self._call_soon(self._next_turn)
