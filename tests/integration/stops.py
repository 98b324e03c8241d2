"""Long operations that are cut off, as by the end of their process."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from wikibot_store import WikibotStore


class StoppedError(Exception):
    """Stands for the end of the process."""


@contextmanager
def stopped_behind(store: WikibotStore, requests: int) -> Iterator[None]:
    """Stop whatever the store does inside once so many requests have been answered."""
    call, answered = store._wire.call, 0

    async def count(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        nonlocal answered
        reply = await call(operation, request, decode, deadline=deadline)
        answered += 1
        if answered >= requests:
            raise StoppedError
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._wire, "call", count)
        yield


async def is_stopped(store: WikibotStore, requests: int, work: Awaitable[object]) -> bool:
    """Do `work` until so many requests have been answered; tell whether that was before its end."""
    try:
        with stopped_behind(store, requests):
            await work
    except StoppedError:
        return True
    return False
