"""No public name leads to a broken invariant: after any of them, a sweep finds nothing."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from tests.access_patterns import PATTERNS, AccessPattern
from tests.faults.invariants import Stored, read_all, violations
from tests.integration.samples import an_item
from tests.integration.steps import on_one_engine
from tests.world import WORLD, replace
from wikibot_store import WikibotStore
from wikibot_store.cli import demo
from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki
from wikibot_store.workflows.sweep import Finding, FindingKind

pytestmark = on_one_engine

_USERS = [item | an_item(wiki_count=0) if item["id"]["S"] == "max" else item for item in WORLD.users]
SOUND = Stored({**WORLD.tables, "users": _USERS})
"""The small world with nothing wrong in it."""


@pytest.fixture(autouse=True)
async def _sound(store: WikibotStore) -> None:
    await replace(store, await read_all(store), SOUND)


async def findings(store: WikibotStore) -> list[Finding]:
    """Return what a dry run of the sweep finds."""
    return [finding async for page in store.admin.sweep() for finding in page.findings]


async def test_nothing_is_wrong_before(store: WikibotStore) -> None:
    """A sweep finds nothing in the small world that each test starts with."""
    assert await findings(store) == []
    assert await violations(store) == []


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
async def test_after_every_method(store: WikibotStore, pattern: AccessPattern) -> None:
    """Each method, called as it should be, leaves sound tables; `users.delete` leaves grants in others' wikis."""
    await pattern.call(store)

    left = {FindingKind.GRANT_WITHOUT_USER} if pattern.method == "users.delete" else set[FindingKind]()
    assert {finding.kind for finding in await findings(store)} <= left
    assert await violations(store) == []


async def test_after_the_demo(store: WikibotStore) -> None:
    """The demo leaves sound tables, and so does another one on top of it."""
    for _ in range(2):
        await demo.play(store, Console(file=io.StringIO()), people=4, wikis=20)

    assert await findings(store) == []
    assert await violations(store) == []


async def test_after_the_factories(store: WikibotStore) -> None:
    """The test kit's factories leave sound tables, whether or not a test names what they need."""
    make_user = MakeUser(store)
    make_wiki = MakeWiki(store, make_user)
    make_grant = MakeGrant(store, make_user, make_wiki)
    user = await make_user(username="somebody")
    wiki, public = await make_wiki(), await make_wiki(user, is_public=True)
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    await make_grant()
    await make_grant(wiki, user, role="owner")
    await make_grant(public, granted_by=user.id, expires_at=tomorrow)
    await make_grant(grantee=user)

    assert await findings(store) == []
    assert await violations(store) == []
