"""A process that runs one operation and dies in the middle of it."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiobotocore.session import get_session

from tests.crash.operations import OPERATIONS, Names
from tests.engines import on_aws
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session


@dataclass(frozen=True)
class Point:
    """Where to die: before the request of this number, counted from 1, is sent, or after it is answered."""

    number: int
    answered: bool


def run_and_die(config: StoreConfig, operation: str, names: Names, point: Point) -> None:
    """Run an operation until the point is reached; return only if it never is."""
    asyncio.run(_run(config, operation, names, point))


async def _run(config: StoreConfig, operation: str, names: Names, point: Point) -> None:
    session = get_session() if on_aws() else local_session()
    async with WikibotStore.open(config, session=session) as store:
        store._wire.call = _dying(store._wire.call, point)  # type: ignore[method-assign]  # the seam of the wire
        await OPERATIONS[operation].run(store, names)


def _dying(call: Callable[..., Any], point: Point) -> Callable[..., Any]:
    sent = 0

    async def send(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        nonlocal sent
        sent += 1
        is_last = sent == point.number
        if is_last and not point.answered:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return await call(operation, request, decode, deadline=deadline)
        finally:  # also a refusal is an answer
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)

    return send
