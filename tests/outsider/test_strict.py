"""Tests that are marked, as pytest-asyncio's strict mode wants them, on event loops of every scope."""

import asyncio

import pytest
import pytest_asyncio
from club import invite

from wikibot_store import Wiki, WikibotStore
from wikibot_store.testing.factories import MakeUser, MakeWiki

pytestmark = pytest.mark.asyncio
loops: list[asyncio.AbstractEventLoop] = []


@pytest_asyncio.fixture
async def wiki(make_user: MakeUser, make_wiki: MakeWiki) -> Wiki:
    """Give a wiki of ada's: the project's own fixture on the library's."""
    return await make_wiki(await make_user(id="ada", username="ada"), wiki_slug="club")


async def test_members_are_those_who_were_invited(wikibot_store: WikibotStore, wiki: Wiki, make_user: MakeUser) -> None:
    """Who is invited is a member."""
    assert await invite(wikibot_store, wiki, [await make_user(id="bob")]) == ["bob"]


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(scope, marks=pytest.mark.asyncio(loop_scope=scope))
        for scope in ("function", "class", "module", "package", "session")
    ],
)
async def test_the_store_is_in_the_loop_of_the_test(wikibot_store: WikibotStore, scope: str) -> None:
    """Whatever the scope of a test's loop, its store works there."""
    user, created = await wikibot_store.users.get_or_create_by_oauth("github", scope)

    assert created
    assert await wikibot_store.users.get(user.id) == user


@pytest.mark.asyncio(loop_scope="class")
class TestOneLoop:
    """Tests that share a loop."""

    async def test_one(self, make_user: MakeUser) -> None:
        """The first makes a user."""
        loops.append(asyncio.get_running_loop())

        assert (await make_user(id="ada")).id == "ada"

    async def test_another(self, make_user: MakeUser) -> None:
        """The second makes the same user on tables of its own."""
        loops.append(asyncio.get_running_loop())

        assert (await make_user(id="ada")).id == "ada"
        assert len(set(loops)) == 1
