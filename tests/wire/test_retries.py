"""Which failures are retried, how often, and what a call without a usable answer raises."""

import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)
from msgspec import DecodeError

from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import (
    AMZ_JSON,
    ScriptedServer,
    Step,
    damaged,
    failed,
    half,
    hang_up,
    html,
    http,
    in_turn,
    keep_silent,
    refuse,
    reply,
    reset,
    sent,
)
from wikibot_store import (
    AlreadyExistsError,
    NotFoundError,
    RequestFailedError,
    StoreConfig,
    ThrottledError,
    UnavailableError,
    WikibotStore,
    WriteOutcomeUnknownError,
)
from wikibot_store._wire import ExhaustedError, _retry

THROTTLES = {
    code: refuse(code)
    for code in ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException")
} | {"gateway's limit": html(429)}
COLLISIONS = {
    "conflict": refuse("TransactionConflictException"),
    "cancelled by conflicts": refuse(
        "TransactionCanceledException",
        CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "ThrottlingError"}],
    ),
}
AMBIGUOUS = {
    "server failed": failed,
    "server says unavailable": refuse("ServiceUnavailable", status=503),
    "transaction in progress": refuse("TransactionInProgressException"),
    "gateway's page": html(502),
    "page with success": html(200),
    "somebody else's JSON": sent(http(200, b'{"message": "log in"}', content_type="application/json")),
    "page not found": html(404),
    "redirect": html(307),
    "hang-up": hang_up,
    "reset": reset,
    "half an answer": half({"Item": wiki_item()}),
    "wrong checksum": damaged({"Item": wiki_item()}),
    "broken JSON": sent(http(200, b'{"Item": {', content_type=AMZ_JSON)),
    "nothing in it": sent(http(200, b"")),
    "JSON that is no error": sent(http(400, b"[]")),
}
TRANSIENT = THROTTLES | COLLISIONS | AMBIGUOUS
FINAL = {
    code: refuse(code, status=status)
    for code, status in {
        "AccessDeniedException": 400,
        "ExpiredTokenException": 400,
        "InvalidSignatureException": 400,
        "ItemCollectionSizeLimitExceededException": 400,
        "ResourceNotFoundException": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
        "NotImplementedYet": 501,
    }.items()
}


def _by_name(*groups: dict[str, Step]) -> pytest.MarkDecorator:
    steps = {name: step for group in groups for name, step in group.items()}
    return pytest.mark.parametrize("fault", steps.values(), ids=steps.keys())


@_by_name(TRANSIENT)
async def test_a_passing_trouble_is_overcome(fault: Step, server: ScriptedServer, store: WikibotStore) -> None:
    """A temporary failure is retried until the answer arrives."""
    server.play(fault, fault, reply({"Item": wiki_item()}))

    wiki = await store.wikis.require("u-1", "notes")

    assert wiki.wiki_slug == "notes"
    assert server.operations == ["GetItem"] * 3


@_by_name(FINAL)
async def test_a_refusal_for_good_is_not_sent_again(fault: Step, server: ScriptedServer, store: WikibotStore) -> None:
    """A permanent failure is reported after one attempt."""
    server.play(fault)

    with pytest.raises(RequestFailedError) as caught:
        await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, ClientError)
    assert caught.value.__cause__.response["Error"]["Code"] == caught.value.code


@_by_name(FINAL)
async def test_a_write_refused_for_good_was_not_applied(
    fault: Step, server: ScriptedServer, store: WikibotStore
) -> None:
    """A write that is refused at its first attempt was not applied."""
    server.play(fault)

    with pytest.raises(RequestFailedError):
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")


async def test_a_failed_condition_is_not_sent_again(server: ScriptedServer, store: WikibotStore) -> None:
    """A condition that failed at the first attempt is reported as what it means."""
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": wiki_item()}]
    server.play(refuse("TransactionCanceledException", CancellationReasons=reasons))
    server.play(refuse("ConditionalCheckFailedException"))

    with pytest.raises(AlreadyExistsError):
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")
    with pytest.raises(NotFoundError):
        await store.wikis.update("u-1", "notes", display_name="N", expected_version=1)


async def test_a_transaction_cancelled_by_a_condition_is_not_sent_again(
    server: ScriptedServer, store: WikibotStore
) -> None:
    """A transaction with a failed condition is not retried, whatever its other reasons."""
    reasons = [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}]
    server.play(refuse("TransactionCanceledException", CancellationReasons=reasons))

    with pytest.raises(AlreadyExistsError) as caught:
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert caught.value.field == "wiki_slug"


async def test_a_transaction_cancelled_for_another_reason_is_refused(
    server: ScriptedServer, store: WikibotStore
) -> None:
    """A transaction that is invalid raises RequestFailedError, not AlreadyExistsError."""
    reasons = [{"Code": "ValidationError"}, {"Code": "None"}]
    server.play(refuse("TransactionCanceledException", CancellationReasons=reasons))

    with pytest.raises(RequestFailedError) as caught:
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert caught.value.code == "TransactionCanceledException"


@pytest.mark.parametrize("attempts", [1, 3])
@_by_name(THROTTLES)
async def test_throttled_every_time(fault: Step, attempts: int, server: ScriptedServer, session: AioSession) -> None:
    """A call that is throttled at every attempt raises ThrottledError with the last reason."""
    config = StoreConfig(endpoint_url=server.url, max_attempts=attempts)
    server.play(*[fault] * attempts)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(ThrottledError) as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert (caught.value.operation, caught.value.attempts) == ("TransactWriteItems", attempts)
    assert caught.value.reason == str(caught.value.__cause__)


@_by_name(COLLISIONS)
async def test_colliding_every_time(fault: Step, server: ScriptedServer, session: AioSession) -> None:
    """A write that conflicts at every attempt was not applied, and is not reported as throttled."""
    server.play(fault, fault)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert type(caught.value) is UnavailableError
    assert caught.value.attempts == 2
    assert isinstance(caught.value.__cause__, ClientError)


@_by_name(AMBIGUOUS)
async def test_no_answer_every_time(fault: Step, server: ScriptedServer, session: AioSession) -> None:
    """A read without an answer reports the number of attempts and the last failure."""
    server.play(fault, fault)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert (caught.value.operation, caught.value.attempts) == ("GetItem", 2)
    assert caught.value.__cause__ is not None
    assert caught.value.reason == str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (failed, ClientError),
        (hang_up, ConnectionClosedError),
        (reset, ConnectionClosedError),
        (half({}), ConnectionClosedError),
        (sent(http(200, b'{"Item": {', content_type=AMZ_JSON)), DecodeError),
    ],
    ids=["failed", "hang-up", "reset", "half", "broken JSON"],
)
async def test_the_cause_is_kept(
    fault: Step, cause: type[Exception], server: ScriptedServer, session: AioSession
) -> None:
    """The library's error has the original one as its cause."""
    server.play(fault)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=1), session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, cause)


async def test_silence_is_broken_off_and_sent_again(server: ScriptedServer, session: AioSession) -> None:
    """An attempt without an answer within `read_timeout` is retried."""
    server.play(keep_silent)
    server.default = reply({"Item": wiki_item()})

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, read_timeout=0.1), session=session) as store:
        assert await store.wikis.get("u-1", "notes") is not None


async def test_the_deadline_ends_an_attempt(server: ScriptedServer, session: AioSession) -> None:
    """A deadline that is shorter than `read_timeout` ends the first attempt."""
    server.default = keep_silent

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.05), session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, ReadTimeoutError)


async def test_the_deadline_ends_a_write(server: ScriptedServer, session: AioSession) -> None:
    """A write that was sent and not answered before the deadline may have been applied."""
    server.default = keep_silent

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.05), session=session) as store:
        with pytest.raises(WriteOutcomeUnknownError) as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert (caught.value.table, caught.value.operation) == ("wikis", "TransactWriteItems")
    assert caught.value.key == {"owner_id": "u-1", "wiki_slug": "notes"}
    assert isinstance(caught.value.__cause__, ReadTimeoutError)


async def test_the_deadline_covers_all_attempts(server: ScriptedServer, session: AioSession) -> None:
    """All attempts together end at the deadline."""
    config = StoreConfig(endpoint_url=server.url, max_attempts=1_000, read_timeout=0.01, deadline=0.2)
    server.default = keep_silent

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert 1 < caught.value.attempts < 1_000


async def test_the_deadline_covers_all_requests_of_a_call(server: ScriptedServer, session: AioSession) -> None:
    """A page that never fills ends at the deadline."""
    server.default = reply({"Items": [], "LastEvaluatedKey": wiki_key()})

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.3), session=session) as store:
        with pytest.raises(UnavailableError):
            await store.wikis.list_by_owner("u-1")

    assert len(server.requests) > 1


async def test_no_attempt_is_made_after_the_deadline(store: WikibotStore) -> None:
    """No request is sent after the deadline."""
    too_late = asyncio.get_running_loop().time()

    with pytest.raises(ExhaustedError, match="no answer before the deadline"):
        await store._wire.call("GetItem", {"TableName": "wikis"}, bytes, deadline=too_late)


async def test_the_deadline_covers_the_waits(
    server: ScriptedServer, store: WikibotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not wait for a retry after the deadline."""
    # Full jitter: a wait of next to nothing stays possible, once in a billion runs.
    monkeypatch.setattr(_retry, "_BASE_DELAY", 1e10)
    monkeypatch.setattr(_retry, "_MAX_DELAY", 1e10)
    server.play(failed)

    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")

    assert caught.value.attempts == 1


async def test_an_outage_uses_up_the_quota_of_retries(server: ScriptedServer, store: WikibotStore) -> None:
    """An outage uses up the quota of retries, so that each call sends one request; successes refill it."""
    server.default = failed
    for _ in range(9):
        with pytest.raises(UnavailableError):
            await store.wikis.get("u-1", "notes")
    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")
    assert caught.value.attempts == 1

    server.default = reply({})
    for _ in range(14):
        await store.wikis.get("u-1", "notes")
    server.play(failed)

    assert await store.wikis.get("u-1", "notes") is None


# ---- what the server asks for


def _refuse(code: str, **headers: str) -> Step:
    """Refuse with additional headers."""
    return sent(http(400, json.dumps({"__type": code}).encode(), **headers))


def _http_date(seconds: float) -> str:
    """Return the HTTP date this many seconds from now."""
    return format_datetime(datetime.fromtimestamp(time.time() + seconds, UTC), usegmt=True)


@pytest.mark.parametrize("retry_after", ["60", "Fri, 31 Dec 2100 00:00:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_would_be_too_long(
    retry_after: str, status: int, server: ScriptedServer, store: WikibotStore
) -> None:
    """If Retry-After ends after the deadline, there is no retry."""
    server.play(sent(http(status, b"", retry_after=retry_after)))

    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")

    assert caught.value.attempts == 1
    assert isinstance(caught.value, ThrottledError) == (status == 429)


async def test_a_wait_that_dynamodb_asks_for(
    server: ScriptedServer, session: AioSession, caplog: pytest.LogCaptureFixture
) -> None:
    """The next attempt waits for Retry-After, and the wait can be cancelled."""
    server.play(_refuse("ThrottlingException", retry_after="600"))
    waiting = asyncio.Event()
    log = logging.getLogger("wikibot_store")

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert "attempt 1 failed, next in 600.000 s: ThrottlingException" in record.getMessage()
            waiting.set()

    listener = Listener()
    log.addHandler(listener)
    try:
        with caplog.at_level(logging.INFO, "wikibot_store"):
            async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=3600), session=session) as store:
                call = asyncio.create_task(store.wikis.get("u-1", "notes"))
                await waiting.wait()
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
    finally:
        log.removeHandler(listener)


async def test_a_wait_that_aws_asks_for(server: ScriptedServer, session: AioSession) -> None:
    """`x-amz-retry-after` prolongs the wait to less than the deadline here, and beyond it there."""
    server.play(_refuse("ThrottlingException", x_amz_retry_after="50"), reply({"Item": wiki_item()}))
    server.play(_refuse("ThrottlingException", x_amz_retry_after="4000"))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=2), session=session) as store:
        assert await store.wikis.get("u-1", "notes") is not None
        with pytest.raises(ThrottledError) as caught:
            await store.wikis.get("u-1", "notes")

    assert caught.value.attempts == 1


@pytest.mark.parametrize("retry_after", ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "soon", "-1"])
async def test_no_wait_that_anybody_asks_for(retry_after: str, server: ScriptedServer, store: WikibotStore) -> None:
    """A Retry-After in the past, or an invalid one, is ignored."""
    server.play(_refuse("ThrottlingException", retry_after=retry_after), reply({"Item": wiki_item()}))

    assert await store.wikis.get("u-1", "notes") is not None


async def test_a_date_is_held_against_the_servers_clock(server: ScriptedServer, store: WikibotStore) -> None:
    """A date in Retry-After is compared with the server's clock, not with the local one."""
    over = {"date": _http_date(-7200), "retry_after": _http_date(-7200)}
    to_come = {"date": _http_date(-7200), "retry_after": _http_date(-3600)}
    server.play(_refuse("ThrottlingException", **over), _refuse("ThrottlingException", **to_come))

    with pytest.raises(ThrottledError) as caught:
        await store.wikis.get("u-1", "notes")

    assert caught.value.attempts == 2


# ---- a wrong clock


def _signed_at(server: ScriptedServer, request: int) -> float:
    """Return how many seconds from now is the signing time of a request."""
    moment = datetime.strptime(server.requests[request].headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return moment.timestamp() - time.time()


async def test_this_machines_clock_is_taken_for_right(server: ScriptedServer, store: WikibotStore) -> None:
    """Until a server says otherwise, requests are signed with the present time, in whole seconds."""
    server.play(reply({"Item": wiki_item()}))
    await store.wikis.get("u-1", "notes")

    assert -60 < _signed_at(server, 0) <= 0


@pytest.mark.parametrize("code", sorted(_retry.SIGNATURE_CODES))
@pytest.mark.parametrize("skew", [7200, -7200], ids=["slow", "fast"])
async def test_a_wrong_clock_is_corrected(code: str, skew: float, server: ScriptedServer, store: WikibotStore) -> None:
    """After a wrong clock, the request and all later ones are signed with the server's time."""
    server.play(_refuse(code, date=_http_date(skew)), reply({"Item": wiki_item()}), reply({"Item": wiki_item()}))

    assert await store.wikis.get("u-1", "notes") is not None
    assert await store.wikis.get("u-1", "notes") is not None

    assert [_signed_at(server, request) for request in range(3)] == pytest.approx([0, skew, skew], abs=60)
    first, second, _ = server.requests
    assert first.body == second.body
    assert first.headers["authorization"] != second.headers["authorization"]


async def test_a_wrong_clock_takes_no_retry(server: ScriptedServer, session: AioSession) -> None:
    """The correction of the clock works even if only one attempt is allowed."""
    server.play(_refuse("InvalidSignatureException", date=_http_date(7200)), reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=1), session=session) as store:
        await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")


async def test_a_wrong_clock_under_load(server: ScriptedServer, store: WikibotStore) -> None:
    """All requests that were refused for the wrong clock are sent again."""
    refusal = _refuse("InvalidSignatureException", date=_http_date(7200))
    server.play(*[in_turn(lambda _: server.received(4), refusal)] * 4)
    server.default = reply({})

    await asyncio.gather(*[store.wikis.create("u-1", slug, display_name="N", repo_path="/srv") for slug in "abcd"])

    assert len(server.requests) == 8


@pytest.mark.parametrize("date", [{}, {"date": "nonsense"}])
async def test_a_refused_signature_that_the_clock_does_not_explain(
    date: dict[str, str], server: ScriptedServer, store: WikibotStore
) -> None:
    """A wrong key is not blamed on the clock."""
    now = _http_date(0)
    server.play(_refuse("InvalidSignatureException", **date), _refuse("InvalidSignatureException", date=now))

    for _ in range(2):
        with pytest.raises(RequestFailedError, match="the secret key is wrong, or this machine's clock is"):
            await store.wikis.get("u-1", "notes")


async def test_a_clock_is_corrected_once(server: ScriptedServer, store: WikibotStore) -> None:
    """A call corrects its clock only once, even if the server's time changes again."""
    server.play(
        _refuse("InvalidSignatureException", date=_http_date(7200)),
        _refuse("InvalidSignatureException", date=_http_date(-7200)),
    )

    with pytest.raises(RequestFailedError):
        await store.wikis.get("u-1", "notes")
