"""Measures how one library scales: 1 to 2,000 reads in flight, streams of 1 to 1,000,000 wikis, and its memory.

Sweeps of as many items are measured too; only the store has them.

python -m benchmarks.scale JOB
"""

from math import ceil, inf
from typing import Any, cast

from benchmarks import works
from benchmarks.answers import slug
from benchmarks.contenders import Client
from benchmarks.worker import Figures, Job, Outcome, forget_peak, load, peak_memory, timed, work


async def scale(job: Job, outcome: Outcome) -> None:
    """Measure the readers and the streams of a job, the smallest first; the memory grows from the first read on."""
    async with load(job)(job.endpoint) as client:
        await client.get(works.OWNER, slug(0))
        opened = forget_peak()
        per_second = 0.0
        for name in filter(works.READERS.__contains__, job.works):
            figures = await _reads(client, works.READERS[name], int(per_second * job.seconds))
            outcome.figures[name] = figures | _grown(opened)
            per_second = figures["per_second"]
        seconds_per_page = 0.0
        for name in filter(works.STREAMS.__contains__, job.works):
            wikis = works.STREAMS[name]
            pages = ceil(wikis / works.PAGE)
            if seconds_per_page * pages > job.longest:
                outcome.failures[name] = f"would take more than {job.longest:g} s"
                continue
            figures = await _stream(client, wikis, job.seconds)
            outcome.figures[name] = figures | _grown(opened)
            seconds_per_page = wikis / figures["per_second"] / pages
        per_second = inf
        for name in filter(works.SWEEPS.__contains__, job.works):
            items = works.SWEEPS[name]
            if items / per_second > job.longest:
                outcome.failures[name] = f"would take more than {job.longest:g} s"
                continue
            figures = await timed(cast("Any", client).sweep(items), items)
            outcome.figures[name] = figures | _grown(opened)
            per_second = figures["per_second"]


def _grown(opened: float) -> Figures:
    """Return how much more memory the process had at its peak than when its client was opened; forget the peak."""
    grown = max(0.0, peak_memory() - opened)  # Linux counts pages late, in batches
    forget_peak()
    return {"growth_mib": grown}


async def _reads(client: Client, readers: int, calls: int) -> Figures:
    """Read with this many readers at the same time; each reads at least once."""
    calls = max(readers, calls)
    return await timed(works.in_flight(readers).run(client, calls), calls)


async def _stream(client: Client, wikis: int, seconds: float) -> Figures:
    """Read all wikis of an owner, once or for about `seconds`; return the cost of one wiki."""

    async def read(times: int) -> Figures:
        async def streams() -> None:
            for _ in range(times):
                await works.stream(client, wikis)

        return await timed(streams(), times * wikis)

    figures = await read(1)
    times = int(seconds * figures["per_second"] / wikis)
    return await read(times) if times else figures


if __name__ == "__main__":
    work(scale)
