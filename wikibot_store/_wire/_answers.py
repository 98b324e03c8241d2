"""The outcome of a request: the progress of its call, DynamoDB's refusals, and what is not an answer of DynamoDB."""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError

from wikibot_store._wire._credentials import UnusableCredentialsError
from wikibot_store._wire._protocol import LONGEST_ANSWER, Answer
from wikibot_store._wire._retry import (
    NOTHING_ASKED,
    SIGNATURE_CODES,
    THROTTLE_STATUSES,
    RetryAfter,
    Verdict,
    judge,
    retry_after,
    server_time,
)
from wikibot_store.usage import Call

# msgspec raises UnicodeDecodeError for text that is not UTF-8, and RecursionError for what is nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CHECKSUM = "x-amz-crc32"
_REQUEST_ID = "x-amzn-requestid"
# gzip, or zlib as "deflate" means it, by what the data begins with.
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_COMPRESSED = frozenset({"br", "deflate", "gzip", "zstd"})


class CancellationReason(msgspec.Struct, gc=False):
    """Why one action of a transaction failed; `item` is the item that it collided with."""

    code: str | None = msgspec.field(default="None", name="Code")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")


class ErrorBody(msgspec.Struct, gc=False):
    """The members of DynamoDB's error answers. A member that is null counts as absent, as in all JSON of AWS."""

    type: str | None = msgspec.field(default=None, name="__type")
    message: str | None = None
    message_capital: str | None = msgspec.field(default=None, name="Message")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")
    reasons: Sequence[CancellationReason | None] | None = msgspec.field(default=None, name="CancellationReasons")


_decode_error = msgspec.json.Decoder(ErrorBody).decode


class Clock(NamedTuple):
    """How far the clock that a request was signed by, and the server's, are ahead of this machine's, in seconds."""

    signed_by: float
    server: float


_RIGHT = Clock(0.0, 0.0)


class Refusal(ClientError):  # noqa: N818 - internal, and a word for what it is
    """DynamoDB answered with an error.

    A botocore ClientError, with `item` and `reasons` where the error carries them. `maybe_applied`: an earlier attempt
    of this same write may have been applied.
    """

    def __init__(
        self,
        operation: str,
        status: int,
        request_id: str | None,
        body: ErrorBody,
        *,
        clock: Clock = _RIGHT,
        retry_after: RetryAfter = NOTHING_ASKED,
    ) -> None:
        self.code = error_code(body) or f"HTTP {status}"
        self.message = body.message or body.message_capital or "no message"
        if self.code in SIGNATURE_CODES:
            # The rest quotes the headers of the request, and so its session token.
            self.message = self.message.partition("The Canonical String")[0].rstrip()
        self.clock = clock
        self.retry_after = retry_after
        self.status = status
        self.request_id = request_id
        self.item = body.item
        self.reasons = [reason or CancellationReason() for reason in body.reasons or ()]
        self.maybe_applied = False
        metadata: Any = {"RequestId": request_id or "", "HTTPStatusCode": status}
        super().__init__(
            {"Error": {"Code": self.code, "Message": self.message}, "ResponseMetadata": metadata}, operation
        )


@dataclass(kw_only=True)
class Progress(Call):
    """The progress of a call; `maybe_applied`: an attempt of this write may have been applied without an answer.

    `cost` is what the last retry has taken from the quota. `has_connection`: a connection is taken for the
    first attempt.
    """

    request: Mapping[str, Any] = field(default_factory=dict)
    writes: bool
    maybe_applied: bool = False
    clock_corrected: bool = False
    cost: int = 0
    has_connection: bool = False


class ExhaustedError(Exception):
    """No usable answer within the attempts and the deadline."""

    def __init__(self, progress: Progress, reason: str, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.attempts = progress.attempts
        self.reason = reason
        self.throttled = throttled
        self.maybe_applied = progress.maybe_applied


class NoAnswerError(Exception):
    """The response is not an answer of DynamoDB: it was damaged on the way, or something else has sent it."""

    def __init__(self, reason: str, answer: Answer | None = None, *, retry_after: RetryAfter = NOTHING_ASKED) -> None:
        super().__init__(reason)
        self.status = HTTPStatus.OK if answer is None else answer.status
        self.request_id = None if answer is None else answer.headers.get(_REQUEST_ID)
        self.retry_after = retry_after


class NotSentError(BotoCoreError):
    """The request was not sent: all connections were busy, or the event loop stood still."""

    fmt = "no connection was free before the deadline"


def error_code(body: ErrorBody) -> str:
    """Return the code of an error, without the namespace before it and the address that may follow it."""
    return (body.type or "").partition(":")[0].rpartition("#")[2]


def checked(answer: Answer) -> Answer:
    """Return an answer whose checksum is right, uncompressed.

    DynamoDB's checksum is of what it sends. A gateway that compresses the answer leaves it as it was.

    Raises:
        NoAnswerError: The answer was damaged on the way.

    """
    checksum = answer.headers.get(_CHECKSUM)
    intact = checksum is None or checksum == str(zlib.crc32(answer.body))
    encoding = answer.headers.get("content-encoding", "").lower()
    if encoding in _COMPRESSED:
        answer = answer._replace(body=_uncompressed(answer, encoding))
        intact = intact or checksum == str(zlib.crc32(answer.body))
    if not intact:
        raise NoAnswerError("the answer's checksum is wrong: it was damaged on the way", answer)
    return answer


def _uncompressed(answer: Answer, encoding: str) -> bytes:
    """Return the body of a compressed answer."""
    decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        body = decompressor.decompress(answer.body, LONGEST_ANSWER)
    except zlib.error as error:
        raise NoAnswerError(f"the answer is compressed ({encoding}) and cannot be read", answer) from error
    if not decompressor.eof:
        raise NoAnswerError("the compressed answer is cut off, or too long", answer)
    return body


def reply_in(answer: Answer) -> bytes | None:
    """Return the body of a reply; None if the answer is an error, or its headers show that DynamoDB did not send it.

    Gateways answer JSON with status 200 too.
    """
    headers = answer.headers
    if answer.status != HTTPStatus.OK or answer.body[:1] != b"{":
        return None
    if _CHECKSUM in headers or _REQUEST_ID in headers:
        return answer.body
    return answer.body if headers.get("content-type", "").startswith("application/x-amz-json") else None


def refusal_in(operation: str, answer: Answer, offset: float) -> Exception:
    """Return the error in an answer that is no reply; `offset` is that of the clock that the request was signed by."""
    now = time.time()
    date = server_time(answer.headers)
    clock = Clock(offset, offset if date is None else date - now)
    wait = retry_after(answer.headers, now + clock.server)
    try:
        error = _decode_error(answer.body)
    except UNREADABLE:
        error = ErrorBody()
    if error_code(error):
        request_id = answer.headers.get(_REQUEST_ID)
        return Refusal(operation, answer.status, request_id, error, clock=clock, retry_after=wait)
    content_type = answer.headers.get("content-type", "no content type")
    reason = f"HTTP {answer.status} with {content_type} is not an answer of DynamoDB"
    return NoAnswerError(reason, answer, retry_after=wait)


def verdict_on(failure: Exception) -> Verdict:
    """Judge whatever an attempt may raise."""
    if isinstance(failure, Refusal):
        return judge(failure.status, failure.code, tuple([reason.code or "None" for reason in failure.reasons]))
    if isinstance(failure, NoAnswerError) and failure.status in THROTTLE_STATUSES:
        return Verdict.THROTTLED
    if isinstance(failure, (SSLError, UnusableCredentialsError)):
        return Verdict.FINAL  # the certificate or the credentials are the same at the next attempt
    if isinstance(failure, (HTTPClientError, NoAnswerError, *UNREADABLE)):
        return Verdict.AMBIGUOUS
    return Verdict.HARMLESS  # the request was not sent: no connection, or no credentials
