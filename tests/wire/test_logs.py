"""What is logged about requests that fail: how often, with which fields, and nothing that is secret."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import CredentialRetrievalError

from tests.waiting import together
from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    AMZ_JSON,
    REQUEST_ID,
    ScriptedServer,
    Step,
    damaged,
    failed,
    hang_up,
    html,
    http,
    keep_silent,
    refuse,
    reply,
    sent,
)
from wikibot_store import (
    NotFoundError,
    StoreConfig,
    UnavailableError,
    WikibotStore,
    WikibotStoreError,
    WikiKey,
    WriteOutcomeUnknownError,
)
from wikibot_store._wire import access_pattern

_MESSAGE = "a message that may quote anything"
_NOT_OURS = "is not an answer of DynamoDB"


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wikibot_store")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the library has added to a record."""
    usual = vars(logging.makeLogRecord({}))
    return {name: value for name, value in vars(record).items() if name not in usual and name != "message"}


async def test_a_retry_is_logged(server: ScriptedServer, store: WikibotStore, caplog: pytest.LogCaptureFixture) -> None:
    """Each retry is a record at INFO that says what failed, why, and when the next attempt is made."""
    server.play(refuse("ThrottlingException", _MESSAGE), failed, reply({"Item": wiki_item()}))

    await store.wikis.require("u-1", "notes")

    first, second = caplog.records
    assert first.levelno == second.levelno == logging.INFO
    common = {"operation": "GetItem", "table": "wikis", "access_pattern": "wikis.require", "request_id": REQUEST_ID}
    assert _fields(first) == common | {"attempt": 1, "reason": "ThrottlingException", "pause": 0.0}
    assert _fields(second) == common | {"attempt": 2, "reason": "InternalServerError", "pause": 0.0}
    assert first.getMessage() == (
        "GetItem wikis (wikis.require): attempt 1 failed, next in 0.000 s: ThrottlingException"
    )


async def test_the_last_failure_is_logged(
    server: ScriptedServer, session: AioSession, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure that ends a call is a warning, with the same fields but for the wait."""
    server.play(failed, failed)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(WriteOutcomeUnknownError):
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    retry, last = caplog.records
    assert (retry.levelno, last.levelno) == (logging.INFO, logging.WARNING)
    assert _fields(last) == {
        "operation": "TransactWriteItems",
        "table": "users wikis",
        "access_pattern": "wikis.create",
        "attempt": 2,
        "reason": "InternalServerError",
        "request_id": REQUEST_ID,
    }
    assert last.getMessage() == (
        "TransactWriteItems users wikis (wikis.create): failed after 2 attempts: InternalServerError"
    )


@pytest.mark.parametrize(
    ("fault", "reason", "request_id"),
    [
        (refuse("AccessDeniedException", _MESSAGE), "AccessDeniedException", REQUEST_ID),
        (html(404), f"HTTP 404 with text/html {_NOT_OURS}", None),
        (
            sent(http(502, b"", x_amzn_requestid="r-2")),
            "HTTP 502 with no content type is not an answer of DynamoDB",
            "r-2",
        ),
        (damaged({}), "the answer's checksum is wrong: it was damaged on the way", None),
        (sent(http(200, b'{"Item": 5}', content_type=AMZ_JSON)), "the answer cannot be read", None),
        (hang_up, "ConnectionClosedError (ServerDisconnectedError)", None),
        (keep_silent, "ReadTimeoutError (TimeoutError)", None),
    ],
    ids=["refused", "page", "request id", "damaged", "unreadable", "hang-up", "silence"],
)
async def test_the_reason(  # noqa: PLR0917 - three parameters and three fixtures
    fault: Step,
    reason: str,
    request_id: str | None,
    server: ScriptedServer,
    session: AioSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason is the code of the refusal or a short text about its kind, and never the server's own message."""
    server.play(fault)
    config = StoreConfig(endpoint_url=server.url, max_attempts=1, read_timeout=0.1)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(WikibotStoreError):
            await store.wikis.get("u-1", "notes")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (vars(record)["reason"], vars(record)["request_id"]) == (reason, request_id)


async def test_no_time_is_left(server: ScriptedServer, session: AioSession, caplog: pytest.LogCaptureFixture) -> None:
    """A call that waits for a connection until its deadline says so; one without time for an attempt too."""
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, deadline=0.05), session=session) as store:
        for _ in range(store.config.max_pool_connections or 0):
            store._wire._connections.take_free()
        with pytest.raises(UnavailableError):
            await store.wikis.list_by_owner("u-1")
        past = asyncio.get_running_loop().time()
        with pytest.raises(Exception, match="no answer before the deadline"):
            await store._wire.call("GetItem", {"TableName": "wikis"}, bytes, deadline=past)

    reasons = [(vars(record)["reason"], vars(record)["access_pattern"]) for record in caplog.records]
    assert reasons == [
        ("no connection was free before the deadline", "wikis.list_by_owner"),
        ("no answer before the deadline", "none"),
    ]
    assert server.requests == []


async def test_a_provider_of_credentials_that_fails(
    server: ScriptedServer, store: WikibotStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a provider of credentials says is not logged: it may quote them."""

    async def fail(_deadline: float) -> None:
        raise CredentialRetrievalError(provider="session", error_msg=_MESSAGE)

    monkeypatch.setattr(store._wire, "_frozen_credentials", fail)
    with pytest.raises(UnavailableError):
        await store.wikis.get("u-1", "notes")

    assert len(caplog.records) == store._wire.config.max_attempts
    assert _MESSAGE not in caplog.text
    assert server.requests == []


async def test_a_condition_that_is_not_met_is_not_logged(
    server: ScriptedServer, store: WikibotStore, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that the caller has to expect is no failure."""
    server.play(refuse("ConditionalCheckFailedException"))

    with pytest.raises(NotFoundError):
        await store.wikis.update("u-1", "notes", display_name="N", expected_version=1)

    assert caplog.records == []


async def test_nothing_is_made_for_a_log_that_is_off(
    server: ScriptedServer, session: AioSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Below its level, the logger gets no records."""
    caplog.set_level(logging.ERROR, "wikibot_store")
    server.play(failed, failed)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(UnavailableError):
            await store.wikis.get("u-1", "notes")

    assert caplog.records == []


# ---- access patterns

_ITEMS = reply({"Responses": {"wikis": [wiki_item("a")]}, "Items": [], "Item": wiki_item("a")})


async def _stream(store: WikibotStore) -> object:
    return [wiki async for wiki in store.wikis.iter_by_owner("u-1")]


async def _sweep(store: WikibotStore) -> object:
    return [page async for page in store.admin.sweep()]


@pytest.mark.parametrize(
    ("call", "pattern", "records"),
    [
        (lambda store: store.wikis.get("u-1", "a"), "wikis.get", 1),
        (lambda store: store.wikis.get_many([WikiKey("u-1", "a")]), "wikis.get_many", 1),
        (lambda store: store.wikis.get_many([WikiKey("u-1", f"a{n}") for n in range(101)]), "wikis.get_many", 2),
        (lambda store: store.authorize("u-1", "u-1", "a"), "authorize", 1),
        (_stream, "wikis.iter_by_owner", 1),
        (_sweep, "admin.sweep", 1),
        (lambda store: together(store, *(store.wikis.get("u-1", slug) for slug in "ab")), "shared reads", 1),
    ],
    ids=["get", "get_many", "in two requests", "authorize", "stream", "sweep", "shared"],
)
async def test_the_access_pattern(  # noqa: PLR0917 - three parameters and three fixtures
    call: Callable[[WikibotStore], Awaitable[object]],
    pattern: str,
    records: int,
    server: ScriptedServer,
    store: WikibotStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record names the public method that was called, also where tasks of the library's send the request."""
    server.play(*[failed] * records)
    server.default = _ITEMS

    await call(store)

    assert [vars(record)["access_pattern"] for record in caplog.records] == [pattern] * records


def test_no_access_pattern() -> None:
    """Outside of all public methods there is none."""
    assert access_pattern() == "none"


async def test_unprocessed_keys(server: ScriptedServer, session: AioSession, caplog: pytest.LogCaptureFixture) -> None:
    """Keys that DynamoDB leaves unprocessed are logged as a retry, and as a failure in the end."""
    left = {"wikis": {"Keys": [{"owner_id": {"S": "u-1"}, "wiki_slug": {"S": "a"}}]}}
    server.default = reply({"Responses": {}, "UnprocessedKeys": left})

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(UnavailableError):
            await store.wikis.get_many([WikiKey("u-1", "a")])

    retry, last = caplog.records
    common = {
        "operation": "BatchGetItem",
        "table": "wikis",
        "access_pattern": "wikis.get_many",
        "reason": "keys were left unprocessed",
        "request_id": None,
    }
    assert _fields(retry) == common | {"attempt": 1, "pause": 0.0}
    assert _fields(last) == common | {"attempt": 2}


async def test_members_of_replies_that_are_null(server: ScriptedServer, store: WikibotStore) -> None:
    """A list or map that is null means the same as an empty one."""
    empty = json.dumps({"Items": None, "LastEvaluatedKey": None}).encode()
    server.play(sent(http(200, empty, content_type=AMZ_JSON)))
    server.play(reply({"Responses": None, "UnprocessedKeys": None}), reply({"Responses": {"wikis": None}}))

    assert (await store.wikis.list_by_owner("u-1")).items == []
    assert await store.wikis.get_many([WikiKey("u-1", "a")]) == {}
    assert await store.wikis.get_many([WikiKey("u-1", "a")]) == {}
