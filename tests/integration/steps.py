"""Runs code in the middle of an operation, before one of its requests."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.engines import most_like_aws
from wikibot_store import WikibotStore

on_one_engine = pytest.mark.parametrize("engine", [most_like_aws()], indirect=True, ids=str)
"""For tests of the order of requests: what each request does is tested on all engines."""


class CrashError(Exception):
    """Stands for the crash of the process."""


async def crash() -> None:
    """Stop the operation as a crash of its process would."""
    raise CrashError


@contextmanager
def before_requests(store: WikibotStore, meanwhile: Mapping[int, Callable[[], Awaitable[object]]]) -> Iterator[None]:
    """Await what `meanwhile` has for a request, by its number from 1, before the block's request of that number."""
    call, sent, interrupted = store._wire.call, 0, False

    async def interrupt(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        nonlocal sent, interrupted
        if not interrupted:  # what happens meanwhile is not counted
            sent += 1
            if sent in meanwhile:
                interrupted = True
                await meanwhile[sent]()
                interrupted = False
        return await call(operation, request, decode, deadline=deadline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._wire, "call", interrupt)
        yield
