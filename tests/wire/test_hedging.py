"""Hedged reads: a read whose answer is late is sent once more, and the first answer wins."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiobotocore.session import AioSession

from tests.hedges import LATE_AFTER, prime
from tests.sessions import session_with
from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    Engine,
    Exchange,
    ScriptedServer,
    Step,
    failed,
    hang_up,
    in_turn,
    keep_silent,
    refuse,
    reply,
    reset,
)
from wikibot_store import RequestFailedError, StoreConfig, UnavailableError, WikibotStore, collect
from wikibot_store.testing import Fault, FaultProxy

FOUND = reply({"Item": wiki_item()})


def config_for(server: ScriptedServer, **settings: Any) -> StoreConfig:  # noqa: ANN401 - any setting's
    """Return a config with hedged reads."""
    return StoreConfig(endpoint_url=server.url, hedge_reads=True, **settings)


@pytest.fixture
async def hedging(server: ScriptedServer, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store that sends late reads once more."""
    async with WikibotStore.open(config_for(server), session=session) as store:
        prime(store)
        yield store


def after(gate: asyncio.Event, step: Step) -> Step:
    """Take the step when the gate is open."""
    return in_turn(lambda _: gate.wait(), step)


async def settled(store: WikibotStore) -> None:
    """Wait until no request is under way; fail if a task or a connection's slot is left."""
    async with asyncio.timeout(5):
        await asyncio.gather(*store._wire._tasks, return_exceptions=True)
        await asyncio.sleep(0)
    assert store.stats().in_flight == 0
    assert store._wire._connections._free == store.config.max_pool_connections


async def test_a_late_read_is_sent_once_more(server: ScriptedServer, hedging: WikibotStore) -> None:
    """The second request is the same, on another connection, and its answer is used."""
    gate = asyncio.Event()
    server.play(after(gate, FOUND), FOUND)

    with collect() as usage:
        assert await hedging.wikis.get("u-1", "notes", consistent=True) is not None
    gate.set()
    await settled(hedging)

    first, second = server.requests
    assert first.body == second.body
    assert first.json["ConsistentRead"] is True
    assert server.connections == 2
    assert (usage.requests, usage.retries, usage.hedges) == (2, 0, 1)
    stats = hedging.stats()
    assert (stats.requests, stats.retries, stats.hedges) == ({"GetItem": 2}, 0, 1)


async def test_both_connections_are_used_again(server: ScriptedServer, hedging: WikibotStore) -> None:
    """The answer that comes second is read and dropped; the next reads get their own answers on both connections."""
    gate = asyncio.Event()
    server.play(after(gate, reply({"Item": wiki_item("stale")})), FOUND)
    assert (await hedging.wikis.require("u-1", "notes")).wiki_slug == "notes"
    gate.set()
    await settled(hedging)
    prime(hedging, 5.0)

    both = asyncio.Event()
    server.play(after(both, reply({"Items": []})), after(both, reply({"Items": [wiki_item("a")]})))
    reads = [asyncio.create_task(hedging.wikis.list_by_owner(owner)) for owner in ("u-0", "u-1")]
    await server.received(4)
    both.set()
    pages = [await read for read in reads]

    assert sorted(len(page.items) for page in pages) == [0, 1]
    assert server.connections == 2


async def test_the_first_answer_wins(server: ScriptedServer, hedging: WikibotStore) -> None:
    """If the first request is answered after all, its answer is used."""
    second = asyncio.Event()
    server.play(after(second, FOUND), in_turn(lambda _: _open(second), keep_silent))

    assert (await hedging.wikis.require("u-1", "notes")).wiki_slug == "notes"
    assert len(server.requests) == 2


async def _open(gate: asyncio.Event) -> None:
    gate.set()


_READS: dict[str, Callable[[WikibotStore], Awaitable[object]]] = {
    "GetItem": lambda store: store.wikis.get("u-1", "notes"),
    "Query": lambda store: store.wikis.list_by_owner("u-1"),
    "BatchGetItem": lambda store: store.authorize("u-2", "u-1", "notes"),
}


@pytest.mark.parametrize("operation", _READS)
async def test_all_reads(operation: str, server: ScriptedServer, hedging: WikibotStore) -> None:
    """Each kind of read is sent once more, with the same bytes."""
    gate = asyncio.Event()
    nothing = reply({"Items": [], "Responses": {}})
    server.play(after(gate, nothing), nothing)

    await _READS[operation](hedging)
    gate.set()

    assert server.operations == [operation, operation]
    assert server.requests[0].body == server.requests[1].body


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git"),
        lambda store: store.users.create(oauth_provider="test", oauth_provider_sub="1"),
        lambda store: store.wikis.update("u-1", "notes", expected_version=1, display_name="Other"),
    ],
    ids=["wikis.create", "users.create", "wikis.update"],
)
async def test_a_write_is_never_sent_twice(
    write: Callable[[WikibotStore], Awaitable[object]], server: ScriptedServer, hedging: WikibotStore
) -> None:
    """A write waits for its answer, however late it is."""

    async def answer_late(exchange: Exchange) -> None:
        if exchange.request in server.writes:
            await asyncio.sleep(5 * LATE_AFTER)
        await reply({"Attributes": wiki_item(version=2), "Item": wiki_item(), "Items": []})(exchange)

    server.default = answer_late
    await write(hedging)

    assert len(server.writes) == 1


async def _is_hedged(server: ScriptedServer, store: WikibotStore) -> bool:
    """Read once, with an answer that is late, and return whether the read was sent twice."""
    before = store.stats().hedges
    server.default = in_turn(lambda _: asyncio.sleep(4 * LATE_AFTER), FOUND)
    await store.wikis.get("u-1", "notes")
    await settled(store)
    return store.stats().hedges > before


async def test_off_by_default(server: ScriptedServer, store: WikibotStore) -> None:
    """Without the setting no read is sent twice."""
    assert not await _is_hedged(server, store)


async def test_not_before_the_store_has_read_enough(server: ScriptedServer, session: AioSession) -> None:
    """A store that has just been opened does not know what is late."""
    async with WikibotStore.open(config_for(server), session=session) as store:
        assert not await _is_hedged(server, store)


async def test_not_while_throttled(server: ScriptedServer, hedging: WikibotStore) -> None:
    """After a throttle no read is sent twice for a while."""
    server.play(refuse("ThrottlingException"), FOUND)
    await hedging.wikis.get("u-1", "notes")

    assert not await _is_hedged(server, hedging)


async def test_not_while_all_connections_are_in_use(server: ScriptedServer, session: AioSession) -> None:
    """A hedge takes no connection that other calls may need."""
    async with WikibotStore.open(config_for(server, max_pool_connections=1), session=session) as store:
        prime(store)
        assert not await _is_hedged(server, store)


async def test_not_while_everything_is_slow(server: ScriptedServer, hedging: WikibotStore) -> None:
    """When all reads become late at once, only the first few are sent twice."""
    server.default = in_turn(lambda _: asyncio.sleep(4 * LATE_AFTER), reply({"Items": []}))

    await asyncio.gather(*(hedging.wikis.list_by_owner(f"u-{number}") for number in range(30)))

    assert hedging.stats().hedges == 4


async def test_not_in_the_adaptive_mode(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adaptive retry mode limits the rate of requests, so no read is sent twice."""
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    async with WikibotStore.open(config_for(server), session=session_with()) as store:
        assert not await _is_hedged(server, store)
        assert store._wire._hedges is None


@pytest.mark.parametrize("fault", [failed, reset, hang_up], ids=["500", "reset", "end"])
async def test_one_of_two_requests_fails(fault: Step, server: ScriptedServer, hedging: WikibotStore) -> None:
    """The call waits for the other one, and nothing is retried."""
    both = asyncio.Event()
    server.play(after(both, FOUND), in_turn(fault, lambda _: _open(both)))

    assert await hedging.wikis.get("u-1", "notes") is not None
    await settled(hedging)
    assert len(server.requests) == 2
    assert hedging.stats().retries == 0
    assert hedging._wire._quota.tokens == hedging._wire._quota.CAPACITY


@pytest.mark.parametrize("fault", [failed, reset, hang_up], ids=["500", "reset", "end"])
async def test_both_requests_fail(fault: Step, server: ScriptedServer, hedging: WikibotStore) -> None:
    """Both together are one attempt: one retry follows and is paid for once. The retry is not sent twice."""
    both = asyncio.Event()
    server.play(
        after(both, fault),
        in_turn(lambda _: _open(both), fault),
        in_turn(lambda _: asyncio.sleep(3 * LATE_AFTER), FOUND),
    )

    assert await hedging.wikis.get("u-1", "notes") is not None
    await settled(hedging)
    assert len(server.requests) == 3
    assert (hedging.stats().retries, hedging.stats().hedges) == (1, 1)


async def test_the_retry_of_a_hedged_read_gets_a_new_connection(server: ScriptedServer, hedging: WikibotStore) -> None:
    """If the connection of a read fails, idle connections are not trusted either."""
    prime(hedging, 5.0)
    gate = asyncio.Event()
    server.play(*[after(gate, reply({"Items": []}))] * 2)
    reads = [asyncio.create_task(hedging.wikis.list_by_owner("u-1")) for _ in range(2)]
    await server.received(2)
    gate.set()
    await asyncio.gather(*reads)

    server.play(reset, FOUND)
    assert await hedging.wikis.get("u-1", "notes") is not None
    assert server.connections == 3


async def test_a_refusal_reaches_the_caller(server: ScriptedServer, hedging: WikibotStore) -> None:
    """If DynamoDB refuses the request and nothing else is under way, the error is raised at once."""
    server.play(refuse("AccessDeniedException"))

    with pytest.raises(RequestFailedError):
        await hedging.wikis.get("u-1", "notes")
    await settled(hedging)


async def test_the_deadline_bounds_both(server: ScriptedServer, session: AioSession) -> None:
    """A call whose two requests stay without an answer ends at its deadline."""
    server.default = keep_silent
    async with WikibotStore.open(config_for(server, deadline=0.2), session=session) as store:
        prime(store)
        async with asyncio.timeout(3):
            with pytest.raises(UnavailableError):
                await store.wikis.get("u-1", "notes")
        await settled(store)
    assert len(server.requests) == 2


@pytest.mark.parametrize("requests", [1, 2], ids=["before the hedge", "after the hedge"])
async def test_a_call_that_is_cancelled(requests: int, server: ScriptedServer, hedging: WikibotStore) -> None:
    """A cancelled call ends its requests, and leaves neither a task nor a connection in use."""
    server.play(*[keep_silent] * requests)

    call = asyncio.create_task(hedging.wikis.get("u-1", "notes"))
    await server.received(requests)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await settled(hedging)

    server.default = FOUND
    assert await hedging.wikis.get("u-1", "notes") is not None


async def test_a_call_that_is_cancelled_at_every_turn(server: ScriptedServer, hedging: WikibotStore) -> None:
    """Wherever a call is cancelled, no slot, task or connection is lost."""
    server.default = in_turn(lambda _: asyncio.sleep(1.5 * LATE_AFTER), FOUND)
    for turns in range(60):
        call = asyncio.create_task(hedging.wikis.get("u-1", "notes"))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await settled(hedging)

    assert await hedging.wikis.get("u-1", "notes") is not None


@pytest.mark.parametrize("requests", [1, 2])
async def test_closing_the_store(requests: int, server: ScriptedServer, session: AioSession) -> None:
    """A call that is under way when the store is closed raises an error."""
    server.default = keep_silent
    async with WikibotStore.open(config_for(server), session=session) as store:
        prime(store)
        call = asyncio.create_task(store.wikis.get("u-1", "notes"))
        await server.received(requests)

    with pytest.raises(RuntimeError, match="the store was closed during this call"):
        await asyncio.wait_for(call, timeout=3)
    await settled(store)


async def test_closing_the_store_while_a_second_answer_is_due(server: ScriptedServer, session: AioSession) -> None:
    """The request whose answer nobody needs any more does not hold the store open."""
    server.play(keep_silent, FOUND)
    async with asyncio.timeout(3), WikibotStore.open(config_for(server), session=session) as store:
        prime(store)
        assert await store.wikis.get("u-1", "notes") is not None
    await settled(store)


async def test_no_answer_is_taken_for_anothers(server: ScriptedServer, session: AioSession) -> None:
    """With many reads, random delays and many hedges, every read gets its own item."""
    dice = random.Random(16)  # noqa: S311 - delays, not secrets

    async def serve(exchange: Exchange) -> None:
        await asyncio.sleep(dice.choice([0, 0, 0, 0.02]))
        slug = exchange.request.json["Key"]["wiki_slug"]["S"]
        await reply({"Item": wiki_item(slug)})(exchange)

    server.default = serve
    async with WikibotStore.open(config_for(server, hedge_budget=0.5, coalesce_reads=False), session=session) as store:
        prime(store, 0.004)

        async def read(number: int) -> None:
            for turn in range(20):
                slug = f"w{number}-{turn}"
                assert (await store.wikis.require("u-1", slug)).wiki_slug == slug

        await asyncio.gather(*map(read, range(10)))
        await settled(store)
        assert store.stats().hedges > 0
        assert server.connections <= store.config.max_pool_connections


async def test_behind_a_proxy_with_faults(
    engine: Engine, session: AioSession, owner: str, direct: WikibotStore
) -> None:
    """While answers are lost and slow, writes take effect once and reads return what is stored."""
    async with FaultProxy(engine.url) as proxy:
        config = StoreConfig(endpoint_url=proxy.url, hedge_reads=True, hedge_budget=0.5, wiki_limit=None)
        async with WikibotStore.open(config, session=session) as store:
            prime(store, 0.02)
            await direct.users.create(id=owner, oauth_provider="test", oauth_provider_sub=owner)
            proxy.inject(Fault.DRIP, "GetItem", probability=0.5, seconds=0.1)
            proxy.inject(Fault.DRIP, "TransactWriteItems", probability=0.5, seconds=0.1)
            proxy.inject(Fault.RESET_MIDWAY, probability=0.1)
            for number in range(12):
                await store.wikis.create(owner, f"w{number}", display_name=str(number), repo_path="/srv/notes.git")
                wiki = await store.wikis.require(owner, f"w{number}", consistent=True)
                assert wiki.display_name == str(number)
            await settled(store)
            hedges = store.stats().hedges
    user = await direct.users.require(owner, consistent=True)

    assert hedges > 0
    assert user.wiki_count == 12
