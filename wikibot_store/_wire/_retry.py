"""What may be sent again, when, and how often: AWS's standard retry mode, as plain decisions; and giving way to others.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

# Refused because of load: nothing was applied.
THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# Collided with another transaction: nothing was applied.
CONFLICTS = frozenset({"TransactionConflictException", "ReplicatedWriteConflictException"})
# The same transaction, by its token, is still under way, or the server failed: perhaps applied.
TRANSIENT = frozenset(
    {"InternalServerError", "RequestTimeout", "RequestTimeoutException", "TransactionInProgressException"}
)
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
# What a gateway answers for DynamoDB where there is too much load: nothing was passed on.
THROTTLE_STATUSES = frozenset({429, 509})
# Refused because of the signature, which a wrong clock spoils as well as a wrong key: nothing was applied.
SIGNATURE_CODES = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
# The members of a cancelled transaction that failed only for load or a collision; "None" did not fail.
RETRYABLE_REASONS = frozenset({"None", "ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"})

_BASE_DELAY = 0.05
_MAX_DELAY = 20.0
_BASE_YIELD = 0.01
_MAX_YIELD = 0.25
# AWS takes signatures that are up to five minutes old; what differs by less is not the clock's fault.
_TOLERATED_SKEW = 240


class Verdict(Enum):
    """What a failed attempt means for the next one."""

    FINAL = "final"
    HARMLESS = "harmless"  # not applied for certain: send again
    THROTTLED = "throttled"  # not applied for certain: send again, but there is too much load
    AMBIGUOUS = "ambiguous"  # perhaps applied: send again what is safe to repeat


def judge(status: int, code: str, reasons: tuple[str, ...] = ()) -> Verdict:
    """Judge an error answer by its HTTP status, error code and, of a cancelled transaction, reason codes."""
    if code in THROTTLES or status in THROTTLE_STATUSES:
        return Verdict.THROTTLED
    if code in CONFLICTS or (
        code == "TransactionCanceledException" and reasons and RETRYABLE_REASONS.issuperset(reasons)
    ):
        return Verdict.HARMLESS
    if code in TRANSIENT or status in TRANSIENT_STATUSES:
        return Verdict.AMBIGUOUS
    return Verdict.FINAL


def is_skewed(code: str, skew: float) -> bool:
    """Tell whether a refusal is the fault of the clock, which is `skew` seconds behind the server's."""
    return code in SIGNATURE_CODES and abs(skew) > _TOLERATED_SKEW


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return when the server says that it answered, in seconds since 1970; None if it does not say."""
    return _seconds_since_1970(headers.get("date", ""))


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return how many seconds the server wants to be left alone, 0 if it does not say.

    RFC 9110 allows a number of seconds and a moment, which is held against `now`, the server's time.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    moment = _seconds_since_1970(text)
    return 0.0 if moment is None else max(0.0, moment - now)


def _seconds_since_1970(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).replace(tzinfo=UTC).timestamp()  # an HTTP date is always in GMT
    except (ValueError, OverflowError):
        return None


def delay(attempt: int) -> float:
    """Return the seconds to wait after the `attempt`-th attempt: exponential with full jitter."""
    return _jitter(_BASE_DELAY, attempt, _MAX_DELAY)


def contention_delay(attempt: int) -> float:
    """Return the seconds to wait after losing to another writer for the `attempt`-th time.

    Shorter than after a failure: every loss means that somebody got on.
    """
    return _jitter(_BASE_YIELD, attempt, _MAX_YIELD)


class Contention:
    """The losses of one call against other writers, and its pauses in between."""

    def __init__(self) -> None:
        self._losses = 0

    async def pause(self) -> None:
        """Wait after one more loss, longer than after the one before."""
        self._losses += 1
        await asyncio.sleep(contention_delay(self._losses))


def _jitter(base: float, attempt: int, most: float) -> float:
    doublings = min(attempt, 30)  # far beyond `most`, and still a float
    return random.random() * min(most, base * 2.0**doublings)  # noqa: S311 - spreads load, guards nothing


class RetryQuota:
    """A token bucket shared by all calls, so that an outage is not answered with a storm of retries."""

    CAPACITY = 500
    RETRY_COST = 5
    REFUND = 1

    def __init__(self) -> None:
        self._tokens = self.CAPACITY

    def take(self) -> bool:
        """Pay for a retry; False if the bucket is empty."""
        if self._tokens < self.RETRY_COST:
            return False
        self._tokens -= self.RETRY_COST
        return True

    def succeeded(self, *, retried: bool) -> None:
        """Give back the last retry's price, or a little for a call that needed none."""
        self._tokens = min(self.CAPACITY, self._tokens + (self.RETRY_COST if retried else self.REFUND))
