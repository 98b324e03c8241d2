"""One connection: it sends one request at a time and reads the whole answer."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# No answer of DynamoDB has a longer head.
_LONGEST_HEAD = 2**16
# DynamoDB answers with 16 MB at most, which base64 makes a third longer.
LONGEST_ANSWER = 64 * 2**20
_FINAL = 200
# An answer has one of these headers, unless it ends with its connection.
_LENGTHS = {"content-length", "transfer-encoding"}
# Timers of uvloop fire up to a millisecond early.
_EARLY = 0.001
# A timer that fires this much too late shows that the event loop stood still.
_LATE = 0.01
# How long an event loop that stood still may take to read what has arrived in the meantime.
_CATCH_UP = 0.1


class Answer(NamedTuple):
    """An HTTP response, read to its end; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that aiohttp's connector has made, with a parser of its own.

    The connector still counts the connection, and closes it when it is closed itself. For that, aiohttp's own protocol
    of the connection is told when the connection is lost.
    """

    def __init__(self, made: Any, loop: asyncio.AbstractEventLoop) -> None:  # noqa: ANN401 - aiohttp exports no type for it
        self._made = made
        self._loop = loop
        self._transport = made.transport
        self._aiohttp = made.protocol
        self._transport.set_protocol(self)
        self._parser = HttpResponseParser(self)
        self._is_spent = False
        self._answer: asyncio.Future[Answer] | None = None
        self._until = 0.0
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._forget_answer()

    @property
    def is_usable(self) -> bool:
        """Whether one more request may be sent: both sides keep the connection open and are in step."""
        return not self._is_spent and not self._transport.is_closing()

    def exchange(self, request: bytes, until: float) -> asyncio.Future[Answer]:
        """Send a request and return the future of its answer.

        It fails with TimeoutError if the answer is not complete at the time `until`, and with another OSError or an
        aiohttp.ClientError if the connection is lost or what comes is not an answer.
        """
        answer = self._answer = self._loop.create_future()
        self._until = until
        if self._timer is None or self._timer_at > until:
            self._set_timer()
        self._transport.write(request)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._end()
        self._made.close()

    def abort(self) -> None:
        """Close a connection that may be dead: without waiting until the other side has confirmed it."""
        self._transport.abort()
        self.close()

    def give_back(self) -> None:
        """Leave the connection to aiohttp's connector, which waits for its end when it is closed."""
        self._end()
        self._made.release()

    def _end(self) -> None:
        self._is_spent = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- the time limit

    def _set_timer(self) -> None:
        """Set the timer to the end of the request's time.

        It stays set when the request is answered. When it fires it is set again for the request of that moment: this
        costs less than a timer per request.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._until, self._fire)
        self._timer_at = self._until

    def _fire(self) -> None:
        """End the request if its time is up, but not while its answer is being read.

        An event loop that stood still finds the timer and the answer at once. So the request ends one turn of the loop
        later, and after a stall only when the loop has had time to read what has arrived.
        """
        self._timer = None
        late = self._loop.time() - self._until
        if self._answer is not None and late < -_EARLY:
            self._set_timer()
        elif self._answer is not None:
            self._timer = self._loop.call_later(_CATCH_UP if late > _LATE else 0, self._expire, self._answer)

    def _expire(self, answer: asyncio.Future[Answer]) -> None:
        self._timer = None
        if answer is self._answer:
            self._fail(TimeoutError())
        elif self._answer is not None:
            self._set_timer()

    def _fail(self, error: Exception) -> None:
        """End the request that is under way, if there is one, and use the connection no more."""
        self._is_spent = True
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)

    # ---- what the event loop calls

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer.

        A server may send something that nobody asked for, such as status 408 before it hangs up. It would pass for the
        answer to the next request, so the connection is not used again.
        """
        if self._answer is None:
            self._is_spent = True
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(aiohttp.ClientPayloadError(f"not an HTTP answer: {error}"))
            return
        if self._answer is not None:
            self._size += len(data)
            if self._size > (LONGEST_ANSWER if self._head_is_read else _LONGEST_HEAD):
                self._fail(aiohttp.ClientPayloadError("the answer is too long"))

    def eof_received(self) -> None:
        """Use the connection no more. An answer without a length ends here."""
        self._is_spent = True
        if self._head_is_read and not self._headers.keys() & _LENGTHS:
            self.on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request that is under way."""
        self._fail(exc or aiohttp.ServerDisconnectedError())
        self._end()
        self._aiohttp.connection_lost(exc)

    # ---- what the parser calls

    def on_message_begin(self) -> None:
        """Refuse a second answer in the same data."""
        if self._answer is None:
            self._is_spent = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those that follow the body of an answer in chunks do not count."""
        if not self._head_is_read:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note that the head is read."""
        self._head_is_read = True

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer out; a notice before it, such as "103 Early Hints", is dropped."""
        status = self._parser.get_status_code()
        if self._answer is not None and status >= _FINAL:
            answer, self._answer = self._answer, None
            if not self._parser.should_keep_alive():
                self._is_spent = True
            if not answer.done():
                body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
                answer.set_result(Answer(status, self._headers, body))
        self._forget_answer()

    def _forget_answer(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_is_read = False
        self._size = 0
