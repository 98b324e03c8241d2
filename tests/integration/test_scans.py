"""All users, wikis and grants: each once, resumable, whatever else the tables hold."""

import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.invariants import read_all
from tests.integration.clean_tables import wipe
from tests.integration.samples import (
    a_user,
    a_wiki,
    a_wiki_item,
    an_acl_item,
    change,
    collect,
    fresh,
    key_of,
    put,
    stored,
)
from tests.integration.stops import is_stopped
from wikibot_store import WikibotStore
from wikibot_store.workflows.scans import Scan, _give_wiki

Iterate = Callable[..., Scan[Any]]


@pytest.fixture
async def store(store: WikibotStore) -> AsyncIterator[WikibotStore]:
    """Give the store without the items of other tests, because a scan reads all items."""
    yield store
    await wipe(store, (await read_all(store)).tables)


@pytest.mark.parametrize("segments", [1, 7])
async def test_everything_is_given_once(store: WikibotStore, segments: int) -> None:
    """Users come without claims, wikis without remnants, and grants without those that have expired."""
    owners = [await a_user(store, username=fresh()) for _ in range(5)]
    wikis = [await a_wiki(store, owner.id) for owner in owners for _ in range(2)]
    guest = await a_user(store)
    await store.users.update(guest.id, status="suspended")
    grants = [await store.acls.create(wiki.key, guest.id, "viewer", granted_by=wiki.owner_id) for wiki in wikis]
    soon = datetime.now(UTC) + timedelta(days=1)
    invitation, _ = await store.acls.invite(
        wikis[0].key, "bo@example.org", "viewer", invited_by=owners[0].id, expires_at=soon
    )
    await put(store, "acls", an_acl_item(expires_at=1))
    await put(store, "wikis", a_wiki_item(status="deleting"))

    users = await collect(store.admin.iter_users(segments=segments))
    found = await collect(store.admin.iter_wikis(segments=segments))
    acls = await collect(store.admin.iter_acls(segments=segments))

    assert sorted(user.id for user in users) == sorted([guest.id, *(owner.id for owner in owners)])
    assert sorted(wiki.key for wiki in found) == sorted(wiki.key for wiki in wikis)
    assert sorted(map(repr, acls)) == sorted(map(repr, [*grants, invitation]))


async def test_an_iteration_resumes_after_any_item(store: WikibotStore) -> None:
    """`resume` leads to exactly the items that were not given yet, and is None after the last one."""
    made = sorted([(await a_user(store, username=fresh())).id for _ in range(9)])
    users, given, positions = store.admin.iter_users(segments=3), [], []
    positions.append(users.resume)
    async for user in users:
        given.append(user.id)
        positions.append(users.resume)

    assert users.resume is None
    for number, position in enumerate(positions):
        rest = [user.id async for user in store.admin.iter_users(resume=position)]
        assert sorted([*given[:number], *rest]) == made


async def test_a_limited_rate_gives_the_same(store: WikibotStore, sent: list[str]) -> None:
    """With `max_rcu` the pages are smaller, and the iteration gives the same wikis."""
    wikis = [await a_wiki(store) for _ in range(6)]
    sent.clear()

    found = await collect(store.admin.iter_wikis(segments=1, max_rcu=1000))
    few = len(sent)
    slowly = await collect(store.admin.iter_wikis(segments=1, max_rcu=2.5))

    assert sorted(wiki.key for wiki in found) == sorted(wiki.key for wiki in slowly) == sorted(w.key for w in wikis)
    assert len(sent) - few >= 3 > few


async def test_an_item_that_does_not_decode_is_left_out(store: WikibotStore, caplog: pytest.LogCaptureFixture) -> None:
    """A corrupt item is logged with its table, without its key, and the others are given."""
    wiki = await a_wiki(store)
    corrupt = await a_wiki(store)
    await change(store, "wikis", key_of(corrupt), status="odd")
    astray = a_wiki_item(status="arriving", moving_from="no wiki id")
    await put(store, "wikis", astray)

    with caplog.at_level(logging.WARNING, "wikibot_store"):
        assert await collect(store.admin.iter_wikis()) == [wiki]

    assert len(caplog.records) == 2
    for record in caplog.records:
        assert record.getMessage().startswith(f"Scan {store.config.wikis_table} (admin.iter_wikis): left out an item")
        assert corrupt.owner_id not in record.getMessage()


async def test_an_iteration_can_be_closed(store: WikibotStore) -> None:
    """After `aclose` nothing more is given, before the first item and after it; `resume` leads to the rest."""
    made = sorted([(await a_user(store)).id for _ in range(3)])
    never = store.admin.iter_users()
    await never.aclose()
    users = store.admin.iter_users()
    first = await anext(users)
    await users.aclose()

    assert await collect(never) == await collect(users) == []
    rest = await collect(store.admin.iter_users(resume=users.resume))
    assert sorted([first.id, *(user.id for user in rest)]) == made


# ---- wikis that move


async def test_a_moving_wiki_is_given_once_wherever_the_move_stopped(store: WikibotStore) -> None:
    """A rename that was cut off after any of its requests leaves one live wiki, and the iteration gives that one."""
    requests, stopped = 0, True
    expected = []
    while stopped:
        requests += 1
        wiki = await a_wiki(store)
        stopped = await is_stopped(store, requests, store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed"))
        expected.append(wiki.uid)

    found = await collect(store.admin.iter_wikis())

    assert sorted(wiki.uid for wiki in found) == sorted(expected)
    assert all(wiki.is_live for wiki in found)
    assert {wiki.wiki_slug == "renamed" for wiki in found} == {True, False}
    for wiki in found:
        assert await store.wikis.get(wiki.owner_id, wiki.wiki_slug) == wiki


@pytest.mark.parametrize("source_first", [True, False])
@pytest.mark.parametrize("requests", range(3, 12))  # the second one begins the move
async def test_a_move_that_goes_on_while_the_scan_reads(
    store: WikibotStore, requests: int, *, source_first: bool
) -> None:
    """Whichever end the scan reads first, and whatever the move did meanwhile, the wiki is given once."""
    wiki = await a_wiki(store)
    source, target = key_of(wiki), {"owner_id": wiki.owner_id, "wiki_slug": "renamed"}
    await is_stopped(store, requests, store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed"))
    left, arriving = await stored(store, "wikis", **source), await stored(store, "wikis", **target)
    await store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed")
    arrived = await stored(store, "wikis", **target)
    remembered: set[str] = set()

    seen = [left, arrived] if source_first else [arriving, left]
    given = [await _give_wiki(store._tables, remembered, item) for item in seen if item is not None]

    assert arriving is not None
    assert [found.uid for found in given if found is not None] == [wiki.uid]


# ---- arguments


@pytest.mark.parametrize("method", ["iter_users", "iter_wikis", "iter_acls"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"segments": 0}, ValueError),
        ({"segments": 65}, ValueError),
        ({"segments": True}, TypeError),
        ({"max_rcu": 0}, ValueError),
        ({"max_rcu": "fast"}, TypeError),
        ({"resume": ""}, ValueError),
        ({"resume": '{"table":"others","after":[null]}'}, ValueError),
        ({"resume": 4711}, ValueError),
    ],
    ids=str,
)
async def test_bad_arguments_are_rejected(
    unreachable_store: WikibotStore, method: str, options: dict[str, Any], error: type[Exception]
) -> None:
    """Invalid arguments are rejected when the method is called, before any request."""
    with pytest.raises(error, match=f"{next(iter(options))} must "):
        getattr(unreachable_store.admin, method)(**options)


async def test_a_position_of_another_iteration_is_rejected(store: WikibotStore) -> None:
    """The position of one table's iteration does not continue that of another."""
    position = store.admin.iter_users().resume

    with pytest.raises(ValueError, match="resume must come from an earlier run of the same operation"):
        store.admin.iter_wikis(resume=position)
