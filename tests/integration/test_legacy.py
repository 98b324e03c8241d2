"""Tables that plain boto3 models filled before, and beside which they go on writing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from aiobotocore.session import AioSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engines import throw_away_store
from tests.faults.invariants import violations
from tests.integration.samples import (
    a_user,
    a_wiki,
    an_acl_item,
    an_item,
    change,
    collect,
    eventually,
    fresh,
    indexed,
    key_of,
    put,
    stored,
)
from tests.legacy import (
    EXPIRIES,
    NEW_ATTRIBUTES,
    NULL,
    SPELLINGS,
    Item,
    Times,
    an_old_acl,
    an_old_user,
    an_old_wiki,
    fill,
    old_items,
    old_writers,
)
from wikibot_store import (
    AlreadyExistsError,
    CorruptItemError,
    NotFoundError,
    QuotaExceededError,
    Role,
    Wiki,
    WikibotStore,
    WikiKey,
)
from wikibot_store.provision import create_tables
from wikibot_store.schema import OAUTH_INDEX

LONG_AGO = datetime(2024, 5, 1, 9, tzinfo=UTC)
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
UTC_SECONDS = Times("seconds")


async def an_old_user_of(store: WikibotStore, **attributes: Item) -> str:
    """Store a user as the old models did, and wait until the index shows it; return the id and subject."""
    user_id = fresh()
    item = an_old_user(user_id, "github", user_id, UTC_SECONDS, LONG_AGO, **attributes)
    await put(store, "users", item)
    await _is_indexed(store, item)
    return user_id


async def _is_indexed(store: WikibotStore, item: Item) -> None:
    async def shows() -> bool:
        return item in await indexed(store, "users", OAUTH_INDEX, oauth_provider=item["oauth_provider"]["S"])

    await eventually(shows, expected=True)


async def an_old_wiki_of(store: WikibotStore, *, owner_id: str | None = None, **attributes: Item) -> WikiKey:
    """Store a wiki as the old models did, of an old user; return its key."""
    key = WikiKey(owner_id or await an_old_user_of(store), fresh())
    await put(store, "wikis", an_old_wiki(key.owner_id, key.wiki_slug, UTC_SECONDS, LONG_AGO, **attributes))
    return key


def _values(key: WikiKey) -> tuple[str, str]:
    return key.owner_id, key.wiki_slug


async def the_item(store: WikibotStore, key: WikiKey) -> Item:
    """Return a wiki's item as it is stored."""
    item = await stored(store, "wikis", owner_id=key.owner_id, wiki_slug=key.wiki_slug)
    assert item is not None
    return item


# ---- everything at once


@pytest.fixture
async def old_store(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """Give a store of its own, whose tables the old models filled."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        await fill(store, old_items(Random(7), users=12))  # noqa: S311 - made-up items
        yield store


async def test_a_day_beside_old_writers(old_store: WikibotStore) -> None:
    """Everybody logs in, lists, grants, renames and deletes while the old models go on, and while an adoption runs.

    A second adoption finds what they wrote late, and a third one nothing. A sweep finds the rest. Nobody becomes a
    second user, nobody loses a wiki or a grant, and after the sweep no invariant is violated.
    """
    store, users = old_store, [f"old-{number}" for number in range(12)]
    async with old_writers(store, Random(8), users=12) as writers:  # noqa: S311 - made-up items
        adoption = collect(store.admin.adopt(apply=True))
        await asyncio.gather(adoption, *[_a_day_of(store, number) for number in range(12)])
        rounds = writers.rounds

    assert rounds > 1
    await collect(store.admin.adopt(apply=True))
    assert [page.incomplete async for page in store.admin.adopt() if page.incomplete] == []
    found = [finding async for page in store.admin.sweep(apply=True) for finding in page.findings]
    assert [finding.problem for finding in found if not finding.repaired] == []
    assert await violations(store) == []
    everybody = await store.users.get_many(users)
    assert sorted(everybody) == sorted(users)
    for user in everybody.values():
        assert user.wiki_count == len(await collect(store.wikis.iter_by_owner(user.id)))


async def _a_day_of(store: WikibotStore, number: int) -> None:
    """Do with an old user, who has the wikis wiki-0 and wiki-1, what people do."""
    user_id, friend_id = f"old-{number}", f"old-{(number + 1) % 12}"
    user, is_new = await store.users.get_or_create_by_oauth("github", str(number))
    assert (user.id, is_new) == (user_id, False)
    await store.users.record_login(user_id)
    await store.users.update(user_id, display_name="Ada")

    page = await store.wikis.list_by_owner(user_id, prefix="wiki-")
    assert ([wiki.wiki_slug for wiki in page], page.corrupt) == (["wiki-0", "wiki-1"], ())
    for wiki in page:
        grants = await store.acls.list_by_wiki(wiki.key)
        assert grants.corrupt == ()
        for acl in grants:
            assert (await store.authorize(acl.grantee_id, user_id, wiki.wiki_slug)).role is acl.role
        assert (await store.authorize(user_id, user_id, wiki.wiki_slug)).role is Role.OWNER
        await store.acls.create(wiki.key, friend_id, "editor", granted_by=user_id)

    kept, deleted = page.items
    before = {acl.grantee_id: acl.role for acl in await collect(store.acls.iter_by_wiki(kept.key))}
    moved = await store.wikis.rename(user_id, kept.wiki_slug, "renamed")
    assert moved.uid == kept.uid
    assert {acl.grantee_id: acl.role for acl in await collect(store.acls.iter_by_wiki(moved.key))} == before
    for grantee_id, role in before.items():
        assert (await store.authorize(grantee_id, user_id, "renamed")).role is role
    assert await store.wikis.delete(user_id, deleted.wiki_slug)
    await store.wikis.create(user_id, "new", display_name="New", repo_path="/srv/new")


# ---- any item that they could have written


@st.composite
def spelled(draw: st.DrawFn, name: str) -> Item:
    """Return an attribute with a time, in any form, or none."""
    spelling = draw(st.none() | st.sampled_from([*SPELLINGS, "null"]))
    if spelling is None:
        return {}
    return {name: NULL if spelling == "null" else SPELLINGS[spelling](LONG_AGO)}


@st.composite
def any_of(draw: st.DrawFn, table: str, *times: str) -> Item:
    """Return attributes that an item of the old models may have: times in any form, and new ones that were added."""
    new = draw(st.sets(st.sampled_from(sorted(NEW_ATTRIBUTES[table]))))
    attributes = {name: NEW_ATTRIBUTES[table][name] for name in new}
    for name in times:
        attributes |= draw(spelled(name))
    return attributes


@st.composite
def old_grants(draw: st.DrawFn) -> Item:
    """Return what a grant has besides key and role."""
    expiry = draw(st.none() | st.sampled_from(sorted(EXPIRIES)))
    expires = {} if expiry is None else {"expires_at": EXPIRIES[expiry](datetime(2100, 1, 1, tzinfo=UTC))}
    return draw(any_of("acls", "granted_at")) | expires


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=any_of("users", "created_at", "updated_at", "last_login_at"),
    wiki=any_of("wikis", "created_at", "updated_at", "last_accessed"),
    acl=old_grants(),
)
async def test_any_old_item(store: WikibotStore, user: Item, wiki: Item, acl: Item) -> None:
    """Whatever attributes old items have, they can be read, listed, changed, granted on, moved and deleted."""
    owner_id, slug, other = fresh(), fresh(), await a_user(store)
    key, nobody = WikiKey(owner_id, slug), Times(None)
    await put(store, "users", an_old_user(owner_id, owner_id, owner_id, nobody, LONG_AGO, **user))
    await put(store, "wikis", an_old_wiki(owner_id, slug, nobody, LONG_AGO, **wiki))
    await put(store, "acls", an_old_acl(key.wiki_id, other.id, "editor", nobody, LONG_AGO, **acl))

    await _log_in(store, owner_id)
    first = await store.wikis.require(owner_id, slug, consistent=True)
    assert (await store.wikis.list_by_owner(owner_id, consistent=True)).items == [first]
    assert [acl.role for acl in await store.acls.list_by_wiki(key, consistent=True)] == [Role.EDITOR]
    assert (await store.authorize(other.id, owner_id, slug)).role is Role.EDITOR
    assert (await store.authorize(owner_id, owner_id, slug)).role is Role.OWNER

    assert await store.wikis.touch(owner_id, slug)
    assert await store.wikis.record_usage(
        owner_id, slug, uid=first.uid, page_count=3, disk_usage_bytes=4, measured_at=LONG_AGO
    )
    updated = await store.wikis.update(owner_id, slug, expected_version=1, uid=first.uid, is_public=True)
    assert (updated.version, updated.uid, updated.page_count) == (2, first.uid, 3)
    third = await a_user(store)
    granted = await store.acls.create(key, third.id, "viewer", granted_by=owner_id)
    assert granted.wiki_uid == first.uid
    assert (await store.acls.create(key, other.id, "viewer", granted_by=owner_id)).role is Role.VIEWER

    renamed = await store.wikis.rename(owner_id, slug, "renamed")
    assert renamed.uid == first.uid
    moved = await store.wikis.transfer(owner_id, "renamed", third.id)
    assert (moved.uid, (await store.authorize(other.id, third.id, "renamed")).role) == (first.uid, Role.VIEWER)
    assert await store.wikis.delete(third.id, "renamed")
    assert await store.users.delete(owner_id)


async def _log_in(store: WikibotStore, owner_id: str) -> None:
    item = await stored(store, "users", id=owner_id)
    assert item is not None
    await _is_indexed(store, item)
    user, is_new = await store.users.get_or_create_by_oauth(owner_id, owner_id)
    assert (user.id, is_new) == (owner_id, False)
    logged_in = await store.users.record_login(owner_id)
    assert logged_in.last_login_at is not None
    assert logged_in.last_login_at > LONG_AGO
    named = await store.users.set_username(owner_id, owner_id)
    assert await store.users.get_by_username(owner_id) == named
    await store.users.link_identity(owner_id, "google", owner_id)


# ---- users


async def test_first_login_of_an_old_user(store: WikibotStore, sent: list[str]) -> None:
    """The first login finds the user in the index, gives the claims, and creates nobody; later ones cost as ever."""
    username = fresh()
    user_id = await an_old_user_of(store, username={"S": username})
    sent.clear()

    user, is_new = await store.users.get_or_create_by_oauth("github", user_id)

    assert (user.id, is_new) == (user_id, False)
    assert sent == [
        *["GetItem (consistent)", "Query (by-oauth)", "GetItem (consistent)"],
        "TransactWriteItems (ConditionCheck, Put, Put)",
        *["GetItem (consistent)"] * 2,
    ]
    assert await store.users.get_by_username(username) == user
    sent.clear()
    assert await store.users.get_or_create_by_oauth("github", user_id) == (user, False)
    assert sent == ["GetItem (consistent)"] * 2


async def test_first_logins_at_the_same_time(store: WikibotStore) -> None:
    """Any number of first logins find the same old user."""
    user_id = await an_old_user_of(store)

    found = await asyncio.gather(*[store.users.get_or_create_by_oauth("github", user_id) for _ in range(8)])

    assert {(user.id, is_new) for user, is_new in found} == {(user_id, False)}


@pytest.mark.parametrize("username", ["Ada_L", "taken"])
async def test_first_login_with_a_username_that_cannot_be_claimed(store: WikibotStore, username: str) -> None:
    """A username that breaks today's rule, or that somebody else has, does not keep its user out."""
    name = username if username == "Ada_L" else fresh()
    if username == "taken":
        await a_user(store, username=name)
    user_id = await an_old_user_of(store, username={"S": name})

    user, is_new = await store.users.get_or_create_by_oauth("github", user_id)

    assert (user.id, user.username, is_new) == (user_id, name, False)
    assert (await store.users.set_username(user_id, user_id)).username == user_id
    assert await store.users.delete(user_id)


async def test_nobody_else_gets_an_old_identity(store: WikibotStore) -> None:
    """Neither a new user nor a link takes an identity that an old user has without a claim."""
    user_id, other = await an_old_user_of(store), await a_user(store)

    with pytest.raises(AlreadyExistsError) as created:
        await store.users.create(oauth_provider="github", oauth_provider_sub=user_id)
    linked_id = await an_old_user_of(store)
    with pytest.raises(AlreadyExistsError) as linked:
        await store.users.link_identity(other.id, "github", linked_id)

    assert (created.value.field, linked.value.field) == ("oauth", "oauth")
    assert (await store.users.get_or_create_by_oauth("github", linked_id))[0].id == linked_id


async def test_an_old_identity_that_somebody_else_has_claimed(store: WikibotStore) -> None:
    """An old user gets no claim that somebody else has: who has the claim logs in, and nobody is created."""
    user_id, other = await an_old_user_of(store), await a_user(store)
    claim = an_item(id=f"claim#oauth#github#{user_id}", user_id=other.id)
    await put(store, "users", claim)

    with pytest.raises(AlreadyExistsError) as created:
        await store.users.create(oauth_provider="github", oauth_provider_sub=user_id)

    assert created.value.field == "oauth"
    assert await stored(store, "users", id=claim["id"]["S"]) == claim


async def test_an_old_user_is_found_without_a_claim(store: WikibotStore) -> None:
    """get_by_oauth finds a user without a claim, also consistently, and writes nothing."""
    user_id = await an_old_user_of(store)

    for consistent in (False, True):
        user = await store.users.get_by_oauth("github", user_id, consistent=consistent)
        assert user is not None
        assert user.id == user_id
    assert await stored(store, "users", id=f"claim#oauth#github#{user_id}") is None


async def test_the_older_of_two_keeps_the_identity(store: WikibotStore) -> None:
    """Of two users with one identity the older logs in; the sweep reports the other, and gives the older the claim."""
    sub, older, younger = fresh(), f"z{fresh()}", f"a{fresh()}"
    for user_id, made in ((younger, LONG_AGO + timedelta(days=1)), (older, LONG_AGO)):
        item = an_old_user(user_id, "github", sub, UTC_SECONDS, made)
        await put(store, "users", item)
        await _is_indexed(store, item)

    for consistent in (False, True):
        user = await store.users.get_by_oauth("github", sub, consistent=consistent)
        assert user is not None
        assert user.id == older
    findings = await _findings_of(store, {older, younger}, apply=True)
    assert findings[older] == (True, None)
    repaired, problem = findings[younger]
    assert not repaired
    assert problem is not None
    assert (await store.users.get_or_create_by_oauth("github", sub))[0].id == older
    assert (await _findings_of(store, {younger}, apply=True))[younger][1] is not None
    assert await store.users.delete(younger)


async def _findings_of(store: WikibotStore, ids: set[str], *, apply: bool) -> dict[str, tuple[bool, str | None]]:
    return {
        finding.key["id"]: (finding.repaired, finding.problem)
        async for page in store.admin.sweep(apply=apply)
        for finding in page.findings
        if finding.table == store.config.users_table and finding.key["id"] in ids
    }


async def test_who_is_being_deleted_is_not_found(store: WikibotStore) -> None:
    """An old user who is being deleted has no identity to log in with: the login creates a new user."""
    user_id = await an_old_user_of(store, status={"S": "deleting"}, deletion={"S": "delete"})

    user, is_new = await store.users.get_or_create_by_oauth("github", user_id)

    assert is_new
    assert user.id != user_id
    assert await store.users.delete(user_id, wikis="delete") is False
    assert await store.users.get_or_create_by_oauth("github", user_id) == (user, False)


async def test_an_old_user_who_does_not_decode_is_no_reason_for_a_second(store: WikibotStore) -> None:
    """The login of an old user who does not decode raises, and creates nobody."""
    user_id = await an_old_user_of(store, tier={"N": "3"})

    with pytest.raises(CorruptItemError):
        await store.users.get_or_create_by_oauth("github", user_id)

    assert await stored(store, "users", id=f"claim#oauth#github#{user_id}") is None


async def test_an_old_owner_is_counted_first(store: WikibotStore, sent: list[str]) -> None:
    """The first wiki that is created for an old owner counts the old ones too, against the limit."""
    owner_id = await an_old_user_of(store)
    for _ in range(2):
        await an_old_wiki_of(store, owner_id=owner_id)

    with pytest.raises(QuotaExceededError):
        await store.wikis.create(owner_id, "new", display_name="New", repo_path="/srv/new", limit=2)
    await store.wikis.create(owner_id, "new", display_name="New", repo_path="/srv/new", limit=3)

    assert (await store.users.require(owner_id, consistent=True)).wiki_count == 3
    receiver_id, unlimited_id = await an_old_user_of(store), await an_old_user_of(store)
    await store.wikis.transfer(owner_id, "new", receiver_id, limit=1)
    assert (await store.users.require(receiver_id, consistent=True)).wiki_count == 1
    sent.clear()
    await store.wikis.create(unlimited_id, "new", display_name="New", repo_path="/srv/new", limit=None)
    assert sent == [
        "TransactWriteItems (Update, Put)",
        *["GetItem (consistent)", "Query (consistent)"] * 2,
        *["UpdateItem", "TransactWriteItems (Update, Put)"],
    ]
    assert (await store.users.require(unlimited_id, consistent=True)).wiki_count == 1


async def test_logins_in_any_form(store: WikibotStore) -> None:
    """A login replaces the time of an earlier one in whatever form, but not one that is later."""
    now = datetime.now(UTC)
    for form in SPELLINGS:
        user_id = await an_old_user_of(store, last_login_at=SPELLINGS[form](now - timedelta(minutes=1)))
        later_id = await an_old_user_of(store, last_login_at=SPELLINGS[form](now + timedelta(days=2)))

        assert ((await store.users.record_login(user_id)).last_login_at or NO_TIME) >= now
        assert ((await store.users.record_login(later_id)).last_login_at or NO_TIME) > now + timedelta(days=1)


# ---- wikis


async def test_what_an_old_wiki_is_read_as(store: WikibotStore) -> None:
    """A wiki without uid and times has an incarnation that stays the same, and times that are none."""
    owner_id, slug = fresh(), fresh()
    await put(store, "wikis", an_old_wiki(owner_id, slug, Times(None), LONG_AGO))

    first, second = [await store.wikis.require(owner_id, slug, consistent=True) for _ in range(2)]

    assert first == second
    assert first.uid.startswith("legacy-")
    assert (first.created_at, first.updated_at, first.version) == (NO_TIME, NO_TIME, 1)


async def test_the_incarnation_of_an_old_wiki(store: WikibotStore) -> None:
    """It does not depend on the form of the time, and a wiki that is created later has another one."""
    owner_id, slug = fresh(), fresh()

    async def uid(spelling: str, moment: datetime) -> str:
        await put(store, "wikis", an_old_wiki(owner_id, slug, Times(spelling), moment))
        return (await store.wikis.require(owner_id, slug, consistent=True)).uid

    assert len({await uid(spelling, LONG_AGO) for spelling in SPELLINGS}) == 1
    assert await uid("Python", LONG_AGO) != await uid("Python", LONG_AGO + timedelta(seconds=1))


WRITES: dict[str, Callable[[WikibotStore, WikiKey, Wiki], Awaitable[object]]] = {
    "update": lambda store, key, _: store.wikis.update(*_values(key), is_public=True),
    "update of a version": lambda store, key, _: store.wikis.update(*_values(key), expected_version=1, is_public=True),
    "update of an incarnation": lambda store, key, wiki: store.wikis.update(
        *_values(key), uid=wiki.uid, is_public=True
    ),
    "record_usage": lambda store, key, wiki: store.wikis.record_usage(
        *_values(key), uid=wiki.uid, page_count=1, disk_usage_bytes=1, measured_at=LONG_AGO
    ),
    "grant": lambda store, key, _: store.acls.create(key, fresh(), "viewer", granted_by="x", check_grantee=False),
    "invite": lambda store, key, _: store.acls.invite(
        key, "e@example.org", "viewer", invited_by=key.owner_id, expires_at=datetime(2100, 1, 1, tzinfo=UTC)
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_write_gives_an_old_wiki_its_incarnation(store: WikibotStore, write: Any) -> None:  # noqa: ANN401
    """The first write of any kind stores the incarnation with which the wiki was read."""
    key = await an_old_wiki_of(store)
    wiki = await store.wikis.require(*_values(key), consistent=True)

    await write(store, key, wiki)

    assert (await the_item(store, key))["uid"] == {"S": wiki.uid}


async def test_writes_for_another_incarnation(store: WikibotStore) -> None:
    """A write that gives another uid is refused, with and without a stored one."""
    key = await an_old_wiki_of(store)

    with pytest.raises(NotFoundError):
        await store.wikis.update(*_values(key), uid="legacy-0", expected_version=1, is_public=True)
    assert not await store.wikis.record_usage(
        *_values(key), uid="legacy-0", page_count=1, disk_usage_bytes=1, measured_at=LONG_AGO
    )


async def test_an_invitation_in_an_old_wiki(store: WikibotStore) -> None:
    """An invitation is accepted, also after an old writer has replaced the wiki's item and so removed its uid."""
    key, user = await an_old_wiki_of(store), await a_user(store)
    item = await the_item(store, key)
    _, token = await store.acls.invite(
        key, "e@example.org", "editor", invited_by=key.owner_id, expires_at=datetime(2100, 1, 1, tzinfo=UTC)
    )
    await put(store, "wikis", item)
    await put(store, "acls", an_old_acl(key.wiki_id, user.id, "viewer", Times("east"), LONG_AGO + timedelta(hours=1)))

    acl = await store.acls.accept_invite(token, user.id)

    assert (acl.role, (await store.authorize(user.id, *_values(key))).role) == (Role.EDITOR, Role.EDITOR)


async def test_revoking_in_an_old_wiki(store: WikibotStore) -> None:
    """A grant in an old wiki is revoked."""
    key = await an_old_wiki_of(store)
    await put(store, "acls", an_old_acl(key.wiki_id, "somebody", "viewer", Times(None), None))

    assert await store.acls.delete(key, "somebody")
    assert not await store.acls.delete(key, "somebody")


async def test_touching_in_any_form(store: WikibotStore) -> None:
    """A touch replaces an old time in whatever form, and leaves one that is within the interval or later."""
    now = datetime.now(UTC)
    for form in SPELLINGS:
        old = await an_old_wiki_of(store, last_accessed=SPELLINGS[form](now - timedelta(days=3)))
        recent = await an_old_wiki_of(store, last_accessed=SPELLINGS[form](now + timedelta(days=2)))

        assert await store.wikis.touch(*_values(old))
        assert not await store.wikis.touch(*_values(old))
        assert not await store.wikis.touch(*_values(recent))
    nothing = await an_old_wiki_of(store, last_accessed=NULL)
    assert await store.wikis.touch(*_values(nothing))


@pytest.mark.parametrize("status", ["deleting", "arriving", "moving"])
async def test_the_remnant_of_an_old_wiki(store: WikibotStore, status: str) -> None:
    """A wiki that an old writer robbed of its uid in the middle of an operation is repaired by the sweep."""
    user = await a_user(store)
    wiki = await a_wiki(store, user.id)
    await change(store, "wikis", key_of(wiki), status=status, uid=None, operation="0f", moving_to="x:y", version=None)

    findings = [
        (finding.repaired, finding.problem)
        async for page in store.admin.sweep(apply=True)
        for finding in page.findings
        if finding.key.get("wiki_slug") == wiki.wiki_slug
    ]

    assert findings == [(True, None)]
    item = await stored(store, "wikis", **key_of(wiki))
    assert item is None or item["status"] == {"S": "active"}


async def test_a_slug_that_a_remnant_takes(store: WikibotStore) -> None:
    """A new wiki takes the slug of an old one that is being deleted."""
    user = await a_user(store)
    key = await an_old_wiki_of(store, owner_id=user.id, status={"S": "deleting"})

    wiki = await store.wikis.create(*_values(key), display_name="New", repo_path="/srv/new")

    assert await store.wikis.get(*_values(key), consistent=True) == wiki


# ---- grants


@pytest.mark.parametrize(
    ("given", "made", "role"),
    [
        (LONG_AGO, LONG_AGO, Role.EDITOR),
        (LONG_AGO + timedelta(seconds=1), LONG_AGO, Role.EDITOR),
        (LONG_AGO - timedelta(seconds=1), LONG_AGO, None),
        (None, LONG_AGO, Role.EDITOR),
        (LONG_AGO, None, Role.EDITOR),
        (None, None, Role.EDITOR),
    ],
)
async def test_whether_an_old_grant_opens(
    store: WikibotStore, given: datetime | None, made: datetime | None, role: Role | None
) -> None:
    """A grant without wiki_uid opens a wiki that was there when it was given; without a time it opens any."""
    owner_id, user = await an_old_user_of(store), await a_user(store)
    key = WikiKey(owner_id, fresh())
    times = Times(None if made is None else "naive")
    await put(store, "wikis", an_old_wiki(owner_id, key.wiki_slug, times, made or LONG_AGO))
    await put(store, "acls", an_old_acl(key.wiki_id, user.id, "editor", Times("west"), given))

    assert (await store.authorize(user.id, *_values(key))).role is role

    async def shared() -> list[bool]:
        return [share.wiki is not None for share in await store.acls.list_shared_with(user.id)]

    await eventually(shared, [role is not None])
    acl = await store.acls.get(key, user.id, consistent=True)
    assert acl is not None
    assert (acl.granted_by, acl.granted_at) == ("", given or NO_TIME)
    await store.wikis.rename(owner_id, key.wiki_slug, "renamed")
    assert (await store.authorize(user.id, owner_id, "renamed")).role is role


@pytest.mark.parametrize("form", EXPIRIES)
async def test_expiries_in_any_form(store: WikibotStore, form: str) -> None:
    """A grant has expired or not, whatever the form of its expiry, in every listing and for access."""
    key, spell = await an_old_wiki_of(store), EXPIRIES[form]
    past, future = sorted([(await a_user(store)).id, (await a_user(store)).id])
    for grantee_id, moment in ((past, LONG_AGO), (future, datetime(2100, 1, 1, tzinfo=UTC))):
        item = an_old_acl(key.wiki_id, grantee_id, "viewer", Times(None), None, expires_at=spell(moment))
        await put(store, "acls", item)

    assert [acl.grantee_id for acl in await store.acls.list_by_wiki(key, consistent=True)] == [future]
    assert [acl.grantee_id for acl in await store.acls.list_by_wiki(key, limit=1, consistent=True)] == [future]
    assert [acl.grantee_id for acl in await collect(store.acls.iter_by_wiki(key))] == [future]
    assert [member.acl.grantee_id for member in await store.acls.list_members(key)] == [future]
    assert (await store.authorize(past, *_values(key))).role is None
    assert (await store.authorize(future, *_values(key))).role is Role.VIEWER


async def test_a_sweep_knows_the_grants_of_an_old_wiki(store: WikibotStore) -> None:
    """A grant for the incarnation of an old wiki stays; one for another incarnation is removed."""
    key, user = await an_old_wiki_of(store), await a_user(store)
    wiki = await store.wikis.require(*_values(key), consistent=True)
    grants = {user.id: wiki.uid, key.owner_id: "another"}
    for grantee_id, uid in grants.items():
        await put(store, "acls", an_acl_item(wiki_id=key.wiki_id, grantee_id=grantee_id, wiki_uid=uid))

    findings = [
        finding.key["grantee_id"]
        async for page in store.admin.sweep(apply=True)
        for finding in page.findings
        if finding.repaired and finding.key.get("wiki_id") == key.wiki_id
    ]

    assert findings == [key.owner_id]
    assert await stored(store, "acls", **an_key(key, user.id)) is not None


def an_key(key: WikiKey, grantee_id: str) -> dict[str, str]:
    """Return the key of a grant by its attributes."""
    return {"wiki_id": key.wiki_id, "grantee_id": grantee_id}


# ---- subjects


SUBJECTS = [
    "CN=Ada Lovelace,OU=Analysts",
    "ada_x.org#EXT#@y.onmicrosoft.com",
    "auth0|47%20 11",
    "é #" * 85,
    "%23",
    "##",
]


@pytest.mark.parametrize("sub", SUBJECTS)
async def test_subjects_of_openid_connect(store: WikibotStore, sub: str) -> None:
    """A subject with blanks, `#` or `|` logs in, is linked beside others, and is unlinked."""
    provider, other = fresh(), await a_user(store)

    user, is_new = await store.users.get_or_create_by_oauth(provider, sub)
    assert is_new
    assert await store.users.get_or_create_by_oauth(provider, sub) == (user, False)
    with pytest.raises(AlreadyExistsError):
        await store.users.link_identity(other.id, provider, sub)

    linked = fresh()
    await store.users.link_identity(user.id, linked, "plain")
    await store.users.link_identity(user.id, linked, sub)
    assert await store.users.get_identities(user.id) == [(provider, sub), (linked, "plain"), (linked, sub)]
    assert (await store.users.get_or_create_by_oauth(linked, sub))[0].id == user.id
    assert (await _findings_of(store, {user.id}, apply=False)) == {}

    await store.users.unlink_identity(user.id, provider, sub)
    await store.users.unlink_identity(user.id, linked, "plain")
    assert await store.users.get_identities(user.id) == [(linked, sub)]
    assert await store.users.delete(user.id)
    assert (await store.users.get_or_create_by_oauth(linked, sub))[1]


async def test_stored_identities_of_earlier_versions(store: WikibotStore) -> None:
    """Identities that were stored before subjects could hold `#` read as they were, percent signs included."""
    user = await a_user(store)
    await change(store, "users", {"id": user.id}, identities="google#a%20b azure#c")
    await put(store, "users", an_item(id="claim#oauth#google#a%20b", user_id=user.id))

    identities = await store.users.get_identities(user.id)

    assert identities[1:] == [("google", "a%20b"), ("azure", "c")]
    assert (await store.users.get_or_create_by_oauth("google", "a%20b"))[0].id == user.id
    await store.users.unlink_identity(user.id, "google", "a%20b")
