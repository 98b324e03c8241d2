"""Secrets do not appear in logs, representations, errors or tracebacks."""

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import pytest
from aiobotocore.session import AioSession

from tests.access_patterns import PATTERNS
from tests.faults.invariants import Stored, read_all
from tests.sessions import session_with
from tests.wire.scripted_server import (
    Exchange,
    Step,
    damaged,
    failed,
    hang_up,
    http,
    refuse,
    reply,
    scripted_server,
)
from tests.world import WORLD, replace
from wikibot_store import ConflictError, CorruptItemError, StoreConfig, WikibotStore, WikibotStoreError, hash_token
from wikibot_store._dynamo.items import string
from wikibot_store._wire import _retry
from wikibot_store.local import local_engine
from wikibot_store.provision import create_tables

TOKEN = "wk-telltale-token"
SECRETS = {
    "email": "telltale@example.org",
    "OAuth subject": "telltale-subject",
    "OAuth subject of a corrupt claim": "telltale-corrupt",
    "MCP token": TOKEN,
    "hash of the MCP token": hash_token(TOKEN),
    "access key": "AKIATELLTALE",
    "secret key": "telltale/secret/key",
    "session token": "telltale//session//token",
    "cursor secret": "telltale cursor secret",
    "older cursor secret": "telltale older secret",
}
LOGGERS = ("wikibot_store", "botocore", "aiobotocore", "aioboto3", "boto3", "aiohttp", "asyncio", "urllib3")
EMAIL, SUB, CORRUPT_SUB = (SECRETS[name] for name in ("email", "OAuth subject", "OAuth subject of a corrupt claim"))
Call = Callable[[WikibotStore], Awaitable[object]]


@dataclass
class Emitted:
    """Everything that a person or a log could see."""

    texts: list[str] = field(default_factory=list)

    def show(self, thing: object) -> None:
        """Record the text and the repr of an object."""
        self.texts += [repr(thing), str(thing), f"{thing}", f"{[thing]}"]

    async def run(self, call: Awaitable[object]) -> None:
        """Record the result of a call, or its error with all causes."""
        try:
            self.show(await call)
        except (WikibotStoreError, ValueError, TypeError) as error:
            self.texts += traceback.format_exception(error)
            cause: BaseException | None = error
            while cause is not None:
                self.show(cause)
                cause = cause.__cause__

    def leaks(self) -> dict[str, str]:
        """Return the secrets that were recorded, and where."""
        return {name: text for name, secret in SECRETS.items() for text in self.texts if secret in text}


@contextmanager
def everything_logged() -> Iterator[Emitted]:
    """Record everything that is logged at DEBUG, also by an event loop in debug mode."""
    emitted = Emitted()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            emitted.texts.append(self.format(record))
            emitted.texts.append(repr(record.args))

    handler = Handler(logging.DEBUG)
    loop = asyncio.get_running_loop()
    debug, slow = loop.get_debug(), loop.slow_callback_duration
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    try:
        yield emitted
    finally:
        loop.set_debug(debug)
        loop.slow_callback_duration = slow
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a pause."""
    monkeypatch.setattr(_retry, "_BASE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_THROTTLE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_BASE_YIELD", 0.0)


def telling_session() -> AioSession:
    """Return a session with credentials that the search finds."""
    return session_with(SECRETS["access key"], SECRETS["secret key"], SECRETS["session token"])


def telling_config(endpoint_url: str) -> StoreConfig:
    """Return a config with secrets that the search finds."""
    secrets = (SECRETS["cursor secret"], SECRETS["older cursor secret"])
    return StoreConfig(endpoint_url=endpoint_url, grantee_index=True, cursor_secret=secrets, max_attempts=2)


# What is called with secrets; where one of them is wrong or refused, the error is what counts.
TELLING: dict[str, Call] = {
    "users.create": lambda store: store.users.create(
        id="eve", oauth_provider="github", oauth_provider_sub=SUB, username="eve", email=EMAIL
    ),
    "a duplicate": lambda store: store.users.create(oauth_provider="github", oauth_provider_sub=SUB, email=EMAIL),
    "a bad subject": lambda store: store.users.create(oauth_provider="github", oauth_provider_sub=f"{SUB}\n{SUB}"),
    "a bad email": lambda store: store.users.update("eve", email=f"{EMAIL}\ud800"),
    "a bad type": lambda store: store.users.update("eve", email=[EMAIL]),  # type: ignore[arg-type]
    "get_or_create_by_oauth": lambda store: store.users.get_or_create_by_oauth("github", SUB, email=EMAIL),
    "get_by_oauth": lambda store: store.users.get_by_oauth("github", SUB),
    "a consistent get_by_oauth": lambda store: store.users.get_by_oauth("github", SUB, consistent=True),
    "a corrupt claim": lambda store: store.users.get_by_oauth("github", CORRUPT_SUB, consistent=True),
    "users.update": lambda store: store.users.update("eve", email=EMAIL, expected_version=1),
    "a conflict": lambda store: store.users.update("eve", email=EMAIL, expected_version=1),
    "nobody": lambda store: store.users.update("nobody", email=EMAIL),
    "wikis.create": lambda store: store.wikis.create(
        "eve", "notes", display_name="Notes", repo_path="/n", mcp_token_hash=hash_token(TOKEN)
    ),
    "another wiki": lambda store: store.wikis.create(
        "eve", "journal", display_name="Journal", repo_path="/j", mcp_token_hash=hash_token(TOKEN)
    ),
    "a wiki's duplicate": lambda store: store.wikis.create(
        "eve", "notes", display_name="Notes", repo_path="/n", mcp_token_hash=hash_token(TOKEN)
    ),
    "wikis.update": lambda store: store.wikis.update("eve", "notes", mcp_token_hash=hash_token(TOKEN)),
    "a wiki's conflict": lambda store: store.wikis.update(
        "eve", "notes", mcp_token_hash=hash_token(TOKEN), expected_version=7
    ),
    "a grant": lambda store: store.acls.create("eve:notes", "ada", "editor", granted_by="eve"),
    "members": lambda store: store.acls.list_members("eve:notes"),
    "authorize": lambda store: store.authorize("eve", "eve", "notes"),
    "a page with a cursor": lambda store: store.wikis.list_by_owner("eve", limit=1),
    "a bad cursor": lambda store: store.wikis.list_by_owner("eve", cursor=SECRETS["cursor secret"]),
    "users.get": lambda store: store.users.get("eve"),
    "users.get_many": lambda store: store.users.get_many(["ada", "eve"]),
}


TELLING_WORLD = Stored.of(
    users=[item | {"email": string(EMAIL)} for item in WORLD.users],
    wikis=[item | {"mcp_token_hash": string(hash_token(TOKEN))} for item in WORLD.wikis],
    acls=WORLD.acls,
)
"""The small world, with secrets in it."""


async def test_no_access_pattern_emits_a_secret() -> None:
    """No call of the API shows a secret, with everything logged."""
    with local_engine() as url:
        async with WikibotStore.open(telling_config(url), session=telling_session()) as store:
            await create_tables(store)
            for pattern in PATTERNS:
                # By the ordinary client, which logs what it signs: before anything is looked at.
                await replace(store, await read_all(store), TELLING_WORLD)
                with everything_logged() as emitted:
                    await emitted.run(pattern.call(store))
                assert emitted.leaks() == {}, str(pattern)


async def test_nothing_secret_is_emitted() -> None:
    """Calls with secrets as arguments, and their errors, show no secret, with everything logged."""
    with local_engine() as url:
        async with WikibotStore.open(telling_config(url), session=telling_session()) as store:
            # The ordinary client logs what it signs: that is botocore's, and not on the way of any access pattern.
            await create_tables(store)
            claim = {"id": string(f"claim#oauth#github#{CORRUPT_SUB}"), "user_id": {"N": "5"}}
            put = {"TableName": "users", "Item": claim}
            await store._wire.call("PutItem", put, msgspec.json.decode, deadline=store._wire.deadline())
            with everything_logged() as emitted:
                for call in TELLING.values():
                    await emitted.run(call(store))
                emitted.show(store)
                emitted.show(store.config)

    assert emitted.leaks() == {}
    text = "\n".join(emitted.texts)
    assert "claim#oauth#github#…" in text
    assert "User(id='eve'" in text


async def test_what_somebody_finds_who_reads_everything() -> None:
    """The tables hold profiles and token hashes, but no token, no credentials and no cursor secret."""
    found = Emitted()
    with local_engine() as url:
        async with WikibotStore.open(telling_config(url), session=telling_session()) as store:
            await create_tables(store)
            for call in TELLING.values():
                await Emitted().run(call(store))
            found.show(there := await read_all(store))
            for pattern in PATTERNS:
                if pattern.writes:
                    await replace(store, there, TELLING_WORLD)
                    await Emitted().run(pattern.call(store))
                    found.show(there := await read_all(store))

    assert found.leaks().keys() == {"email", "OAuth subject", "hash of the MCP token"}


async def test_the_ordinary_client_logs_what_it_signs() -> None:
    """At DEBUG botocore logs what it signs and sends, also the session token, but not the secret key."""
    async with scripted_server() as server:
        server.default = reply({"TableNames": []})
        async with WikibotStore.open(telling_config(server.url), session=telling_session()) as store:
            client = await store.client()
            with everything_logged() as emitted:
                await client.list_tables()

    assert emitted.leaks().keys() == {"access key", "session token"}


async def _quote_the_request(exchange: Exchange) -> None:
    """Refuse the signature as AWS does: with the text that should have been signed."""
    quoted = "".join(f"{name}:{value}\n" for name, value in exchange.request.headers.items())
    message = f"It does not match. The Canonical String for this request should have been\n'POST\n/\n\n{quoted}'"
    body = json.dumps({"__type": "InvalidSignatureException", "message": message}).encode()
    await exchange.send(http(403, body))


TROUBLES: dict[str, Step] = {
    "refused": refuse("ValidationException"),
    "throttled": refuse("ThrottlingException"),
    "failed": failed,
    "hung up": hang_up,
    "damaged": damaged({}),
    "other": reply({"Item": 5, "Items": [{"email": {"S": EMAIL}}], "Attributes": {"email": {"S": EMAIL}}}),
    "a signature refused": _quote_the_request,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_nothing_secret_is_emitted_in_trouble(trouble: Step) -> None:
    """If the endpoint fails, neither the error nor the log shows a secret."""
    async with scripted_server() as server:
        server.default = trouble
        with everything_logged() as emitted:
            async with WikibotStore.open(telling_config(server.url), session=telling_session()) as store:
                for call in TELLING.values():
                    await emitted.run(call(store))

    assert emitted.leaks() == {}
    assert server.requests


def test_the_search_finds() -> None:
    """The search finds a secret that is shown."""
    emitted = Emitted()

    emitted.show(ConflictError("users", {"id": "eve"}, None))
    assert emitted.leaks() == {}
    emitted.show(CorruptItemError("users", {"id": SUB}, "x"))
    assert set(emitted.leaks()) == {"OAuth subject"}
