"""Measures the latency that a backend's users feel: reads at a constant rate against a server with slow answers.

    python -m benchmarks.tail [--seconds NUMBER] [--rate NUMBER] [--rounds NUMBER] [--scale NUMBER]

Reads start at a constant rate, whether earlier ones are answered or not (an open loop). The server answers after a
lognormal time with a median of 3 ms; one item in 100 takes 30 to 80 ms, one in 1,000 takes 500 ms, and a batch takes as
long as its slowest item. On a machine with other work, `--scale 5` makes the server five times as slow, so that the
other work weighs less. The stores take turns in short blocks, so that other load affects all of them.
"""

import argparse
import asyncio
import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import count
from time import perf_counter
from typing import Any

from benchmarks.canned_server import CannedProtocol, Connections, respond
from benchmarks.processes import cores, pin, run
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session

_PERCENTILES = (50, 90, 99, 99.9)
# Two-sided, 95 %.
_CONFIDENCE = 1.96
_STORES: dict[str, dict[str, Any]] = {"unhedged": {}, "hedged": {"hedge_reads": True}}


class _SlowProtocol(CannedProtocol):
    """Answers after a random time."""

    scale = 1.0

    def _answer(self, operation: str, request: bytes) -> None:
        items = max(1, request.count(b'"owner_id":{"S"') + request.count(b'"id":{"S"'))
        seconds = self.scale * max(_seconds() for _ in range(items))
        asyncio.get_running_loop().call_later(seconds, self._write, respond(operation, request))

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _seconds() -> float:
    """Return how long the server takes for one item."""
    kind = random.random()  # noqa: S311 - a latency, not a secret
    if kind < 0.001:
        return 0.5
    if kind < 0.011:
        return random.uniform(0.03, 0.08)  # noqa: S311 - see above
    return 0.003 * random.lognormvariate(0, 0.4)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    connections = Connections()
    server = await loop.create_server(lambda: _SlowProtocol(connections, 0.0), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def _slow_server(core: int | None, scale: float) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.tail", "--serve", f"--scale={scale}"]
    command += [] if core is None else [f"--core={core}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - the project's own code
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate(timeout=10)


async def _block(store: WikibotStore, rate: float, seconds: float, numbers: Iterator[int]) -> list[float]:
    """Read at a constant rate; return the latencies, each from the moment at which the read should have started."""
    latencies: list[float] = []

    async def read(due: float) -> None:
        await store.wikis.get("u-1", f"w{next(numbers)}")
        latencies.append(perf_counter() - due)

    begin = perf_counter()
    async with asyncio.TaskGroup() as reads:
        for number in range(round(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            reads.create_task(read(due))
    return latencies


async def _measure(url: str, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the latencies in milliseconds and the requests per read of each store."""
    latencies: dict[str, list[float]] = {name: [] for name in _STORES}
    numbers = count()
    async with AsyncExitStack() as stack:
        stores = {
            name: await stack.enter_async_context(
                WikibotStore.open(StoreConfig(endpoint_url=url, **settings), session=local_session())
            )
            for name, settings in _STORES.items()
        }
        for store in stores.values():  # they connect, and learn how long reads take
            await _block(store, rate, 10, numbers)
        before = {name: store.stats() for name, store in stores.items()}
        for _ in range(rounds):
            for name, store in stores.items():
                latencies[name] += await _block(store, rate, seconds / rounds, numbers)
        after = {name: store.stats() for name, store in stores.items()}
    return {
        name: {
            **_percentiles(latencies[name]),
            "reads": len(latencies[name]),
            "hedges": after[name].hedges - before[name].hedges,
        }
        for name in stores
    }


def _percentiles(latencies: list[float]) -> dict[str, Any]:
    """Return each percentile in milliseconds with the bounds of its 95 % confidence, from the order statistics."""
    ordered = sorted(latencies)
    size = len(ordered)
    found = {}
    for percent in _PERCENTILES:
        share = percent / 100
        spread = _CONFIDENCE * math.sqrt(size * share * (1 - share))
        places = [size * share, size * share - spread, size * share + spread]
        found[f"p{percent}"] = [round(1000 * ordered[min(size - 1, max(0, int(place)))], 2) for place in places]
    return found


def main() -> None:
    """Read the arguments, serve or measure, and print the results."""
    parser = argparse.ArgumentParser(description="Measure the latency of reads against a server with slow answers.")
    parser.add_argument("--serve", action="store_true", help="only serve")
    parser.add_argument("--core", type=int, help="the core of the server")
    parser.add_argument("--seconds", type=float, default=240.0, help="seconds per store")
    parser.add_argument("--rate", type=float, default=200.0, help="reads per second")
    parser.add_argument("--rounds", type=int, default=24, help="blocks of each store")
    parser.add_argument("--scale", type=float, default=1.0, help="how much slower the server is")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.serve:
        pin(arguments.core)
        _SlowProtocol.scale = arguments.scale
        run(_serve())
        return
    client_core, server_core = cores()
    pin(client_core)
    with _slow_server(server_core, arguments.scale) as url:
        results: dict[str, Any] = {}

        async def measure() -> None:
            results.update(await _measure(url, arguments.rate, arguments.seconds, arguments.rounds))

        run(measure())
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{'':10}" + "".join(f"{f'p{percent} ms (95 %)':>26}" for percent in _PERCENTILES) + "   more requests")
    for name, figures in results.items():
        cells = [figures[f"p{percent}"] for percent in _PERCENTILES]
        texts = "".join(f"{f'{value} ({low} to {high})':>26}" for value, low, high in cells)
        print(f"{name:10}{texts}   {figures['hedges'] / figures['reads']:.1%}")


if __name__ == "__main__":
    main()
