"""A server with canned DynamoDB answers. It does almost no work, so that the benchmark measures the client.

    python -m benchmarks.canned_server [--tls FOLDER] [--core NUMBER] [--latency SECONDS] [--slow FACTOR]

It prints its URL, serves until its standard input is closed, and then prints the largest number of connections that
were open at the same time. With `--tls` it serves HTTPS; the client must trust the CA `authority.pem` in the folder.

With `--slow` it takes a random time for each item of a request, and for the request as long as for its slowest item: a
lognormal time with a median of 3 ms, but 30 to 80 ms for one item in 100 and 500 ms for one in 1,000, times the factor.
"""

import argparse
import asyncio
import random
import ssl
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from benchmarks.answers import answer
from benchmarks.processes import pin, run
from tests.wire.certificates import Authority

_ADDRESS = "127.0.0.1"
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
_TARGET = b"dynamodb_20120810."


@lru_cache(maxsize=1024)
def respond(operation: str, request: bytes) -> bytes:
    """Return the HTTP response, with the headers that DynamoDB sends."""
    body = answer(operation, request)
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Server: Server\r\n"
        "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
        "Content-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\n"
        "x-amzn-RequestId: 5VQNG2QK6BO6S1K6C8R1AJT1FRVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
        f"x-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connections:
    """Counts the open connections, and the most that were open at the same time."""

    def __init__(self) -> None:
        self._now = 0
        self.most = 0

    def opened(self) -> None:
        """Count one more."""
        self._now += 1
        self.most = max(self.most, self._now)

    def closed(self) -> None:
        """Count one less."""
        self._now -= 1


class CannedProtocol(asyncio.Protocol):
    """Reads whole requests and writes the answer to each."""

    def __init__(self, connections: Connections, latency: Callable[[bytes], float]) -> None:
        self._connections = connections
        self._latency = latency
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self._connections.opened()
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a TCP transport can write

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Count one connection less."""
        self._connections.closed()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer += data
        while (end := self._buffer.find(_END_OF_HEAD)) >= 0:
            head = self._buffer[: end + 2]
            body_start = end + len(_END_OF_HEAD)
            body_end = body_start + int(_header(head, _LENGTH))
            if len(self._buffer) < body_end:
                return
            body, self._buffer = self._buffer[body_start:body_end], self._buffer[body_end:]
            self._answer(_header(head, _TARGET).decode(), body)

    def _answer(self, operation: str, request: bytes) -> None:
        response = respond(operation, request)
        if seconds := self._latency(request):
            asyncio.get_running_loop().call_later(seconds, self._write, response)
        else:
            self._transport.write(response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _header(head: bytes, start: bytes) -> bytes:
    """Return the text in the head between `start` and the end of the line."""
    begin = head.lower().index(start) + len(start)
    return head[begin : head.index(b"\r\n", begin)].strip()


def _always(_: bytes, *, seconds: float) -> float:
    return seconds


def slow(request: bytes, *, factor: float) -> float:
    """Return the random seconds that a request takes."""
    items = max(1, request.count(b'"owner_id":{"S"') + request.count(b'"id":{"S"'))
    return factor * max(_slow_item() for _ in range(items))


def _slow_item() -> float:
    kind = random.random()  # noqa: S311 - a latency, not a secret
    if kind < 0.001:
        return 0.5
    if kind < 0.011:
        return random.uniform(0.03, 0.08)  # noqa: S311 - see above
    return 0.003 * random.lognormvariate(0, 0.4)


async def serve(tls: ssl.SSLContext | None, latency: Callable[[bytes], float]) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    connections = Connections()
    server = await loop.create_server(lambda: CannedProtocol(connections, latency), _ADDRESS, 0, ssl=tls, backlog=4_096)
    scheme = "http" if tls is None else "https"
    print(f"{scheme}://{_ADDRESS}:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    print(connections.most, flush=True)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="Serve canned DynamoDB answers.")
    parser.add_argument("--tls", type=Path, help="folder for the files of a temporary CA")
    parser.add_argument("--core", type=int, help="the CPU core to run on")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to wait before each answer")
    parser.add_argument("--slow", type=float, help="take a random time, which this factor multiplies")
    arguments = parser.parse_args()
    pin(arguments.core)
    tls = Authority(arguments.tls).server_context(_ADDRESS) if arguments.tls else None
    random_latency, latency = partial(slow, factor=arguments.slow), partial(_always, seconds=arguments.latency)
    run(serve(tls, random_latency if arguments.slow else latency))


if __name__ == "__main__":
    main()
