"""Combines point reads that have to wait into one request."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import copy
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Reads keys one by one while `is_light` says so; otherwise the keys that arrive meanwhile share a request.

    A batch starts in the next turn of the event loop. `load_many` gets a function that closes the batch and returns its
    keys. It calls this when a connection is there, so a batch that waits for one takes more keys meanwhile, up to its
    limit. `load_many` returns for each key a value, an exception to raise, or nothing. It runs in a task of its own,
    which `spawn` starts, so that the cancellation of one reader does not affect the others.
    """

    def __init__(
        self,
        load_one: Callable[[K], Awaitable[V | None]],
        load_many: Callable[[Callable[[], list[K]]], Awaitable[Mapping[K, V | Exception]]],
        *,
        is_light: Callable[[], bool],
        batch_size: int,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._load_one = load_one
        self._load_many = load_many
        self._is_light = is_light
        self._batch_size = batch_size
        self._spawn = spawn
        self._open: _Batch[K, V] | None = None

    async def load(self, key: K) -> V | None:
        """Return the value of `key`, or None if there is none."""
        if self._is_light() and self._open is None:
            return await self._load_one(key)
        loop = asyncio.get_running_loop()
        batch = self._open
        if batch is None:
            self._open = batch = {}
            loop.call_soon(self._start, batch)
        future: asyncio.Future[V | None] = loop.create_future()
        batch.setdefault(key, []).append(future)
        if len(batch) == self._batch_size:
            self._open = None
        return await future

    def _start(self, batch: "_Batch[K, V]") -> None:
        """Start the task that loads the batch."""
        if _wanted(batch):
            self._spawn(self._load(batch)).add_done_callback(partial(self._ended, batch))
        else:
            self._close(batch)

    def _close(self, batch: "_Batch[K, V]") -> None:
        if self._open is batch:
            self._open = None

    async def _load(self, batch: "_Batch[K, V]") -> None:
        """Load one batch and give each waiting reader its result."""

        def close() -> list[K]:
            self._close(batch)
            return _wanted(batch) or list(batch)

        results: Mapping[K, V | Exception | None]
        try:
            results = await self._load_many(close)
        except Exception as error:  # noqa: BLE001 - raised by every reader of this batch
            self._close(batch)
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

    def _ended(self, batch: "_Batch[K, V]", _task: asyncio.Task[None]) -> None:
        """Fail the readers that still wait, because the task that loads their keys was cancelled."""
        self._close(batch)
        for futures in batch.values():
            for future in futures:
                if not future.done():
                    future.set_exception(RuntimeError("the store was closed during this read"))


_Batch = dict[K, list[asyncio.Future[V | None]]]


def _wanted(batch: _Batch[K, V]) -> list[K]:
    """Return the keys whose readers are not all cancelled."""
    return [key for key, futures in batch.items() if not all(future.done() for future in futures)]


def _own(error: Exception) -> Exception:
    """Return a copy of the error, so that each reader has its own traceback and notes."""
    own = copy(error).with_traceback(error.__traceback__)
    own.__cause__ = error.__cause__
    return own
