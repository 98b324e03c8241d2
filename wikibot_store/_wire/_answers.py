"""What became of a request: how far its call has come, what DynamoDB refused and why, what is no answer at all."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError

from wikibot_store._wire._http import Answer
from wikibot_store._wire._retry import SIGNATURE_CODES, THROTTLE_STATUSES, Verdict, judge, retry_after, server_time
from wikibot_store.usage import Call

# msgspec raises UnicodeDecodeError for text that is not UTF-8, and RecursionError for what is nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CancellationReason(msgspec.Struct, gc=False):
    """Why one action of a transaction failed; `item` is what it collided with."""

    code: str = msgspec.field(default="None", name="Code")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")


class ErrorBody(msgspec.Struct, gc=False):
    """The members of DynamoDB's error answers."""

    type: str = msgspec.field(default="", name="__type")
    message: str | None = None
    message_capital: str | None = msgspec.field(default=None, name="Message")
    item: dict[str, Any] | None = msgspec.field(default=None, name="Item")
    reasons: list[CancellationReason] = msgspec.field(default_factory=list, name="CancellationReasons")


_decode_error = msgspec.json.Decoder(ErrorBody).decode


class Clock(NamedTuple):
    """What the clock that a request was signed by, and the server's, have more than this machine's, in seconds."""

    signed_by: float
    server: float


_RIGHT = Clock(0.0, 0.0)


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
        body: ErrorBody,
        *,
        clock: Clock = _RIGHT,
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
class Progress(Call):
    """How far a call has come; `maybe_applied`: an attempt of this write may have been applied without an answer."""

    writes: bool
    maybe_applied: bool = False
    clock_corrected: bool = False


class ExhaustedError(Exception):
    """No usable answer within the attempts and the deadline."""

    def __init__(self, progress: Progress, reason: str, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.attempts = progress.attempts
        self.reason = reason
        self.throttled = throttled
        self.maybe_applied = progress.maybe_applied


class NoAnswerError(Exception):
    """What came back is not an answer of DynamoDB's: broken on the way, or from something else."""

    def __init__(self, reason: str, *, status: int = HTTPStatus.OK, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class NotSentError(BotoCoreError):
    """The request did not leave: its connections were busy with others, or the event loop stood still."""

    fmt = "no connection was free before the deadline"


def is_of_dynamodb(answer: Answer) -> bool:
    """Tell by its headers whether an answer can be DynamoDB's: gateways answer JSON with 200 too."""
    content_type: str = answer.headers.get("content-type", "")
    return "x-amzn-requestid" in answer.headers or content_type.startswith("application/x-amz-json")


def refusal_in(operation: str, answer: Answer, offset: float) -> Exception:
    """Return what an answer that is no reply means; `offset` is that of the clock which the request was signed by."""
    now = time.time()
    date = server_time(answer.headers)
    clock = Clock(offset, offset if date is None else date - now)
    wait = retry_after(answer.headers, now + clock.server)
    try:
        error = _decode_error(answer.body)
    except UNREADABLE:
        error = ErrorBody()
    if error.type:
        request_id = answer.headers.get("x-amzn-requestid")
        return Refusal(operation, answer.status, request_id, error, clock=clock, retry_after=wait)
    content_type = answer.headers.get("content-type", "no content type")
    reason = f"HTTP {answer.status} with {content_type} is no answer of DynamoDB's"
    return NoAnswerError(reason, status=answer.status, retry_after=wait)


def verdict_on(failure: Exception) -> Verdict:
    """Judge whatever an attempt may raise."""
    if isinstance(failure, Refusal):
        return judge(failure.status, failure.code, tuple([reason.code for reason in failure.reasons]))
    if isinstance(failure, NoAnswerError) and failure.status in THROTTLE_STATUSES:
        return Verdict.THROTTLED
    if isinstance(failure, SSLError):
        return Verdict.FINAL  # a certificate does not get better
    if isinstance(failure, (HTTPClientError, NoAnswerError, *UNREADABLE)):
        return Verdict.AMBIGUOUS
    return Verdict.HARMLESS  # the request did not leave: no connection, or no credentials
