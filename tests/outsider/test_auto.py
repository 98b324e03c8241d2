"""Tests without any mark, as pytest-asyncio's auto mode runs them."""

import pytest
from club import invite

from wikibot_store import User, Wiki, WikibotStore
from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki


@pytest.fixture
async def wiki(make_user: MakeUser, make_wiki: MakeWiki) -> Wiki:
    """Give a wiki of ada's: the project's own fixture on the library's."""
    return await make_wiki(await make_user(id="ada", username="ada"), wiki_slug="club")


async def test_members_are_those_who_were_invited(wikibot_store: WikibotStore, wiki: Wiki, make_user: MakeUser) -> None:
    """Who is invited is a member and may edit."""
    people = [await make_user(), await make_user()]

    assert await invite(wikibot_store, wiki, people) == [person.id for person in people]
    access = await wikibot_store.authorize(people[0].id, wiki.owner_id, wiki.wiki_slug)
    assert access.allows("editor")


@pytest.mark.parametrize("visit", [1, 2])
async def test_each_test_has_tables_of_its_own(wikibot_store: WikibotStore, wiki: Wiki, visit: int) -> None:
    """The same ids can be used in each test."""
    page = await wikibot_store.wikis.list_by_owner("ada")

    assert (page.items, page.cursor) == ([wiki], None), visit


async def test_grants_are_made_with_all_that_they_need(wikibot_store: WikibotStore, make_grant: MakeGrant) -> None:
    """A grant alone comes with a wiki, its owner and the grantee."""
    acl = await make_grant(role="editor")

    grantee = await wikibot_store.users.require(acl.grantee_id)
    assert isinstance(grantee, User)
    assert await wikibot_store.acls.get(acl.wiki_id, grantee.id) == acl
