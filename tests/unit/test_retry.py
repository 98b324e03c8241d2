"""What is sent again, when, and how often; compared with what botocore does."""

import random
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.retries import standard

from wikibot_store._wire._retry import (
    CONFLICTS,
    THROTTLES,
    TRANSIENT,
    TRANSIENT_STATUSES,
    RetryQuota,
    Verdict,
    contention_delay,
    delay,
    judge,
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
    """Every code that botocore knows as throttling is throttling here, but for the listed differences."""
    assert judge(400, code) is OTHER_VERDICTS.get(code, Verdict.THROTTLED)


@pytest.mark.parametrize("code", botocores(standard.TransientRetryableChecker, "_TRANSIENT_ERROR_CODES"))
def test_botocores_transient_codes(code: str) -> None:
    """Every code that botocore knows as transient may have been applied, but for the listed differences."""
    assert judge(400, code) is OTHER_VERDICTS.get(code, Verdict.AMBIGUOUS)


@pytest.mark.parametrize("status", botocores(standard.TransientRetryableChecker, "_TRANSIENT_STATUS_CODES"))
def test_botocores_transient_statuses(status: int) -> None:
    """Every status that botocore sends again is sent again, whatever the code."""
    assert judge(status, "Unheard") is Verdict.AMBIGUOUS
    assert status in TRANSIENT_STATUSES


def test_every_error_of_the_service_model_is_judged() -> None:
    """A new exception of DynamoDB's has to be put in one table or another before this passes again."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    shapes = {shape.name for shape in model.error_shapes}
    retried = THROTTLES | CONFLICTS | TRANSIENT

    assert shapes - retried == FINAL | BY_ITS_REASONS
    assert {shape.name for shape in model.error_shapes if "retryable" in shape.metadata} <= retried


@pytest.mark.parametrize(
    "code", [*sorted(FINAL), "ValidationException", "AccessDeniedException", "ExpiredTokenException", "Unheard", ""]
)
def test_refusals_are_final(code: str) -> None:
    """What is wrong with the request itself is not sent again."""
    assert judge(400, code) is Verdict.FINAL


@pytest.mark.parametrize("code", sorted(CONFLICTS))
def test_conflicts_are_harmless(code: str) -> None:
    """Who loses to another transaction has written nothing, and tries again."""
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
    """A server that failed may have applied the request before."""
    assert judge(status, code) is Verdict.AMBIGUOUS


@pytest.mark.parametrize("status", [400, 500, 503])
def test_throttling_is_throttling_with_any_status(status: int) -> None:
    """The code says more than the status: nothing was applied."""
    assert judge(status, "ThrottlingException") is Verdict.THROTTLED


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
    """It is sent again only if load or a conflict is all that stood against it."""
    assert judge(400, "TransactionCanceledException", reasons) is verdict


@pytest.mark.parametrize(
    ("wait", "ceilings"),
    [
        (delay, {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.8, 8: 12.8, 9: 20.0, 10: 20.0, 100: 20.0, 10_000: 20.0}),
        (contention_delay, {1: 0.02, 2: 0.04, 3: 0.08, 4: 0.16, 5: 0.25, 6: 0.25, 100: 0.25, 10_000: 0.25}),
    ],
    ids=["after a failure", "after losing"],
)
def test_delays(wait: Callable[[int], float], ceilings: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The ceiling doubles with every attempt up to its limit; below it, everything down to zero is possible."""
    for chance in (0.0, 0.5, 1.0):
        monkeypatch.setattr(random, "random", lambda chance=chance: chance)
        for attempt, ceiling in ceilings.items():
            assert wait(attempt) == pytest.approx(chance * ceiling)


def drain(quota: RetryQuota) -> int:
    """Take as many retries as there are, and count them."""
    taken = 0
    while quota.take():
        taken += 1
    return taken


def test_the_quota_runs_out() -> None:
    """In an outage a hundred retries are sent and no more."""
    quota = RetryQuota()

    assert drain(quota) == 100
    assert not quota.take()


def test_a_retry_that_worked_is_paid_back() -> None:
    """A success after a retry allows another retry."""
    quota = RetryQuota()
    drain(quota)

    quota.succeeded(retried=True)
    assert drain(quota) == 1


def test_calls_without_retries_fill_the_quota_slowly() -> None:
    """It takes five of them for one retry."""
    quota = RetryQuota()
    drain(quota)

    for allowed in (0, 0, 0, 0, 1):
        quota.succeeded(retried=False)
        assert drain(quota) == allowed


@pytest.mark.parametrize("retried", [False, True])
def test_the_quota_does_not_overflow(*, retried: bool) -> None:
    """Good times save up nothing beyond the capacity."""
    quota = RetryQuota()

    quota.take()
    for _ in range(100):
        quota.succeeded(retried=retried)
    assert drain(quota) == 100
