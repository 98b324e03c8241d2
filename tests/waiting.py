"""Lets reads wait for a connection, so that they share requests."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from wikibot_store import WikibotStore


@contextmanager
def all_in_use(store: WikibotStore) -> Iterator[None]:
    """Keep all connections in use inside the block."""
    slots = store._wire._connections
    count = store.config.max_pool_connections
    for _ in range(count):
        slots.take_free()
    try:
        yield
    finally:
        for _ in range(count):
            slots.release()


async def started(*reads: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Start the reads, and let them come as far as to wait for a connection."""
    tasks = [asyncio.create_task(read) for read in reads]
    for _ in range(4):
        await asyncio.sleep(0)
    return tasks


async def together(store: WikibotStore, *reads: Coroutine[Any, Any, Any]) -> list[Any]:
    """Return the result or error of each read; they all wait for a connection at the same time."""
    with all_in_use(store):
        tasks = await started(*reads)
    return await asyncio.gather(*tasks, return_exceptions=True)
