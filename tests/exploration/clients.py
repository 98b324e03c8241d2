"""Clients of the real library that are driven by hand, one request at a time, in one thread and without a socket.

Time, randomness and the event loop are taken from the library, so that what a client does next depends on nothing but
its call and the answers that it got: the same answers lead to the same bytes.
"""

import asyncio
import os
import random
import secrets
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from aiobotocore.credentials import AioCredentials
from botocore.exceptions import ConnectionClosedError

from tests.exploration.model import Reply
from tests.hedges import every_read_hedged
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store._wire._client import Wire
from wikibot_store._wire._http import Transport
from wikibot_store._wire._protocol import Answer
from wikibot_store._wire._signer import Signer
from wikibot_store.workflows.sweep import inspection

_ENDPOINT = "http://127.0.0.1:1"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "explored"}
_SIGNER = Signer(_ENDPOINT, "us-east-1")
_CREDENTIALS = AioCredentials("explorer", "explorer")

Call = Callable[[WikibotStore], Awaitable[object]]


class Request(NamedTuple):
    """A request that a client waits for the answer of."""

    operation: str
    body: str

    @property
    def members(self) -> dict[str, Any]:
        """The request's members."""
        members: dict[str, Any] = msgspec.json.decode(self.body)
        return members


LOST = Reply(0, {})
"""The answer that did not come: the connection was cut."""


class Outcome(NamedTuple):
    """What a call returned or raised."""

    value: object
    error: BaseException | None = None


# ---- what the library takes from its surroundings


class _Surroundings:
    """The settings, and whose turn it is: what the clock shows and what chance gives depend on it alone."""

    def __init__(self) -> None:
        self.client, self.step, self.drawn = 0, 0, 0
        self.config = StoreConfig(max_attempts=2, coalesce_reads=False, grantee_index=True)

    def turn(self, client: int, step: int) -> None:
        self.client, self.step, self.drawn = client, step, 0

    def now(self, zone: tzinfo | None = None) -> datetime:
        return (_START + timedelta(seconds=self.client, milliseconds=self.step)).astimezone(zone)

    def draw(self, size: int | None = None) -> bytes:
        self.drawn += 1
        head = bytes([0xA0 | self.client, self.step >> 8, self.step & 0xFF, self.drawn])
        return head + bytes((32 if size is None else size) - len(head))


_SURROUNDINGS = _Surroundings()


class _DatetimeType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class _Datetime(datetime, metaclass=_DatetimeType):
    """`datetime` as the library's modules see it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one, as always
        return _SURROUNDINGS.now(tz)


@contextmanager
def surroundings(*, hedged: bool = False) -> Iterator[None]:
    """Take clock and chance from the library for the time of the block; `hedged`: it sends every read twice."""
    with pytest.MonkeyPatch.context() as patch, every_read_hedged() if hedged else nullcontext():
        patch.setattr(_SURROUNDINGS, "config", replace(_SURROUNDINGS.config, hedge_reads=hedged))
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == "wikibot_store" and getattr(module, "datetime", None) is datetime:
                patch.setattr(module, "datetime", _Datetime)
        patch.setattr(secrets, "token_bytes", _SURROUNDINGS.draw)
        patch.setattr(os, "urandom", _SURROUNDINGS.draw)
        patch.setattr(random, "random", lambda: 0.0)
        # A generator that is left inside the block cannot leave it in the right context.
        patch.setattr(inspection, "working_for", lambda _: nullcontext())
        yield


# ---- an event loop by hand


class _Loop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order in which they were scheduled; waiting takes no time."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()

    def run(self) -> None:
        """Run until nothing is left to do but to wait for answers."""
        before = asyncio._get_running_loop()
        if type(before) is type(self):
            raise RuntimeError("a call cannot be played while another one goes on")
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(before)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]  # noqa: ANN401 - as asyncio has it
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, _delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:  # type: ignore[override]  # noqa: ANN401 - as asyncio has it
        return self.call_soon(callback, *args, context=context)

    def time(self) -> float:
        return 0.0

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401 - as asyncio has it
        task = asyncio.Task(coro, loop=self, **options)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # most calls are left where they are
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise RuntimeError(context["message"]) from context.get("exception")


class _Transport:
    """What the wire sends through: requests wait here for the explorer."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self.parked: deque[tuple[Request, asyncio.Future[Answer]]] = deque()

    async def post(self, headers: dict[str, str], body: bytes, *, seconds: float) -> Answer:
        """Park the request until the explorer answers it."""
        del seconds
        operation = next(value for name, value in headers.items() if name.lower() == "x-amz-target").rpartition(".")[2]
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.parked.append((Request(operation, body.decode()), future))
        return await future


class Run:
    """One call of the library, stopped at the first request that it waits for."""

    def __init__(self, call: Call, client: int, first_step: int = 0) -> None:
        self._client = client
        self._step = first_step
        self._loop = _Loop()  # type: ignore[abstract]  # what the library uses of a loop
        self._transport = _Transport(self._loop)
        self._task = self._loop.create_task(self._play(call))
        self._advance()

    async def _play(self, call: Call) -> object:
        wire = Wire(
            transport=cast("Transport", self._transport),
            signer=_SIGNER,
            credentials=cast("Any", _CREDENTIALS),
            make_client=_no_client,
            endpoint_url=_ENDPOINT,
            config=_SURROUNDINGS.config,
        )
        return await call(WikibotStore(wire))

    def _advance(self) -> None:
        _SURROUNDINGS.turn(self._client, self._step)
        self._loop.run()

    @property
    def waiting(self) -> Request | None:
        """The request whose answer comes next, None if the call has ended."""
        return self._transport.parked[0][0] if self._transport.parked else None

    @property
    def outcome(self) -> Outcome:
        """What came of the call."""
        if not self._task.done():
            raise RuntimeError("the call waits for something that is no request")
        error = self._task.exception()
        return Outcome(None, error) if error is not None else Outcome(self._task.result())

    def answer(self, reply: Reply) -> None:
        """Answer the request that waits, and let the client go on to its next one."""
        _, future = self._transport.parked.popleft()
        self._step += 1
        if reply is LOST:
            future.set_exception(ConnectionClosedError(endpoint_url=_ENDPOINT))
        else:
            future.set_result(Answer(reply.status, _HEADERS, msgspec.json.encode(reply.body)))
        self._advance()

    def abandon(self) -> None:
        """End a call that nobody goes on with."""
        for _, future in self._transport.parked:
            future.cancel()
        self._transport.parked.clear()
        if not self._task.done():
            self._task.cancel()
        self._advance()


async def _no_client() -> Any:  # noqa: ANN401 - never returned
    raise RuntimeError("an ordinary client is not explored")
