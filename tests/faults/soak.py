"""Many workers for a while, through faults, restarts of the engine, rotated credentials and a stalling event loop.

    python -m tests.faults.soak --seconds 120

Afterwards every acknowledged write must be there exactly once and no other one in part, the invariants must hold, and
connections, memory, tasks and files must be as at the start.
"""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import get_session

from tests.engines import dynamodb_local, missing_for_dynamodb_local
from tests.faults.invariants import read_all
from tests.faults.journal import Journal
from tests.faults.workers import HOT, Worker
from wikibot_store import RequestFailedError, StoreConfig, UnavailableError, WikibotStore, WriteOutcomeUnknownError
from wikibot_store.local import REGION, local_session
from wikibot_store.provision import create_tables
from wikibot_store.testing import FaultProxy

_WORKERS = 64
_CONNECTIONS = 32
_FAULTS = 0.1
_SLOW = 0.5
_TOKEN_SECONDS = 3
_STALL_EVERY = 1.0
_STALL = 0.2
_SAMPLE_EVERY = 0.5
_GROWTH = 48 * 1024 * 1024
_UNCERTAIN = (UnavailableError, RequestFailedError, WriteOutcomeUnknownError)


@dataclass
class Report:
    """What happened, and what should not have."""

    calls: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    items: int = 0
    restarts: int = 0
    rotations: int = 0
    stalls: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Sum up."""
        errors = Counter(name.partition(":")[0] for name in self.calls.elements() if ":" in name)
        done = sum(times for name, times in self.calls.items() if ":" not in name)
        return "\n".join(
            [
                f"{done} calls succeeded, others: {dict(errors)}",
                f"{self.requests} requests, faults: {dict(self.faults)}",
                f"{self.restarts} restarts, {self.rotations} rotations, {self.stalls} stalls, {self.items} items checked",
                *[f"PROBLEM: {problem}" for problem in self.problems],
                f"{len(self.problems)} problems",
            ]
        )


# ---- what goes wrong


class Engine:
    """DynamoDB Local with its data on disk, that can be stopped and started again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._port = 0

    async def start(self) -> str:
        """Start, on the same port each time, and return the URL."""
        self._running = dynamodb_local(port=self._port, data=self._data)
        url = await asyncio.to_thread(self._running.__enter__)
        self._port = urlsplit(url).port or 0
        return url

    async def stop(self) -> None:
        """Stop as a service manager does."""
        await asyncio.to_thread(self._running.__exit__, None, None, None)


class Rotation:
    """Credentials with a session token of a few seconds; the proxy refuses the one before the last."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.issued = 0

    async def __call__(self) -> dict[str, str]:
        """Issue the next ones. DynamoDB Local has its tables per access key, so that one stays."""
        if self.issued > 1:
            self._proxy.expire_credentials(session_token=f"token-{self.issued - 1}")
        self.issued += 1
        expiry = datetime.now(UTC) + timedelta(seconds=_TOKEN_SECONDS)
        token = f"token-{self.issued}"
        return {"access_key": "local", "secret_key": "local", "token": token, "expiry_time": expiry.isoformat()}

    async def session(self) -> aioboto3.Session:
        """Return a session that asks for new ones a second before the old ones end."""
        botocore_session = get_session()
        botocore_session._credentials = AioRefreshableCredentials.create_from_metadata(  # type: ignore[attr-defined]  # has no other door
            await self(), self, "soak", advisory_timeout=1, mandatory_timeout=1
        )
        return aioboto3.Session(botocore_session=botocore_session, region_name=REGION)


def _script(proxy: FaultProxy, rate: float) -> None:
    """Let about this share of the requests meet a fault."""
    scripts: list[Callable[..., object]] = [
        proxy.lose_answer,
        proxy.reset_before,
        proxy.reset_midway,
        lambda **when: proxy.drip(seconds=_SLOW, **when),
        proxy.fail_before,
        lambda **when: proxy.fail_after(status=503, **when),
        proxy.throttle,
        proxy.corrupt,
    ]
    for script in scripts:
        script(probability=rate / len(scripts))
    proxy.transaction_conflict(probability=rate / len(scripts))
    proxy.unprocessed(probability=rate)


async def _stall(report: Report) -> None:
    """Hold the event loop up, as work does that should not be in it."""
    while True:
        await asyncio.sleep(_STALL_EVERY)
        time.sleep(_STALL)  # noqa: ASYNC251 - this is the fault
        report.stalls += 1


# ---- what is measured


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
        self._files: list[int] = []
        self._memory: list[int] = []

    async def take(self) -> None:
        """Measure, and forget the requests that were counted, time and again."""
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            self.count()
            self._files.append(_open_files())
            self._memory.append(_memory())

    def count(self) -> None:
        """Count the requests and their faults."""
        self._report.requests += len(self._proxy.requests)
        self._report.faults.update(seen.fault for seen in self._proxy.requests if seen.fault is not None)
        self._proxy.requests.clear()

    def problems(self, files_before: int) -> AsyncIterator[str]:
        """Return what has grown."""
        raise NotImplementedError
