"""One connection: what is written, what counts as an answer, and when a request ends without one."""

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.wire.scripted_server import Exchange, ScriptedServer, Step, all_is_read, http, in_turn, keep_silent, sent
from wikibot_store._wire import _protocol
from wikibot_store._wire._http import Transport

_ANSWER = http(200, b"{}")
_HEADERS = {"Host": "127.0.0.1", "X-Amz-Target": "DynamoDB_20120810.GetItem"}


@pytest.fixture
async def transport(server: ScriptedServer) -> AsyncIterator[Transport]:
    """Connect to the scripted server."""
    async with Transport(max_pool_connections=2) as transport:
        yield await transport.connect(server.url)


async def _post(transport: Transport, seconds: float = 10) -> bytes:
    return (await transport.post(_HEADERS, b"{}", seconds=seconds)).body


# ---- requests


@pytest.mark.parametrize("place", ["name", "value"])
@pytest.mark.parametrize("text", ["a\r\nX-Amz-Target: b", "a\nb", "a\rb", "a\r\n\r\n{}", "\r\n", "a\0b"])
async def test_no_header_is_injected(text: str, place: str, server: ScriptedServer, transport: Transport) -> None:
    """A header whose name or value could end its line is rejected: nothing is sent."""
    header = {text: "value"} if place == "name" else {"X-Amz-Security-Token": text}

    with pytest.raises(ValueError, match="a line break or a null character"):
        await transport.post(_HEADERS | header, b"{}", seconds=10)

    assert server.connections == 0


async def test_a_header_is_sent_once(server: ScriptedServer, transport: Transport) -> None:
    """A header of the request takes the place of the transport's own one."""
    server.play(sent(_ANSWER))

    await transport.post(_HEADERS | {"User-Agent": "mine", "Content-Length": "9"}, b"{}", seconds=10)

    (request,) = server.requests
    assert request.headers["user-agent"] == "mine"
    assert request.raw.lower().count(b"user-agent:") == request.raw.lower().count(b"content-length:") == 1
    assert request.body == b"{}"


# ---- answers


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n{}",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
    ids=["switch", "two lengths", "both", "negative", "no chunk", "no header", "a request", "TLS"],
)
async def test_what_is_no_answer(answer: bytes, server: ScriptedServer, transport: Transport) -> None:
    """An answer whose end is not certain, or that is not HTTP, fails the request, and its connection is closed."""
    server.play(in_turn(sent(answer), keep_silent), sent(_ANSWER))

    with pytest.raises(ConnectionClosedError):
        await _post(transport)

    assert await _post(transport) == b"{}"
    assert server.connections == 2


async def test_a_head_without_end(server: ScriptedServer, transport: Transport) -> None:
    """A head that is far longer than any of DynamoDB fails the request, before all of it has come."""
    server.play(in_turn(sent(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2**20), keep_silent))

    with pytest.raises(ConnectionClosedError):
        await _post(transport)


async def test_a_body_without_end(
    server: ScriptedServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that is far longer than any of DynamoDB fails the request, before all of it has come."""
    monkeypatch.setattr(_protocol, "LONGEST_ANSWER", 2**20)
    server.play(in_turn(sent(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 2**21), keep_silent))

    with pytest.raises(ConnectionClosedError):
        await _post(transport)


async def test_headers_behind_the_body(server: ScriptedServer, transport: Transport) -> None:
    """What looks like a header behind a body in chunks is not one."""
    trailer = b"HTTP/1.1 200 OK\r\nX-First: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-last: 2\r\n\r\n"
    server.play(sent(trailer), sent(_ANSWER))

    answer = await transport.post(_HEADERS, b"{}", seconds=10)

    assert (answer.status, answer.body) == (HTTPStatus.OK, b"{}")
    assert answer.headers == {"x-first": "1", "transfer-encoding": "chunked"}
    assert await _post(transport) == b"{}"
    assert server.connections == 1


@pytest.mark.parametrize("rest", [b"H", b"HTTP/1.1 200 OK\r\ncontent-", _ANSWER, b"{"], ids=["H", "part", "all", "no"])
async def test_more_than_one_answer(rest: bytes, server: ScriptedServer, transport: Transport) -> None:
    """If more follows an answer at once, even the beginning of another one, the connection is not used again."""
    server.play(in_turn(sent(_ANSWER + rest), keep_silent), sent(_ANSWER))

    assert await _post(transport) == b"{}"
    assert await _post(transport) == b"{}"
    assert server.connections == 2


async def test_an_answer_that_ends_with_the_store(server: ScriptedServer) -> None:
    """An answer without a length is not whole where the store itself is closed."""
    server.play(in_turn(sent(b"HTTP/1.1 200 OK\r\n\r\n{"), keep_silent))
    transport = Transport(max_pool_connections=2)
    async with transport:
        await transport.connect(server.url)
        waiting = asyncio.create_task(_post(transport))
        await server.received(1)
        await all_is_read()

    with pytest.raises(ConnectionClosedError):
        await waiting


# ---- time limits


def _after(seconds: float) -> Step:
    return in_turn(lambda _: asyncio.sleep(seconds), sent(_ANSWER))


async def test_each_request_has_its_own_time(server: ScriptedServer, transport: Transport) -> None:
    """A request on a used connection may take longer than the one before, and may also have less time."""
    server.play(sent(_ANSWER), _after(0.3), keep_silent)

    await _post(transport, seconds=0.1)
    assert await _post(transport) == b"{}"
    async with asyncio.timeout(5):
        with pytest.raises(ReadTimeoutError):
            await _post(transport, seconds=0.1)

    assert server.connections == 1


async def test_the_next_request_after_a_stall(server: ScriptedServer, transport: Transport) -> None:
    """The time of a request whose answer came late, because the loop stood still, does not end the next request."""

    async def stand_still(exchange: Exchange) -> None:
        await exchange.send(_ANSWER[:10])
        time.sleep(0.2)  # noqa: ASYNC251 - a loop that stands still is the point
        await asyncio.sleep(0.02)
        await exchange.send(_ANSWER[10:])

    server.play(stand_still, _after(0.3))

    assert await _post(transport, seconds=0.1) == b"{}"
    assert await _post(transport) == b"{}"
    assert server.connections == 1


async def test_an_answer_that_nobody_waits_for_any_more(server: ScriptedServer, transport: Transport) -> None:
    """The answer to a request that was cancelled in the same moment is dropped."""
    server.play(sent(_ANSWER))
    until = asyncio.get_running_loop().time() + 10
    connection = await transport._new_connection(until)
    answer = connection.exchange(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n", until)

    answer.cancel()
    connection.data_received(_ANSWER)

    assert answer.cancelled()
    await server.received(1)
    connection.close()
