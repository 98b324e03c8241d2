"""The workloads that are measured: typical calls of a wiki service, one after another or many at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from benchmarks.answers import owner, slug
from benchmarks.contenders import Client

WIKIS = 1_000
OWNER = owner(WIKIS)
USER = "user-1"
PAGE = 500


@dataclass(frozen=True)
class Work:
    """A workload that makes `calls` calls, `together` of them at the same time."""

    name: str
    run: Callable[[Client, int], Awaitable[None]]
    together: int = 1


async def _point_read(client: Client, calls: int) -> None:
    for call in range(calls):
        await client.get(OWNER, slug(call % WIKIS))


async def _create(client: Client, calls: int) -> None:
    for _ in range(calls):
        await client.create(OWNER, f"new-{uuid4().hex}")


async def _update(client: Client, calls: int) -> None:
    wiki = await client.get(OWNER, slug(0))
    for _ in range(calls):
        wiki = await client.update(wiki)


async def _page(client: Client, calls: int, wikis: int) -> None:
    for _ in range(calls):
        await client.page(owner(wikis), wikis)


async def _in_flight(client: Client, calls: int, readers: int) -> None:
    async def read(first: int) -> None:
        for call in range(first, calls, readers):
            await client.get(OWNER, slug(call % WIKIS))

    async with asyncio.TaskGroup() as group:
        for first in range(readers):
            group.create_task(read(first))


async def _three_tables(client: Client, calls: int) -> None:
    for call in range(calls):
        await client.authorize(USER, OWNER, slug(call % WIKIS))


async def _login(client: Client, calls: int) -> None:
    for call in range(calls):
        await client.login(str(call))


def page_of(wikis: int) -> Work:
    """Return the workload that queries one page of `wikis` wikis."""
    return Work(f"page of {wikis:,}", partial(_page, wikis=wikis))


def in_flight(readers: int) -> Work:
    """Return the workload of point reads by `readers` readers at the same time; each reads one wiki after another."""
    return Work(f"{readers} in flight", partial(_in_flight, readers=readers), together=readers)


async def stream(client: Client, wikis: int) -> None:
    """Read all wikis of an owner, page after page."""
    async for _ in client.stream(owner(wikis), PAGE):
        pass


COLD_START = "cold start"
STREAM = "stream"
LINES = (
    "authorize and answer a wiki",
    "a page of 50 wikis",
    "login, another person each time",
    "read one wiki, another each time",
)
"""The requests to a web backend."""
READERS = {f"{readers:,} reads in flight": readers for readers in (1, 8, 32, 128, 512, 2_000)}
STREAMS = {f"stream of {wikis:,}": wikis for wikis in (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)}
SWEEPS = {f"sweep of {items:,}": items for items in (10_000, 100_000, 1_000_000)}
"""The scale: numbers of readers at the same time, of wikis that are read one after another, and of items swept."""
POINT_READ = Work("point read", _point_read)
WORKS = (
    POINT_READ,
    Work("conditional create", _create),
    Work("versioned update", _update),
    page_of(100),
    in_flight(32),
    in_flight(256),
    Work("three tables", _three_tables),
    Work("login", _login),
)
BY_NAME = {work.name: work for work in WORKS}
