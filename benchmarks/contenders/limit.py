"""The limit: a bare asyncio protocol that writes requests, and httptools, which parses the answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httptools

from benchmarks.contenders import Endpoint
from benchmarks.contenders.baseline import BareClient

_REQUEST = (
    b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"X-Amz-Target: DynamoDB_20120810.%b\r\nContent-Length: %d\r\n\r\n%b"
)


class _Connection(asyncio.Protocol):
    """Exchanges one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer: asyncio.Future[bytes] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # a TCP transport can write

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Return the body to the caller."""
        self._answer.set_result(self._body)

    async def exchange(self, request: bytes) -> bytes:
        """Send a request; return the body of the answer."""
        self._body = b""
        self._answer = self._loop.create_future()
        self.transport.write(request)
        return await self._answer


class LimitClient(BareClient):
    """Keeps connections and sends each request by an idle one."""

    def __init__(self, endpoint: Endpoint) -> None:
        url = urlsplit(endpoint.url)
        self._address = (url.hostname or "", url.port or 0)
        self._header = url.netloc.encode()
        self._tls = None if url.scheme == "http" else ssl.create_default_context(cafile=endpoint.authority)
        self._slots = asyncio.Semaphore(endpoint.connections)
        self._idle: list[_Connection] = []

    async def _post(self, operation: str, body: str) -> bytes:
        request = _REQUEST % (self._header, operation.encode(), len(body), body.encode())
        async with self._slots:
            connection = self._idle.pop() if self._idle else await self._connect()
            answer = await connection.exchange(request)
            self._idle.append(connection)
            return answer

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, *self._address, ssl=self._tls)
        return connection

    def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            connection.transport.close()


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[LimitClient]:
    """Open a client."""
    client = LimitClient(endpoint)
    try:
        yield client
    finally:
        client.close()
