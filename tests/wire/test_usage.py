"""Counting requests and capacity when an engine throttles, fails or reports no capacity."""

import pytest

from tests.wire.items import wiki_item
from tests.wire.scripted_server import ScriptedServer, failed, refuse, reply
from wikibot_store import ThrottledError, WikibotStore, collect

THROTTLE = refuse("ThrottlingException")
READ = ("u-1", "notes")


async def test_retries_and_throttles_are_counted(server: ScriptedServer, store: WikibotStore) -> None:
    """A retry counts as a request, for the handler and for the store."""
    capacity = {"TableName": "wikis", "CapacityUnits": 0.5}
    server.play(failed, THROTTLE, reply({"Item": wiki_item(), "ConsumedCapacity": capacity}))

    with collect() as usage:
        await store.wikis.get(*READ)

    assert (usage.requests, usage.retries, usage.throttles) == (3, 2, 1)
    assert (usage.read_units, usage.write_units) == (0.5, 0)
    stats = store.stats()
    assert (stats.requests, stats.retries, stats.throttles) == ({"GetItem": 3}, 2, 1)
    assert {request.json["ReturnConsumedCapacity"] for request in server.requests} == {"TOTAL"}


async def test_calls_without_an_answer_are_counted(server: ScriptedServer, store: WikibotStore) -> None:
    """A call without a usable answer counts as unanswered, and its requests count."""
    server.play(*[THROTTLE] * (store.config.max_attempts or 0))

    with collect() as usage, pytest.raises(ThrottledError):
        await store.wikis.get(*READ)

    assert (usage.requests, usage.throttles) == (store.config.max_attempts, store.config.max_attempts)
    assert store.stats().unanswered == 1


async def test_nobody_who_does_not_collect_asks_for_the_capacity(server: ScriptedServer, store: WikibotStore) -> None:
    """Outside a `collect()` block, requests do not ask for the capacity."""
    server.play(reply({"Item": wiki_item()}))

    await store.wikis.get(*READ)

    assert "ReturnConsumedCapacity" not in server.requests[0].json


async def test_an_engine_that_reports_no_capacity(server: ScriptedServer, store: WikibotStore) -> None:
    """If an engine reports no capacity, the units stay 0 and the requests count."""
    server.play(reply({"Item": wiki_item()}))

    with collect() as usage:
        await store.wikis.get(*READ)

    assert (usage.requests, usage.read_units) == (1, 0)
