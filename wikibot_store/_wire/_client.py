"""One DynamoDB request from a dict to a decoded reply: encode, sign, send, judge, send again."""

import asyncio
import logging
import time
import warnings
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import aioboto3
import msgspec
from aiobotocore.credentials import AioCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    SSLError,
)
from multidict import istr

from wikibot_store._wire._http import Answer, Transport
from wikibot_store._wire._retry import (
    SIGNATURE_CODES,
    THROTTLE_STATUSES,
    RetryQuota,
    Verdict,
    delay,
    is_skewed,
    judge,
    retry_after,
    server_time,
)
from wikibot_store._wire._session import make_client, resolve
from wikibot_store._wire._signer import Credentials, Signer
from wikibot_store.config import InsecureEndpointWarning, StoreConfig, is_exposed
from wikibot_store.errors import ConfigurationError
from wikibot_store.usage import Call, Stats, collecting

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

T = TypeVar("T")

_log = logging.getLogger("wikibot_store")
_CHECKSUM = istr("x-amz-crc32")
# msgspec raises UnicodeDecodeError for text that is not UTF-8, and RecursionError for what is nested too deeply.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ADVICE: dict[type[Exception], str] = {
    NoCredentialsError: "; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (any will do for an engine "
    "of your own), or give open() a session",
    NoRegionError: "; set AWS_REGION, or give open() a StoreConfig(region=…)",
}
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})


class CancellationReason(msgspec.Struct, gc=False):
    """Why one action of a transaction failed; `item` is what it collided with."""

    code: str = msgspec.field(default="None", name="Code")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")


class _ErrorBody(msgspec.Struct, gc=False):
    """The members of DynamoDB's error answers."""

    type: str = msgspec.field(default="", name="__type")
    message: str | None = None
    message_capital: str | None = msgspec.field(default=None, name="Message")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")
    reasons: list[CancellationReason] = msgspec.field(default_factory=list, name="CancellationReasons")


class _TableCapacity(msgspec.Struct, gc=False):
    """What a request has consumed of one table."""

    name: str = msgspec.field(default="", name="TableName")
    units: float = msgspec.field(default=0.0, name="CapacityUnits")


class _Capacity(msgspec.Struct, gc=False):
    """What a request has consumed, of one table or of several."""

    consumed: _TableCapacity | list[_TableCapacity] | None = msgspec.field(default=None, name="ConsumedCapacity")


_decode_capacity = msgspec.json.Decoder(_Capacity).decode
_decode_error = msgspec.json.Decoder(_ErrorBody).decode


class _Clock(NamedTuple):
    """What the clock that a request was signed by, and the server's, have more than this machine's, in seconds."""

    signed_by: float
    server: float


_RIGHT = _Clock(0.0, 0.0)


class Refusal(ClientError):  # noqa: N818 - internal, and a word for what it is
    """DynamoDB answered with an error.

    A botocore ClientError, with `item` and `reasons` where the error carries them. `maybe_applied` tells that an
    earlier attempt of this same write may have been applied; `retry_after` is how many seconds to wait at least.
    """

    def __init__(
        self,
        operation: str,
        status: int,
        request_id: str | None,
        body: _ErrorBody,
        *,
        clock: _Clock = _RIGHT,
        retry_after: float = 0.0,
    ) -> None:
        self.code = body.type.rpartition("#")[2] or f"HTTP {status}"
        self.message = body.message or body.message_capital or "no message"
        if self.code in SIGNATURE_CODES:
            # What follows quotes the request's headers, and so its session token.
            self.message = self.message.partition("The Canonical String")[0].rstrip()
        self.clock = clock
        self.retry_after = retry_after
        self.status = status
        self.request_id = request_id
        self.item = body.item
        self.reasons = body.reasons
        self.maybe_applied = False
        metadata: Any = {"RequestId": request_id or "", "HTTPStatusCode": status}
        super().__init__(
            {"Error": {"Code": self.code, "Message": self.message}, "ResponseMetadata": metadata}, operation
        )


@dataclass(kw_only=True)
class _Progress(Call):
    """How far a call has come; `maybe_applied`: an attempt of this write may have been applied without an answer."""

    writes: bool
    maybe_applied: bool = False
    clock_corrected: bool = False


class ExhaustedError(Exception):
    """No usable answer within the attempts and the deadline."""

    def __init__(self, progress: _Progress, reason: str, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.attempts = progress.attempts
        self.reason = reason
        self.throttled = throttled
        self.maybe_applied = progress.maybe_applied


class _NoAnswerError(Exception):
    """What came back is not an answer of DynamoDB's: broken on the way, or from something else."""

    def __init__(self, reason: str, *, status: int = HTTPStatus.OK, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class _NotSentError(BotoCoreError):
    """The request did not leave: its connections were busy with others, or the event loop stood still."""

    fmt = "no connection was free before the deadline"


class _CredentialSource(Protocol):
    async def get_frozen_credentials(self) -> Credentials:
        """Return the credentials of this moment, refreshed if they are about to expire."""


class Wire:
    """Sends DynamoDB requests; safe to use from any number of tasks of one event loop."""

    def __init__(
        self,
        *,
        transport: Transport,
        signer: Signer,
        credentials: _CredentialSource,
        make_client: Callable[[], Awaitable["DynamoDBClient"]],
        endpoint_url: str,
        config: StoreConfig,
    ) -> None:
        self.config = config
        self.endpoint_url = endpoint_url
        self._make_client = make_client
        self._client: DynamoDBClient | None = None
        self._client_lock = asyncio.Lock()
        self._transport = transport
        self._signer = signer
        self._credentials = credentials
        self._quota = RetryQuota()
        # Requests wait for a connection here, in order: aiohttp lets those pass who ask at the right moment, and counts
        # the wait into the time that the answer may take.
        self._connections = asyncio.Semaphore(config.max_pool_connections)
        self._now = asyncio.get_running_loop().time
        # What to add to this machine's clock where it is wrong.
        self._clock_offset = 0.0
        # Entered for the time of each call: for tracing.
        self.observer: Callable[[Call], AbstractContextManager[object]] | None = None
        self._in_flight = 0
        self._counts = Counter[str]()
        self._requests = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def pause(self, attempt: int, deadline: float) -> bool:
        """Wait before another attempt at what was left undone; False if there is none within attempts and deadline."""
        seconds = delay(attempt)
        if attempt >= self.config.max_attempts or self._now() + seconds >= deadline:
            return False
        await asyncio.sleep(seconds)
        return True

    def deadline(self) -> float:
        """Return the moment, in the event loop's time, at which a call that starts now must have ended."""
        return self._now() + self.config.deadline

    async def client(self) -> "DynamoDBClient":
        """Return the ordinary aiobotocore client over the same connections; the first call makes it."""
        async with self._client_lock:
            self._client = self._client or await self._make_client()
            return self._client

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work that outlives its caller, but not the wire."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Refuse further calls and end what was spawned."""
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
            coalesced_reads=self._counts["coalesced_reads"],
            coalesced_requests=self._counts["coalesced_requests"],
            in_flight=self._in_flight,
            pool_size=self.config.max_pool_connections,
        )

    async def call(
        self, operation: str, request: Mapping[str, Any], decode: Callable[[bytes], T], *, deadline: float
    ) -> T:
        """Send `request` until it is answered and return the decoded reply.

        Every attempt sends the same bytes. `decode` may raise msgspec.DecodeError for what is no reply at all.

        Raises:
            Refusal: DynamoDB refused the request.
            ExhaustedError: There was no usable answer.
            RuntimeError: The store is closed.

        """
        if self._closed:
            raise RuntimeError("the store is closed: use it inside its `async with` block")
        progress = _Progress(operation=operation, writes=operation in _WRITES)
        usages = collecting()
        if self.observer is None and not usages:
            return await self._send(progress, msgspec.json.encode(request), decode, deadline)
        progress.tables = _tables(request)

        def decode_and_meter(body: bytes) -> T:
            progress.capacity = _consumed(body)
            return decode(body)

        metered = msgspec.json.encode({**request, "ReturnConsumedCapacity": "TOTAL"})
        with nullcontext() if self.observer is None else self.observer(progress):
            try:
                return await self._send(progress, metered, decode_and_meter, deadline)
            finally:
                for usage in usages:
                    usage.add(progress)

    async def _send(self, progress: _Progress, body: bytes, decode: Callable[[bytes], T], deadline: float) -> T:
        """Send the same bytes until they are answered."""
        operation = progress.operation
        while True:
            if self._now() >= deadline:
                raise ExhaustedError(progress, "no answer before the deadline")
            progress.attempts += 1
            try:
                reply = decode(await self._attempt(operation, body, deadline))
            except (Refusal, BotoCoreError, _NoAnswerError, *_UNREADABLE) as failure:
                pause = self._pause_after(failure, progress, deadline)
                fields = {"operation": operation, "attempt": progress.attempts, "pause": pause}
                _log.debug("%s: attempt %d failed, next in %.3f s", *fields.values(), extra=fields)
                self._counts["retries"] += 1
            else:
                self._quota.succeeded(retried=progress.attempts > 1)
                return reply
            await asyncio.sleep(pause)

    def _pause_after(self, failure: Exception, progress: "_Progress", deadline: float) -> float:
        """Return how long to wait before the next attempt, or raise what ends the call."""
        verdict = _judge(failure)
        if isinstance(failure, Refusal):
            failure.maybe_applied = progress.maybe_applied
            if verdict is Verdict.FINAL and self._correct_clock(failure, progress):
                return 0.0
            if verdict is Verdict.FINAL:
                raise failure
        if verdict is Verdict.THROTTLED:
            progress.throttles += 1
            self._counts["throttles"] += 1
        if verdict is Verdict.AMBIGUOUS:
            progress.maybe_applied = progress.writes
        pause = delay(progress.attempts)
        if isinstance(failure, (Refusal, _NoAnswerError)):
            pause += failure.retry_after
        if (
            verdict is Verdict.FINAL
            or progress.attempts >= self.config.max_attempts
            or self._now() + pause >= deadline
            or not self._quota.take()
        ):
            self._counts["unanswered"] += 1
            raise ExhaustedError(progress, str(failure), throttled=verdict is Verdict.THROTTLED) from failure
        return pause

    def _correct_clock(self, refusal: Refusal, progress: "_Progress") -> bool:
        """Go by the server's clock from now on if this machine's was the trouble; at most once a call."""
        signed_by, server = refusal.clock
        if progress.clock_corrected or not is_skewed(refusal.code, server - signed_by):
            return False
        progress.clock_corrected = True
        self._clock_offset = server
        _log.warning("this machine's clock is wrong by %.0f s: requests are signed by the server's clock", server)
        return True

    async def _attempt(self, operation: str, body: bytes, deadline: float) -> bytes:
        """Send the request once and return the bytes of the reply."""
        credentials = await self._frozen_credentials(deadline)
        await self._take_connection(deadline)
        self._in_flight += 1
        try:
            seconds = min(deadline - self._now(), self.config.read_timeout)
            if seconds <= 0:
                raise _NotSentError
            self._requests[operation] += 1
            offset = self._clock_offset
            headers = self._signer.headers(operation, body, credentials, now=time.time() + offset)
            answer = await self._transport.post(headers, body, seconds=seconds)
        finally:
            self._in_flight -= 1
            self._connections.release()
        checksum = answer.headers.get(_CHECKSUM)
        if checksum is not None and checksum != str(zlib.crc32(answer.body)):
            raise _NoAnswerError("the answer's checksum is wrong: it was damaged on the way")
        if answer.status == HTTPStatus.OK and answer.body[:1] == b"{":
            return answer.body
        raise _refusal(operation, answer, offset)

    async def _take_connection(self, deadline: float) -> None:
        """Wait until one more request may be under way."""
        if not self._connections.locked():
            await self._connections.acquire()
            return
        try:
            async with asyncio.timeout_at(deadline):
                await self._connections.acquire()
        except TimeoutError as error:
            raise _NotSentError from error

    async def _frozen_credentials(self, deadline: float) -> Credentials:
        """Return the credentials of this moment; those that can expire may have to be fetched."""
        if isinstance(self._credentials, AioCredentials):
            return await self._credentials.get_frozen_credentials()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._credentials.get_frozen_credentials()
        except TimeoutError as error:
            raise CredentialRetrievalError(provider="session", error_msg="not refreshed in time") from error
        except Exception as error:  # whatever the provider of the credentials raises
            raise CredentialRetrievalError(provider="session", error_msg=str(error)) from error


def _refusal(operation: str, answer: Answer, offset: float) -> Exception:
    """Return what an answer that is no reply means; `offset` is that of the clock which the request was signed by."""
    now = time.time()
    date = server_time(answer.headers)
    clock = _Clock(offset, offset if date is None else date - now)
    wait = retry_after(answer.headers, now + clock.server)
    try:
        error = _decode_error(answer.body)
    except _UNREADABLE:
        error = _ErrorBody()
    if error.type:
        request_id = answer.headers.get("x-amzn-requestid")
        return Refusal(operation, answer.status, request_id, error, clock=clock, retry_after=wait)
    content_type = answer.headers.get("content-type", "no content type")
    reason = f"HTTP {answer.status} with {content_type} is no answer of DynamoDB's"
    return _NoAnswerError(reason, status=answer.status, retry_after=wait)


def _tables(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tables that a request is for."""
    match request:
        case {"RequestItems": tables}:
            return tuple(tables)
        case {"TransactItems": actions}:
            return tuple(dict.fromkeys(member["TableName"] for action in actions for member in action.values()))
        case _:
            return (request["TableName"],)


def _consumed(body: bytes) -> dict[str, float]:
    """Return the capacity units by table that a reply tells of."""
    match _decode_capacity(body).consumed:
        case None:
            return {}
        case list(tables):
            return {table.name: table.units for table in tables}
        case table:
            return {table.name: table.units}


def _judge(failure: Exception) -> Verdict:
    if isinstance(failure, Refusal):
        return judge(failure.status, failure.code, tuple([reason.code for reason in failure.reasons]))
    if isinstance(failure, _NoAnswerError) and failure.status in THROTTLE_STATUSES:
        return Verdict.THROTTLED
    if isinstance(failure, SSLError):
        return Verdict.FINAL  # a certificate does not get better
    if isinstance(failure, (HTTPClientError, _NoAnswerError, *_UNREADABLE)):
        return Verdict.AMBIGUOUS
    return Verdict.HARMLESS  # the request did not leave: no connection, or no credentials


@asynccontextmanager
async def open_wire(config: StoreConfig, session: aioboto3.Session | None) -> AsyncIterator[Wire]:
    """Open a wire to where the session and the config say; nothing is sent.

    Raises:
        ConfigurationError: There are no credentials or no region, or the session is not usable for another reason.

    """
    async with AsyncExitStack() as stack:
        try:
            aws_session = await asyncio.to_thread(aioboto3.Session) if session is None else session
            settings = await resolve(aws_session, config)
            transport = Transport(
                verify=settings.verify,  # type: ignore[arg-type]  # the stubs lack the path
                proxies=settings.proxies,
                timeout=(config.connect_timeout, config.read_timeout),  # type: ignore[arg-type]  # and the pair
                max_pool_connections=config.max_pool_connections,
            )
            stack.push_async_callback(transport.close)
            await transport.connect(settings.endpoint_url)
            signer = Signer(settings.endpoint_url, settings.region)
        except (BotoCoreError, OSError, ValueError) as error:
            advice = _ADVICE.get(type(error), "")
            raise ConfigurationError(f"the AWS session cannot be used: {error}{advice}") from error
        if is_exposed(settings.endpoint_url):
            warnings.warn(
                f"{settings.endpoint_url} is plain HTTP over a network, where items can be read and changed: "
                "use https, or silence InsecureEndpointWarning for an engine of your own",
                InsecureEndpointWarning,
                stacklevel=5,  # who opens the store, behind two context managers
            )
        wire = Wire(
            transport=transport,
            signer=signer,
            credentials=settings.credentials,
            endpoint_url=settings.endpoint_url,
            make_client=lambda: make_client(aws_session, settings, transport, config),
            config=config,
        )
        stack.push_async_callback(wire.aclose)
        yield wire
