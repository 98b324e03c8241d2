"""Starts the processes of the benchmark, each on its own core and on the chosen event loop."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_FASTEST_LOOP = "uvloop" if find_spec("uvloop") else "asyncio"


def cores() -> tuple[int | None, int | None]:
    """Return one core for the client and one for the server, or None for both if there are fewer than two."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    client, *others = sorted(os.sched_getaffinity(0), reverse=True)
    return (client, others[0]) if others else (None, None)


def pin(core: int | None) -> None:
    """Keep this process and its child processes on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def run(main: Coroutine[Any, Any, None], loop: str = _FASTEST_LOOP) -> None:
    """Run a coroutine on an event loop of this kind."""
    loop_factory = asyncio.new_event_loop if loop == "asyncio" else import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


@dataclass
class Server:
    """A running server. `connections` is the most that were open at once; the canned server reports it when it ends."""

    url: str
    authority: Path | None = None
    connections: int = 0


@contextmanager
def canned_server(*, core: int | None, tls: Path | None, latency: float = 0.0, slow: float = 0.0) -> Iterator[Server]:
    """Run the canned server in a separate process; with `tls`, a folder for its CA, it serves HTTPS."""
    command = [sys.executable, "-m", "benchmarks.canned_server", f"--latency={latency}", f"--slow={slow}"]
    command += [] if core is None else [f"--core={core}"]
    command += [] if tls is None else [f"--tls={tls}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - the project's own code
        assert process.stdout is not None
        server = Server(process.stdout.readline().strip(), None if tls is None else tls / "authority.pem")
        try:
            yield server
        finally:
            connections, _ = process.communicate(timeout=10)
        server.connections = int(connections)
