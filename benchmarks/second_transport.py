"""Compares the store's transport with pyreqwest, a client in Rust, which costs no less and may abort the interpreter.

    python -m benchmarks.second_transport [--runs NUMBER] [--version VERSION] [--python PYTHON]

It installs pyreqwest in a temporary environment, runs short processes that use it, and counts those that end by a
signal although they closed their client. Then it compares the CPU time of a request, with all threads.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.processes import canned_server, cores, pin
from wikibot_store._wire._http import Transport

_CLIENT = Path(__file__).with_name("pyreqwest_client.py")
_HEADERS = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
_BODY = '{"TableName":"wikis","Key":{"owner_id":{"S":"owner-1000"},"wiki_slug":{"S":"wiki-000000"}}}'
_SHORT = 200
_LONG = 3_000
_ROUNDS = 7


def install(folder: Path, python: str, version: str) -> Path:
    """Create an environment with pyreqwest; return its interpreter."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)  # noqa: S603 - the user's own interpreter
    interpreter = folder / "bin" / "python"
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"pyreqwest=={version}"], check=True)  # noqa: S603 - in the new environment
    return interpreter


def use(interpreter: Path, url: str, calls: int, pause: float) -> tuple[int, float]:
    """Run one process with pyreqwest; return its exit status and the CPU time of a request in microseconds."""
    command = [str(interpreter), str(_CLIENT), url, json.dumps(_HEADERS), _BODY, str(calls), str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the project's own code
    return done.returncode, float(done.stdout)


def ends(interpreter: Path, url: str, runs: int, pause: float) -> str:
    """Run this number of processes; describe how many ended with which status."""
    counts = Counter(use(interpreter, url, _SHORT, pause)[0] for _ in range(runs))
    return ", ".join(
        f"{count} of {runs} ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"
        for status, count in sorted(counts.items())
    )


async def cost_of_session(url: str) -> float:
    """Return the CPU time of a request by aiohttp's session in microseconds."""
    async with aiohttp.ClientSession() as session:
        started = time.process_time()
        for _ in range(_LONG):
            async with session.post(url, headers=_HEADERS, data=_BODY.encode()) as response:
                await response.read()
        return (time.process_time() - started) / _LONG * 1e6


async def cost_of_transport(url: str) -> float:
    """Return the CPU time of a request by the store's transport in microseconds."""
    transport = Transport(max_pool_connections=64)
    await transport.connect(url)
    headers = {"Host": url.rpartition("/")[2], **_HEADERS}
    try:
        started = time.process_time()
        for _ in range(_LONG):
            await transport.post(headers, _BODY.encode(), seconds=5.0)
        return (time.process_time() - started) / _LONG * 1e6
    finally:
        await transport.close()


def main() -> None:
    """Read the arguments, count the failed processes and compare the costs."""
    parser = argparse.ArgumentParser(description="Check whether pyreqwest is safe to use, and measure what it costs.")
    parser.add_argument("--runs", type=int, default=60, help="number of processes to run")
    parser.add_argument("--version", default="0.15.1", help="the release of pyreqwest")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that pyreqwest runs on")
    arguments = parser.parse_args()
    client_core, server_core = cores()
    with tempfile.TemporaryDirectory() as folder, canned_server(core=server_core, tls=None) as server:
        interpreter = install(Path(folder), arguments.python, arguments.version)
        print(f"client closed: {ends(interpreter, server.url, arguments.runs, 0.0)}")
        print(f"client closed, then a pause of 0.2 s: {ends(interpreter, server.url, arguments.runs, 0.2)}")
        pin(client_core)  # not earlier: on one core the threads of a process would not run at the same time
        costs: dict[str, list[float]] = {"aiohttp's session": [], "the store's transport": [], "pyreqwest": []}
        for _ in range(_ROUNDS):
            costs["aiohttp's session"].append(asyncio.run(cost_of_session(server.url)))
            costs["the store's transport"].append(asyncio.run(cost_of_transport(server.url)))
            costs["pyreqwest"].append(use(interpreter, server.url, _LONG, 0.2)[1])
    for name, rounds in costs.items():
        print(f"{name}: {median(rounds):.0f} µs of CPU per request")


if __name__ == "__main__":
    main()
