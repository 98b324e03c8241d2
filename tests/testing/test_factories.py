"""Factories use the values that a call gives, and make up the others."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.engines import patient
from wikibot_store import Role, WikibotStore, WikiKey, hash_token
from wikibot_store.local import local_store
from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[WikibotStore]:
    """Open a store that these tests share. Each test has its own factories, so it names its users itself."""
    async with local_store(patient()) as store:
        yield store


async def test_users_are_numbered() -> None:
    """Users for whom a call gives no values differ in id and identity."""
    async with local_store(patient()) as store:
        make_user = MakeUser(store)

        users = [await make_user(), await make_user()]

        assert [user.id for user in users] == ["user-1", "user-2"]
        assert [user.oauth_provider_sub for user in users] == ["user-1", "user-2"]
        assert await store.users.get_many(["user-1", "user-2"]) == {user.id: user for user in users}


async def test_a_user_is_as_described(store: WikibotStore) -> None:
    """The factory accepts every attribute of a new user."""
    user = await MakeUser(store)(
        id="ada",
        oauth_provider="github",
        oauth_provider_sub="4711",
        username="ada",
        email="ada@example.org",
        display_name="Ada",
        avatar_url="https://example.org/ada.png",
    )

    assert await store.users.require("ada") == user
    assert (user.oauth_provider, user.oauth_provider_sub, user.username) == ("github", "4711", "ada")
    assert (user.email, user.display_name) == ("ada@example.org", "Ada")
    assert user.avatar_url == "https://example.org/ada.png"


async def test_an_id_is_no_model(store: WikibotStore) -> None:
    """An id or a slug in the place of a model is rejected, with the names of the argument and both types."""
    make_user = MakeUser(store)
    make_wiki = MakeWiki(store, make_user)
    make_grant = MakeGrant(store, make_user, make_wiki)

    with pytest.raises(TypeError, match=r"^owner must be User, not str$"):
        await make_wiki("ada")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^wiki must be Wiki, not str$"):
        await make_grant("ada:notes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^grantee must be User, not str$"):
        await make_grant(None, "ada")  # type: ignore[arg-type]


async def test_a_wiki_is_counted_at_its_owner(store: WikibotStore) -> None:
    """The factory creates wikis as the service does, and counts them."""
    make_user = MakeUser(store)
    owner = await make_user(id="counter")
    make_wiki = MakeWiki(store, make_user)

    wikis = [await make_wiki(owner), await make_wiki(owner)]

    assert [wiki.wiki_slug for wiki in wikis] == ["wiki-1", "wiki-2"]
    assert (await store.users.require("counter", consistent=True)).wiki_count == 2


async def test_a_wiki_is_as_described(store: WikibotStore) -> None:
    """The factory accepts every attribute of a new wiki."""
    make_user = MakeUser(store)
    owner = await make_user(id="describer")
    stored_hash = hash_token("token")

    wiki = await MakeWiki(store, make_user)(
        owner, wiki_slug="notes", display_name="Notes", repo_path="/srv/n", mcp_token_hash=stored_hash, is_public=True
    )

    assert await store.wikis.require("describer", "notes") == wiki
    assert (wiki.display_name, wiki.repo_path, wiki.mcp_token_hash) == ("Notes", "/srv/n", stored_hash)
    assert wiki.is_public


async def test_a_grant_comes_with_what_it_needs() -> None:
    """Without values, a grant gets a new wiki, its owner and a new grantee, and the role viewer."""
    async with local_store(patient()) as store:
        make_user = MakeUser(store)

        acl = await MakeGrant(store, make_user, MakeWiki(store, make_user))()

        key = WikiKey.parse(acl.wiki_id)
        access = await store.authorize(acl.grantee_id, key.owner_id, key.wiki_slug)
        assert (access.role, acl.granted_by) == (Role.VIEWER, key.owner_id)


async def test_a_grant_is_as_described(store: WikibotStore) -> None:
    """The factory accepts every attribute of a new grant."""
    make_user = MakeUser(store)
    make_wiki = MakeWiki(store, make_user)
    wiki, grantee = await make_wiki(await make_user(id="host")), await make_user(id="guest")
    await make_user(id="moderator")
    expires_at = datetime(2999, 1, 1, tzinfo=UTC)

    acl = await MakeGrant(store, make_user, make_wiki)(
        wiki, grantee, role="editor", granted_by="moderator", expires_at=expires_at
    )

    assert await store.acls.get(wiki.key.wiki_id, "guest") == acl
    assert (acl.role, acl.granted_by, acl.expires_at) == (Role.EDITOR, "moderator", expires_at)
