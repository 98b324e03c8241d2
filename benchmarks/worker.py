"""Measures one library in this new process.

    python -m benchmarks.worker JOB

The parent process passes the job as JSON and reads the outcome from the last line of standard output.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import answers, works
from benchmarks.checks import CHECKS
from benchmarks.contenders import CONTENDERS, Client, Endpoint
from benchmarks.processes import pin, run

_TICK = 0.001
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_WARM_UP = 20
_PARTS = 5

Figures = dict[str, float]
Connect = Callable[[Endpoint], AbstractAsyncContextManager[Client]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure: each workload for `seconds`, the stream over `wikis`; with `check`, the results are checked.

    In a comparison of scale, streams that would take longer than `longest` seconds are left out.
    """

    contender: str
    works: tuple[str, ...]
    endpoint: Endpoint
    check: bool
    loop: str
    core: int | None
    server_core: int | None
    seconds: float
    wikis: int
    longest: float = 0.0

    def encode(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def decode(cls, text: str) -> "Job":
        """Read what `encode` wrote."""
        members = json.loads(text)
        endpoint = members.pop("endpoint")
        authority = endpoint.pop("authority")
        return cls(**members, endpoint=Endpoint(**endpoint, authority=Path(authority) if authority else None))


@dataclass
class Outcome:
    """The figures by workload, and the reasons for workloads that failed."""

    figures: dict[str, Figures] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class StallWatch:
    """Measures the longest time for which the event loop did not run a task that was due."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Wake up every millisecond until cancelled, and note the longest delay."""
        while True:
            due = time.perf_counter() + _TICK
            await asyncio.sleep(_TICK)
            self.longest = max(self.longest, time.perf_counter() - due)


async def measure(work: works.Work, client: Client, seconds: float) -> Figures:
    """Repeat the workload in parts for about `seconds`; return the cost of one call in the median part."""
    warm_up = max(_WARM_UP, 2 * work.together)
    started = time.perf_counter()
    await work.run(client, warm_up)
    calls = max(work.together, int(warm_up * seconds / _PARTS / (time.perf_counter() - started)))
    gc.collect()
    return medians([await timed(work.run(client, calls), calls) for _ in range(_PARTS)])


async def timed(doing: Awaitable[None], calls: int) -> Figures:
    """Await something that makes `calls` calls; return the cost of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    await doing
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_us": cpu / calls * 1e6, "wall_us": wall / calls * 1e6, "per_second": calls / wall}


def medians(figures: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    return {name: median(each[name] for each in figures) for name in figures[0]}


async def measure_stream(client: Client, wikis: int) -> Figures:
    """Read all wikis of an owner; return the cost of one wiki, and the growth of the process's memory."""
    before = forget_peak()
    figures = await timed(works.stream(client, wikis), wikis)
    return figures | {"growth_mib": max(0.0, peak_memory() - before)}  # Linux counts pages late, in batches


def forget_peak() -> float:
    """Forget this process's peak memory so far; return its memory in MiB."""
    gc.collect()
    _CLEAR.write_text("5")  # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    return peak_memory()


def peak_memory() -> float:
    """Return the peak memory of this process in MiB.

    On Linux, getrusage is of no use here: it includes the memory of the parent from before the program was started.
    """
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


@asynccontextmanager
async def cold_start(connect: Connect, endpoint: Endpoint, figures: Figures) -> AsyncIterator[Client]:
    """Open a client and read once; add the times and the longest stall of the event loop to `figures`."""
    stalls = StallWatch()
    watch = asyncio.create_task(stalls.watch())
    await asyncio.sleep(_TICK)
    started = time.perf_counter()
    async with connect(endpoint) as client:
        opened = time.perf_counter()
        await client.get(works.OWNER, answers.slug(0))
        read = time.perf_counter()
        await asyncio.sleep(2 * _TICK)  # the watch notices a stall when it runs again
        watch.cancel()
        figures |= {
            "open_ms": (opened - started) * 1e3,
            "first_read_ms": (read - opened) * 1e3,
            "total_ms": figures["import_ms"] + (read - started) * 1e3,
            "stall_ms": stalls.longest * 1e3,
            "memory_mib": peak_memory(),
        }
        yield client


async def work_through(job: Job, outcome: Outcome) -> None:
    """Measure a cold start, then each workload of a job, followed by its check."""
    started = time.perf_counter()
    connect = load(job)
    start: Figures = {"import_ms": (time.perf_counter() - started) * 1e3}
    async with cold_start(connect, job.endpoint, start) as client:
        outcome.figures[works.COLD_START] = start
        for name in job.works:
            try:
                figures = await _measure(name, client, job)
                if job.check and name in CHECKS:
                    await CHECKS[name](client)
            except Exception as error:  # noqa: BLE001 - reported in the table
                outcome.failures[name] = describe(error)
            else:
                outcome.figures[name] = figures


async def _measure(name: str, client: Client, job: Job) -> Figures:
    if name == works.STREAM:
        return await measure_stream(client, job.wikis)
    return await measure(works.BY_NAME[name], client, job.seconds)


def describe(error: Exception) -> str:
    """Return the error on one line."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def work(measuring: Callable[[Job, Outcome], Coroutine[Any, Any, None]]) -> None:
    """Run the job in the argument and print the outcome. `measuring` fills it."""
    job = Job.decode(sys.argv[1])
    pin(job.core)
    outcome = Outcome()
    try:
        run(measuring(job, outcome), job.loop)
    except Exception as error:  # noqa: BLE001 - reported in the table
        outcome.failures[works.COLD_START] = describe(error)
    print(json.dumps(asdict(outcome)), flush=True)


def load(job: Job) -> Connect:
    """Import the library of a job; return the function that opens a client."""
    connect: Connect = next(contender for contender in CONTENDERS if contender.name == job.contender).load()
    return connect


if __name__ == "__main__":
    work(work_through)
