"""One DynamoDB request from a dict to a decoded reply: encode, sign, send, judge, retry."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, HTTPClientError

from wikibot_store._wire._adaptive import RateLimiter
from wikibot_store._wire._answers import (
    UNREADABLE,
    ExhaustedError,
    NoAnswerError,
    NotSentError,
    Progress,
    Refusal,
    checked,
    refusal_in,
    reply_in,
    verdict_on,
)
from wikibot_store._wire._connections import Slots
from wikibot_store._wire._credentials import CredentialSource
from wikibot_store._wire._hedging import TIMER, Hedges, Race
from wikibot_store._wire._http import Transport
from wikibot_store._wire._logs import (
    SHARED,
    log,
    log_failure,
    log_retry,
    log_unconnected,
    log_unprocessed,
    reason_of,
    working_for,
)
from wikibot_store._wire._metering import consumed_by, tables_of
from wikibot_store._wire._retry import (
    NOTHING_ASKED,
    RetryQuota,
    Verdict,
    delay,
    is_skewed,
    prolonged,
    retry_cost,
    throttle_delay,
)
from wikibot_store._wire._signer import Credentials, Signer
from wikibot_store._wire._traffic import Traffic
from wikibot_store.config import DEFAULT_MAX_ATTEMPTS, StoreConfig
from wikibot_store.usage import Call, Stats, collecting

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

T = TypeVar("T")

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})


class Wire:
    """Sends DynamoDB requests; safe to use from any number of tasks of one event loop."""

    def __init__(
        self,
        *,
        transport: Transport,
        signer: Signer,
        credentials: Any,  # noqa: ANN401 - aiobotocore has no type hints
        make_client: Callable[[], Awaitable["DynamoDBClient"]],
        endpoint_url: str,
        config: StoreConfig,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.config = config
        self._limiter = limiter
        self._max_attempts = config.max_attempts or DEFAULT_MAX_ATTEMPTS
        self.endpoint_url = endpoint_url
        self._make_client = make_client
        self._client: DynamoDBClient | None = None
        self._client_lock = asyncio.Lock()
        self._transport = transport
        self._signer = signer
        self._frozen_credentials = CredentialSource(credentials, self.spawn).frozen
        self._quota = RetryQuota()
        # The adaptive mode limits the rate of requests: nothing is sent twice then.
        self._hedges = Hedges(config.hedge_budget) if config.hedge_reads and limiter is None else None
        # Requests wait for a connection here, in order: aiohttp lets those pass who ask at the right moment, and counts
        # the wait into the time that the answer may take.
        self._connections = Slots(config.max_pool_connections)
        self.is_light = Traffic(self._connections).is_light
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        # What to add to this machine's clock where it is wrong.
        self._clock_offset = 0.0
        # Entered for the time of each call: for tracing.
        self.observer: Callable[[Call], AbstractContextManager[object]] | None = None
        self._in_flight = 0
        self._counts = Counter[str]()
        self._requests = Counter[str]()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def pause(self, operation: str, request: Mapping[str, Any], attempt: int, deadline: float) -> bool:
        """Wait before a batch is sent again for the rest that was left unprocessed `attempt` times in a row.

        Return False if no attempt is left, or no time.
        """
        seconds = throttle_delay(attempt) if attempt else delay(1)
        if attempt >= self._max_attempts or self._now() + seconds >= deadline:
            log_unprocessed(operation, request, attempt, None)
            return False
        log_unprocessed(operation, request, attempt, seconds)
        await asyncio.sleep(seconds)
        return True

    def deadline(self) -> float:
        """Return the moment, in the event loop's time, at which a call that starts now must have ended."""
        return self._now() + self.config.deadline

    def check_loop(self) -> None:
        """Refuse work in another event loop: connections and locks belong to the one that the store was opened in.

        Raises:
            RuntimeError: The running event loop is another one.

        """
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "this store was opened in another event loop: open one in each event loop, and use it there only"
            )

    async def preconnect(self, number: int) -> None:
        """Open connections for the first requests, at most as many as the pool has. A failure is logged, not raised."""
        try:
            await self._transport.preconnect(
                min(number, self.config.max_pool_connections), seconds=self.config.deadline
            )
        except BotoCoreError as failure:
            log_unconnected(failure)

    async def client(self) -> "DynamoDBClient":
        """Return the ordinary aiobotocore client over the same connections; the first call makes it."""
        self.check_loop()
        async with self._client_lock:
            self._client = self._client or await self._make_client()
            return self._client

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work for several readers, which outlives each of them, but not the wire."""
        with working_for(SHARED):
            task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Reject further calls and cancel the spawned work."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def coalesced(self, reads: int) -> None:
        """Count point reads that share a request."""
        self._counts["coalesced_reads"] += reads
        self._counts["coalesced_requests"] += 1

    def stats(self) -> Stats:
        """Return what was counted so far."""
        return Stats(
            requests=dict(self._requests),
            retries=self._counts["retries"],
            throttles=self._counts["throttles"],
            unanswered=self._counts["unanswered"],
            hedges=self._counts["hedges"],
            coalesced_reads=self._counts["coalesced_reads"],
            coalesced_requests=self._counts["coalesced_requests"],
            in_flight=self._in_flight,
            pool_size=self.config.max_pool_connections,
        )

    async def call(
        self,
        operation: str,
        request: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        decode: Callable[[bytes], T],
        *,
        deadline: float,
    ) -> T:
        """Send `request` until it is answered and return the decoded reply.

        Every attempt sends the same bytes. If `request` is a function, it is called when a connection is there for it.
        `decode` may raise msgspec.DecodeError for what is no reply at all.

        Raises:
            Refusal: DynamoDB refused the request.
            ExhaustedError: There was no usable answer.
            RuntimeError: The store is closed, or was opened in another event loop.

        """
        self.check_loop()
        if self._closed:
            raise RuntimeError("the store is closed: use it inside its `async with` block")
        if not callable(request):
            progress = Progress(operation=operation, request=request, writes=operation in _WRITES)
            return await self._observed(progress, decode, deadline)
        progress = Progress(operation=operation, writes=operation in _WRITES)
        try:
            await self._take_connection(deadline)
        except NotSentError as late:
            progress.request = request()
            self._counts["unanswered"] += 1
            log_failure(late, progress)
            raise ExhaustedError(progress, str(late)) from late
        progress.has_connection = True
        try:
            progress.request = request()
            return await self._observed(progress, decode, deadline)
        finally:
            if progress.has_connection:  # it was not used
                self._connections.release()

    async def _observed(self, progress: Progress, decode: Callable[[bytes], T], deadline: float) -> T:
        """Send the request, measured for those who asked for it."""
        request = progress.request
        usages = collecting()
        if self.observer is None and not usages:
            return await self._send(progress, msgspec.json.encode(request), decode, deadline)
        progress.tables = tables_of(request)

        def decode_and_meter(body: bytes) -> T:
            progress.capacity = consumed_by(body)
            return decode(body)

        metered = msgspec.json.encode({**request, "ReturnConsumedCapacity": "TOTAL"})
        with nullcontext() if self.observer is None else self.observer(progress):
            try:
                return await self._send(progress, metered, decode_and_meter, deadline)
            finally:
                for usage in usages:
                    usage.add(progress)

    async def _send(self, progress: Progress, body: bytes, decode: Callable[[bytes], T], deadline: float) -> T:
        """Send the same bytes until they are answered."""
        while self._now() < deadline:
            progress.attempts += 1
            try:
                reply = decode(await self._attempt(progress, body, deadline))
            except (Refusal, BotoCoreError, NoAnswerError, *UNREADABLE) as failure:
                if self._limiter is not None:
                    await self._limiter.answered(throttled=verdict_on(failure) is Verdict.THROTTLED)
                pause = self._pause_after(failure, progress, deadline)
                log_retry(failure, progress, pause)
                progress.retried += ((time.time_ns(), reason_of(failure)),)
                self._counts["retries"] += 1
            else:
                if self._limiter is not None:
                    await self._limiter.answered(throttled=False)
                self._quota.succeeded(progress.cost)
                return reply
            await asyncio.sleep(pause)
        late = ExhaustedError(progress, "no answer before the deadline")
        log_failure(late, progress)
        raise late

    def _pause_after(self, failure: Exception, progress: Progress, deadline: float) -> float:
        """Return how long to wait before the next attempt, or raise the error that ends the call."""
        verdict = verdict_on(failure)
        if isinstance(failure, Refusal):
            failure.maybe_applied = progress.maybe_applied
            if verdict is Verdict.FINAL and self._correct_clock(failure, progress):
                return 0.0
            if verdict is Verdict.FINAL:
                log_failure(failure, progress)
                raise failure
        throttled = verdict is Verdict.THROTTLED
        if throttled:
            progress.throttles += 1
            self._counts["throttles"] += 1
        if verdict is Verdict.AMBIGUOUS:
            progress.maybe_applied = progress.writes
        asked = failure.retry_after if isinstance(failure, (Refusal, NoAnswerError)) else NOTHING_ASKED
        own = throttle_delay(progress.attempts) if throttled else delay(progress.attempts)
        pause = prolonged(own, asked)
        cost = retry_cost(throttled=throttled)
        if (
            verdict is Verdict.FINAL
            or progress.attempts >= self._max_attempts
            or self._now() + pause >= deadline
            or not self._quota.take(cost)
        ):
            self._counts["unanswered"] += 1
            log_failure(failure, progress)
            raise ExhaustedError(progress, str(failure), throttled=throttled) from failure
        progress.cost = cost
        return pause

    def _correct_clock(self, refusal: Refusal, progress: Progress) -> bool:
        """Use the server's clock from now on if this machine's explains the refusal; at most once per call."""
        signed_by, server = refusal.clock
        if progress.clock_corrected or not is_skewed(refusal.code, server - signed_by):
            return False
        progress.clock_corrected = True
        self._clock_offset = server
        log.warning("this machine's clock is wrong by %.0f s: requests are signed by the server's clock", server)
        return True

    async def _attempt(self, progress: Progress, body: bytes, deadline: float) -> bytes:
        """Send the request once, or a read that is late twice, and return the bytes of the reply."""
        if self._limiter is not None:
            await self._limiter.wait(deadline)
        credentials = await self._frozen_credentials(deadline)
        if progress.has_connection:
            progress.has_connection = False
        else:
            await self._take_connection(deadline)
        if self._hedges is not None and progress.attempts == 1:
            return await self._hedged(self._hedges, progress, body, credentials, deadline)
        try:
            return await self._exchange(progress.operation, body, credentials, deadline)
        finally:
            self._connections.release()

    async def _hedged(
        self, hedges: Hedges, progress: Progress, body: bytes, credentials: Credentials, deadline: float
    ) -> bytes:
        """Send a request on the connection that is taken, and a read that is late on another one too."""
        operation = progress.operation
        late_after = hedges.late_after(operation)
        begin = time.monotonic()  # uvloop's time is in whole milliseconds
        if late_after is None:
            try:
                reply = await self._exchange(operation, body, credentials, deadline)
            finally:
                self._connections.release()
            hedges.answered(operation, time.monotonic() - begin)
            return reply

        def send() -> asyncio.Task[bytes]:
            task = self._loop.create_task(self._exchange(operation, body, credentials, deadline))
            self._tasks.add(task)
            task.add_done_callback(self._exchanged)
            return task

        def hedge() -> None:
            if race.is_over or not self._connections.is_free or not hedges.take(self._now()):
                return
            self._connections.take_free()
            progress.hedges += 1
            self._counts["hedges"] += 1
            race.start()

        race = Race(self._loop, send)
        race.start()
        timer = self._loop.call_later(late_after + TIMER, hedge)
        try:
            reply = await race.answer()
        except HTTPClientError:
            self._transport.distrust_idle()
            raise
        finally:
            timer.cancel()
        hedges.answered(operation, time.monotonic() - begin)
        return reply

    def _exchanged(self, task: asyncio.Task[bytes]) -> None:
        """Release the connection of a request in a task of its own, which may have been cancelled before it began."""
        self._tasks.discard(task)
        self._connections.release()

    async def _exchange(self, operation: str, body: bytes, credentials: Credentials, deadline: float) -> bytes:
        """Send one request on a connection that is taken and return the bytes of the reply."""
        seconds = min(deadline - self._now(), self.config.read_timeout)
        if seconds <= 0:
            raise NotSentError
        self._in_flight += 1
        try:
            self._requests[operation] += 1
            offset = self._clock_offset
            headers = self._signer.headers(operation, body, credentials, now=time.time() + offset)
            answer = await self._transport.post(headers, body, seconds=seconds)
        finally:
            self._in_flight -= 1
        answer = checked(answer)
        reply = reply_in(answer)
        if reply is None:
            failure = refusal_in(operation, answer, offset)
            if self._hedges is not None and verdict_on(failure) is Verdict.THROTTLED:
                self._hedges.throttled(self._now())
            raise failure
        return reply

    async def _take_connection(self, deadline: float) -> None:
        """Wait until one more request may be under way."""
        try:
            await self._connections.take(deadline)
        except TimeoutError as error:
            raise NotSentError from error
