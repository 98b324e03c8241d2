"""Processes that die in the middle of an operation: the next call, or a sweep, completes what they have begun."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import pytest

from tests.crash.child import Point, run_and_die
from tests.crash.operations import OPERATIONS, Names, Operation
from wikibot_store import WikibotStore

PROCESSES = 4


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run without a crash: how many requests it sent, and what was to be seen before and after."""

    requests: int
    before: object
    after: object

    @property
    def points(self) -> list[Point]:
        """All points at which a process can die, before or after a request."""
        return [Point(number + 1, answered) for number in range(self.requests) for answered in (False, True)]


async def record(store: WikibotStore, operation: Operation) -> Recorded:
    """Run an operation to its end."""
    names = await operation.prepare(store)
    before = await operation.see(store, names)
    call, requests = store._wire.call, 0

    async def count(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        nonlocal requests
        requests += 1
        return await call(operation, request, decode, deadline=deadline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._wire, "call", count)
        await operation.run(store, names)
    return Recorded(requests=requests, before=before, after=await operation.see(store, names))


async def die_at_each(
    store: WikibotStore, forks: ForkServerContext, operation: str, points: list[Point]
) -> list[Names]:
    """Let a process die at each point, each in an operation of its own; return what they worked on."""
    runs = [await OPERATIONS[operation].prepare(store) for _ in points]
    processes = [
        forks.Process(target=run_and_die, args=(store.config, operation, names, point))
        for names, point in zip(runs, points, strict=True)
    ]
    await asyncio.to_thread(_run_all, processes)
    assert {process.exitcode for process in processes} == {-signal.SIGKILL}
    return runs


def _run_all(processes: list[ForkServerProcess]) -> None:
    for start in range(0, len(processes), PROCESSES):
        for process in processes[start : start + PROCESSES]:
            process.start()
        for process in processes[start : start + PROCESSES]:
            process.join()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_next_call_completes(store: WikibotStore, forks: ForkServerContext, operation: str) -> None:
    """Wherever a process died, the same call again comes to the same end as one without a crash."""
    recorded = await record(store, OPERATIONS[operation])
    runs = await die_at_each(store, forks, operation, recorded.points)

    for names in runs:
        with suppress(*OPERATIONS[operation].refusals):  # the process had done all before it died
            await OPERATIONS[operation].run(store, names)

    assert [await OPERATIONS[operation].see(store, names) for names in runs] == [recorded.after] * len(runs)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_sweep_completes(store: WikibotStore, forks: ForkServerContext, operation: str) -> None:
    """Wherever a process died, one sweep leaves all as if the call had not been made, or had come to its end."""
    recorded = await record(store, OPERATIONS[operation])
    runs = await die_at_each(store, forks, operation, recorded.points)

    found = [finding async for page in store.admin.sweep(apply=True) for finding in page.findings]

    assert [finding for finding in found if not finding.repaired] == []
    assert [finding async for page in store.admin.sweep() for finding in page.findings] == []
    seen = [await OPERATIONS[operation].see(store, names) for names in runs]
    assert [state for state in seen if state not in (recorded.before, recorded.after)] == []
