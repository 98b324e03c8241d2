"""An HTTP server that plays a script, with answers that DynamoDB gives and answers that it never gives."""

import asyncio
import json
import socket
import ssl
import struct
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
REQUEST_ID = "SCRIPTED"


class Request:
    """A request as it arrived; the names of `headers` are in lower case."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.raw = head + body
        self.body = body
        line, *headers = head.decode().splitlines()
        self.method, self.target, _ = line.split()
        self.headers = {
            name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers if header)
        }

    @property
    def operation(self) -> str:
        """The DynamoDB operation; the HTTP method if the request is not for DynamoDB."""
        return self.headers.get("x-amz-target", self.method).rpartition(".")[2]

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Exchange:
    """One request and the connection that it came on."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()


Step = Callable[[Exchange], Awaitable[object]]
"""What the server does with one request."""


# ---- what is sent


AMZ_JSON = "application/x-amz-json-1.0"


def http(status: int, body: bytes, **headers: str) -> bytes:
    """Return an HTTP answer; the names of headers are written with underscores."""
    head = {"content-length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def dynamodb(status: int, members: object) -> bytes:
    """Return an answer as DynamoDB writes it, with checksum and request id."""
    body = json.dumps(members).encode()
    return http(
        status,
        body,
        content_type=AMZ_JSON,
        x_amz_crc32=str(zlib.crc32(body)),
        x_amzn_requestid=REQUEST_ID,
    )


# ---- steps


def sent(data: bytes) -> Step:
    """Answer with these bytes."""
    return lambda exchange: exchange.send(data)


def reply(members: object) -> Step:
    """Answer with success."""
    return sent(dynamodb(200, members))


def refuse(code: str, message: str = "as scripted", *, status: int = 400, **members: object) -> Step:
    """Answer with one of DynamoDB's errors."""
    error_type = f"com.amazonaws.dynamodb.v20120810#{code}"
    return sent(dynamodb(status, {"__type": error_type, "message": message, **members}))


def html(status: int) -> Step:
    """Answer with an HTML page."""
    return sent(http(status, b"<html>something else</html>", content_type="text/html", location="/elsewhere"))


def damaged(members: object) -> Step:
    """Answer with success, but with a wrong checksum."""
    return sent(http(200, json.dumps(members).encode(), x_amz_crc32="1"))


def half(members: object) -> Step:
    """Close the connection in the middle of the answer's body."""
    data = dynamodb(200, members)
    body_size = len(json.dumps(members))
    return in_turn(sent(data[: len(data) - body_size // 2]), hang_up)


async def hang_up(exchange: Exchange) -> None:
    """Close the connection normally."""
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """Reset the connection."""
    linger_for_no_time = struct.pack("ii", 1, 0)
    exchange.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
    exchange.writer.transport.abort()


async def keep_silent(exchange: Exchange) -> None:
    """Answer nothing until the client gives up."""
    await exchange.reader.read()
    exchange.writer.close()


failed = refuse("InternalServerError", status=500)
"""Answer that the server failed, which tells nothing about whether the request was applied."""


def in_turn(*steps: Step) -> Step:
    """Take several steps for one request, one after the other."""

    async def take_all(exchange: Exchange) -> None:
        for step in steps:
            await step(exchange)

    return take_all


def on_first_write(fault: Step, *, otherwise: Step) -> Step:
    """Take another step for the first request that writes."""
    faults = [fault]

    def choose(exchange: Exchange) -> Awaitable[object]:
        step = faults.pop() if faults and exchange.request.operation in WRITES else otherwise
        return step(exchange)

    return choose


def on_writes(fault: Step, *, otherwise: Step) -> Step:
    """Take another step for every request that writes."""
    return lambda exchange: (fault if exchange.request.operation in WRITES else otherwise)(exchange)


def tunnel_to(url: str) -> Step:
    """Act as a proxy for CONNECT: copy bytes to and from `url` until both sides close."""
    port = urlsplit(url).port

    async def carry(exchange: Exchange) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(exchange.reader, writer), _pump(reader, exchange.writer))
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    return carry


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True)
class Engine:
    """A real engine behind the scripted server. It is asked to close the connection after each answer."""

    url: str

    async def forward(self, exchange: Exchange) -> None:
        """Answer what the engine answers."""
        await exchange.send(await self._answer(exchange.request))
        exchange.writer.close()

    async def apply(self, exchange: Exchange) -> None:
        """Let the engine apply the request, but do not send its answer."""
        answer = await self._answer(exchange.request)
        assert b" 200 " in answer.partition(b"\r\n")[0], answer

    async def _answer(self, request: Request) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self.url).port)
        try:
            writer.write(request.raw.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            return await reader.read()
        finally:
            writer.close()


# ---- the server


class ScriptedServer:
    """Takes the next step of its script for each request, and `default` where the script has ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.connections = 0
        self.default: Step = refuse("UnscriptedRequest")
        self._script: deque[Step] = deque()
        self._arrival = asyncio.Condition()
        self._open: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    @property
    def operations(self) -> list[str]:
        """The operations that were asked for, in order."""
        return [request.operation for request in self.requests]

    @property
    def writes(self) -> list[Request]:
        """The requests that write, in order."""
        return [request for request in self.requests if request.operation in WRITES]

    def play(self, *steps: Step) -> None:
        """Append to the script."""
        self._script.extend(steps)

    async def received(self, count: int) -> None:
        """Wait until that many requests have arrived."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start to serve a connection."""
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                await self._serve_request(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        except Exception as failure:  # noqa: BLE001 - raised when the server is closed
            self._failures.append(failure)
        finally:
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = Request(head, b"").headers.get("content-length", "0")
        request = Request(head, await reader.readexactly(int(length)))
        async with self._arrival:
            self.requests.append(request)
            self._arrival.notify_all()
        step = self._script.popleft() if self._script else self.default
        await step(Exchange(request, reader, writer))

    async def aclose(self) -> None:
        """Close all connections; raise if a step failed or was never used."""
        connections = list(self._open)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        if self._failures:
            raise self._failures[0]
        assert not self._script, f"{len(self._script)} steps were never taken"


@asynccontextmanager
async def scripted_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Serve on a free port of 127.0.0.1, in this event loop."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = ScriptedServer(f"{'http' if tls is None else 'https'}://127.0.0.1:{listening.getsockname()[1]}")
    listener = await asyncio.start_server(server.accept, sock=listening, ssl=tls)
    try:
        yield server
    finally:
        listener.close()
        await server.aclose()
        await listener.wait_closed()


async def all_is_read() -> None:
    """Let the event loop read all bytes that were sent before."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    with theirs:
        theirs.send(b".")
        await reader.readexactly(1)
    writer.close()
    await writer.wait_closed()
