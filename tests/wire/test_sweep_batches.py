"""The batches in which a sweep reads what the items of a page name."""

from typing import Any

import pytest

from tests.wire.items import wiki_item
from tests.wire.scripted_server import Exchange, ScriptedServer, keep_silent, refuse, reply
from wikibot_store import RequestFailedError, WikibotStore

OWNERS = 120
WIKIS = [wiki_item(f"w-{number}") | {"owner_id": {"S": f"u-{number % OWNERS}"}} for number in range(150)]


def keys_in(request: dict[str, Any]) -> list[str]:
    """Return the ids of the users that a BatchGetItem asks for."""
    assert request["RequestItems"]["users"]["ConsistentRead"] is True
    return [key["id"]["S"] for key in request["RequestItems"]["users"]["Keys"]]


async def all_exist(exchange: Exchange) -> None:
    """Answer a Scan of the wikis with one page, and a BatchGetItem with all items that it asks for."""
    request = exchange.request.json
    if exchange.request.operation == "Scan":
        await reply({"Items": WIKIS if request["TableName"] == "wikis" else []})(exchange)
        return
    await reply({"Responses": {"users": request["RequestItems"]["users"]["Keys"]}})(exchange)


async def test_each_key_is_in_one_batch(server: ScriptedServer, store: WikibotStore) -> None:
    """The keys that the items of a page name are read a hundred at a time, each once."""
    server.default = all_exist

    pages = [page async for page in store.admin.sweep(segments=1)]

    assert [finding for page in pages for finding in page.findings] == []
    batches = [keys_in(request.json) for request in server.requests if request.operation == "BatchGetItem"]
    assert sorted(map(len, batches)) == [OWNERS - 100, 100]
    assert sorted(key for batch in batches for key in batch) == sorted(f"u-{number}" for number in range(OWNERS))
    assert server.operations.count("GetItem") == 0


async def test_unprocessed_keys_are_requested_again(server: ScriptedServer, store: WikibotStore) -> None:
    """Keys that DynamoDB leaves unprocessed are not taken for missing items."""

    async def half(exchange: Exchange) -> None:
        table = exchange.request.json["RequestItems"]["users"]
        rest = {"users": table | {"Keys": table["Keys"][10:]}}
        await reply({"Responses": {"users": table["Keys"][:10]}, "UnprocessedKeys": rest})(exchange)

    server.play(all_exist, half, half)
    server.default = all_exist

    pages = [page async for page in store.admin.sweep(segments=1)]

    assert [finding for page in pages for finding in page.findings] == []
    assert server.operations.count("BatchGetItem") == 4
    assert server.operations.count("GetItem") == 0


async def test_a_batch_that_is_refused_ends_the_sweep(server: ScriptedServer, store: WikibotStore) -> None:
    """The other requests of the sweep are cancelled, and nothing is reported."""
    server.play(all_exist, keep_silent, refuse("AccessDeniedException"))

    with pytest.raises(RequestFailedError, match="AccessDeniedException"):
        await anext(store.admin.sweep(segments=1))

    assert store.stats().in_flight == 0
