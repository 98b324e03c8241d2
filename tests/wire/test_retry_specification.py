"""The published test cases of AWS's retry specification, version 2.1, played against the store.

They are in the appendix of the specification, and in the test suites of AWS's SDKs, such as smithy-java's
SepRetryStrategyTest. A step is an answer of the server, followed by what is expected: how many tokens the quota holds
then, and how long the client waits before its next attempt. Random numbers are at their highest, so that each wait is
the longest possible one. docs/reliability.md lists the cases.
"""

import asyncio
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from aiobotocore.session import AioSession

from tests.wire.scripted_server import ScriptedServer, Step, dynamodb, http, reply, sent
from wikibot_store import StoreConfig, ThrottledError, UnavailableError, WikibotStore
from wikibot_store._wire import _retry

OK = reply({})


def status(code: int, **headers: str) -> Step:
    """Answer with a status alone."""
    return sent(http(code, b"", **headers))


def asks_for(milliseconds: str) -> Step:
    """Fail, and say when to come back."""
    return status(500, x_amz_retry_after=milliseconds)


THROTTLED = sent(dynamodb(400, {"__type": "Throttling"}))


@dataclass(frozen=True)
class Case:
    """A published case: the calls, each a list of answers, and each answer with tokens left and wait after it.

    The wait is None where the call ends. `base` is the wait after a first error that is no throttle: 0.05 seconds,
    and 0.025 for DynamoDB.
    """

    calls: list[list[tuple[Step, int, float | None]]]
    max_attempts: int = 3
    tokens: int = 500
    base: float = 0.05
    max_delay: float = 20.0
    ends_in: type[Exception] | None = None


CASES = {
    "Retry eventually succeeds": Case([[(status(500), 486, 0.05), (status(500), 472, 0.1), (OK, 486, None)]]),
    "Fail due to max attempts reached": Case(
        [[(status(502), 486, 0.05), (status(502), 472, 0.1), (status(502), 472, None)]], ends_in=UnavailableError
    ),
    "Retry Quota reached after a single retry": Case(
        [[(status(500), 0, 0.05), (status(500), 0, None)]], tokens=14, ends_in=UnavailableError
    ),
    "No retries at all if retry quota is 0": Case([[(status(500), 0, None)]], tokens=0, ends_in=UnavailableError),
    "Verifying exponential backoff timing": Case(
        [
            [
                (status(500), 486, 0.05),
                (status(500), 472, 0.1),
                (status(500), 458, 0.2),
                (status(500), 444, 0.4),
                (status(500), 444, None),
            ]
        ],
        max_attempts=5,
        ends_in=UnavailableError,
    ),
    "Verify max backoff time": Case(
        [
            [
                (status(500), 486, 0.05),
                (status(500), 472, 0.1),
                (status(500), 458, 0.2),
                (status(500), 444, 0.2),
                (status(500), 444, None),
            ]
        ],
        max_attempts=5,
        max_delay=0.2,
        ends_in=UnavailableError,
    ),
    "Retry Stops After Retry Quota Exhaustion": Case(
        [[(status(500), 6, 0.05), (status(502), 6, None)]], max_attempts=5, tokens=20, ends_in=UnavailableError
    ),
    "Retry quota Recovery After Successful Responses": Case(
        [
            [(status(500), 16, 0.05), (status(502), 2, 0.1), (OK, 16, None)],
            [(status(500), 2, 0.05), (OK, 16, None)],
        ],
        max_attempts=5,
        tokens=30,
    ),
    "Throttling Error Token Bucket Drain and Backoff Duration": Case([[(THROTTLED, 495, 1.0), (OK, 500, None)]]),
    "DynamoDB base backoff and increased retries": Case(
        [[(status(500), 486, 0.025), (status(500), 472, 0.05), (status(500), 458, 0.1), (status(500), 458, None)]],
        max_attempts=4,
        base=0.025,
        ends_in=UnavailableError,
    ),
    "Honor x-amz-retry-after Header": Case([[(asks_for("1500"), 486, 1.5), (OK, 500, None)]]),
    "x-amz-retry-after minimum is exponential backoff duration": Case([[(asks_for("0"), 486, 0.05), (OK, 500, None)]]),
    "x-amz-retry-after maximum is 5+exponential backoff duration": Case(
        [[(asks_for("10000"), 486, 5.05), (OK, 500, None)]]
    ),
    "Invalid x-amz-retry-after Falls Back to Exponential Backoff": Case(
        [[(asks_for("invalid"), 486, 0.05), (OK, 500, None)]]
    ),
    # Of smithy-typescript's suite, for a client with status codes and codes in one call.
    "Throttling and transient errors mixed": Case(
        [
            [
                (THROTTLED, 495, 1.0),
                (status(429), 490, 2.0),
                (status(503), 476, 0.2),
                (THROTTLED, 471, 8.0),
                (OK, 476, None),
            ]
        ],
        max_attempts=5,
    ),
    "Throttled to the end": Case(
        [[(THROTTLED, 495, 1.0), (THROTTLED, 495, None)]], max_attempts=2, ends_in=ThrottledError
    ),
}


class _Watch(logging.Handler):
    """Notes what the quota holds when a retry is announced, and how long it waits."""

    def __init__(self, quota: _retry.RetryQuota) -> None:
        super().__init__()
        self._quota = quota
        self.seen: list[tuple[int, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self.seen.append((self._quota.tokens, vars(record)["pause"]))


@pytest.fixture(autouse=True)
def _highest_random_numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw the highest number each time, and do not wait."""
    yield_once = asyncio.sleep

    async def no_wait(_: float) -> None:
        await yield_once(0)

    monkeypatch.setattr(random, "random", lambda: 1.0)
    monkeypatch.setattr(asyncio, "sleep", no_wait)
    monkeypatch.setattr(_retry, "_THROTTLE_DELAY", 1.0)
    logger = logging.getLogger("wikibot_store")
    level = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_published_case(
    case: Case, server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts, quota and waits are those of the specification."""
    monkeypatch.setattr(_retry, "_BASE_DELAY", case.base)
    monkeypatch.setattr(_retry, "_MAX_DELAY", case.max_delay)
    config = StoreConfig(endpoint_url=server.url, max_attempts=case.max_attempts, deadline=3600)
    logger = logging.getLogger("wikibot_store")

    async with WikibotStore.open(config, session=session) as store:
        quota = store._wire._quota
        quota.tokens = case.tokens
        for steps in case.calls:
            server.play(*[step for step, _, _ in steps])
            watch = _Watch(quota)
            logger.addHandler(watch)
            try:
                if case.ends_in is None:
                    await store.wikis.get("u-1", "notes")
                else:
                    with pytest.raises(case.ends_in) as caught:
                        await store.wikis.get("u-1", "notes")
                    assert type(caught.value) is case.ends_in
            finally:
                logger.removeHandler(watch)

            *retries, (_, tokens_at_the_end, _) = steps
            assert [tokens for tokens, _ in watch.seen] == [tokens for _, tokens, _ in retries]
            assert [wait for _, wait in watch.seen] == pytest.approx([wait for _, _, wait in retries])
            assert quota.tokens == tokens_at_the_end
