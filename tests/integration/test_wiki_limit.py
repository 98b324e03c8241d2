"""The quota: the setting `wiki_limit`, unless a call gives a `limit` of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiobotocore.session import AioSession

from tests.integration.samples import a_user_id, a_wiki, fresh
from wikibot_store import QuotaExceededError, Wiki, WikibotStore


@pytest.fixture
async def limited(store: WikibotStore, session: AioSession) -> AsyncIterator[WikibotStore]:
    """Give a store that allows each user one wiki."""
    async with WikibotStore.open(replace(store.config, wiki_limit=1), session=session) as limited:
        yield limited


async def count_of(store: WikibotStore, user_id: str) -> int:
    """Return how many wikis a user is counted to have."""
    return (await store.users.require(user_id, consistent=True)).wiki_count


async def test_a_forgotten_limit_is_the_setting(limited: WikibotStore) -> None:
    """Without `limit`, create allows as many wikis as the setting does."""
    owner_id = await a_user_id(limited)
    await a_wiki(limited, owner_id)

    with pytest.raises(QuotaExceededError) as refusal:
        await a_wiki(limited, owner_id)

    assert (refusal.value.limit, refusal.value.key) == (1, {"id": owner_id})
    assert await count_of(limited, owner_id) == 1


async def test_none_is_no_limit(limited: WikibotStore) -> None:
    """`limit=None` allows any number of wikis, whatever the setting."""
    owner_id = await a_user_id(limited)

    for _ in range(3):
        await a_wiki(limited, owner_id, limit=None)

    assert await count_of(limited, owner_id) == 3


async def test_a_number_replaces_the_setting(limited: WikibotStore) -> None:
    """A `limit` counts instead of the setting, whether it is more or less."""
    owner_id = await a_user_id(limited)

    with pytest.raises(QuotaExceededError):
        await a_wiki(limited, owner_id, limit=0)
    for _ in range(2):
        await a_wiki(limited, owner_id, limit=2)
    with pytest.raises(QuotaExceededError) as refusal:
        await a_wiki(limited, owner_id, limit=2)

    assert refusal.value.limit == 2
    assert await count_of(limited, owner_id) == 2


async def test_without_a_setting_there_is_no_limit(store: WikibotStore) -> None:
    """The setting's default allows any number of wikis."""
    assert store.config.wiki_limit is None
    owner_id = await a_user_id(store)

    for _ in range(3):
        await a_wiki(store, owner_id)

    assert await count_of(store, owner_id) == 3


async def _give(store: WikibotStore, receiver_id: str) -> Wiki:
    """Create a wiki to be transferred to a receiver who has one already."""
    await store.wikis.create(receiver_id, fresh(), display_name="Theirs", repo_path="/srv/t", limit=None)
    return await a_wiki(store)


async def test_a_transfer_keeps_to_the_setting(limited: WikibotStore) -> None:
    """Without `limit`, a transfer is refused if the receiver has as many wikis as the setting allows."""
    receiver_id = await a_user_id(limited)
    wiki = await _give(limited, receiver_id)

    with pytest.raises(QuotaExceededError) as refusal:
        await limited.wikis.transfer(wiki.owner_id, wiki.wiki_slug, receiver_id)

    assert (refusal.value.limit, refusal.value.key) == (1, {"id": receiver_id})
    assert await limited.wikis.get(wiki.owner_id, wiki.wiki_slug, consistent=True) == wiki
    assert await count_of(limited, receiver_id) == 1


@pytest.mark.parametrize("limit", [None, 2])
async def test_a_transfer_takes_a_limit_of_its_own(limited: WikibotStore, limit: int | None) -> None:
    """A `limit` counts instead of the setting for a transfer too; None is no limit."""
    receiver_id = await a_user_id(limited)
    wiki = await _give(limited, receiver_id)

    moved = await limited.wikis.transfer(wiki.owner_id, wiki.wiki_slug, receiver_id, limit=limit)

    assert (moved.owner_id, moved.uid) == (receiver_id, wiki.uid)
    assert await count_of(limited, receiver_id) == 2


async def test_a_rename_needs_no_room(limited: WikibotStore) -> None:
    """An owner whose quota is full can rename a wiki."""
    wiki = await a_wiki(limited)

    assert (await limited.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed")).uid == wiki.uid
    assert await count_of(limited, wiki.owner_id) == 1
