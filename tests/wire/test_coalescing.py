"""Point reads that have to wait share a request; and get_many sends batches."""

import asyncio

import pytest
from aiobotocore.session import AioSession

from tests.waiting import all_in_use, started, together
from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import (
    Exchange,
    Request,
    ScriptedServer,
    dynamodb,
    failed,
    in_turn,
    refuse,
    reply,
)
from wikibot_store import (
    CorruptItemError,
    RequestFailedError,
    StoreConfig,
    ThrottledError,
    Wiki,
    WikibotStore,
    WikiKey,
)
from wikibot_store._wire import _retry

SLUGS = [f"w{number}" for number in range(16)]


def _keys(request: Request) -> list[str]:
    """Return the slugs that a BatchGetItem asks for."""
    return [key["wiki_slug"]["S"] for key in request.json["RequestItems"]["wikis"]["Keys"]]


async def serve_all(exchange: Exchange) -> None:
    """Answer with every wiki that is asked for."""
    items = [wiki_item(slug) for slug in _keys(exchange.request)]
    await exchange.send(dynamodb(200, {"Responses": {"wikis": items}}))


async def test_reads_with_a_free_connection_go_alone(server: ScriptedServer, store: WikibotStore) -> None:
    """Reads that start together are sent at once, each as a GetItem of its own."""
    server.default = reply({"Item": wiki_item()})

    reads = await started(*(store.wikis.require("u-1", slug) for slug in SLUGS))
    await server.received(len(SLUGS))
    await asyncio.gather(*reads)

    assert server.operations == ["GetItem"] * len(SLUGS)
    assert store.stats().coalesced_reads == 0


async def test_reads_share_when_the_loop_is_behind(server: ScriptedServer, store: WikibotStore) -> None:
    """If one turn of the loop has issued many reads and more follow at once, those of the next turn share a request."""
    server.default = _any_wiki

    first = [asyncio.create_task(store.wikis.require("u-1", slug)) for slug in SLUGS]
    await asyncio.sleep(0)
    second = [asyncio.create_task(store.wikis.require("u-1", f"{slug}-2")) for slug in SLUGS]
    await asyncio.gather(*first, *second)

    assert sorted(server.operations) == ["BatchGetItem", *["GetItem"] * len(SLUGS)]
    assert await store.wikis.require("u-1", "later") is not None
    assert server.operations[-1] == "GetItem"


async def _any_wiki(exchange: Exchange) -> None:
    """Answer a GetItem or a BatchGetItem with what it asks for."""
    if exchange.request.operation == "BatchGetItem":
        await serve_all(exchange)
    else:
        await reply({"Item": wiki_item(exchange.request.json["Key"]["wiki_slug"]["S"])})(exchange)


async def test_reads_that_wait_are_one_request(server: ScriptedServer, store: WikibotStore) -> None:
    """Reads that wait for a connection share one BatchGetItem, and each gets its own item."""
    server.play(serve_all)

    wikis = await together(store, *(store.wikis.require("u-1", slug) for slug in SLUGS))

    assert [wiki.wiki_slug for wiki in wikis] == SLUGS
    assert server.operations == ["BatchGetItem"]
    assert server.requests[0].json == {
        "RequestItems": {
            "wikis": {"Keys": [wiki_key(slug) for slug in _keys(server.requests[0])], "ConsistentRead": False}
        }
    }
    assert sorted(_keys(server.requests[0])) == sorted(SLUGS)


async def test_a_read_on_its_own_is_a_get_item(server: ScriptedServer, store: WikibotStore) -> None:
    """Reads one after the other are GetItem requests."""
    server.play(reply({"Item": wiki_item("a")}), reply({}))

    assert await store.wikis.get("u-1", "a") is not None
    assert await store.wikis.get("u-1", "b") is None

    assert server.operations == ["GetItem", "GetItem"]


async def test_one_key_is_asked_for_once(server: ScriptedServer, store: WikibotStore) -> None:
    """Several reads of one key that wait share one request for it."""
    server.play(serve_all)

    wikis = await together(store, *(store.wikis.require("u-1", "a") for _ in range(10)))

    assert {wiki.wiki_slug for wiki in wikis} == {"a"}
    assert [_keys(request) for request in server.requests] == [["a"]]


async def test_reads_join_until_the_request_is_sent(server: ScriptedServer, store: WikibotStore) -> None:
    """A read that comes later joins those that still wait for a connection."""
    server.play(serve_all)

    with all_in_use(store):
        reads = [*await started(store.wikis.require("u-1", "a")), *await started(store.wikis.require("u-1", "b"))]
    await asyncio.gather(*reads)

    assert [_keys(request) for request in server.requests] == [["a", "b"]]


async def test_no_connection_before_the_deadline(server: ScriptedServer, session: AioSession) -> None:
    """Reads that wait until their deadline raise UnavailableError, and nothing is sent."""
    config = StoreConfig(endpoint_url=server.url, deadline=0.1)
    async with WikibotStore.open(config, session=session) as store:
        with all_in_use(store):
            reads = await started(*(store.wikis.get("u-1", slug) for slug in ("a", "b")))
            results = await asyncio.gather(*reads, return_exceptions=True)
        assert [str(result) for result in results] == [
            "BatchGetItem failed after 0 attempts: no connection was free before the deadline"
        ] * 2
        assert store.stats().unanswered == 1
        assert store._wire._connections._free == config.max_pool_connections

    assert server.requests == []


async def test_no_credentials_for_a_shared_request(
    server: ScriptedServer, store: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared request that is cancelled before it is sent gives its connection back."""

    async def never(_: float) -> object:
        return await asyncio.Event().wait()

    monkeypatch.setattr(store._wire, "_frozen_credentials", never)
    with all_in_use(store):
        reads = await started(*(store.wikis.get("u-1", slug) for slug in ("a", "b")))
    await asyncio.sleep(0.01)
    for task in list(store._wire._tasks):
        task.cancel()
    results = await asyncio.gather(*reads, return_exceptions=True)

    assert [type(result) for result in results] == [RuntimeError, RuntimeError]
    assert store._wire._connections._free == store.config.max_pool_connections
    assert server.requests == []


async def test_authorize_shares_by_the_same_rule(server: ScriptedServer, store: WikibotStore) -> None:
    """Calls of authorize that wait share a request, which asks for each key once. Others do not."""
    server.default = reply({"Responses": {"wikis": [wiki_item()]}})

    accesses = await together(store, *(store.authorize(f"u-{number}", "u-1", "notes") for number in range(2, 12)))

    assert {access.wiki.wiki_slug for access in accesses} == {"notes"}
    asked = [request.json["RequestItems"] for request in server.requests]
    assert [len(tables["users"]["Keys"]) for tables in asked] == [9, 3]
    assert [len(tables["wikis"]["Keys"]) for tables in asked] == [1, 1]
    assert [len(tables["acls"]["Keys"]) for tables in asked] == [8, 2]
    assert (store.stats().coalesced_reads, store.stats().coalesced_requests) == (10, 2)

    await asyncio.gather(*(store.authorize(f"u-{number}", "u-1", "notes") for number in range(2, 5)))
    assert len(server.requests) == 5


async def test_authorize_without_sharing(server: ScriptedServer, session: AioSession) -> None:
    """With `coalesce_reads=False` each call of authorize is a request, also if it has to wait."""
    server.default = reply({"Responses": {"wikis": [wiki_item()]}})

    config = StoreConfig(endpoint_url=server.url, coalesce_reads=False)
    async with WikibotStore.open(config, session=session) as store:
        await together(store, *(store.authorize(f"u-{number}", "u-1", "notes") for number in range(2, 5)))

    assert len(server.requests) == 3


async def test_a_missing_item_is_none(server: ScriptedServer, store: WikibotStore) -> None:
    """A key that is missing in the BatchGetItem's answer reads as None."""
    server.play(reply({"Responses": {"wikis": [wiki_item("a")]}}))

    there, missing = await together(store, store.wikis.get("u-1", "a"), store.wikis.get("u-1", "b"))

    assert there is not None
    assert missing is None


async def test_consistent_reads_keep_to_themselves(server: ScriptedServer, store: WikibotStore) -> None:
    """Consistent and eventually consistent reads never share a request."""
    server.play(serve_all, serve_all)

    await together(
        store,
        *(store.wikis.get("u-1", slug, consistent=consistent) for slug in ("a", "b") for consistent in (False, True)),
    )

    asked = {
        request.json["RequestItems"]["wikis"]["ConsistentRead"]: sorted(_keys(request)) for request in server.requests
    }
    assert asked == {False: ["a", "b"], True: ["a", "b"]}


async def test_coalescing_can_be_switched_off(server: ScriptedServer, session: AioSession) -> None:
    """With `coalesce_reads=False` each read is a GetItem."""
    server.default = reply({"Item": wiki_item()})

    config = StoreConfig(endpoint_url=server.url, coalesce_reads=False)
    async with WikibotStore.open(config, session=session) as store:
        await asyncio.gather(*(store.wikis.get("u-1", "notes") for _ in range(3)))

    assert server.operations == ["GetItem"] * 3


async def test_more_reads_than_a_batch_holds(server: ScriptedServer, store: WikibotStore) -> None:
    """40 reads that wait are three requests, because a shared request has at most 16 keys."""
    server.play(*[serve_all] * 3)

    wikis = await together(store, *(store.wikis.get("u-1", f"w{number}") for number in range(40)))

    assert None not in wikis
    assert sorted(len(_keys(request)) for request in server.requests) == [8, 16, 16]


async def test_unprocessed_keys_are_asked_for_again(server: ScriptedServer, store: WikibotStore) -> None:
    """Keys that DynamoDB left unprocessed are requested again, and only those."""
    unprocessed = {"wikis": {"Keys": [wiki_key("b")], "ConsistentRead": True}}
    server.play(reply({"Responses": {"wikis": [wiki_item("a")]}, "UnprocessedKeys": unprocessed}), serve_all)

    wikis = await together(store, *(store.wikis.require("u-1", slug, consistent=True) for slug in ("a", "b")))

    assert [wiki.wiki_slug for wiki in wikis] == ["a", "b"]
    assert server.requests[1].json == {"RequestItems": unprocessed}


async def test_keys_that_are_never_processed(server: ScriptedServer, session: AioSession) -> None:
    """Keys that are left unprocessed every time raise ThrottledError."""
    unprocessed = {"wikis": {"Keys": [wiki_key("b")], "ConsistentRead": False}}
    server.play(*[reply({"Responses": {"wikis": []}, "UnprocessedKeys": unprocessed})] * 3)

    config = StoreConfig(endpoint_url=server.url, max_attempts=3)
    async with WikibotStore.open(config, session=session) as store:
        results = await together(store, store.wikis.get("u-1", "a"), store.wikis.get("u-1", "b"))

    assert [type(result) for result in results] == [ThrottledError, ThrottledError]


async def test_unprocessed_keys_end_with_the_deadline(
    server: ScriptedServer, store: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not wait for a further request that would come after its deadline."""
    monkeypatch.setattr(_retry, "_THROTTLE_DELAY", 1e10)
    monkeypatch.setattr(_retry, "_MAX_DELAY", 1e10)
    unprocessed = {"wikis": {"Keys": [wiki_key("a")], "ConsistentRead": False}}
    server.play(reply({"Responses": {}, "UnprocessedKeys": unprocessed}))

    with pytest.raises(ThrottledError):
        await asyncio.wait_for(store.wikis.get_many([WikiKey("u-1", "a")]), timeout=3)


async def test_a_corrupt_item_harms_only_its_readers(server: ScriptedServer, store: WikibotStore) -> None:
    """A corrupt item fails only the reads that asked for it, not others in the same request."""
    corrupt = wiki_item("b") | {"version": {"N": "many"}}
    server.play(reply({"Responses": {"wikis": [wiki_item("a"), corrupt]}}))

    results = await together(store, *(store.wikis.get("u-1", slug) for slug in ("a", "b", "c")))

    there, broken, missing = results
    assert isinstance(there, Wiki)
    assert isinstance(broken, CorruptItemError)
    assert broken.key == {"owner_id": "u-1", "wiki_slug": "b"}
    assert missing is None
    assert server.operations == ["BatchGetItem"]


async def test_a_failed_batch_fails_all_its_readers(server: ScriptedServer, store: WikibotStore) -> None:
    """If DynamoDB refuses the request, every read in it fails."""
    server.play(refuse("AccessDeniedException"))

    results = await together(store, *(store.wikis.get("u-1", slug) for slug in ("a", "b")))

    assert [type(result) for result in results] == [RequestFailedError, RequestFailedError]


async def test_every_reader_has_an_error_of_its_own(server: ScriptedServer, store: WikibotStore) -> None:
    """Each reader gets its own copy of the error, with its own traceback and notes."""
    server.play(refuse("AccessDeniedException", "not yours"))

    reads = [store.wikis.get("u-1", slug) for slug in ("a", "b")]
    one, other = await together(store, *reads)
    assert isinstance(one, RequestFailedError)
    assert isinstance(other, RequestFailedError)
    one.add_note("said to the first reader")

    assert str(one) == str(other)
    assert one.__cause__ is other.__cause__ is not None
    assert not hasattr(other, "__notes__")


async def test_a_reader_that_is_cancelled_takes_nobody_with_it(server: ScriptedServer, store: WikibotStore) -> None:
    """Cancelling one reader does not affect the others in its request."""
    gate = asyncio.Event()
    server.play(in_turn(lambda _: gate.wait(), serve_all))

    with all_in_use(store):
        first, second, third = await started(*(store.wikis.get("u-1", slug) for slug in ("a", "b", "c")))
    await server.received(1)
    second.cancel()
    gate.set()

    assert None not in await asyncio.gather(first, third)
    with pytest.raises(asyncio.CancelledError):
        await second
    assert server.operations == ["BatchGetItem"]


async def test_get_many(server: ScriptedServer, store: WikibotStore) -> None:
    """get_many sends one BatchGetItem per 100 keys, without repeated keys."""
    server.default = serve_all
    keys = [WikiKey("u-1", f"w{number}") for number in range(250)]

    wikis = await store.wikis.get_many([*keys, *keys])

    assert wikis.keys() == set(keys)
    assert all(key == wiki.key for key, wiki in wikis.items())
    assert server.operations == ["BatchGetItem"] * 3
    assert sorted(len(_keys(request)) for request in server.requests) == [50, 100, 100]


async def test_get_many_of_nothing(store: WikibotStore) -> None:
    """get_many without keys sends no request."""
    assert await store.wikis.get_many([]) == {}


async def test_get_many_with_an_error(server: ScriptedServer, store: WikibotStore) -> None:
    """An error in one of several requests is raised."""
    server.play(serve_all, refuse("AccessDeniedException"), failed)
    server.default = failed

    with pytest.raises(RequestFailedError):
        await store.wikis.get_many([WikiKey("u-1", f"w{number}") for number in range(250)])


async def test_get_many_with_a_corrupt_item(server: ScriptedServer, store: WikibotStore) -> None:
    """A corrupt item fails the batch that its caller asked for, and is named."""
    server.play(reply({"Responses": {"wikis": [wiki_item("a"), wiki_item("b") | {"is_public": {"S": "yes"}}]}}))

    with pytest.raises(CorruptItemError) as caught:
        await store.wikis.get_many([WikiKey("u-1", "a"), WikiKey("u-1", "b")])

    assert caught.value.key == {"owner_id": "u-1", "wiki_slug": "b"}


async def test_get_many_with_a_corrupt_key(server: ScriptedServer, store: WikibotStore) -> None:
    """An item whose key does not decode belongs to no caller, so it fails the whole batch."""
    server.play(reply({"Responses": {"wikis": [wiki_item("a"), wiki_item("b") | {"wiki_slug": {"N": "5"}}]}}))

    with pytest.raises(CorruptItemError) as caught:
        await store.wikis.get_many([WikiKey("u-1", "a"), WikiKey("u-1", "b")])

    assert caught.value.key == {"owner_id": "u-1", "wiki_slug": "?"}


async def test_a_batch_that_gets_on_is_not_throttled(server: ScriptedServer, session: AioSession) -> None:
    """Keys are read to the end if every answer holds a few items, as with large items."""

    async def two_at_a_time(exchange: Exchange) -> None:
        wanted = exchange.request.json["RequestItems"]["wikis"]
        now, later = wanted["Keys"][:2], wanted["Keys"][2:]
        unprocessed = {"wikis": {**wanted, "Keys": later}} if later else {}
        items = [wiki_item(key["wiki_slug"]["S"]) for key in now]
        await reply({"Responses": {"wikis": items}, "UnprocessedKeys": unprocessed})(exchange)

    server.default = two_at_a_time
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=1), session=session) as store:
        wikis = await store.wikis.get_many(WikiKey("u-1", f"w{number}") for number in range(20))

    assert len(wikis) == 20
