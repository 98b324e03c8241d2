"""What the store needs from aiohttp: whole answers, connections in step, and no injected headers."""

import asyncio

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from tests.sessions import session_with
from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    Exchange,
    ScriptedServer,
    Step,
    all_is_read,
    dynamodb,
    hang_up,
    http,
    in_turn,
    keep_silent,
    reply,
    sent,
)
from wikibot_store import ConfigurationError, StoreConfig, UnavailableError, WikibotStore

_ANSWER = dynamodb(200, {"Item": wiki_item(wiki_slug="first")})
_HEAD, _, _BODY = _ANSWER.partition(b"\r\n\r\n")
_HEAD_WITHOUT_LENGTH = b"\r\n".join(line for line in _HEAD.splitlines() if not line.startswith(b"content-length"))
_CHUNKS = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, _BODY[:10], len(_BODY) - 10, _BODY[10:])


@pytest.mark.parametrize(
    "answer",
    [
        sent(_ANSWER),
        in_turn(*[sent(_ANSWER[start : start + 50]) for start in range(0, len(_ANSWER), 50)]),
        sent(_HEAD_WITHOUT_LENGTH + b"\r\ntransfer-encoding: chunked\r\n\r\n" + _CHUNKS),
        sent(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n" + _ANSWER),
        in_turn(sent(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"), sent(_ANSWER)),
    ],
    ids=["whole", "in pieces", "chunked", "after a hint", "after two notices"],
)
async def test_an_answer_is_read_to_its_end(answer: Step, server: ScriptedServer, store: WikibotStore) -> None:
    """However an answer is split, its request gets all of it, and the next request gets the next answer."""
    server.play(answer, reply({"Item": wiki_item(wiki_slug="second")}))

    first = await store.wikis.require("u-1", "first")
    second = await store.wikis.require("u-1", "second")

    assert [first.wiki_slug, second.wiki_slug] == ["first", "second"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        sent(_HEAD + b"\r\nconnection: close\r\n\r\n" + _BODY),
        in_turn(sent(_HEAD_WITHOUT_LENGTH + b"\r\n\r\n" + _BODY), hang_up),
        sent(_ANSWER + _ANSWER),
    ],
    ids=["said so", "no length", "one answer too many"],
)
async def test_a_connection_that_has_served_its_time(answer: Step, server: ScriptedServer, store: WikibotStore) -> None:
    """A connection that is closing or out of step is not used again."""
    server.play(answer, reply({"Item": wiki_item(wiki_slug="second")}))

    await store.wikis.require("u-1", "first")
    second = await store.wikis.require("u-1", "second")

    assert second.wiki_slug == "second"
    assert server.connections == 2


@pytest.mark.parametrize(
    "unasked", [dynamodb(200, {"Item": wiki_item(wiki_slug="stale")}), http(408, b"too slow")], ids=["late", "408"]
)
async def test_what_nobody_asked_for(unasked: bytes, server: ScriptedServer, store: WikibotStore) -> None:
    """Bytes that arrive on an idle connection are not taken for the next answer."""
    first_is_read, unasked_is_sent = asyncio.Event(), asyncio.Event()

    async def say_more(exchange: Exchange) -> None:
        await first_is_read.wait()
        await exchange.send(unasked)
        unasked_is_sent.set()

    server.play(in_turn(sent(_ANSWER), say_more), reply({"Item": wiki_item(wiki_slug="second")}))

    await store.wikis.require("u-1", "first")
    first_is_read.set()
    await unasked_is_sent.wait()
    await all_is_read()
    second = await store.wikis.require("u-1", "second")

    assert second.wiki_slug == "second"
    assert server.connections == 2


async def test_an_answer_without_a_body(server: ScriptedServer, store: WikibotStore) -> None:
    """An empty answer is rejected, and the request is retried on the same connection."""
    server.play(sent(http(200, b"")), sent(http(204, b"")), sent(_ANSWER))

    await store.wikis.require("u-1", "first")

    assert len(server.requests) == 3
    assert server.connections == 1


async def test_what_is_not_http(server: ScriptedServer, store: WikibotStore) -> None:
    """An answer that is not HTTP is rejected, and the connection is closed."""
    server.default = sent(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, ConnectionClosedError)
    assert server.connections == len(server.requests) == 5


async def test_a_request_larger_than_the_buffers(server: ScriptedServer, store: WikibotStore) -> None:
    """A request that is larger than the socket buffers is sent whole."""
    server.play(reply({"Items": []}), reply({}))
    profile = {name: name[0] * 65_536 for name in ("email", "display_name", "avatar_url")}

    await store.users.create(id="u-1", oauth_provider="github", oauth_provider_sub="4711", **profile)

    _, request = server.requests
    item = request.json["TransactItems"][0]["Put"]["Item"]
    assert {name: item[name]["S"] for name in profile} == profile


@pytest.mark.parametrize("token", ["a\r\nX-Amz-Target: b", "a\nb", "a\rb"])
async def test_credentials_of_several_lines(token: str, server: ScriptedServer) -> None:
    """A session token with a line break cannot inject a header: nothing is sent."""
    with pytest.raises(ConfigurationError, match="the session token holds a newline"):
        async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_with(token=token)):
            pass

    assert server.requests == []


@pytest.mark.parametrize(
    ("scheme", "cause"), [("https", ConnectTimeoutError), ("http", ReadTimeoutError)], ids=["connecting", "reading"]
)
async def test_where_an_attempt_ran_out_of_time(
    scheme: str, cause: type[Exception], server: ScriptedServer, session: AioSession
) -> None:
    """An attempt that ends before its connection is made was not sent; later it may have been."""
    server.default = keep_silent
    # For HTTPS the client waits for a handshake, and the server for a request.
    url = server.url.replace("http:", f"{scheme}:")
    config = StoreConfig(endpoint_url=url, connect_timeout=60, read_timeout=0.05, max_attempts=1)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert type(caught.value.__cause__) is cause
