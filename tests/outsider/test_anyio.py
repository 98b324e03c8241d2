"""Tests that anyio's plugin runs, on asyncio."""

import pytest
from club import invite

from wikibot_store import Wiki, WikibotStore
from wikibot_store.testing.factories import MakeUser, MakeWiki

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the store does."""
    return "asyncio"


@pytest.fixture
async def wiki(make_user: MakeUser, make_wiki: MakeWiki) -> Wiki:
    """Give a wiki of ada's: the project's own fixture on the library's."""
    return await make_wiki(await make_user(id="ada", username="ada"), wiki_slug="club")


@pytest.mark.parametrize("visit", [1, 2])
async def test_members_are_those_who_were_invited(
    wikibot_store: WikibotStore, wiki: Wiki, make_user: MakeUser, visit: int
) -> None:
    """Who is invited is a member, on tables of the test's own."""
    assert await invite(wikibot_store, wiki, [await make_user(id="bob")]) == ["bob"], visit
