"""One request that the fault proxy received, and the ways to answer it."""

import asyncio
import json
import random
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import web
from multidict import CIMultiDict

CHECKSUM = "x-amz-crc32"
_PIECES = 10
_ERROR_TYPE = "com.amazonaws.dynamodb.v20120810#"
# SO_LINGER with a time of 0: closing the socket resets the connection.
_RESET = struct.pack("ii", 1, 0)


class Answer(NamedTuple):
    """An HTTP response that was read completely."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


def dynamodb(status: int, members: Mapping[str, Any]) -> Answer:
    """Return an answer in the form of DynamoDB."""
    body = json.dumps(members).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", CHECKSUM: str(zlib.crc32(body))}
    return Answer(status, CIMultiDict(headers), body)


def refusal(code: str, message: str, *, status: int = 400, **members: Any) -> Answer:  # noqa: ANN401 - any JSON
    """Return an error in the form of DynamoDB."""
    return dynamodb(status, {"__type": _ERROR_TYPE + code, "message": message, **members})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request, the way to the engine, and the ways to answer.

    `send` sends the request to the engine with the body that it is given. `date` is the Date header of the answer if
    the clock of the proxy is not the machine's clock.
    """

    request: web.Request
    operation: str
    body: bytes
    send: Callable[[bytes], Awaitable[Answer]]
    random: random.Random
    date: str | None

    @property
    def members(self) -> Any:  # noqa: ANN401 - any JSON
        """The members of the request, parsed."""
        return json.loads(self.body)

    async def forward(self) -> Answer:
        """Send the request to the engine and return its answer."""
        return await self.send(self.body)

    async def answer(self, answer: Answer) -> web.StreamResponse:
        """Send an answer."""
        return web.Response(status=answer.status, headers=self._headers(answer), body=answer.body)

    async def hang_up(self) -> web.StreamResponse:
        """Reset the connection."""
        transport = self.request.transport
        if transport is not None:  # the client may have disconnected
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        return web.Response()

    async def answer_half(self, answer: Answer) -> web.StreamResponse:
        """Send the first half of an answer and close the connection."""
        response = await self._begin(answer)
        await response.write(answer.body[: len(answer.body) // 2])
        self.request.protocol.force_close()
        return response

    async def answer_slowly(self, answer: Answer, seconds: float) -> web.StreamResponse:
        """Send an answer in pieces over `seconds`, until it is complete or the client disconnects."""
        response = await self._begin(answer)
        size = len(answer.body) // _PIECES + 1
        starts = range(0, len(answer.body), size)
        with suppress(ConnectionError):
            for start in starts:
                await asyncio.sleep(seconds / len(starts))  # a small answer has fewer pieces
                await response.write(answer.body[start : start + size])
        return response

    async def _begin(self, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=self._headers(answer))
        response.content_length = len(answer.body)
        await response.prepare(self.request)
        return response

    def _headers(self, answer: Answer) -> CIMultiDict[str]:
        headers = answer.headers.copy()
        if self.date is not None:
            headers["Date"] = self.date
        return headers
