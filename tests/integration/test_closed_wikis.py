"""An owner who is not an active user closes all wikis to everybody, and opens them again by coming back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.samples import a_user_id, a_wiki, change, stored
from wikibot_store import Role, Wiki, WikibotStore


@dataclass(frozen=True, kw_only=True)
class House:
    """A public wiki with an editor and an MCP token."""

    store: WikibotStore
    wiki: Wiki
    editor: str
    token: str

    async def roles(self) -> dict[str, Role | None]:
        """Return who may do what."""
        key = (self.wiki.owner_id, self.wiki.wiki_slug)
        people = {"owner": self.wiki.owner_id, "editor": self.editor, "anybody": None}
        roles = {name: (await self.store.authorize(user_id, *key)).role for name, user_id in people.items()}
        return roles | {"token": (await self.store.authorize_token(*key, self.token)).role}

    async def shown(self) -> list[Wiki]:
        """Return what the owner's profile page shows."""
        return (await self.store.wikis.list_public_by_owner(self.wiki.owner_id)).items


OPEN = {"owner": Role.OWNER, "editor": Role.EDITOR, "anybody": Role.VIEWER, "token": Role.EDITOR}
CLOSED: dict[str, Role | None] = dict.fromkeys(OPEN)


@pytest.fixture
async def house(store: WikibotStore) -> House:
    """Give a house that is open."""
    key = await a_wiki(store, is_public=True)
    wiki, token = await store.wikis.set_mcp_token(key.owner_id, key.wiki_slug)
    editor = await a_user_id(store)
    await store.acls.create(wiki.key, editor, "editor", granted_by=wiki.owner_id)
    return House(store=store, wiki=wiki, editor=editor, token=token)


async def _suspend(house: House) -> None:
    await house.store.users.update(house.wiki.owner_id, status="suspended")


async def _begin_to_delete(house: House) -> None:
    await change(house.store, "users", {"id": house.wiki.owner_id}, status="deleting", deletion="delete")


async def _lose(house: House) -> None:
    """Remove the owner's item as no method of the store would."""
    key = {"id": {"S": house.wiki.owner_id}}
    await (await house.store.client()).delete_item(TableName=house.store.config.users_table, Key=key)


@pytest.mark.parametrize("close", [_suspend, _begin_to_delete, _lose], ids=["suspended", "deleting", "deleted"])
async def test_owner_who_is_not_active_closes_the_wiki(house: House, close: Callable[[House], Awaitable[None]]) -> None:
    """Owner, grantee, anonymous reader and token holder lose their access, and the profile page is empty."""
    assert await house.roles() == OPEN
    assert await house.shown() == [house.wiki]

    await close(house)

    assert await house.roles() == CLOSED
    assert await house.shown() == []


@pytest.mark.parametrize("close", [_suspend, _begin_to_delete], ids=["suspended", "deleting"])
async def test_owner_who_is_active_again_opens_the_wiki(
    house: House, close: Callable[[House], Awaitable[None]]
) -> None:
    """Nothing is lost meanwhile: with the owner active again all have the access that they had."""
    await close(house)

    await house.store.users.update(house.wiki.owner_id, status="active")

    assert await house.roles() == OPEN
    assert await house.shown() == [house.wiki]


async def test_owner_without_a_status_is_active(house: House) -> None:
    """An owner's item that lacks the attribute leaves the wiki open."""
    await change(house.store, "users", {"id": house.wiki.owner_id}, status=None)
    item = await stored(house.store, "users", id=house.wiki.owner_id)

    assert item is not None
    assert "status" not in item
    assert await house.roles() == OPEN
    assert await house.shown() == [house.wiki]


async def test_suspended_editor_closes_nothing_to_others(house: House) -> None:
    """A suspended grantee has no access, not even the one that anybody has; all others keep theirs."""
    await house.store.users.update(house.editor, status="suspended")

    assert await house.roles() == OPEN | {"editor": None}


async def test_profile_page_of_a_closed_owner_has_no_cursor(house: House) -> None:
    """A closed owner's listing is one empty page, whatever the limit."""
    await house.store.wikis.create(house.wiki.owner_id, "second", display_name="S", repo_path="/srv/s", is_public=True)
    await _suspend(house)

    page = await house.store.wikis.list_public_by_owner(house.wiki.owner_id, limit=1)

    assert (page.items, page.cursor) == ([], None)


async def test_tomorrows_grant_does_not_open_a_closed_wiki(house: House) -> None:
    """A grant that is given while the owner is suspended counts once the owner is active again."""
    await _suspend(house)
    newcomer, tomorrow = await a_user_id(house.store), datetime.now(UTC) + timedelta(days=1)
    await house.store.acls.create(
        house.wiki.key, newcomer, "owner", granted_by=house.wiki.owner_id, expires_at=tomorrow
    )
    key = (house.wiki.owner_id, house.wiki.wiki_slug)

    assert (await house.store.authorize(newcomer, *key)).role is None
    await house.store.users.update(house.wiki.owner_id, status="active")
    assert (await house.store.authorize(newcomer, *key)).role is Role.OWNER
