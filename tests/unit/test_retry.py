"""Which failures are retried, when and how often, compared with botocore."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.retries import quota, special, standard
from hypothesis import given
from hypothesis import strategies as st

from wikibot_store._wire import _retry
from wikibot_store._wire._answers import verdict_on
from wikibot_store._wire._retry import (
    CONFLICTS,
    SIGNATURE_CODES,
    THROTTLE_STATUSES,
    THROTTLES,
    TRANSIENT,
    TRANSIENT_STATUSES,
    RetryAfter,
    RetryQuota,
    Verdict,
    contention_delay,
    delay,
    is_skewed,
    judge,
    prolonged,
    retry_after,
    retry_cost,
    server_time,
    throttle_delay,
)

# The shapes of botocore's DynamoDB model that end a call: asking again would get the same answer.
FINAL = {
    "BackupInUseException",
    "BackupNotFoundException",
    "ConditionalCheckFailedException",
    "ContinuousBackupsUnavailableException",
    "DuplicateItemException",
    "ExportConflictException",
    "ExportNotFoundException",
    "GlobalTableAlreadyExistsException",
    "GlobalTableNotFoundException",
    "IdempotentParameterMismatchException",
    "ImportConflictException",
    "ImportNotFoundException",
    "IndexNotFoundException",
    "InvalidExportTimeException",
    "InvalidRestoreTimeException",
    "ItemCollectionSizeLimitExceededException",
    "PointInTimeRecoveryUnavailableException",
    "PolicyNotFoundException",
    "ReplicaAlreadyExistsException",
    "ReplicaNotFoundException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "TableAlreadyExistsException",
    "TableInUseException",
    "TableNotFoundException",
}
BY_ITS_REASONS = {"TransactionCanceledException"}

# Where a code means something else here than in botocore's tables.
OTHER_VERDICTS = {
    # botocore: throttled. The transaction of this token is still under way: the earlier attempt may be applied.
    "TransactionInProgressException": Verdict.AMBIGUOUS,
    # botocore: transient as well as throttled. It was turned away before anything was applied.
    "PriorRequestNotComplete": Verdict.THROTTLED,
}


def botocores(checker: type, table: str) -> list[Any]:
    """Return one of the tables of botocore's standard retry mode."""
    entries: list[Any] = getattr(checker, table)
    assert entries
    return entries


@pytest.mark.parametrize("code", botocores(standard.ThrottledRetryableChecker, "_THROTTLED_ERROR_CODES"))
def test_botocores_throttling_codes(code: str) -> None:
    """Every code that botocore treats as throttling is throttling here, except the listed differences."""
    assert judge(400, code) is OTHER_VERDICTS.get(code, Verdict.THROTTLED)


@pytest.mark.parametrize("code", botocores(standard.TransientRetryableChecker, "_TRANSIENT_ERROR_CODES"))
def test_botocores_transient_codes(code: str) -> None:
    """Every code that botocore treats as transient may have been applied, except the listed differences."""
    assert judge(400, code) is OTHER_VERDICTS.get(code, Verdict.AMBIGUOUS)


@pytest.mark.parametrize("status", botocores(standard.TransientRetryableChecker, "_TRANSIENT_STATUS_CODES"))
def test_botocores_transient_statuses(status: int) -> None:
    """Every status that botocore retries is retried, whatever the code."""
    assert judge(status, "Unheard") is Verdict.AMBIGUOUS
    assert status in TRANSIENT_STATUSES


def test_botocores_conditions() -> None:
    """This test fails if botocore's standard mode gets a new kind of condition."""
    conditions: Any = standard.StandardRetryConditions()
    tables = conditions._additional_checkers._checkers

    assert [type(checker) for checker in tables] == [
        standard.TransientRetryableChecker,
        standard.ThrottledRetryableChecker,
        standard.ModeledRetryableChecker,
        standard.OrRetryChecker,
    ]
    assert [type(checker) for checker in tables[-1]._checkers] == [
        special.RetryIDPCommunicationError,  # STS, not DynamoDB
        special.RetryDDBChecksumError,  # a wrong checksum is an invalid answer
    ]


def transient_exceptions() -> Iterator[type[Exception]]:
    """Return every exception that botocore's standard mode retries."""
    transient = tuple(botocores(standard.TransientRetryableChecker, "_TRANSIENT_EXCEPTION_CLS"))
    for exception in vars(botocore.exceptions).values():
        if isinstance(exception, type) and issubclass(exception, transient):
            yield exception


@pytest.mark.parametrize("exception", list(transient_exceptions()))
def test_botocores_transient_exceptions(exception: type[Exception]) -> None:
    """Every connection error that botocore retries is retried, except a rejected certificate."""
    failure = exception.__new__(exception)

    assert (verdict_on(failure) is Verdict.FINAL) == isinstance(failure, botocore.exceptions.SSLError)


def legacy_responses() -> Iterator[tuple[int, str]]:
    """Return status and code of every DynamoDB answer that botocore's legacy mode retries."""
    tables: Any = botocore.session.get_session().get_component("data_loader").load_data("_retry")
    for policies in (tables["retry"]["__default__"], tables["retry"]["dynamodb"]["__default__"]):
        for name, policy in policies["policies"].items():
            applies = (tables["definitions"][name] if "$ref" in policy else policy)["applies_when"]
            match applies:
                case {"response": {"http_status_code": int(status), **rest}}:
                    yield status, str(rest.get("service_error_code", ""))
                case {"response": {"crc32body": _}} | {"socket_errors": ["GENERAL_CONNECTION_ERROR"]}:
                    pass  # no answer at all
                case _:
                    pytest.fail(f"a kind of policy that is not known here: {applies}")


@pytest.mark.parametrize(("status", "code"), list(legacy_responses()))
def test_botocores_legacy_table(status: int, code: str) -> None:
    """Every answer that botocore's legacy tables retry is retried."""
    assert judge(status, code) is not Verdict.FINAL


def test_botocores_numbers() -> None:
    """The quota's size, what a success adds, and the longest wait are those of botocore's standard mode."""
    assert quota.RetryQuota.INITIAL_CAPACITY == RetryQuota.CAPACITY
    assert standard.RetryQuotaChecker._NO_RETRY_INCREMENT == RetryQuota.REFUND  # type: ignore[attr-defined]
    assert standard.ExponentialBackoff._MAX_BACKOFF == _retry._MAX_DELAY  # type: ignore[attr-defined]


def test_the_numbers_of_the_specification() -> None:
    """The other numbers are those of version 2.1 of the specification, for DynamoDB: older botocore has others."""
    assert (retry_cost(throttled=False), retry_cost(throttled=True)) == (14, 5)
    assert (_retry._BASE_DELAY, _retry._THROTTLE_DELAY, _retry._MAX_PROLONGATION) == (0.025, 1.0, 5.0)


def test_every_error_of_the_service_model_is_judged() -> None:
    """This test fails if DynamoDB's service model gets an exception that no table lists."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    shapes = {shape.name for shape in model.error_shapes}
    retried = THROTTLES | CONFLICTS | TRANSIENT

    assert shapes - retried == FINAL | BY_ITS_REASONS
    assert {shape.name for shape in model.error_shapes if "retryable" in shape.metadata} <= retried


@pytest.mark.parametrize(
    "code", [*sorted(FINAL), "ValidationException", "AccessDeniedException", "ExpiredTokenException", "Unheard", ""]
)
def test_refusals_are_final(code: str) -> None:
    """An error in the request itself is not retried."""
    assert judge(400, code) is Verdict.FINAL


@pytest.mark.parametrize("code", sorted(CONFLICTS))
def test_conflicts_are_harmless(code: str) -> None:
    """A write that lost to another transaction wrote nothing and is retried."""
    assert judge(400, code) is Verdict.HARMLESS


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalServerError"),
        (400, "InternalServerError"),
        (400, "TransactionInProgressException"),
        (408, "RequestTimeout"),
        (500, ""),
        (502, ""),
        (503, "ServiceUnavailable"),
        (504, "HTTP 504"),
        # Not even a refusal by name is certain where the server failed.
        (500, "ConditionalCheckFailedException"),
    ],
)
def test_failures_of_the_server_are_ambiguous(status: int, code: str) -> None:
    """A write may have been applied before a server error."""
    assert judge(status, code) is Verdict.AMBIGUOUS


@pytest.mark.parametrize("status", [400, 500, 503])
def test_throttling_is_throttling_with_any_status(status: int) -> None:
    """A throttling code means that nothing was applied, whatever the status."""
    assert judge(status, "ThrottlingException") is Verdict.THROTTLED


@pytest.mark.parametrize("status", sorted(THROTTLE_STATUSES))
@pytest.mark.parametrize("code", ["", "Unheard", "ThrottlingException"])
def test_a_gateway_that_limits_the_rate(status: int, code: str) -> None:
    """Status 429 is throttling, whatever the code: the gateway did not forward the request."""
    assert judge(status, code) is Verdict.THROTTLED


@pytest.mark.parametrize("code", sorted(SIGNATURE_CODES))
@pytest.mark.parametrize(
    ("skew", "skewed"), [(0.0, False), (240.0, False), (241.0, True), (-240.0, False), (-1e9, True)]
)
def test_a_wrong_clock(code: str, skew: float, *, skewed: bool) -> None:
    """A refused signature is blamed on the clock if the clocks differ too much, in either direction."""
    assert judge(400, code) is Verdict.FINAL
    assert is_skewed(code, skew) is skewed


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "ValidationException", ""])
def test_other_refusals_are_not_the_clocks_fault(code: str) -> None:
    """Other refusals are not blamed on the clock."""
    assert not is_skewed(code, 1e9)


NEW_YEAR = 1_767_225_600  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", NEW_YEAR),
        ("Thursday, 01-Jan-26 00:00:00 GMT", NEW_YEAR),
        ("Thu Jan  1 00:00:00 2026", NEW_YEAR),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Thu, 32 Jan 2026 00:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_of_the_server(date: str, seconds: float | None) -> None:
    """The three forms of an HTTP date are parsed; anything else is ignored."""
    assert server_time({"date": date}) == seconds
    assert server_time({}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("9" * 400, float("inf")),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_how_long_the_server_wants_to_be_left_alone(text: str, seconds: float) -> None:
    """A number of seconds and a moment are both understood; nonsense asks for nothing."""
    assert retry_after({"retry-after": text}, NEW_YEAR) == RetryAfter(seconds)
    assert retry_after({}, NEW_YEAR) == RetryAfter(0)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("0", RetryAfter(0.0, by_aws=True)),
        ("1500", RetryAfter(1.5, by_aws=True)),
        ("9" * 400, RetryAfter(float("inf"), by_aws=True)),
        ("-1", RetryAfter(7)),
        ("1.5", RetryAfter(7)),
        ("²", RetryAfter(7)),
        ("soon", RetryAfter(7)),
        ("", RetryAfter(7)),
    ],
)
def test_how_long_aws_wants_to_be_left_alone(text: str, asked: RetryAfter) -> None:
    """AWS's own header, in milliseconds, counts before the general one; nonsense in it does not count."""
    assert retry_after({"x-amz-retry-after": text, "retry-after": "7"}, NEW_YEAR) == asked


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (RetryAfter(0.0, by_aws=True), 2.0),
        (RetryAfter(1.9, by_aws=True), 2.0),
        (RetryAfter(6.9, by_aws=True), 6.9),
        (RetryAfter(7.1, by_aws=True), 7.0),
        (RetryAfter(float("inf"), by_aws=True), 7.0),
        (RetryAfter(0.0), 2.0),
        (RetryAfter(60.0), 62.0),
    ],
)
def test_a_wait_is_prolonged(asked: RetryAfter, wait: float) -> None:
    """AWS's header prolongs a wait of two seconds by five at most; the general one is added, without limit."""
    assert prolonged(2.0, asked) == wait


@given(st.text() | st.from_regex(r"\w{3}, \d+ (Jan|Feb)  ?\d{1,20} \d+:\d+:\d+( [+-]?\d+| GMT)?", fullmatch=True))
def test_any_date(text: str) -> None:
    """No value of a header raises an error."""
    moment = server_time({"date": text})

    assert moment is None or isinstance(moment, float)
    assert retry_after({"retry-after": text, "x-amz-retry-after": text}, NEW_YEAR).seconds >= 0


@pytest.mark.parametrize(
    ("reasons", "verdict"),
    [
        (("TransactionConflict",), Verdict.HARMLESS),
        (("None", "TransactionConflict", "None"), Verdict.HARMLESS),
        (("ThrottlingError", "None"), Verdict.HARMLESS),
        (("ProvisionedThroughputExceeded", "TransactionConflict"), Verdict.HARMLESS),
        (("ConditionalCheckFailed",), Verdict.FINAL),
        (("TransactionConflict", "ConditionalCheckFailed"), Verdict.FINAL),
        (("None", "ValidationError"), Verdict.FINAL),
        (("ItemCollectionSizeLimitExceeded",), Verdict.FINAL),
        (("Unheard", "TransactionConflict"), Verdict.FINAL),
        ((), Verdict.FINAL),
    ],
)
def test_a_cancelled_transaction_is_judged_by_its_reasons(reasons: tuple[str, ...], verdict: Verdict) -> None:
    """A cancelled transaction is retried only if all its reasons are throttling or conflicts."""
    assert judge(400, "TransactionCanceledException", reasons) is verdict


@pytest.mark.parametrize(
    ("wait", "ceilings"),
    [
        (delay, {1: 0.025, 2: 0.05, 3: 0.1, 4: 0.2, 10: 12.8, 11: 20.0, 12: 20.0, 100: 20.0, 10_000: 20.0}),
        (throttle_delay, {1: 1.0, 2: 2.0, 3: 4.0, 4: 8.0, 5: 16.0, 6: 20.0, 100: 20.0, 10_000: 20.0}),
        (contention_delay, {1: 0.02, 2: 0.04, 3: 0.08, 4: 0.16, 5: 0.25, 6: 0.25, 100: 0.25, 10_000: 0.25}),
    ],
    ids=["after a failure", "after a throttle", "after losing"],
)
def test_delays(wait: Callable[[int], float], ceilings: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest delay doubles with every attempt up to a limit; the delay is random between zero and it."""
    for chance in (0.0, 0.5, 1.0):
        monkeypatch.setattr(random, "random", lambda chance=chance: chance)
        for attempt, ceiling in ceilings.items():
            assert wait(attempt) == pytest.approx(chance * ceiling)


def drain(quota: RetryQuota, cost: int = 5) -> int:
    """Take as many retries as there are, and count them."""
    taken = 0
    while quota.take(cost):
        taken += 1
    return taken


@pytest.mark.parametrize(("cost", "retries"), [(5, 100), (14, 35)], ids=["throttled", "failed"])
def test_the_quota_runs_out(cost: int, retries: int) -> None:
    """In an outage so many retries are sent and no more; those of throttled requests are cheaper."""
    quota = RetryQuota()

    assert drain(quota, cost) == retries
    assert not quota.take(cost)


@pytest.mark.parametrize("cost", [5, 14])
def test_a_retry_that_worked_is_paid_back(cost: int) -> None:
    """A success after a retry allows another such retry."""
    quota = RetryQuota()
    drain(quota, 1)

    quota.succeeded(cost)
    assert drain(quota, cost) == 1


def test_calls_without_retries_fill_the_quota_slowly() -> None:
    """It takes five of them for one retry of a throttled request."""
    quota = RetryQuota()
    drain(quota)

    for allowed in (0, 0, 0, 0, 1):
        quota.succeeded(0)
        assert drain(quota) == allowed


@pytest.mark.parametrize("cost", [0, 5, 14])
def test_the_quota_does_not_overflow(cost: int) -> None:
    """Good times save up nothing beyond the capacity."""
    quota = RetryQuota()

    quota.take(5)
    for _ in range(100):
        quota.succeeded(cost)
    assert drain(quota) == 100
