"""Many workers in parallel, with faults, engine restarts, rotated credentials and a stalling event loop.

    python -m tests.faults.soak --seconds 120

Afterwards every acknowledged write must be stored exactly once and no other write partially, the invariants must hold,
and connections, memory, tasks and files must be as at the start.
"""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.session import AioSession

from tests.engines import dynamodb_local, missing_for_dynamodb_local
from tests.faults.invariants import read_all
from tests.faults.journal import Journal
from tests.faults.workers import CREW, HOT, Worker
from tests.hedges import every_read_hedged
from tests.sessions import expiring_credentials, session_of
from wikibot_store import (
    QuotaExceededError,
    RequestFailedError,
    StoreConfig,
    UnavailableError,
    WikibotStore,
    WriteOutcomeUnknownError,
)
from wikibot_store.local import REGION, local_session
from wikibot_store.provision import create_tables
from wikibot_store.testing import Fault, FaultProxy

_CONNECTIONS = 32
_FAULTS = 0.1
_SLOW = 0.5
_TOKEN_SECONDS = 3
_STALL_EVERY = 1.0
_STALL = 0.2
_SAMPLE_EVERY = 0.5
_RESTART_EVERY = 40.0
# From the store to the proxy, there, and from the proxy to the engine; and the other store's.
_MOST_FILES = 3 * _CONNECTIONS + 16
_INSISTENCE = 20
_GROWTH = 48 * 1024 * 1024


@dataclass
class Report:
    """What happened, and the problems."""

    calls: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    items: int = 0
    restarts: int = 0
    rotations: int = 0
    stalls: int = 0
    hedges: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return a summary."""
        errors = Counter(name.partition(":")[0] for name in self.calls.elements() if ":" in name)
        done = sum(times for name, times in self.calls.items() if ":" not in name)
        return "\n".join(
            [
                f"{done} calls succeeded, others: {dict(errors)}",
                f"{self.requests} requests, faults: {dict(self.faults)}",
                f"{self.restarts} restarts, {self.rotations} rotations, {self.stalls} stalls",
                f"{self.hedges} hedged reads",
                f"{self.items} items checked",
                *[f"PROBLEM: {problem}" for problem in self.problems],
                f"{len(self.problems)} problems",
            ]
        )


# ---- the faults


class Engine:
    """DynamoDB Local with its data on disk. It can be stopped and started again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._port = 0

    async def start(self) -> str:
        """Start on the same port each time, and return the URL."""
        self._running = dynamodb_local(port=self._port, data=self._data)
        url = await asyncio.to_thread(self._running.__enter__)
        self._port = urlsplit(url).port or 0
        return url

    async def stop(self) -> None:
        """Stop the engine as a service manager does."""
        await asyncio.to_thread(self._running.__exit__, None, None, None)


class Rotation:
    """Credentials whose session token is valid for a few seconds; the proxy refuses older tokens."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.issued = 0

    async def __call__(self) -> dict[str, str]:
        """Issue new credentials, with the same access key, because DynamoDB Local separates tables by it."""
        if self.issued > 1:
            self._proxy.inject(Fault.EXPIRE_CREDENTIALS, session_token=f"token-{self.issued - 1}")
        self.issued += 1
        expiry = datetime.now(UTC) + timedelta(seconds=_TOKEN_SECONDS)
        token = f"token-{self.issued}"
        return {"access_key": "local", "secret_key": "local", "token": token, "expiry_time": expiry.isoformat()}

    async def session(self) -> AioSession:
        """Return a session that asks for new credentials a second before the old ones expire."""
        credentials = expiring_credentials(await self(), self, advisory_timeout=1, mandatory_timeout=1)
        return session_of(credentials, region=REGION)


def _inject(proxy: FaultProxy) -> None:
    """Inject faults into about a tenth of the requests."""
    options: dict[Fault, dict[str, Any]] = {Fault.DRIP: {"seconds": _SLOW}, Fault.FAIL_AFTER: {"status": 503}}
    faults = [fault for fault in Fault if fault not in {Fault.UNPROCESSED, Fault.EXPIRE_CREDENTIALS}]
    for fault in faults:
        proxy.inject(fault, probability=_FAULTS / len(faults), **options.get(fault, {}))
    proxy.inject(Fault.UNPROCESSED, probability=_FAULTS)


async def _stall(report: Report) -> None:
    """Block the event loop again and again."""
    while True:
        await asyncio.sleep(_STALL_EVERY)
        time.sleep(_STALL)  # noqa: ASYNC251 - this is the fault
        report.stalls += 1


# ---- the measurements


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, and makes no paths


def _memory() -> int:
    """Return the bytes that the process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Samples:
    """Connections and memory over time."""

    def __init__(self, proxy: FaultProxy, report: Report) -> None:
        self._proxy = proxy
        self._report = report
        self._files_before = _open_files()
        self._files: list[int] = []
        self._memory: list[int] = []

    async def take(self) -> None:
        """Measure again and again, and count the requests."""
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            self._files.append(_open_files())
            self._memory.append(_memory())
            self._report.requests += len(self._proxy.requests)
            self._report.faults.update(seen.fault for seen in self._proxy.requests if seen.fault is not None)
            self._proxy.requests.clear()

    def judge(self) -> None:
        """Record a problem if there were too many connections, or if memory grew after a third of the time."""
        connections = max(self._files) - self._files_before
        if connections > _MOST_FILES:
            self._report.problems.append(f"{connections} connections and files were open")
        growth = self._memory[-1] - self._memory[len(self._memory) // 3]
        if growth > _GROWTH:
            self._report.problems.append(f"memory has grown by {growth >> 20} MiB")


# ---- the soak


async def soak(seconds: float, *, seed: int = 0) -> Report:
    """Run the workers for this long, check what is stored, and return the report."""
    report = Report()
    with _watched(report), every_read_hedged():  # without it, the throttles would let no read be hedged
        tasks, files = asyncio.all_tasks(), _open_files()
        with tempfile.TemporaryDirectory() as data:
            engine = Engine(Path(data))
            url = await engine.start()
            try:
                await _play(engine, url, seconds, seed, report)
            finally:
                await engine.stop()
        gc.collect()
        await asyncio.sleep(0)
        report.problems += [f"left running: {task}" for task in asyncio.all_tasks() - tasks]
        if _open_files() > files:
            report.problems.append(f"{_open_files() - files} files or sockets were left open")
    return report


async def _play(engine: Engine, url: str, seconds: float, seed: int, report: Report) -> None:
    async with FaultProxy(url, seed=seed) as proxy:
        rotation = Rotation(proxy)
        # As patient as a busy machine needs.
        direct_config = StoreConfig(endpoint_url=url, grantee_index=True, read_timeout=60, deadline=120)
        config = StoreConfig(
            endpoint_url=proxy.url,
            grantee_index=True,
            max_pool_connections=_CONNECTIONS,
            read_timeout=10,
            deadline=20,
            hedge_reads=True,
        )
        async with (
            WikibotStore.open(direct_config, session=local_session()) as direct,
            WikibotStore.open(config, session=await rotation.session(), connect=_CONNECTIONS) as store,
        ):
            await create_tables(direct)
            journal = Journal()
            crew = [Worker(store, journal, number, seed) for number in range(CREW)]
            founder = Worker(direct, journal, CREW, seed)
            await asyncio.gather(*[founder.create_user(name) for name in (HOT, *[worker.user_id for worker in crew])])
            samples = Samples(proxy, report)
            _inject(proxy)
            async with _in_background(_stall(report), samples.take()):
                await _work(engine, crew, seconds, report)
            samples.judge()
            proxy.clear()
            for finish in journal.unfinished:
                await _insist(finish)
            stored = await read_all(direct)
        journal.check(stored)
        report.rotations = rotation.issued
        report.hedges = store.stats().hedges
        report.calls = journal.calls
        report.items = len(journal.facts)
        report.problems += journal.problems


async def _insist(finish: Callable[[], Awaitable[object]]) -> None:
    """Call again until there is an answer: the retry quota may be exhausted, or the machine busy."""
    for _ in range(_INSISTENCE):
        with suppress(UnavailableError, RequestFailedError, WriteOutcomeUnknownError):
            with suppress(QuotaExceededError):  # an answer too: the wiki has not moved, because of the quota
                await finish()
            return
    await finish()


async def _work(engine: Engine, crew: list[Worker], seconds: float, report: Report) -> None:
    """Run all workers, and restart the engine in between."""
    now = asyncio.get_running_loop().time
    end = now() + seconds
    work = asyncio.gather(*[worker.work(lambda: now() < end) for worker in crew])
    restarts = 1 + int(seconds / _RESTART_EVERY)
    for _ in range(restarts):
        await asyncio.sleep(seconds / (restarts + 1))
        await engine.stop()
        await engine.start()
        report.restarts += 1
    await work


@asynccontextmanager
async def _in_background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _watched(report: Report) -> Iterator[None]:
    """Record unhandled errors and warnings, such as ResourceWarning, as problems."""
    loop, hook = asyncio.get_running_loop(), sys.unraisablehook
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: report.problems.append(f"not taken: {context}"))
    sys.unraisablehook = lambda error: report.problems.append(f"not raised: {error.exc_value!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
            gc.collect()
    finally:
        loop.set_exception_handler(handler)
        sys.unraisablehook = hook


def main() -> int:
    """Run, print the report, and fail if there was a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if missing := missing_for_dynamodb_local():
        raise SystemExit(missing)
    report = asyncio.run(soak(arguments.seconds, seed=arguments.seed))
    print(report)  # noqa: T201 - a command prints
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
