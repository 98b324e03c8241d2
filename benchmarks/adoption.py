"""Measures `store.admin.adopt` on DynamoDB Local: items that old boto3 models wrote, interrupted, resumed, and again.

    python -m benchmarks.adoption [USERS]

Each user has two wikis with two grants each, so 14,300 users, the default, are about 100,000 items. The adoption runs
in a process of its own, which is killed when it has done half of the items. The next process continues from the
position that was printed last. A third one adopts everything again, and must find nothing to do.
"""

import asyncio
import resource
import subprocess
import sys
import time
from random import Random

from tests.engines import dynamodb_local
from tests.legacy import fill, old_items
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables

_USERS = 14_300
_SEED = 15


async def _fill(url: str, users: int) -> int:
    async with WikibotStore.open(StoreConfig(endpoint_url=url), session=local_session()) as store:
        await create_tables(store)
        return await fill(store, old_items(Random(_SEED), users=users))  # noqa: S311 - no secret


async def _adopt(url: str, resume: str | None) -> None:
    """Adopt; print for each page how many items were scanned and completed, the memory, and the position."""
    async with WikibotStore.open(StoreConfig(endpoint_url=url), session=local_session()) as store:
        async for page in store.admin.adopt(apply=True, resume=resume):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(page.scanned, page.completed, len(page.undecided), peak, page.resume or "", flush=True)


def _run(url: str, resume: str, *, kill_after: int | None = None) -> tuple[int, str]:
    """Adopt in another process; return how many items it scanned, and its last position."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.adoption", "--worker", url, resume]
    scanned = completed = undecided = 0
    peaks: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603 - this program
        assert worker.stdout is not None
        for line in worker.stdout:
            *figures, resume = line.rstrip("\n").split(" ", 4)
            scanned += int(figures[0])
            completed += int(figures[1])
            undecided += int(figures[2])
            peaks.append(int(figures[3]))
            if kill_after is not None and scanned >= kill_after:
                worker.kill()
                break
    seconds = time.perf_counter() - begin
    early = peaks[min(len(peaks) - 1, 10)]
    ending = "killed" if kill_after else "ended"
    print(
        f"{ending} after {seconds:.0f} s: {scanned:,} items scanned, {completed:,} completed, "
        f"{undecided:,} undecided; peak memory {early} MiB at page 10, {peaks[-1]} MiB at page {len(peaks)}",
        flush=True,
    )
    return scanned, resume


def main(arguments: list[str]) -> None:
    """Fill an engine and adopt its tables three times: killed half way, resumed, and again."""
    if arguments[:1] == ["--worker"]:
        asyncio.run(_adopt(arguments[1], arguments[2] or None))
        return
    with dynamodb_local(optimized=True) as url:
        begin = time.perf_counter()
        count = asyncio.run(_fill(url, int(arguments[0]) if arguments else _USERS))
        print(f"{count:,} items stored in {time.perf_counter() - begin:.0f} s", flush=True)
        begin = time.perf_counter()
        _, resume = _run(url, "", kill_after=count // 2)
        _run(url, resume)
        print(f"adopted in {time.perf_counter() - begin:.0f} s altogether", flush=True)
        _run(url, "")


if __name__ == "__main__":
    main(sys.argv[1:])
