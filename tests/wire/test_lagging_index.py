"""Logins while the index by-oauth lags behind: who has an identity is told by its claim."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiobotocore.session import AioSession

from tests.engines import patient
from wikibot_store import WikibotStore
from wikibot_store.testing import FaultProxy


@pytest.fixture
async def lagging(direct: WikibotStore, session: AioSession) -> AsyncIterator[tuple[FaultProxy, WikibotStore]]:
    """A store whose engine's index can be made to stand still."""
    assert direct.config.endpoint_url is not None
    async with (
        FaultProxy(direct.config.endpoint_url, seed=1) as proxy,
        WikibotStore.open(replace(patient(), endpoint_url=proxy.url), session=session) as store,
    ):
        yield proxy, store


async def test_an_unlinked_identity_opens_nothing(lagging: tuple[FaultProxy, WikibotStore], owner: str) -> None:
    """Who logs in with an identity that was unlinked is another user, though the index still shows the one before."""
    proxy, store = lagging
    ada, _ = await store.users.get_or_create_by_oauth("github", owner)
    await store.users.link_identity(ada.id, "gitlab", owner)
    proxy.stale_index("users", seconds=600)
    await store.users.unlink_identity(ada.id, "github", owner)
    shown = await store.users.get_by_oauth("github", owner)

    somebody, created = await store.users.get_or_create_by_oauth("github", owner)

    assert shown is not None
    assert shown.id == ada.id
    assert created
    assert somebody.id != ada.id


async def test_a_deleted_user_does_not_come_back(lagging: tuple[FaultProxy, WikibotStore], owner: str) -> None:
    """Who logs in after the user was deleted is a new user, though the index still shows the one before."""
    proxy, store = lagging
    ada, _ = await store.users.get_or_create_by_oauth("github", owner)
    proxy.stale_index("users", seconds=600)
    await store.users.delete(ada.id)
    shown = await store.users.get_by_oauth("github", owner)

    _, created = await store.users.get_or_create_by_oauth("github", owner)

    assert shown is not None
    assert created
