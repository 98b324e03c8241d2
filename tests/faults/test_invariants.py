"""The checker of the invariants: it is content with what the store writes, and finds what is wrong."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.engines import patient
from tests.faults.invariants import Stored, read_all, violations, violations_among
from wikibot_store import WikibotStore
from wikibot_store.local import local_store

Change = Callable[[Stored], object]


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[WikibotStore]:
    """Yield a store with two users, a wiki and a grant."""
    async with local_store(patient()) as store:
        for user in ("ada", "bob"):
            await store.users.create(id=user, oauth_provider="github", oauth_provider_sub=user, username=user)
        await store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes")
        await store.acls.create("ada:notes", "bob", "editor", granted_by="ada")
        yield store


def user(stored: Stored, user_id: str) -> dict[str, Any]:
    """Return the item of a user."""
    return stored.people[user_id]


def drop(stored: Stored, item_id: str) -> None:
    """Delete an item of the users table."""
    stored.users[:] = [item for item in stored.users if item["id"]["S"] != item_id]


async def test_what_the_store_writes_is_in_order(store: WikibotStore) -> None:
    """Users, wikis and grants that the store created violate no invariant."""
    assert await violations(store) == []


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (lambda stored: user(stored, "bob").update(wiki_count={"N": "1"}), "user bob counts 1 wikis and has 0"),
        (lambda stored: stored.wikis.clear(), "user ada counts 1 wikis and has 0"),
        (lambda stored: stored.wikis.clear(), "grant of ada:notes to bob: there is no such wiki"),
        (
            lambda stored: stored.wikis[0].update(uid={"S": "other"}),
            "grant of ada:notes to bob: it is for another wiki",
        ),
        (lambda stored: drop(stored, "ada"), "wiki of ada: there is no such user"),
        (lambda stored: drop(stored, "ada"), "claim#username#ada of ada: nobody has it"),
        (lambda stored: drop(stored, "claim#oauth#github#ada"), "user ada lacks claim#oauth#github#ada"),
        (
            lambda stored: user(stored, "ada").update(username={"S": "bob"}),
            "user ada lacks claim#username#bob, which bob has",
        ),
        (
            lambda stored: user(stored, "ada").update(identities={"S": "gitlab#1 google#2"}),
            "user ada lacks claim#oauth#google#2",
        ),
    ],
)
async def test_what_is_wrong_is_found(change: Change, violation: str, store: WikibotStore) -> None:
    """A count, claim or grant that does not match the other items is reported."""
    stored = await read_all(store)

    change(stored)

    assert violation in violations_among(stored)


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.wikis.append(
            {**stored.wikis[0], "wiki_slug": {"S": "old"}, "status": {"S": "arriving"}, "uncounted": {"BOOL": True}},
        ),
        lambda stored: stored.acls[0].pop("wiki_uid"),
        lambda stored: user(stored, "bob").pop("wiki_count"),
    ],
    ids=["uncounted", "no wiki_uid", "no wiki_count"],
)
async def test_what_is_in_order_is_not_complained_of(change: Change, store: WikibotStore) -> None:
    """The second item of a wiki that moves is not counted; a missing attribute has its default."""
    stored = await read_all(store)

    change(stored)

    assert violations_among(stored) == []
