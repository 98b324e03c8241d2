"""A proxy in front of a DynamoDB that does to requests what networks and servers do, as a test scripts it."""

import asyncio
import io
import json
import random
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from wikibot_store.testing import _faults
from wikibot_store.testing._clock import Clock
from wikibot_store.testing._exchange import Answer, Exchange, refusal
from wikibot_store.testing._faults import Play, pass_on
from wikibot_store.testing._script import Fault, check_choice, check_number, check_seconds
from wikibot_store.testing._stale import StaleIndex

_API = "DynamoDB_20120810."
_TARGET = "X-Amz-Target"
_SIGNED_AT = "X-Amz-Date"
_SIGNATURE = ("Authorization", _SIGNED_AT, "X-Amz-Security-Token")
_MAX_REQUEST = 20 * 1024 * 1024  # a BatchWriteItem carries 16 MB
# They concern one connection, and the proxy has two.
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class _EngineRefusedError(Exception):
    """The engine refused a request of the proxy's own."""


class SeenRequest(NamedTuple):
    """A request that has passed: its operation, such as "PutItem", and the fault that befell it, if any."""

    operation: str
    fault: str | None


class FaultProxy:
    """A proxy on 127.0.0.1 between a store and its engine, such as moto or DynamoDB Local.

    It hands requests on as they are, until a fault is scripted:

        async with FaultProxy("http://127.0.0.1:8000") as proxy:
            config = StoreConfig(endpoint_url=proxy.url)
            async with WikibotStore.open(config, session=local_session()) as store:
                proxy.lose_answer("PutItem", times=1)
                await store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes")

    A fault strikes the requests of one operation, or of any that can meet it; the first `skip` of them pass; then it
    strikes each with `probability`, at most `times` times. One request meets one fault, the one scripted first. The
    same requests in the same order meet the same faults for the same `seed`. Every method that scripts a fault
    returns it; `release()` ends it, `clear()` ends all.

    `requests` lists what has passed. If the engine itself cannot be reached the connection is reset.

    A proxy in between shows in the Host header that was signed, and some faults change a request. Engines for tests
    do not check signatures; AWS does, so this is not for AWS.
    """

    def __init__(self, target_url: str, *, seed: int = 0) -> None:
        """Make a proxy to `target_url`, such as http://127.0.0.1:8000; it listens inside its `async with` block.

        Raises:
            ValueError: The target is no http or https URL.

        """
        parts = urlsplit(target_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("target_url must be an http or https URL, such as http://127.0.0.1:8000")
        self.requests: list[SeenRequest] = []
        self._target = target_url.rstrip("/")
        self._random = random.Random(seed)  # noqa: S311 - chooses faults, guards nothing
        self._clock = Clock()
        self._faults: list[Fault] = []
        self._stale: list[StaleIndex] = []
        self._copying = asyncio.Lock()
        self._headers: Mapping[str, str] = {}
        self._work: set[asyncio.Task[web.StreamResponse]] = set()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Where to send requests.

        Raises:
            RuntimeError: The proxy is not open.

        """
        if self._url is None:
            raise RuntimeError("the proxy is not open: use it in an `async with` block")
        return self._url

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        app = web.Application(client_max_size=_MAX_REQUEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self._engine = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=aiohttp.ClientTimeout(),
        )
        host, port = self._runner.addresses[0]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Break off what is under way and stop listening."""
        self._url = None
        await self._site.stop()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._runner.cleanup()
        with suppress(aiohttp.ClientError, _EngineRefusedError):  # the engine may have gone first
            for stale in self._stale:
                await stale.drop(self._ask)
        await self._engine.close()

    # ---- the script

    def lose_answer(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Have requests applied, and reset the connection instead of answering."""
        return self._add("lose_answer", _faults.lose_answer, operation, times=times, probability=probability, skip=skip)

    def reset_before(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Reset the connection; the request is not applied."""
        return self._add(
            "reset_before", _faults.reset_before, operation, times=times, probability=probability, skip=skip
        )

    def reset_midway(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Have requests applied, and end the connection in the middle of the answer."""
        return self._add(
            "reset_midway", _faults.reset_midway, operation, times=times, probability=probability, skip=skip
        )

    def drip(
        self,
        operation: str | None = None,
        *,
        seconds: float,
        times: int | None = None,
        probability: float = 1.0,
        skip: int = 0,
    ) -> Fault:
        """Have requests applied, and answer piece by piece over so many seconds."""
        play = _faults.drip(check_seconds(seconds))
        return self._add("drip", play, operation, times=times, probability=probability, skip=skip)

    def fail_before(
        self,
        operation: str | None = None,
        *,
        status: int = 500,
        times: int | None = None,
        probability: float = 1.0,
        skip: int = 0,
    ) -> Fault:
        """Answer with HTTP 500 (InternalServerError) or 503 (ServiceUnavailable); the request is not applied."""
        play = _faults.fail(_check_status(status), after=False)
        return self._add("fail_before", play, operation, times=times, probability=probability, skip=skip)

    def fail_after(
        self,
        operation: str | None = None,
        *,
        status: int = 500,
        times: int | None = None,
        probability: float = 1.0,
        skip: int = 0,
    ) -> Fault:
        """Have requests applied, and answer with HTTP 500 or 503 all the same."""
        play = _faults.fail(_check_status(status), after=True)
        return self._add("fail_after", play, operation, times=times, probability=probability, skip=skip)

    def throttle(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Refuse requests with ProvisionedThroughputExceededException."""
        return self._add("throttle", _faults.throttle, operation, times=times, probability=probability, skip=skip)

    def unprocessed(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Give half of each batch back as UnprocessedKeys or UnprocessedItems; throttle a batch of one, as DynamoDB."""
        play = _faults.leave_unprocessed
        return self._add(
            "unprocessed", play, operation, times=times, probability=probability, skip=skip, among=_faults.BATCHES
        )

    def transaction_conflict(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Refuse single writes and transactions because another transaction is at work on the same item."""
        among = _faults.WRITES | _faults.TRANSACTIONS
        return self._add(
            "transaction_conflict",
            _faults.conflict,
            operation,
            times=times,
            probability=probability,
            skip=skip,
            among=among,
        )

    def corrupt(
        self, operation: str | None = None, *, times: int | None = None, probability: float = 1.0, skip: int = 0
    ) -> Fault:
        """Have requests applied, and flip a bit of the answer, so that its checksum is wrong."""
        return self._add("corrupt", _faults.corrupt, operation, times=times, probability=probability, skip=skip)

    def expire_credentials(
        self,
        operation: str | None = None,
        *,
        session_token: str | None = None,
        times: int | None = None,
        probability: float = 1.0,
        skip: int = 0,
    ) -> Fault:
        """Refuse requests with ExpiredTokenException; with `session_token`, only those that were signed with it."""
        play = _faults.expire_credentials
        return self._add(
            "expire_credentials",
            play,
            operation,
            times=times,
            probability=probability,
            skip=skip,
            session_token=session_token,
        )

    def skew_clock(self, seconds: float) -> None:
        """Set the server's clock ahead of this machine's, or behind it; 0 sets it right.

        Answers are dated accordingly, and a request whose X-Amz-Date is off by more than five minutes is refused with
        InvalidSignatureException, as AWS does.
        """
        self._clock.ahead = timedelta(seconds=check_number("seconds", seconds))

    def stale_index(self, table: str, *, seconds: float | None = None) -> StaleIndex:
        """Have the indexes of a table stand still, for so many seconds or until released.

        Queries of them see the table as it was before the next request. They are answered from a copy of it, which
        that request waits for and which is deleted when the proxy closes; what was under way already may be in it.
        """
        now = asyncio.get_running_loop().time
        end = float("inf") if seconds is None else now() + check_seconds(seconds)
        stale = StaleIndex(table, lambda: now() < end)
        self._stale.append(stale)
        return stale

    def clear(self) -> None:
        """End all faults, let the indexes catch up, and set the clock right."""
        for fault in self._faults:
            fault.release()
        self._faults.clear()
        for index in self._stale:
            index.release()
        self.skew_clock(0)

    def _add(
        self,
        name: str,
        play: Play,
        operation: str | None,
        *,
        times: int | None,
        probability: float,
        skip: int,
        among: Collection[str] | None = None,
        session_token: str | None = None,
    ) -> Fault:
        """Script a fault that can befall all operations, or those of `among`."""
        if operation is not None:
            check_choice("operation", operation, sorted(among or _faults.OPERATIONS))
        fault = Fault(
            name=name,
            play=play,
            operations=among if operation is None else (operation,),
            session_token=session_token,
            times=times,
            probability=probability,
            skip=skip,
        )
        self._faults.append(fault)
        return fault

    # ---- the requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get(_TARGET, request.method).rpartition(".")[2]
        body = await request.read()
        stale = next((index for index in self._stale if index.is_read_by(operation, body)), None)
        exchange = Exchange(
            request=request,
            operation=operation,
            body=body,
            send=lambda body: self._forward(request, body if stale is None else stale.redirected(body)),
            random=self._random,
            date=self._clock.date,
        )
        name, play = self._choose(exchange)
        self.requests.append(SeenRequest(operation, "stale_index" if name is None and stale is not None else name))
        # A task, so that closing the proxy can break off what is under way and nothing else.
        task = asyncio.create_task(self._play(play, exchange))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        await asyncio.wait([task])
        return await exchange.hang_up() if task.cancelled() else task.result()

    def _choose(self, exchange: Exchange) -> tuple[str | None, Play]:
        """Return what befalls a request, and its name."""
        refused = self._clock.judge(exchange.request.headers.get(_SIGNED_AT))
        if refused is not None:
            return "skew_clock", lambda exchange: exchange.answer(refused)
        fault = next((fault for fault in self._faults if fault.strikes(exchange)), None)
        return (None, pass_on) if fault is None else (fault.name, fault.play)

    async def _play(self, play: Play, exchange: Exchange) -> web.StreamResponse:
        try:
            await self._make_copies(exchange.request)
            return await play(exchange)
        except _EngineRefusedError as refused:
            return await exchange.answer(refusal("FaultProxyError", str(refused)))
        except aiohttp.ClientError:  # the engine has gone, or the client
            return await exchange.hang_up()

    async def _make_copies(self, request: web.Request) -> None:
        """Copy the tables whose indexes stand still from now on; with the request's credentials, as its tables are."""
        self._headers = {name: request.headers[name] for name in _SIGNATURE if name in request.headers}
        async with self._copying:
            for stale in self._stale:
                if stale.copy is None and stale.is_active:
                    await stale.make(self._ask)

    async def _ask(self, operation: str, members: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Send a request of the proxy's own."""
        headers = {**self._headers, _TARGET: _API + operation, "Content-Type": "application/x-amz-json-1.0"}
        answer = await self._send("POST", self._target, headers, json.dumps(members).encode())
        if answer.status != web.HTTPOk.status_code:
            raise _EngineRefusedError(f"{operation} for stale_index: {answer.body.decode(errors='replace')}")
        return json.loads(answer.body)

    async def _forward(self, request: web.Request, body: bytes) -> Answer:
        return await self._send(request.method, self._target + request.raw_path, _end_to_end(request.headers), body)

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        # aiohttp takes a large body only as a file.
        data = io.BytesIO(body)
        async with self._engine.request(method, URL(url, encoded=True), headers=headers, data=data) as response:
            return Answer(response.status, _end_to_end(response.headers), await response.read())


def _check_status(status: int) -> int:
    check_choice("status", status, (500, 503))
    return status


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that are handed on."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
