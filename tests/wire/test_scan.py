"""Scans: segments side by side, at most one page of each in memory, a limited rate, and positions to resume from."""

import asyncio
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import Exchange, ScriptedServer, dynamodb, refuse, reply
from wikibot_store import RequestFailedError, WikibotStore
from wikibot_store._dynamo.reads import ReadableTable
from wikibot_store._dynamo.scan import MAX_SEGMENTS, Position, parse, scan, start
from wikibot_store._wire import Pace, _pace

FREE = Pace(None)
PAGES = 3


def slug(segment: int, page: int) -> str:
    """Return the slug of the one item on a page of a segment."""
    return f"s{segment}-p{page}"


async def pages_of_segments(exchange: Exchange) -> None:
    """Answer a Scan: each segment has pages of one item, each of which costs half a unit."""
    request = exchange.request.json
    behind = request.get("ExclusiveStartKey", wiki_key("s0-p-1"))["wiki_slug"]["S"]
    page = int(behind.rpartition("p")[2]) + 1
    found = slug(request.get("Segment", 0), page)
    more = {"LastEvaluatedKey": wiki_key(found)} if page < PAGES - 1 else {}
    consumed = {"ConsumedCapacity": {"TableName": "wikis", "CapacityUnits": 0.5}}
    await exchange.send(dynamodb(200, {"Items": [wiki_item(found)], **more, **consumed}))


def slugs(items: list[dict[str, Any]]) -> list[str]:
    """Return the slugs of items as they are stored."""
    return [item["wiki_slug"]["S"] for item in items]


@pytest.mark.parametrize("segments", [1, 4])
async def test_every_page_of_every_segment_is_given_once(
    segments: int, server: ScriptedServer, store: WikibotStore
) -> None:
    """A scan gives all pages, those of one segment in their order, and tells DynamoDB the number of segments."""
    server.default = pages_of_segments

    found = [page async for page in scan({"wikis": store._tables.wikis.scan}, start("wikis", segments), FREE)]

    for segment in range(segments):
        own = [slugs(page.items) for page in found if page.segment == segment]
        assert own == [[slug(segment, page)] for page in range(PAGES)]
    assert len(found) == segments * PAGES
    assert [page.position is None for page in found] == [False] * (len(found) - 1) + [True]
    expected = {None} if segments == 1 else {segments}
    assert {request.json.get("TotalSegments") for request in server.requests} == expected


async def test_a_scan_resumes_at_every_position(server: ScriptedServer, store: WikibotStore) -> None:
    """After each page, the position leads to exactly the pages that were not given yet, in this table and the next."""
    server.default = pages_of_segments
    reads = {"wikis": store._tables.wikis.scan, "moves": store._tables.moves.scan}
    tables: dict[str, ReadableTable[Any]] = {"wikis": store._tables.wikis, "moves": store._tables.moves}
    found = [page async for page in scan(reads, start("wikis", 2), FREE)]

    for number, page in enumerate(found[:-1], 1):
        assert page.position is not None
        rest = [page async for page in scan(reads, parse(page.position.text, tables), FREE)]

        assert sorted((page.table, *slugs(page.items)) for page in rest) == sorted(
            (page.table, *slugs(page.items)) for page in found[number:]
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wikis",
        "[]",
        '{"table":"users","after":[null]}',
        '{"table":"wikis"}',
        '{"table":"wikis","after":[]}',
        '{"table":"wikis","after":["notes"]}',
        '{"table":"wikis","after":[["ada"]]}',
        '{"table":"wikis","after":[["ada",""]]}',
        f'{{"table":"wikis","after":[{",".join(["null"] * (MAX_SEGMENTS + 1))}]}}',
    ],
    ids=lambda text: text[:40],
)
async def test_other_text_is_no_position(text: str, store: WikibotStore) -> None:
    """Text that no scan of these tables has written is rejected."""
    with pytest.raises(ValueError, match="resume must come from an earlier run of the same operation"):
        parse(text, {"wikis": store._tables.wikis})


async def test_a_position_survives_its_text(store: WikibotStore) -> None:
    """A position with segments that are new, under way and finished is read as it was written."""
    position = Position("wikis", (None, ("ada", "notes"), ()))

    assert parse(position.text, {"wikis": store._tables.wikis}) == position


async def test_a_slow_consumer_stops_the_requests(server: ScriptedServer, store: WikibotStore) -> None:
    """While the consumer uses a page, each segment holds at most one: no more requests are sent."""
    server.default = pages_of_segments
    async with aclosing(scan({"wikis": store._tables.wikis.scan}, start("wikis", 3), FREE)) as pages:
        await anext(pages)
        await server.received(3)
        await asyncio.sleep(0.05)

        assert len(server.requests) == 3


async def test_a_consumer_that_stops_leaves_no_task(server: ScriptedServer, store: WikibotStore) -> None:
    """Closing a scan cancels the requests that are under way, and the store can be used on."""
    never = asyncio.Event()

    async def answer_one_segment(exchange: Exchange) -> None:
        if exchange.request.json.get("Segment", 0):
            await never.wait()
        await pages_of_segments(exchange)

    server.default = answer_one_segment
    before = asyncio.all_tasks()
    async with aclosing(scan({"wikis": store._tables.wikis.scan}, start("wikis", 3), FREE)) as pages:
        await anext(pages)
    own = {task for task in asyncio.all_tasks() - before if "read_page" in repr(task.get_coro())}
    never.set()

    assert own == set()
    assert len((await store._tables.wikis.scan(None))[0]) == 1


async def test_an_error_of_one_segment_ends_the_scan(server: ScriptedServer, store: WikibotStore) -> None:
    """If DynamoDB refuses one segment, the scan raises that error and cancels the other segments."""
    server.play(reply({"Items": [], "LastEvaluatedKey": wiki_key("a")}))
    server.default = refuse("AccessDeniedException")

    with pytest.raises(RequestFailedError, match="AccessDenied"):
        _ = [page async for page in scan({"wikis": store._tables.wikis.scan}, start("wikis", 2), FREE)]


async def test_requests_wait_for_what_others_consumed(
    server: ScriptedServer, store: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate, all pauses together are the time that the units of all pages but the last take."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(_pace, "asyncio", SimpleNamespace(sleep=sleep, Lock=asyncio.Lock))
    server.default = pages_of_segments
    pace = Pace(2)

    found = [page async for page in scan({"wikis": store._tables.wikis.scan}, start("wikis"), pace)]

    assert len(found) == PAGES
    assert pauses == [0.25] * (PAGES - 1)
