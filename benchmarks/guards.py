"""Measures the store alone, to check that its speed has no hidden cost: single reads, large pages, many readers.

python -m benchmarks.guards JOB
"""

from benchmarks import telemetry
from benchmarks.contenders import wikibot_store
from benchmarks.worker import Figures, Job, Outcome, measure, medians, work
from benchmarks.works import POINT_READ, in_flight, page_of

PAGES = (10, 30, 100, 300, 1_000)
READERS = (32, 64, 128, 256, 512)
_TURNS = 10


async def guard(job: Job, outcome: Outcome) -> None:
    """Compare a store with default settings and one without coalescing; measure pages, readers and telemetry."""
    async with (
        wikibot_store.connect(job.endpoint) as together,
        wikibot_store.connect_apart(job.endpoint) as apart,
    ):
        outcome.figures |= await _lone_reads(together, apart, job.seconds)
        for wikis in PAGES:
            pages = page_of(wikis)
            figures = await measure(pages, together, job.seconds)
            outcome.figures[pages.name] = figures | {"cpu_us_per_wiki": figures["cpu_us"] / wikis}
        for readers in READERS:
            reads = in_flight(readers)
            outcome.figures[reads.name] = await measure(reads, together, job.seconds)
            outcome.figures[f"{reads.name}, apart"] = await measure(reads, apart, job.seconds)
    outcome.figures |= await telemetry.compare(job.endpoint, job.seconds)


async def _lone_reads(
    together: wikibot_store.StoreClient, apart: wikibot_store.StoreClient, seconds: float
) -> dict[str, Figures]:
    """Read with both stores in turns, so that other load on the machine affects both."""
    turns: list[tuple[Figures, Figures]] = []
    for _ in range(_TURNS):
        one = await measure(POINT_READ, together, seconds)
        turns.append((one, await measure(POINT_READ, apart, seconds)))
    ones, others = zip(*turns, strict=True)
    return {"lone point read": medians(ones), "lone point read, apart": medians(others)}


if __name__ == "__main__":
    work(guard)
