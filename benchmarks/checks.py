"""Checks that each library returns exactly what the canned server sent, so that the comparison is fair."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from benchmarks.answers import UPDATED_VERSION, Values, acl, owner, slug, user, wiki
from benchmarks.contenders import Client
from benchmarks.works import LINES, OWNER, USER

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Writes JSON for every contender; aioboto3's numbers are Decimal."""


async def _read(client: Client) -> None:
    item = await client.get(OWNER, slug(7))
    _expect(client, item, wiki(OWNER, slug(7)))
    _expect_json(client, item)


async def _read_together(client: Client) -> None:
    wikis = await asyncio.gather(*(client.get(OWNER, slug(number)) for number in range(32)))
    _expect_slugs([client.values(item) for item in wikis], 32)


async def _update(client: Client) -> None:
    updated = await client.update(await client.get(OWNER, slug(0)))
    _expect(client, updated, {"wiki_slug": slug(0), "version": UPDATED_VERSION})


async def _page(client: Client) -> None:
    wikis = await client.page(owner(100), 100)
    _expect_slugs([client.values(item) for item in wikis], 100)
    _expect(client, wikis[-1], wiki(owner(100), slug(99)))


async def _login(client: Client) -> None:
    item = await client.login("4712")
    _expect(client, item, user("user-4712"))
    _expect_json(client, item)


async def _three_tables(client: Client) -> None:
    # The store returns the access that the grant gives, the others return the grant.
    role = acl(f"{OWNER}:{slug(3)}", USER)["role"]
    expected: tuple[Values, ...] = (user(USER), wiki(OWNER, slug(3)), {"role": role})
    for item, values in zip(await client.authorize(USER, OWNER, slug(3)), expected, strict=True):
        _expect(client, item, values)


async def _stream(client: Client) -> None:
    _expect_slugs([client.values(item) async for item in client.stream(owner(6_000), 500)], 6_000)


CHECKS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "point read": _read,
    "32 in flight": _read_together,
    "versioned update": _update,
    "page of 100": _page,
    "three tables": _three_tables,
    "login": _login,
    "stream": _stream,
    **dict(zip(LINES, (_three_tables, _page, _login, _read), strict=True)),
}


def _expect(client: Client, item: Any, expected: Values) -> None:  # noqa: ANN401 - whatever the library returns
    values = client.values(item)
    found = {name: values.get(name) for name in expected}
    if found != expected:
        raise ValueError(f"returned {found} instead of {expected}")


def _expect_json(client: Client, item: Any) -> None:  # noqa: ANN401 - see above
    name = json.loads(encode(client.plain(item)))["display_name"]
    if name != client.values(item)["display_name"]:
        raise ValueError(f"returned {name!r} as JSON")


def _expect_slugs(wikis: list[dict[str, Any]], count: int) -> None:
    if [values["wiki_slug"] for values in wikis] != [slug(number) for number in range(count)]:
        raise ValueError(f"returned {len(wikis)} wikis instead of the {count} stored ones in order")
