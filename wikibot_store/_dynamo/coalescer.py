"""Combines the point reads that are issued in one turn of the event loop into one request."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import copy
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Collects the keys that are read in one turn of the event loop and loads them together.

    If a turn has only one key, its reader calls `load_one` itself, without another task. Several keys go to
    `load_many`, which returns for each key a value, an exception to raise, or nothing. It runs in a task of its own,
    which `spawn` starts, so that the cancellation of one reader does not affect the others.
    """

    def __init__(
        self,
        load_one: Callable[[K], Awaitable[V | None]],
        load_many: Callable[[list[K]], Awaitable[Mapping[K, V | Exception]]],
        *,
        batch_size: int,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._load_one = load_one
        self._load_many = load_many
        self._batch_size = batch_size
        self._spawn = spawn
        self._gathering: dict[K, list[asyncio.Future[V | None]]] | None = None

    async def load(self, key: K) -> V | None:
        """Return the value of `key`, or None if there is none."""
        gathering = self._gathering
        if gathering is None:
            self._gathering = gathering = {}
            try:
                await asyncio.sleep(0)  # the rest of this turn
            finally:
                if not gathering:
                    self._gathering = None
            if not gathering:
                return await self._load_one(key)
        loop = asyncio.get_running_loop()
        if not gathering:
            loop.call_soon(self._serve, gathering)
        future: asyncio.Future[V | None] = loop.create_future()
        gathering.setdefault(key, []).append(future)
        return await future

    def _serve(self, gathered: dict[K, list[asyncio.Future[V | None]]]) -> None:
        """Start the tasks that load the collected keys."""
        self._gathering = None
        wanted = [key for key, futures in gathered.items() if not all(future.done() for future in futures)]
        for start in range(0, len(wanted), self._batch_size):
            batch = {key: gathered[key] for key in wanted[start : start + self._batch_size]}
            self._spawn(self._load(batch)).add_done_callback(partial(_give_up, batch))

    async def _load(self, batch: dict[K, list[asyncio.Future[V | None]]]) -> None:
        """Load one batch and give each waiting reader its result."""
        results: Mapping[K, V | Exception | None]
        try:
            if len(batch) == 1:
                (key,) = batch
                results = {key: await self._load_one(key)}
            else:
                results = await self._load_many(list(batch))
        except Exception as error:  # noqa: BLE001 - raised by every reader of this batch
            results = dict.fromkeys(batch, error)
        for key, futures in batch.items():
            result = results.get(key)
            for future in futures:
                if future.done():  # its reader was cancelled
                    continue
                if isinstance(result, Exception):
                    future.set_exception(_own(result))
                else:
                    future.set_result(result)


def _own(error: Exception) -> Exception:
    """Return a copy of the error, so that each reader has its own traceback and notes."""
    own = copy(error).with_traceback(error.__traceback__)
    own.__cause__ = error.__cause__
    return own


def _give_up(batch: dict[K, list[asyncio.Future[V | None]]], _task: asyncio.Task[None]) -> None:
    """Fail the readers that still wait, because the task that loads their keys was cancelled."""
    for futures in batch.values():
        for future in futures:
            if not future.done():
                future.set_exception(RuntimeError("the store was closed during this read"))
