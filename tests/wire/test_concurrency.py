"""Many calls at once: the limit of the pool, cancellation, and closing the store."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials

from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    Exchange,
    ScriptedServer,
    Step,
    dynamodb,
    failed,
    in_turn,
    keep_silent,
    reply,
    sent,
)
from wikibot_store import StoreConfig, UnavailableError, WikibotStore
from wikibot_store._wire import _client

POOL = 4


@pytest.fixture
async def single(server: ScriptedServer, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store with a single connection, so that one leaked connection is noticed."""
    config = StoreConfig(endpoint_url=server.url, max_pool_connections=1)
    async with WikibotStore.open(config, session=session) as store:
        yield store


async def test_the_pool_keeps_its_limit(server: ScriptedServer, session: AioSession) -> None:
    """There are never more connections than configured."""
    gate = asyncio.Event()
    server.default = in_turn(lambda _: gate.wait(), reply({"Item": wiki_item()}))
    config = StoreConfig(endpoint_url=server.url, max_pool_connections=POOL, coalesce_reads=False)

    async with WikibotStore.open(config, session=session) as store:
        calls = [asyncio.create_task(store.wikis.get("u-1", "notes")) for _ in range(200)]
        await server.received(POOL)
        gate.set()
        wikis = await asyncio.gather(*calls)

    assert None not in wikis
    assert len(server.requests) == 200
    assert server.connections == POOL


async def test_requests_get_connections_in_the_order_of_the_calls(server: ScriptedServer, single: WikibotStore) -> None:
    """A call that waits for a connection is not overtaken by a later call."""
    gate = asyncio.Event()
    server.default = in_turn(lambda _: gate.wait(), reply({"Items": []}))

    async def read_again_and_again() -> None:
        for _ in range(5):
            await single.wikis.list_by_owner("busy")

    busy = asyncio.create_task(read_again_and_again())
    await server.received(1)
    patient = asyncio.create_task(single.wikis.list_by_owner("patient"))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(busy, patient)

    assert ["patient" in str(request.body) for request in server.requests] == [False, True, False, False, False, False]


async def test_no_connection_before_the_deadline(server: ScriptedServer, session: AioSession) -> None:
    """A write that got no connection was not sent, and raises UnavailableError."""
    config = StoreConfig(endpoint_url=server.url, max_pool_connections=1, deadline=0.1)
    async with WikibotStore.open(config, session=session) as store:
        store._wire._connections.take_free()  # a request under way

        with pytest.raises(UnavailableError, match="no connection was free before the deadline"):
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert server.requests == []


async def test_a_loop_that_stood_still_past_the_deadline(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write whose deadline passed before it was signed is not sent."""
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.05), session=session) as store:

        async def stand_still(_: float) -> ReadOnlyCredentials:
            time.sleep(0.1)  # noqa: ASYNC251 - a loop that stands still is the point
            return ReadOnlyCredentials("AKID", "secret", None)

        monkeypatch.setattr(store._wire, "_frozen_credentials", stand_still)
        with pytest.raises(UnavailableError, match="before the deadline"):
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert server.requests == []


async def _first_half(exchange: Exchange) -> None:
    await exchange.send(dynamodb(200, {"Item": wiki_item()})[:-50])


@pytest.mark.parametrize(
    "moment", [keep_silent, in_turn(_first_half, keep_silent)], ids=["before the answer", "in the answer"]
)
async def test_a_call_that_is_cancelled(moment: Step, server: ScriptedServer, single: WikibotStore) -> None:
    """A cancelled call raises CancelledError and leaves the pool usable."""
    server.play(moment, reply({"Item": wiki_item()}))

    call = asyncio.create_task(single.wikis.get("u-1", "notes"))
    await server.received(1)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert await single.wikis.get("u-1", "notes") is not None


async def test_a_call_that_is_cancelled_in_the_queue(server: ScriptedServer, single: WikibotStore) -> None:
    """A call that waits for a connection can be cancelled without effect on others."""
    gate = asyncio.Event()
    server.default = in_turn(lambda _: gate.wait(), reply({"Items": [wiki_item()]}))

    first, second, third = [asyncio.create_task(single.wikis.list_by_owner("u-1")) for _ in range(3)]
    await server.received(1)
    second.cancel()
    gate.set()

    assert len(await first) == len(await third) == 1
    with pytest.raises(asyncio.CancelledError):
        await second
    assert len(server.requests) == 2


async def test_a_call_that_is_cancelled_between_two_attempts(
    server: ScriptedServer, single: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is cancelled while it waits for its next attempt sends nothing more."""
    waiting = asyncio.Event()

    def wait_for_long(_: int) -> float:
        waiting.set()
        return 5

    monkeypatch.setattr(_client, "delay", wait_for_long)
    server.play(failed)

    call = asyncio.create_task(single.wikis.get("u-1", "notes"))
    await waiting.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert server.operations == ["GetItem"]


async def test_a_closed_store_refuses_calls(server: ScriptedServer, session: AioSession) -> None:
    """A closed store sends nothing and raises RuntimeError."""
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        pass

    with pytest.raises(RuntimeError, match="the store is closed"):
        await store.wikis.get("u-1", "notes")
    with pytest.raises(RuntimeError, match="the store is closed"):
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")
    with pytest.raises(RuntimeError, match="the store is closed"):
        await asyncio.gather(store.wikis.get("u-1", "a"), store.wikis.get("u-1", "b"))
    assert server.requests == []


async def test_closing_ends_the_loads_under_way(server: ScriptedServer, session: AioSession) -> None:
    """Readers of a shared request get an error when the store is closed."""
    server.default = keep_silent

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        reads = [asyncio.create_task(store.wikis.get("u-1", slug)) for slug in ("a", "b")]
        await server.received(1)

    for read in reads:
        with pytest.raises(RuntimeError, match="closed"):
            await asyncio.wait_for(read, timeout=3)


async def test_closing_ends_a_call_under_way(server: ScriptedServer, session: AioSession) -> None:
    """A call that is under way when the store is closed raises an error."""
    server.default = keep_silent

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        call = asyncio.create_task(store.wikis.get("u-1", "notes"))
        await server.received(1)

    with pytest.raises(RuntimeError, match="closed"):
        await asyncio.wait_for(call, timeout=3)


async def test_idle_connections_are_used_again(server: ScriptedServer, store: WikibotStore) -> None:
    """Calls one after the other use one connection."""
    server.play(*[sent(dynamodb(200, {}))] * 10)

    for _ in range(10):
        await store.wikis.get("u-1", "notes")

    assert server.connections == 1
