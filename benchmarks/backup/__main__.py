"""Compare the throughput of exports and imports with plain loops, on canned answers.

    python -m benchmarks.backup [--items 1000000] [--rounds 3]

Every way runs in a process of its own, against a server in another process. The loops of other libraries read a
twentieth of the items, because they take so long. The table has the median of the rounds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any

from benchmarks.backup.server import ITEM_BYTES, PAGE_ITEMS
from benchmarks.backup.ways import WAYS

_FRACTION = 20
_BASES = {"export": "boto3 export", "import": "boto3 import"}


@contextmanager
def _server(items: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.backup.server", str(items)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate(timeout=10)


def _measure(way: str, items: int, folder: Path) -> dict[str, Any]:
    if not way.startswith("wikibot_store"):
        items = max(1, items // _FRACTION // PAGE_ITEMS) * PAGE_ITEMS
    elif way.endswith("export"):
        rmtree(folder / "users", ignore_errors=True)
    with _server(items) as url:
        command = [sys.executable, "-m", "benchmarks.backup.ways", way, url, str(folder)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603 - our own
    result: dict[str, Any] = json.loads(output)
    if result["items"] != items:
        raise RuntimeError(f"{way} moved {result['items']} items instead of {items}")
    return result


def main() -> None:
    """Measure all ways in turns and print the table."""
    parser = argparse.ArgumentParser(description="Measure exports and imports on canned answers.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    items = arguments.items // PAGE_ITEMS * PAGE_ITEMS
    ways = [way for way in WAYS if not way.startswith("PynamoDB") or find_spec("pynamodb")]
    results: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for way in ways:
                results[way].append(_measure(way, items, Path(folder)))
    rates = {way: median(run["items"] / run["seconds"] for run in runs) for way, runs in results.items()}
    print(f"{items:,} items of {ITEM_BYTES} bytes, median of {arguments.rounds} rounds")
    print(f"{'':24}{'items/s':>10}{'x boto3':>9}{'CPU/item':>11}{'memory':>10}")
    for way, runs in results.items():
        base = rates[next(base for kind, base in _BASES.items() if kind in way)]
        cpu = median(run["cpu"] / run["items"] for run in runs) * 1e6
        memory = max(run["memory"] for run in runs)
        print(f"{way:24}{rates[way]:>10,.0f}{rates[way] / base:>9.1f}{cpu:>8.1f} µs{memory:>7.0f} MB")


if __name__ == "__main__":
    main()
