"""Stops long operations in the middle, as a crash of their process would."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from wikibot_store import WikibotStore


class StoppedError(Exception):
    """Stands for the crash of the process."""


@contextmanager
def stopped_behind(store: WikibotStore, requests: int) -> Iterator[None]:
    """Stop everything that the store does in the block after this number of answered requests."""
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
    """Run `work` until this number of requests was answered; return whether it was stopped before its end."""
    try:
        with stopped_behind(store, requests):
            await work
    except StoppedError:
        return True
    return False
