"""Measures a web backend on one library: Starlette on uvicorn with httptools, and `wrk` on the core of the server.

python -m benchmarks.backend JOB
"""

import asyncio
import gc
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import works
from benchmarks.answers import owner, slug
from benchmarks.checks import CHECKS, encode
from benchmarks.contenders import Client
from benchmarks.processes import pin
from benchmarks.worker import Figures, Job, Outcome, describe, load, work

CONNECTIONS = 32
NO_ANSWER = "answered no request in time"
_PAGE = 50
_WARM_UP = 100
_ADDRESS = "127.0.0.1"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}

Line = Callable[[Client, int], Awaitable[Any]]
"""Makes the calls of one request, which has a number, and returns the body of its response."""


async def _authorize(client: Client, number: int) -> Any:  # noqa: ANN401 - whatever can be encoded
    _, wiki, _ = await client.authorize(works.USER, works.OWNER, slug(number % works.WIKIS))
    return client.plain(wiki)


async def _page(client: Client, number: int) -> Any:  # noqa: ANN401, ARG001 - see above; the page is always the same
    return [client.plain(wiki) for wiki in await client.page(owner(_PAGE), _PAGE)]


async def _login(client: Client, number: int) -> Any:  # noqa: ANN401 - see above
    return client.plain(await client.login(str(number)))


async def _read(client: Client, number: int) -> Any:  # noqa: ANN401 - see above
    return client.plain(await client.get(works.OWNER, slug(number % works.WIKIS)))


_LINES: dict[str, Line] = dict(zip(works.LINES, (_authorize, _page, _login, _read), strict=True))


async def load_all(job: Job, outcome: Outcome) -> None:
    """Serve the lines of a job, and measure each under load after its results were checked."""
    async with load(job)(job.endpoint) as client, _serving(client) as url:
        for name in job.works:
            try:
                if job.check:
                    await CHECKS[name](client)
                await _warm_up(client, _LINES[name])
                gc.collect()
                gc.freeze()  # as a backend should do once it has started, on whatever library it is
                outcome.figures[name] = await _measure(f"{url}/{works.LINES.index(name)}", job)
            except Exception as error:  # noqa: BLE001 - reported in the table
                outcome.failures[name] = describe(error)


async def _warm_up(client: Client, line: Line) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(_WARM_UP):
            group.create_task(line(client, number))  # type: ignore[arg-type]  # each line is a coroutine function


@asynccontextmanager
async def _serving(client: Client) -> AsyncIterator[str]:
    """Serve one route per line; yield the URL."""
    routes = [_route(str(place), line, client) for place, line in enumerate(_LINES.values())]
    config = uvicorn.Config(
        Starlette(routes=routes), _ADDRESS, 0, http="httptools", access_log=False, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        yield f"http://{_ADDRESS}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _route(path: str, line: Line, client: Client) -> Route:
    numbers = count()

    async def respond(_: Request) -> Response:
        return Response(encode(await line(client, next(numbers))), media_type="application/json")

    return Route(f"/{path}", respond)


async def _measure(url: str, job: Job) -> Figures:
    """Load a route for whole seconds; return what a request costs and how long it takes."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(job.seconds))}s", "--latency", url]
    cpu, wall = time.process_time(), time.perf_counter()
    pin(job.server_core)  # wrk inherits it
    try:
        wrk = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=dict(os.environ))
    finally:
        pin(job.core)
    output, _ = await wrk.communicate()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    figures = read_report(output.decode())
    return figures | {"cpu_us": cpu / wall / figures["per_second"] * 1e6, "busy": cpu / wall}


def read_report(report: str) -> Figures:
    """Return the figures in a report of wrk."""
    failed = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", report)
    if failed is not None:
        raise ValueError(failed[0])
    per_second = float(re.findall(r"Requests/sec: +([\d.]+)", report)[0])
    if not per_second:
        raise ValueError(NO_ANSWER)
    percentiles = {
        f"p{percent}_ms": float(value) * _UNITS[unit]
        for percent, value, unit in re.findall(r"^ +(50|99)% +([\d.]+)([a-z]+) *$", report, re.MULTILINE)
    }
    return {"per_second": per_second, "wall_us": 1e6 / per_second, **percentiles}


if __name__ == "__main__":
    work(load_all)
