"""Measures how one library scales: 1 to 2,000 reads in flight, streams of 1 to 1,000,000 wikis, and its memory.

python -m benchmarks.scale JOB
"""

from math import ceil

from benchmarks import works
from benchmarks.answers import slug
from benchmarks.contenders import Client
from benchmarks.worker import Figures, Job, Outcome, growth, load, timed, work


async def scale(job: Job, outcome: Outcome) -> None:
    """Measure the readers and the streams of a job, the smallest first."""
    async with load(job)(job.endpoint) as client:
        await client.get(works.OWNER, slug(0))
        per_second = 0.0
        for name in filter(works.READERS.__contains__, job.works):
            outcome.figures[name] = await _reads(client, works.READERS[name], int(per_second * job.seconds))
            per_second = outcome.figures[name]["per_second"]
        seconds_per_page = 0.0
        for name in filter(works.STREAMS.__contains__, job.works):
            pages = ceil(works.STREAMS[name] / works.PAGE)
            if seconds_per_page * pages > job.longest:
                outcome.failures[name] = f"would take more than {job.longest:g} s"
            else:
                outcome.figures[name] = await _stream(client, works.STREAMS[name], job.seconds)
                seconds_per_page = works.STREAMS[name] / outcome.figures[name]["per_second"] / pages


async def _reads(client: Client, readers: int, calls: int) -> Figures:
    """Read with this many readers at the same time; each reads at least once."""
    calls = max(readers, calls)
    with growth() as grown:
        figures = await timed(works.in_flight(readers).run(client, calls), calls)
    return figures | grown


async def _stream(client: Client, wikis: int, seconds: float) -> Figures:
    """Read all wikis of an owner, once or for about `seconds`; return the cost of one wiki."""

    async def read(times: int) -> Figures:
        async def streams() -> None:
            for _ in range(times):
                await works.stream(client, wikis)

        return await timed(streams(), times * wikis)

    with growth() as grown:
        figures = await read(1)
        times = int(seconds * figures["per_second"] / wikis)
        if times:
            figures = await read(times)
    return figures | grown


if __name__ == "__main__":
    work(scale)
