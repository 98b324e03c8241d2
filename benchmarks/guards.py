"""Measures the store alone, to check that its speed has no hidden cost: single reads, large pages, many readers.

python -m benchmarks.guards JOB
"""

import json
import sys
from dataclasses import asdict

from benchmarks import telemetry
from benchmarks.contenders import wikibot_store
from benchmarks.processes import pin, run
from benchmarks.worker import Figures, Job, Outcome, describe, measure, medians
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
            work = page_of(wikis)
            figures = await measure(work, together, job.seconds)
            outcome.figures[work.name] = figures | {"cpu_us_per_wiki": figures["cpu_us"] / wikis}
        for readers in READERS:
            work = in_flight(readers)
            outcome.figures[work.name] = await measure(work, together, job.seconds)
            outcome.figures[f"{work.name}, apart"] = await measure(work, apart, job.seconds)
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


def main() -> None:
    """Run the job in the argument."""
    job = Job.decode(sys.argv[1])
    pin(job.core)
    outcome = Outcome()
    try:
        run(guard(job, outcome), job.loop)
    except Exception as error:  # noqa: BLE001 - reported in the table
        outcome.failures["*"] = describe(error)
    print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
