"""Which requests are retried, when, and how often: AWS's standard retry mode, version 2.1; and pauses after lost races.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html. docs/reliability.md lists the deviations.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

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
# The transaction of the same token is still in progress, or the server failed: perhaps applied.
TRANSIENT = frozenset(
    {"InternalServerError", "RequestTimeout", "RequestTimeoutException", "TransactionInProgressException"}
)
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
# What a gateway in front of DynamoDB answers when there is too much load: nothing was passed on.
THROTTLE_STATUSES = frozenset({429, 509})
# Refused because of the signature, which is wrong if the key or the clock is wrong: nothing was applied.
SIGNATURE_CODES = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
# Why an action of a cancelled transaction failed, if it failed because of load or a collision; "None" did not fail.
_RETRYABLE_REASONS = frozenset({"None", "ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"})

# Of DynamoDB; other services have 0.05.
_BASE_DELAY = 0.025
_THROTTLE_DELAY = 1.0
_MAX_DELAY = 20.0
# x-amz-retry-after may prolong a wait by so much.
_MAX_PROLONGATION = 5.0
_BASE_YIELD = 0.01
_MAX_YIELD = 0.25
# AWS accepts signatures that are up to five minutes old. A smaller difference is not the clock's fault.
_TOLERATED_SKEW = 240


class Verdict(Enum):
    """What a failed attempt means for the next one."""

    FINAL = "final"
    HARMLESS = "harmless"  # certainly not applied: retry
    THROTTLED = "throttled"  # certainly not applied, because there is too much load: retry later
    AMBIGUOUS = "ambiguous"  # perhaps applied: retry, every request is safe to repeat


def judge(status: int, code: str, reasons: tuple[str, ...] = ()) -> Verdict:
    """Judge an error answer by its HTTP status, error code and, of a cancelled transaction, reason codes."""
    if code in THROTTLES or status in THROTTLE_STATUSES:
        return Verdict.THROTTLED
    if code in CONFLICTS or (
        code == "TransactionCanceledException" and reasons and _RETRYABLE_REASONS.issuperset(reasons)
    ):
        return Verdict.HARMLESS
    if code in TRANSIENT or status in TRANSIENT_STATUSES:
        return Verdict.AMBIGUOUS
    return Verdict.FINAL


def is_skewed(code: str, skew: float) -> bool:
    """Return whether the clock, which is `skew` seconds behind the server's, explains a refusal."""
    return code in SIGNATURE_CODES and abs(skew) > _TOLERATED_SKEW


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return when the server answered by its own clock, in seconds since 1970; None if it does not say."""
    return _seconds_since_1970(headers.get("date", ""))


class RetryAfter(NamedTuple):
    """How many seconds the server asks its client to wait; `by_aws`: in AWS's header, which sets limits to it."""

    seconds: float
    by_aws: bool = False


NOTHING_ASKED = RetryAfter(0.0)


def retry_after(headers: Mapping[str, str], now: float) -> RetryAfter:
    """Return how long the server asks its client to wait, 0 seconds if it does not say.

    AWS sends a number of milliseconds in `x-amz-retry-after`. Gateways send `Retry-After`, for which RFC 9110 allows a
    number of seconds and a moment, which is compared with `now`, the server's time.
    """
    milliseconds = headers.get("x-amz-retry-after", "")
    if milliseconds.isascii() and milliseconds.isdigit():
        return RetryAfter(float(milliseconds) / 1000, by_aws=True)
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return RetryAfter(float(text))
    moment = _seconds_since_1970(text)
    return RetryAfter(0.0 if moment is None else max(0.0, moment - now))


def _seconds_since_1970(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).replace(tzinfo=UTC).timestamp()  # an HTTP date is always in GMT
    except (ValueError, OverflowError):
        return None


def delay(attempt: int) -> float:
    """Return the seconds to wait after the `attempt`-th attempt: exponential with full jitter."""
    return _jitter(_BASE_DELAY, attempt - 1, _MAX_DELAY)


def throttle_delay(attempt: int) -> float:
    """Return the seconds to wait if the `attempt`-th attempt was throttled."""
    return _jitter(_THROTTLE_DELAY, attempt - 1, _MAX_DELAY)


def prolonged(wait: float, asked: RetryAfter) -> float:
    """Return the wait, prolonged as the server asks.

    `x-amz-retry-after` replaces a shorter wait, within limits. `Retry-After` is added to the wait, so that clients that
    were asked the same do not all come at once.
    """
    return max(wait, min(asked.seconds, wait + _MAX_PROLONGATION)) if asked.by_aws else wait + asked.seconds


def contention_delay(attempt: int) -> float:
    """Return the seconds to wait after losing to another writer for the `attempt`-th time.

    Shorter than after a failure: with every loss another writer has succeeded.
    """
    return _jitter(_BASE_YIELD, attempt, _MAX_YIELD)


class Contention:
    """How often one call has lost to other writers, and its pauses in between."""

    def __init__(self) -> None:
        self._losses = 0

    async def pause(self) -> None:
        """Wait after one more loss, longer than after the one before."""
        self._losses += 1
        await asyncio.sleep(contention_delay(self._losses))


def _jitter(base: float, attempt: int, most: float) -> float:
    doublings = min(attempt, 30)  # far beyond `most`, and still a float
    return random.random() * min(most, base * 2.0**doublings)  # noqa: S311 - spreads load, guards nothing


def retry_cost(*, throttled: bool) -> int:
    """Return how many tokens of the quota a retry costs."""
    return RetryQuota.THROTTLE_COST if throttled else RetryQuota.RETRY_COST


class RetryQuota:
    """A token bucket shared by all calls, which limits the retries during an outage."""

    CAPACITY = 500
    RETRY_COST = 14
    THROTTLE_COST = 5
    REFUND = 1

    def __init__(self) -> None:
        self.tokens = self.CAPACITY

    def take(self, cost: int) -> bool:
        """Pay for a retry; False if there are not enough tokens."""
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def succeeded(self, last_cost: int) -> None:
        """Give back what the last retry of a successful call cost; a little if it needed none."""
        self.tokens = min(self.CAPACITY, self.tokens + (last_cost or self.REFUND))
