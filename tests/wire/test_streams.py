"""Listings and streams: which Queries are sent, when, and where a listing ends."""

from typing import Any

import pytest

from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import ScriptedServer, Step, failed, refuse, reply
from wikibot_store import RequestFailedError, WikibotStore


def _page(*slugs: str, more: bool) -> Step:
    """Answer with these wikis; with `more`, the answer has a last key."""
    behind = {"LastEvaluatedKey": wiki_key(slugs[-1] if slugs else "filtered")} if more else {}
    return reply({"Items": [wiki_item(slug) for slug in slugs], **behind})


async def test_a_stream_asks_when_the_consumer_gets_there(server: ScriptedServer, store: WikibotStore) -> None:
    """The next Query is sent only when the items of the last page are used up."""
    used = reply({"Item": wiki_item()})
    server.play(_page("a", "b", more=True), used, used, _page("c", more=False), used)

    async for wiki in store.wikis.iter_by_owner("u-1", page_size=2):
        await store.wikis.get("u-1", wiki.wiki_slug)

    assert server.operations == ["Query", "GetItem", "GetItem", "Query", "GetItem"]
    first, second = server.requests[0], server.requests[3]
    assert first.json["Limit"] == second.json["Limit"] == 2
    assert "ExclusiveStartKey" not in first.json
    assert second.json["ExclusiveStartKey"] == wiki_key("b")


async def test_a_stream_asks_for_nothing_unless_it_is_consumed(server: ScriptedServer, store: WikibotStore) -> None:
    """Creating a stream sends no request."""
    store.wikis.iter_by_owner("u-1")

    assert server.requests == []


@pytest.mark.parametrize("count", [1, 2])
async def test_a_stream_stops_with_its_consumer(count: int, server: ScriptedServer, store: WikibotStore) -> None:
    """After the consumer stops, no further Query is sent, not even at the end of a page."""
    server.play(_page("a", "b", more=True), reply({}))
    wikis = store.wikis.iter_by_owner("u-1", page_size=2)

    for _ in range(count):
        await anext(wikis)
    await store.wikis.get("u-1", "something-else")

    assert server.operations == ["Query", "GetItem"]


async def test_a_stream_passes_over_empty_pages(server: ScriptedServer, store: WikibotStore) -> None:
    """A stream continues after a page without items."""
    server.play(_page(more=True), _page("a", more=True), _page(more=False))

    wikis = [wiki.wiki_slug async for wiki in store.wikis.iter_by_owner("u-1")]

    assert wikis == ["a"]
    assert len(server.requests) == 3


async def test_a_stream_survives_a_failed_page(server: ScriptedServer, store: WikibotStore) -> None:
    """A Query that fails in the middle of a stream is retried."""
    server.play(_page("a", more=True), failed, _page("b", more=False))

    wikis = [wiki.wiki_slug async for wiki in store.wikis.iter_by_owner("u-1")]

    assert wikis == ["a", "b"]
    assert server.requests[1].body == server.requests[2].body


async def test_a_stream_ends_with_an_error(server: ScriptedServer, store: WikibotStore) -> None:
    """A refused Query raises after the items before it."""
    server.play(_page("a", more=True), refuse("AccessDeniedException"))
    wikis = store.wikis.iter_by_owner("u-1")

    assert (await anext(wikis)).wiki_slug == "a"
    with pytest.raises(RequestFailedError):
        await anext(wikis)
    with pytest.raises(StopAsyncIteration):
        await anext(wikis)


async def test_a_short_page_is_filled(server: ScriptedServer, store: WikibotStore) -> None:
    """If DynamoDB returns a short page, further Queries fill it."""
    server.play(_page("a", more=True), _page(more=True), _page("b", "c", "d", more=True))

    page = await store.wikis.list_by_owner("u-1", limit=3)

    assert [wiki.wiki_slug for wiki in page] == ["a", "b", "c"]
    assert page.cursor is not None
    assert [request.json.get("ExclusiveStartKey") for request in server.requests] == [
        None,
        wiki_key("a"),
        wiki_key("filtered"),
    ]


async def test_the_next_page_starts_behind_the_last_item(server: ScriptedServer, store: WikibotStore) -> None:
    """A cursor continues after the last item of its page, even if DynamoDB read further."""
    server.play(_page("a", "b", "c", more=True), _page("c", more=False))

    page = await store.wikis.list_by_owner("u-1", limit=2)
    rest = await store.wikis.list_by_owner("u-1", limit=2, cursor=page.cursor)

    assert [wiki.wiki_slug for wiki in page] == ["a", "b"]
    assert [wiki.wiki_slug for wiki in rest] == ["c"]
    assert rest.cursor is None
    assert server.requests[1].json["ExclusiveStartKey"] == wiki_key("b")


async def test_a_full_last_page_has_no_cursor(server: ScriptedServer, store: WikibotStore) -> None:
    """A full page at the end of a listing has no cursor, even if DynamoDB returned a last key."""
    server.play(_page("a", "b", more=True), _page(more=False))

    page = await store.wikis.list_by_owner("u-1", limit=2)

    assert [wiki.wiki_slug for wiki in page] == ["a", "b"]
    assert page.cursor is None


async def test_a_filter_that_leaves_few_items(server: ScriptedServer, store: WikibotStore) -> None:
    """If the filter of a listing drops the items of a page, the next Query reads twice as many."""
    key = {"wiki_id": {"S": "u-1:notes"}, "grantee_id": {"S": "ann"}}
    server.play(*[reply({"Items": [], "LastEvaluatedKey": key})] * 2, reply({"Items": []}))

    page = await store.acls.list_by_wiki("u-1:notes", limit=4)

    assert page.items == []
    assert [request.json["Limit"] for request in server.requests] == [5, 10, 20]


async def test_an_empty_listing(server: ScriptedServer, store: WikibotStore) -> None:
    """An empty listing is an empty page without a cursor."""
    server.play(_page(more=False))

    page = await store.wikis.list_by_owner("u-1")

    assert page.items == []
    assert page.cursor is None


def _corrupt(slug: str) -> dict[str, Any]:
    return wiki_item(slug) | {"created_at": {"S": "yesterday"}}


async def test_a_corrupt_item_is_named(server: ScriptedServer, store: WikibotStore) -> None:
    """A listing with a corrupt item has the others, and an error that names it."""
    server.play(reply({"Items": [wiki_item("a"), _corrupt("b"), wiki_item("c")]}))

    page = await store.wikis.list_by_owner("u-1")

    assert [wiki.wiki_slug for wiki in page] == ["a", "c"]
    (error,) = page.corrupt
    assert (error.table, error.key) == ("wikis", {"owner_id": "u-1", "wiki_slug": "b"})


async def test_corrupt_items_around_the_end_of_a_page(server: ScriptedServer, store: WikibotStore) -> None:
    """Corrupt items do not count as items; those after the last item of a page are on the next page."""
    server.play(
        reply({"Items": [_corrupt("a"), wiki_item("b"), _corrupt("c")], "LastEvaluatedKey": wiki_key("c")}),
        reply({"Items": [_corrupt("d"), wiki_item("e")], "LastEvaluatedKey": wiki_key("e")}),
        reply({"Items": [_corrupt("f"), wiki_item("g"), _corrupt("h")]}),
    )

    page = await store.wikis.list_by_owner("u-1", limit=2)

    assert [wiki.wiki_slug for wiki in page] == ["b", "e"]
    assert [error.key["wiki_slug"] for error in page.corrupt] == ["a", "c", "d"]
    assert page.cursor is not None

    server.play(reply({"Items": [_corrupt("f"), wiki_item("g"), _corrupt("h")]}))
    last = await store.wikis.list_by_owner("u-1", limit=2, cursor=page.cursor)

    assert server.requests[-1].json["ExclusiveStartKey"] == wiki_key("e")
    assert [wiki.wiki_slug for wiki in last] == ["g"]
    assert [error.key["wiki_slug"] for error in last.corrupt] == ["f", "h"]
    assert last.cursor is None


async def test_an_iteration_leaves_corrupt_items_out(
    server: ScriptedServer, store: WikibotStore, caplog: pytest.LogCaptureFixture
) -> None:
    """An iteration logs that it left an item out, without key and values, and goes on."""
    server.play(reply({"Items": [wiki_item("a"), _corrupt("secret"), wiki_item("c")]}))

    wikis = [wiki async for wiki in store.wikis.iter_by_owner("u-1")]

    assert [wiki.wiki_slug for wiki in wikis] == ["a", "c"]
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["attempt"]) == ("WARNING", 1)
    assert record.getMessage().startswith(
        "Query wikis (wikis.iter_by_owner): left out an item that does not decode: created_at must be a time in ISO"
    )
    assert "secret" not in record.getMessage()
    assert "u-1" not in record.getMessage()


async def test_all_grants_of_a_wiki_are_deleted_page_by_page(server: ScriptedServer, store: WikibotStore) -> None:
    """Deleting a wiki queries only the keys of its grants, page by page."""
    doomed = wiki_item() | {"status": {"S": "deleting"}, "operation": {"S": "0f"}}
    first, second = ({"wiki_id": {"S": "u-1:notes"}, "grantee_id": {"S": grantee}} for grantee in ("ada", "bob"))
    server.play(
        reply({"Item": doomed}),
        reply({"Items": [first], "LastEvaluatedKey": first}),
        reply({}),
        reply({"Items": [second]}),
        reply({}),
        reply({}),
    )

    await store.wikis.delete("u-1", "notes")

    assert server.operations == [
        *["GetItem", "Query", "TransactWriteItems", "Query", "TransactWriteItems"],
        "TransactWriteItems",
    ]
    queries = [request.json for request in server.requests if request.operation == "Query"]
    assert [query.get("ExclusiveStartKey") for query in queries] == [None, first]
    assert {query["ProjectionExpression"] for query in queries} == {"#k0, #k1"}
