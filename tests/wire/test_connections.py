"""Connections that die, grow old or are new: which one a request gets, and what becomes of the others."""

import asyncio
import gzip
import json
import socket
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ReadTimeoutError
from yarl import URL

from tests.sessions import session_with
from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    AMZ_JSON,
    Exchange,
    ScriptedServer,
    Step,
    dynamodb,
    http,
    in_turn,
    keep_silent,
    reply,
    reset,
    sent,
)
from wikibot_store import StoreConfig, UnavailableError, WikibotStore
from wikibot_store._wire._http import Transport

_WIKI = {"Item": wiki_item()}
_BODY = json.dumps(_WIKI).encode()


class Network:
    """Answers on every connection until `forget`; afterwards only on new ones, and on the old ones as `dead` does."""

    def __init__(self, dead: Step) -> None:
        self._dead = dead
        self._known = set[object]()
        self._forgotten = set[object]()

    async def serve(self, exchange: Exchange) -> None:
        """Take the step of a request."""
        self._known.add(exchange.writer)
        step = self._dead if exchange.writer in self._forgotten else reply(_WIKI | {"Items": []})
        await step(exchange)

    def forget(self) -> None:
        """Let all connections of this moment die."""
        self._forgotten |= self._known


async def _use_connections(store: WikibotStore, server: ScriptedServer, count: int) -> None:
    """Make so many connections, which are idle afterwards."""
    step, all_are_busy = server.default, asyncio.Event()
    server.default = in_turn(lambda _: all_are_busy.wait(), step)
    before = len(server.requests)
    pages = [asyncio.create_task(store.wikis.list_by_owner("u-1")) for _ in range(count)]
    await server.received(before + count)
    all_are_busy.set()
    await asyncio.gather(*pages)
    server.default = step


async def _read(store: WikibotStore) -> object:
    return await store.wikis.get("u-1", "notes")


async def _write(store: WikibotStore) -> object:
    return await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")


@pytest.mark.parametrize("dead", [keep_silent, reset], ids=["silent", "reset"])
@pytest.mark.parametrize("call", [_read, _write], ids=["read", "create"])
async def test_dead_connections_do_not_use_up_the_attempts(
    call: Callable[[WikibotStore], Awaitable[object]], dead: Step, server: ScriptedServer, session: AioSession
) -> None:
    """After one attempt on a connection that a NAT gateway has forgotten, the retry uses a new one."""
    network = Network(dead)
    server.default = network.serve
    config = StoreConfig(endpoint_url=server.url, read_timeout=0.5)

    async with WikibotStore.open(config, session=session) as store:
        await _use_connections(store, server, 8)
        network.forget()
        await call(store)

        assert (len(server.requests), server.connections) == (10, 9)
        await _use_connections(store, server, 2)

    assert server.connections == 10, "the seven others were dropped"


async def test_connections_that_were_used_since_are_kept(server: ScriptedServer, session: AioSession) -> None:
    """A dead connection says nothing about one that was answered on in the meantime; the pool's limit holds."""
    network = Network(reply(_WIKI))
    server.default = network.serve
    config = StoreConfig(endpoint_url=server.url, max_pool_connections=3, read_timeout=0.3, coalesce_reads=False)

    async with WikibotStore.open(config, session=session) as store:
        await _use_connections(store, server, 3)
        server.play(keep_silent)
        waiting = asyncio.create_task(_read(store))
        await server.received(4)
        await _use_connections(store, server, 2)
        await waiting
        assert server.connections == 4
        await _use_connections(store, server, 2)
        assert server.connections == 4
        await _use_connections(store, server, 3)

    assert server.connections == 5, "the new connection took the place of one of the three"


async def test_a_new_connection_that_fails(server: ScriptedServer, store: WikibotStore) -> None:
    """A connection that fails at its first request says nothing about those that are idle."""
    server.default = reply({"Items": []})
    await _use_connections(store, server, 1)
    first = asyncio.Event()
    server.play(in_turn(lambda _: first.wait(), reply({"Items": []})), reset)

    busy = asyncio.create_task(store.wikis.list_by_owner("u-1"))
    await server.received(2)
    await store.wikis.list_by_owner("u-2")
    first.set()
    await busy
    await _use_connections(store, server, 2)

    assert server.connections == 3


def _until_closed(closed: asyncio.Event) -> Step:
    """Answer, and note when the client closes the connection."""

    async def serve(exchange: Exchange) -> None:
        await exchange.send(dynamodb(200, {"Items": []}))
        await exchange.reader.read()
        closed.set()

    return serve


async def test_idle_connections_are_closed(server: ScriptedServer, session: AioSession) -> None:
    """Each connection is closed when no request has used it for `idle_timeout`."""
    closed = [asyncio.Event(), asyncio.Event()]
    both = asyncio.Event()

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, idle_timeout=0.1), session=session) as store:
        server.play(in_turn(lambda _: both.wait(), _until_closed(closed[0])), _until_closed(closed[1]))
        pages = [asyncio.create_task(store.wikis.list_by_owner("u-1"))]
        await server.received(1)
        await store.wikis.list_by_owner("u-1")
        await asyncio.sleep(0.05)
        both.set()
        await asyncio.gather(*pages)
        await asyncio.wait_for(asyncio.gather(*[event.wait() for event in closed]), timeout=5)


async def test_an_old_connection_is_not_used(server: ScriptedServer, session: AioSession) -> None:
    """An event loop that stood still has not closed the connection; the next request closes it."""
    server.default = reply(_WIKI)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, idle_timeout=0.1), session=session) as store:
        await _read(store)
        time.sleep(0.2)  # noqa: ASYNC251 - a loop that stands still is the point
        await _read(store)

    assert server.connections == 2


def test_idle_connections_are_kept_for_a_minute() -> None:
    """That is what AWS's SDK for Java does, and less than the 350 seconds of AWS's NAT gateways."""
    assert StoreConfig().idle_timeout == 60


# ---- where connections lead


@pytest.mark.filterwarnings("ignore::wikibot_store.InsecureEndpointWarning")
async def test_the_name_is_resolved_anew(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that refuses connections is not used again when the name leads elsewhere in the meantime."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        ports = [nobody.getsockname()[1], int(server.url.rpartition(":")[2])]

    async def resolve(*_: object, **__: object) -> list[object]:
        port = ports.pop(0) if len(ports) > 1 else ports[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    server.play(reply(_WIKI))

    async with WikibotStore.open(StoreConfig(endpoint_url="http://localhost:8000"), session=session) as store:
        assert await _read(store) is not None


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
async def test_the_lowest_version_of_tls(
    offered: ssl.TLSVersion, wanted: ssl.TLSVersion, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Python was built with, nothing below TLS 1.2 is spoken; what is stricter stays so."""

    def context(_: Transport) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = offered
        return made

    monkeypatch.setattr(Transport, "_get_ssl_context", context)

    async with WikibotStore.open(StoreConfig(endpoint_url="https://127.0.0.1:1"), session=session) as store:
        tls = store._wire._transport._tls

    assert isinstance(tls, ssl.SSLContext)
    assert tls.minimum_version == wanted


@pytest.mark.parametrize(
    ("app_id", "ending"),
    [
        (None, ""),
        ("wiki-api", " app/wiki-api"),
        ("wiki api\r\nx: y", " app/wiki-api--x--y"),
        ("a" * 50, f" app/{'a' * 50}"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "profile"])
async def test_the_user_agent(  # noqa: PLR0917 - two parameters and three fixtures
    source: str,
    app_id: str | None,
    ending: str,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each request names the library, aiobotocore, Python, and the application where it has a name."""
    if app_id is not None and source == "environment":
        monkeypatch.setenv("AWS_SDK_UA_APP_ID", app_id)
    elif app_id is not None:
        config = tmp_path / "config"
        config.write_text(f"[default]\nsdk_ua_app_id = {app_id.splitlines()[0]}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        ending = ending.removesuffix("--x--y")
    session = session_with()
    server.play(reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        await _read(store)

    agent = server.requests[0].headers["user-agent"]
    library, aiobotocore, python, *_ = agent.split()
    assert library.startswith("wikibot_store/")
    assert aiobotocore.startswith("aiobotocore/")
    assert python.startswith("lang/python#3.")
    assert agent == f"{library} {aiobotocore} {python}{ending}"


# ---- compressed answers


def _compressed(body: bytes, *, checksum: bytes | None, encoding: str = "gzip") -> Step:
    headers = {} if checksum is None else {"x_amz_crc32": str(zlib.crc32(checksum))}
    return sent(http(200, body, content_type=AMZ_JSON, content_encoding=encoding, **headers))


@pytest.mark.parametrize(
    "answer",
    [
        _compressed(gzip.compress(_BODY), checksum=gzip.compress(_BODY)),
        _compressed(gzip.compress(_BODY), checksum=_BODY),
        _compressed(gzip.compress(_BODY), checksum=None),
        _compressed(gzip.compress(_BODY), checksum=None, encoding="GZIP"),
        _compressed(zlib.compress(_BODY), checksum=None, encoding="deflate"),
    ],
    ids=["checksum as sent", "checksum of the body", "no checksum", "in capitals", "deflate"],
)
async def test_an_answer_that_is_compressed_unasked(answer: Step, server: ScriptedServer, store: WikibotStore) -> None:
    """A gateway may compress although nobody asks for it: the answer is read all the same."""
    server.play(answer)

    assert await _read(store) is not None
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "answer",
    [
        _compressed(gzip.compress(_BODY), checksum=b"another"),
        _compressed(gzip.compress(_BODY)[:-9], checksum=None),
        _compressed(b"no gzip", checksum=None),
        _compressed(gzip.compress(b" " * 2**26 + _BODY), checksum=None),
        _compressed(_BODY, checksum=None, encoding="br"),
    ],
    ids=["checksum", "cut off", "not compressed", "too long", "another encoding"],
)
async def test_a_compressed_answer_that_cannot_be_read(
    answer: Step, server: ScriptedServer, store: WikibotStore
) -> None:
    """After a compressed answer that is damaged, or made to fill the memory, the request is retried."""
    server.play(answer, reply(_WIKI))

    assert await _read(store) is not None
    assert len(server.requests) == 2


# ---- an event loop that stands still


# A busy machine may need some of this time until the loop stands still.
_LIMIT = 0.6
_STALL = 0.8


def _then_stand_still(answer: bytes) -> Step:
    """Answer, and keep the event loop, which is the client's too, from reading it until the time is up."""

    async def serve(exchange: Exchange) -> None:
        await exchange.send(answer)
        time.sleep(_STALL)  # noqa: ASYNC251 - a loop that stands still is the point

    return serve


@pytest.mark.parametrize("limit", ["deadline", "read_timeout"])
@pytest.mark.parametrize("padding", [0, 300_000], ids=["small", "large"])
async def test_an_answer_that_is_in_the_socket_is_used(
    padding: int, limit: str, server: ScriptedServer, session: AioSession
) -> None:
    """A loop that stood still past the deadline reads the answer that has come meanwhile, however large it is."""
    answer = dynamodb(200, {"Item": wiki_item(display_name="n" * padding + "N")})
    server.play(_then_stand_still(answer), sent(answer))
    config = StoreConfig(endpoint_url=server.url, max_attempts=1, **{limit: _LIMIT})  # type: ignore[arg-type]  # a float

    async with WikibotStore.open(config, session=session) as store:
        assert await _read(store) is not None
        await asyncio.sleep(0.2)
        assert await _read(store) is not None

    assert server.connections == 1, "the limit of the first request does not end the connection"


async def test_an_answer_that_is_cut_off_by_the_time_limit(server: ScriptedServer, session: AioSession) -> None:
    """An answer without a length does not seem to be whole where the client itself has given up."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\r\n"
    server.play(in_turn(sent(answer + _BODY), keep_silent))
    config = StoreConfig(endpoint_url=server.url, max_attempts=1, read_timeout=0.1)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await _read(store)

    assert isinstance(caught.value.__cause__, ReadTimeoutError)


def _chunked(body: bytes) -> bytes:
    """Return the beginning of an answer that is sent in chunks: the first one."""
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n"


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-", id="half a head"),
        pytest.param(dynamodb(200, {"Item": wiki_item()})[:-9], id="half a body"),
        pytest.param(_chunked(_BODY), id="one chunk"),
    ],
)
async def test_an_answer_that_stops_ends_the_call(
    beginning: bytes, server: ScriptedServer, session: AioSession
) -> None:
    """An answer that stops at any point ends the call at its time limit: the call never waits for ever."""
    server.play(in_turn(sent(beginning), keep_silent))
    config = StoreConfig(endpoint_url=server.url, max_attempts=1, read_timeout=0.1)

    async with WikibotStore.open(config, session=session) as store:
        async with asyncio.timeout(10):
            with pytest.raises(UnavailableError) as caught:
                await _read(store)

    assert isinstance(caught.value.__cause__, ReadTimeoutError)


async def test_a_new_connection_on_which_the_server_speaks_first(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server sends before any request is not taken for an answer: the request gets another connection."""
    greeted: list[asyncio.StreamWriter] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.append(writer)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    rude = await asyncio.start_server(greet, "127.0.0.1", 0)
    server.play(reply({"Item": wiki_item()}))
    async with rude, WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        connector = store._wire._transport._connector
        connect, ports = connector.connect, [rude.sockets[0].getsockname()[1]]

        async def connect_elsewhere_first(destination: Any, *others: Any) -> Any:  # noqa: ANN401 - aiohttp's
            if not ports:
                return await connect(destination, *others)
            elsewhere = aiohttp.ClientRequest(
                "POST", URL(f"http://127.0.0.1:{ports.pop()}"), loop=asyncio.get_running_loop(), session=_session(store)
            )
            connection = await connect(elsewhere, *others)
            while not connection.protocol.should_close:  # noqa: ASYNC110 - aiohttp has no event for it
                await asyncio.sleep(0)
            return connection

        monkeypatch.setattr(connector, "connect", connect_elsewhere_first)
        async with asyncio.timeout(10):
            assert await _read(store) is not None
        for writer in greeted:
            writer.close()  # a server waits for its connections, since Python 3.12

    assert len(greeted) == 1


def _session(store: WikibotStore) -> Any:  # noqa: ANN401 - aiohttp's session
    (session,) = store._wire._transport._sessions.values()
    return session
