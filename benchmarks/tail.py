"""Measures the latency that a backend's users feel: reads at a constant rate against a server with slow answers.

    python -m benchmarks.tail [--only STORE] [--rate NUMBER] [--seconds NUMBER] [--quick]

Reads start at a constant rate, whether earlier ones are answered or not (an open loop). The canned server takes a
random time for each item: a median of 3 ms, for one item in 100 30 to 80 ms, for one in 1,000 500 ms. On a machine with
other work, `--slower 5` makes the server five times as slow, so that the other work weighs less. The stores take turns
in short blocks, so that other load affects all of them.
"""

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from benchmarks import chart, table, works
from benchmarks.answers import slug
from benchmarks.processes import canned_server, cores, pin, run
from benchmarks.results import RESULTS, Results, circumstances
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session

Read = Callable[[WikibotStore, int], Awaitable[object]]

UNHEDGED = "unhedged"
HEDGED = "hedged"
STORES: dict[str, dict[str, Any]] = {
    "apart": {"coalesce_reads": False},
    UNHEDGED: {},
    HEDGED: {"hedge_reads": True},
}
"""The stores by name, with what differs from the default settings."""
READS: dict[str, Read] = {
    "point read": lambda store, number: store.wikis.get(works.OWNER, slug(number % works.WIKIS)),
    "authorize": lambda store, number: store.authorize(works.USER, works.OWNER, slug(number % works.WIKIS)),
}
_PERCENTILES = (50, 90, 99, 99.9)
# Two-sided, 95 %.
_CONFIDENCE = 1.96
_WARM_UP = 10.0
_POINTS_PER_DECADE = 20
_RAREST = 1_000


async def _block(store: WikibotStore, read: Read, rate: float, seconds: float, numbers: Iterator[int]) -> list[float]:
    """Read at a constant rate; return the latencies, each from the moment at which the read should have started."""
    latencies: list[float] = []

    async def timed(due: float) -> None:
        await read(store, next(numbers))
        latencies.append(perf_counter() - due)

    begin = perf_counter()
    async with asyncio.TaskGroup() as reads:
        for number in range(max(1, round(rate * seconds))):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            reads.create_task(timed(due))
    return latencies


async def _measure(url: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the latencies and the requests per read of each kind of read and each store."""
    async with AsyncExitStack() as stack:
        stores = {
            name: await stack.enter_async_context(
                WikibotStore.open(StoreConfig(endpoint_url=url, **STORES[name]), session=local_session())
            )
            for name in arguments.only
        }
        return [row for work in READS for row in await _take_turns(work, stores, arguments)]


async def _take_turns(
    work: str, stores: dict[str, WikibotStore], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    latencies: dict[str, list[float]] = {name: [] for name in stores}
    cpu = dict.fromkeys(stores, 0.0)
    numbers = count()
    for store in stores.values():  # they connect, and learn how long reads take
        await _block(store, READS[work], arguments.rate, min(_WARM_UP, arguments.seconds), numbers)
    before = {name: store.stats().hedges for name, store in stores.items()}
    for number in range(1, arguments.rounds + 1):
        print(f"{work}: round {number} of {arguments.rounds}", file=sys.stderr, flush=True)
        for name, store in stores.items():
            seconds = arguments.seconds / arguments.rounds
            begun = process_time()
            latencies[name] += await _block(store, READS[work], arguments.rate, seconds, numbers)
            cpu[name] += process_time() - begun
    return [
        {
            "work": work,
            "contender": name,
            "reads": len(latencies[name]),
            "hedges": store.stats().hedges - before[name],
            "cpu_us": round(cpu[name] / len(latencies[name]) * 1e6),
            **_describe(sorted(latencies[name])),
        }
        for name, store in stores.items()
    ]


def _describe(ordered: list[float]) -> dict[str, Any]:
    """Return percentiles in milliseconds, with the bounds of their 95 % confidence, and the curve of the chart."""
    size = len(ordered)

    def at(place: float) -> float:
        return round(1000 * ordered[min(size - 1, max(0, int(place)))], 2)

    percentiles = {}
    for percent in _PERCENTILES:
        share = percent / 100
        spread = _CONFIDENCE * math.sqrt(size * share * (1 - share))  # of the order statistics
        percentiles[f"p{percent}"] = [at(size * share), at(size * share - spread), at(size * share + spread)]
    decades = math.log10(_RAREST / 2)
    points = round(decades * _POINTS_PER_DECADE)
    rarities = [2 * 10 ** (decades * point / points) for point in range(points + 1)]
    return {"percentiles": percentiles, "curve": [[one_in, at(size * (1 - 1 / one_in))] for one_in in rarities]}


def render(results: Results) -> str:
    """Return the results as text."""
    about = results["about"]
    lines = [
        *table.circumstances(about),
        f"{about['loop']}, {about['scheme']}; {about['rate']:g} reads per second, {about['seconds']:g} s each.",
        "In brackets: 95 % confidence.",
    ]
    for work in READS:
        lines += ["", f"{work:12}" + "".join(f"{f'p{percent}, ms':>26}" for percent in _PERCENTILES)]
        lines[-1] += "  sent twice  CPU µs"
        for row in results["results"]:
            if row["work"] == work:
                cells = (f"{middle} ({low} to {high})" for middle, low, high in row["percentiles"].values())
                share = f"{row['hedges'] / row['reads']:.1%}"
                texts = "".join(f"{cell:>26}" for cell in cells)
                lines.append(f"{row['contender']:12}{texts}{share:>12}{row['cpu_us']:8}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tail", description="Measure the latency of reads against a server with slow answers."
    )
    parser.add_argument("--quick", action="store_true", help="one short round, to check that everything runs")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop", help="event loop to run on")
    parser.add_argument("--scheme", choices=("http", "https"), default="https", help="with TLS or not")
    parser.add_argument("--rounds", type=int, default=12, help="blocks of each store and kind of read")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds for each store and kind of read")
    parser.add_argument("--rate", type=float, default=200.0, help="reads per second")
    parser.add_argument("--slower", type=float, default=1.0, help="how much slower the server is")
    parser.add_argument(
        "--only", action="append", choices=STORES, help="a store to measure; may be given several times"
    )
    parser.add_argument("--output", type=Path, help="folder for JSON and chart; default of a full run: results/")
    arguments = parser.parse_args()
    if arguments.output is None and not arguments.quick and not arguments.only:
        arguments.output = RESULTS
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.2
    arguments.only = arguments.only or [UNHEDGED, HEDGED]
    return arguments


def main() -> None:
    """Measure, print the table, and write JSON and chart."""
    arguments = _arguments()
    about = {
        "kind": "tail",
        "server": "canned answers",
        **circumstances(("uvloop", "httptools")),
        **{name: getattr(arguments, name) for name in ("loop", "scheme", "rounds", "seconds", "rate", "slower")},
    }
    client_core, server_core = cores()
    pin(client_core)
    with TemporaryDirectory() as folder:
        tls = Path(folder) if arguments.scheme == "https" else None
        with canned_server(core=server_core, tls=tls, slow=arguments.slower) as server:
            if server.authority is not None:
                os.environ["AWS_CA_BUNDLE"] = str(server.authority)
            rows: list[dict[str, Any]] = []

            async def measure() -> None:
                rows.extend(await _measure(server.url, arguments))

            run(measure(), arguments.loop)
    results = {"about": about, "results": rows}
    print(render(results))
    if arguments.output is not None:
        chart.save(results, arguments.output)


if __name__ == "__main__":
    main()
