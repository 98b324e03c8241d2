"""How often and in which mode requests are retried, as the environment says."""

from typing import Any

import pytest

from tests.sessions import session_with
from tests.wire.scripted_server import ScriptedServer, refuse, reply
from wikibot_store import StoreConfig, ThrottledError, UnavailableError, WikibotStore

_THROTTLE = refuse("ThrottlingException")
_HOURS = 10_000.0


async def test_the_environment_says_how_often(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_MAX_ATTEMPTS bounds the attempts of the store and of its ordinary client."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    server.default = _THROTTLE

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_with()) as store:
        with pytest.raises(ThrottledError, match="after 2 attempts"):
            await store.wikis.get("u-1", "notes")
        retries = (await store.client()).meta.config.retries  # type: ignore[attr-defined]  # the stubs lack it

    assert len(server.requests) == 2
    assert store.config.max_attempts == 2
    assert retries == {"mode": "standard", "total_max_attempts": 2}


async def test_the_config_says_how_often(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the config says counts more than AWS_MAX_ATTEMPTS."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    server.default = _THROTTLE

    config = StoreConfig(endpoint_url=server.url, max_attempts=3)
    async with WikibotStore.open(config, session=session_with()) as store:
        with pytest.raises(ThrottledError, match="after 3 attempts"):
            await store.wikis.get("u-1", "notes")

    assert len(server.requests) == 3


async def test_adaptive_mode_slows_down(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a throttle, adaptive mode holds requests back, and lets them pass again as successes come."""
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    server.play(reply({}), _THROTTLE, reply({}), reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session_with()) as store:
        limiter: Any = store._wire._limiter
        await store.wikis.get("u-1", "notes")
        assert not limiter._limiter._enabled
        await store.wikis.get("u-1", "notes")
        assert limiter._limiter._enabled
        await store.wikis.get("u-1", "notes")
        assert (await store.client()).meta.config.retries["mode"] == "adaptive"  # type: ignore[attr-defined]

    assert len(server.requests) == 4


async def test_adaptive_mode_keeps_the_deadline(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that adaptive mode holds back for too long is not sent."""
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    server.play(_THROTTLE)

    config = StoreConfig(endpoint_url=server.url, max_attempts=1, deadline=0.2)
    async with WikibotStore.open(config, session=session_with()) as store:
        with pytest.raises(ThrottledError):
            await store.wikis.get("u-1", "notes")
        limiter: Any = store._wire._limiter
        limiter._limiter._token_bucket._current_capacity = -_HOURS
        with pytest.raises(UnavailableError, match="no connection was free before the deadline"):
            await store.wikis.get("u-1", "notes")

    assert len(server.requests) == 1
