"""A proxy in front of a DynamoDB engine, which injects the faults of networks and servers into requests."""

import asyncio
import io
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from wikibot_store._dynamo.checks import check_choice, check_number
from wikibot_store.testing._clock import Clock
from wikibot_store.testing._exchange import Answer, Exchange, refusal
from wikibot_store.testing._faults import Fault, Play, pass_on
from wikibot_store.testing._injection import InjectedFault, check_seconds
from wikibot_store.testing._stale import StaleIndex

_API = "DynamoDB_20120810."
_TARGET = "X-Amz-Target"
_SIGNED_AT = "X-Amz-Date"
_SIGNATURE = ("Authorization", _SIGNED_AT, "X-Amz-Security-Token")
_MAX_REQUEST = 20 * 1024 * 1024  # a BatchWriteItem carries 16 MB
# Headers of one connection; the proxy has two.
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class _EngineRefusedError(Exception):
    """The engine refused a request that the proxy sent on its own behalf."""


class SeenRequest(NamedTuple):
    """A request that the proxy received: its operation, such as "PutItem", and the fault that hit it, or None.

    The fault is a `Fault`, "skew_clock" or "stale_index".
    """

    operation: str
    fault: str | None


class FaultProxy:
    """A proxy on 127.0.0.1 between a store and its engine, such as moto or DynamoDB Local.

    It forwards requests unchanged until a fault is injected:

        async with FaultProxy("http://127.0.0.1:8000") as proxy:
            config = StoreConfig(endpoint_url=proxy.url)
            async with WikibotStore.open(config, session=local_session()) as store:
                proxy.inject(Fault.LOSE_ANSWER, "TransactWriteItems", times=1)
                await store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes")

    If several faults match a request, the one that was injected first hits it. With the same `seed`, the same requests
    in the same order are hit by the same faults. `clear()` ends all faults. `requests` lists the requests that the
    proxy received. If the engine cannot be reached, the proxy resets the connection.

    Do not use it in front of AWS, which checks signatures: the signed Host header is that of the proxy, and some faults
    change the request.
    """

    def __init__(self, target_url: str, *, seed: int = 0) -> None:
        """Make a proxy to `target_url`, such as http://127.0.0.1:8000. It listens inside its `async with` block.

        Raises:
            ValueError: The target is not an http or https URL.

        """
        parts = urlsplit(target_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("target_url must be an http or https URL, such as http://127.0.0.1:8000")
        self.requests: list[SeenRequest] = []
        self._target = target_url.rstrip("/")
        self._random = random.Random(seed)  # noqa: S311 - chooses faults, protects nothing
        self._clock = Clock()
        self._faults: list[InjectedFault] = []
        self._stale: list[StaleIndex] = []
        self._copying = asyncio.Lock()
        self._headers: Mapping[str, str] = {}
        self._work: set[asyncio.Task[web.StreamResponse]] = set()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The URL to send requests to.

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
        """Cancel the requests in progress and stop listening."""
        self._url = None
        await self._site.stop()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._runner.cleanup()
        with suppress(aiohttp.ClientError, _EngineRefusedError):  # the engine may have been stopped first
            for stale in self._stale:
                await stale.drop(self._ask)
        await self._engine.close()

    # ---- the faults

    def inject(
        self,
        fault: Fault,
        operation: str | None = None,
        *,
        times: int | None = None,
        probability: float = 1.0,
        skip: int = 0,
        seconds: float | None = None,
        status: int | None = None,
        session_token: str | None = None,
    ) -> InjectedFault:
        """Inject a fault: requests of `operation`, or of any operation, meet it; `release()` of the result ends it.

        The first `skip` requests pass. After them, each request is hit with `probability`, and at most `times` requests
        are hit. `seconds`, `status` and `session_token` are options of single faults: see `Fault`.

        Raises:
            TypeError: The fault does not have this option, lacks one that it needs, or a value has the wrong type.
            ValueError: With these values the fault could never hit a request.

        """
        options = {"seconds": seconds, "status": status, "session_token": session_token}
        injected = InjectedFault(
            fault=check_choice("fault", Fault, fault),
            operation=operation,
            times=times,
            probability=probability,
            skip=skip,
            options={name: value for name, value in options.items() if value is not None},
        )
        self._faults.append(injected)
        return injected

    def skew_clock(self, seconds: float) -> None:
        """Set the server's clock ahead of this machine's clock, or behind it if `seconds` is negative; 0 resets it.

        Answers have the Date of this clock. If the X-Amz-Date of a request differs from it by more than five minutes,
        the request is refused with InvalidSignatureException, as AWS does it.
        """
        self._clock.ahead = timedelta(seconds=check_number("seconds", seconds))

    def stale_index(self, table: str, *, seconds: float | None = None) -> StaleIndex:
        """Stop updating the indexes of a table, for `seconds` or until the result is released.

        Queries of the indexes return the items as they were before the next request. The proxy answers them from a copy
        of the table, which it makes at the next request and deletes when it closes. Writes that are in progress at this
        moment may be in the copy.
        """
        now = asyncio.get_running_loop().time
        end = float("inf") if seconds is None else now() + check_seconds(seconds)
        stale = StaleIndex(table, lambda: now() < end)
        self._stale.append(stale)
        return stale

    def clear(self) -> None:
        """End all faults, update all indexes and reset the clock."""
        for injected in self._faults:
            injected.release()
        self._faults.clear()
        for index in self._stale:
            index.release()
        self.skew_clock(0)

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
        # A task of its own, so that closing the proxy cancels this and not aiohttp's handler.
        task = asyncio.create_task(self._play(play, exchange))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        await asyncio.wait([task])
        return await exchange.hang_up() if task.cancelled() else task.result()

    def _choose(self, exchange: Exchange) -> tuple[str | None, Play]:
        """Return what happens to a request, and the name of the fault if one hits it."""
        refused = self._clock.judge(exchange.request.headers.get(_SIGNED_AT))
        if refused is not None:
            return "skew_clock", lambda exchange: exchange.answer(refused)
        hit = next((injected for injected in self._faults if injected.hits(exchange)), None)
        return (None, pass_on) if hit is None else (hit.fault, hit.play)

    async def _play(self, play: Play, exchange: Exchange) -> web.StreamResponse:
        try:
            await self._make_copies(exchange.request)
            return await play(exchange)
        except _EngineRefusedError as refused:
            return await exchange.answer(refusal("FaultProxyError", str(refused)))
        except aiohttp.ClientError:  # the engine or the client has closed the connection
            return await exchange.hang_up()

    async def _make_copies(self, request: web.Request) -> None:
        """Copy the tables whose indexes are stale from now on, with the credentials of the request."""
        self._headers = {name: request.headers[name] for name in _SIGNATURE if name in request.headers}
        async with self._copying:
            for stale in self._stale:
                if stale.copy is None and stale.is_active:
                    await stale.make(self._ask)

    async def _ask(self, operation: str, members: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Send a request on behalf of the proxy."""
        headers = {**self._headers, _TARGET: _API + operation, "Content-Type": "application/x-amz-json-1.0"}
        answer = await self._send("POST", self._target, headers, json.dumps(members).encode())
        if answer.status != web.HTTPOk.status_code:
            raise _EngineRefusedError(f"{operation} for stale_index: {answer.body.decode(errors='replace')}")
        return json.loads(answer.body)

    async def _forward(self, request: web.Request, body: bytes) -> Answer:
        return await self._send(request.method, self._target + request.raw_path, _end_to_end(request.headers), body)

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        # aiohttp accepts a large body only as a file.
        data = io.BytesIO(body)
        async with self._engine.request(method, URL(url, encoded=True), headers=headers, data=data) as response:
            return Answer(response.status, _end_to_end(response.headers), await response.read())


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that are forwarded."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
