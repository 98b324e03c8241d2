"""Owners, grantees, grantors and inviters are users, and no one who is being deleted gets or gives anything."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.invariants import read_all
from tests.half_done import assert_sound
from tests.integration.clean_tables import wipe
from tests.integration.samples import a_user, a_user_id, a_wiki, change, fresh, stored
from wikibot_store import Member, NotActiveError, NotFoundError, Role, Share, User, Wiki, WikibotStore, WikiKey
from wikibot_store.workflows.sweep import Finding, FindingKind

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)

Give = Callable[[WikibotStore, Wiki, str], Awaitable[object]]
"""Gives something in a wiki, in the name of or to the user with this id."""


async def _to(store: WikibotStore, wiki: Wiki, user_id: str) -> object:
    return await store.acls.create(wiki.key, user_id, "editor", granted_by=wiki.owner_id)


async def _by(store: WikibotStore, wiki: Wiki, user_id: str) -> object:
    return await store.acls.create(wiki.key, await a_user_id(store), "editor", granted_by=user_id)


async def _invite(store: WikibotStore, wiki: Wiki, user_id: str) -> object:
    return await store.acls.invite(wiki.key, "bob@example.org", "viewer", invited_by=user_id, expires_at=TOMORROW)


async def _own(store: WikibotStore, _: Wiki, user_id: str) -> object:
    return await store.wikis.create(user_id, "notes", display_name="Notes", repo_path="/srv/notes")


async def _receive(store: WikibotStore, wiki: Wiki, user_id: str) -> object:
    return await store.wikis.transfer(wiki.owner_id, wiki.wiki_slug, user_id)


GIVING: dict[str, Give] = {"grantee": _to, "grantor": _by, "inviter": _invite, "owner": _own, "receiver": _receive}


@pytest.fixture
async def store(store: WikibotStore) -> AsyncIterator[WikibotStore]:
    """Give the store without the items of other tests, because a sweep reads all items."""
    yield store
    await wipe(store, (await read_all(store)).tables)


async def swept(store: WikibotStore) -> list[Finding]:
    """Return what a sweep finds and repairs."""
    return [finding async for page in store.admin.sweep(apply=True) for finding in page.findings]


async def nothing_is_given(store: WikibotStore, wiki: Wiki) -> None:
    """Check that there is the wiki, with neither grants nor invitations, and no other one of its owner."""
    assert (await store.wikis.list_by_owner(wiki.owner_id, consistent=True)).items == [wiki]
    assert (await store.acls.list_by_wiki(wiki.key, consistent=True)).items == []
    assert (await store.acls.list_invitations(wiki.key)).items == []


@pytest.mark.parametrize("give", GIVING.values(), ids=GIVING)
async def test_an_unknown_id_is_named(store: WikibotStore, give: Give) -> None:
    """An id that is not a user's, such as a username in place of an id, is a NotFoundError of the users table."""
    wiki, bob = await a_wiki(store), await a_user(store, username=fresh())
    assert bob.username is not None

    with pytest.raises(NotFoundError) as missing:
        await give(store, wiki, bob.username)

    assert (missing.value.table, missing.value.key) == (store.config.users_table, {"id": bob.username})
    await nothing_is_given(store, wiki)
    assert (await store.wikis.list_by_owner(bob.username, consistent=True)).items == []
    await assert_sound(store)


@pytest.mark.parametrize("give", GIVING.values(), ids=GIVING)
async def test_a_user_who_is_being_deleted_is_refused(store: WikibotStore, give: Give) -> None:
    """A user who is being deleted gets and gives nothing, and the error shows the status."""
    wiki, bob = await a_wiki(store), await a_user_id(store)
    await change(store, "users", {"id": bob}, status="deleting", deletion="refuse")

    with pytest.raises(NotActiveError) as refusal:
        await give(store, wiki, bob)

    assert (refusal.value.table, refusal.value.key) == (store.config.users_table, {"id": bob})
    assert refusal.value.status == "deleting"
    await nothing_is_given(store, wiki)


@pytest.mark.parametrize("give", [_to, _by, _invite], ids=["grantee", "grantor", "inviter"])
async def test_a_suspended_user_gives_and_gets(store: WikibotStore, give: Give) -> None:
    """A suspension may end, so it is no reason to refuse a grant or an invitation; it opens nothing until then."""
    wiki, bob = await a_wiki(store), await a_user_id(store)
    await store.users.update(bob, status="suspended")

    await give(store, wiki, bob)

    assert (await store.authorize(bob, wiki.owner_id, wiki.wiki_slug)).role is None
    await assert_sound(store)


# ---- ids that another system manages


async def a_foreign_grant(store: WikibotStore) -> tuple[Wiki, str]:
    """Create a wiki with a grant by and to ids that are no users; return it with the grantee's id."""
    wiki, grantee_id = await a_wiki(store), f"bot:{fresh()}"
    acl = await store.acls.create(wiki.key, grantee_id, "editor", granted_by=f"bot:{fresh()}", check_grantee=False)
    assert await store.acls.get(wiki.key, grantee_id, consistent=True) == acl
    return wiki, grantee_id


async def test_an_id_of_another_system_is_granted_on_demand(store: WikibotStore) -> None:
    """With `check_grantee=False` neither id needs to be a user; the grant is listed and opens nothing by itself."""
    wiki, grantee_id = await a_foreign_grant(store)

    (member,) = await store.acls.list_members(wiki.key)
    assert (member.acl.grantee_id, member.user) == (grantee_id, None)
    assert (await store.authorize(grantee_id, wiki.owner_id, wiki.wiki_slug)).role is None


async def test_a_sweep_keeps_foreign_grants_and_no_others(store: WikibotStore) -> None:
    """A sweep removes the grant of a deleted user and keeps the one whose grantee never was a user."""
    wiki, grantee_id = await a_foreign_grant(store)
    bob = await a_user_id(store)
    await store.acls.create(wiki.key, bob, "viewer", granted_by=wiki.owner_id)
    await store.users.delete(bob)

    found = await swept(store)

    assert [(finding.kind, finding.repaired, finding.key) for finding in found] == [
        (FindingKind.GRANT_WITHOUT_USER, True, {"wiki_id": wiki.key.wiki_id, "grantee_id": bob})
    ]
    assert await store.acls.get(wiki.key, bob, consistent=True) is None
    assert await store.acls.get(wiki.key, grantee_id, consistent=True) is not None


async def test_a_grant_that_is_given_again_without_a_check_is_kept(store: WikibotStore) -> None:
    """A grant that a deleted user has left is kept by sweeps once it is given to the same id without a check."""
    wiki, bob = await a_wiki(store), await a_user_id(store)
    first = await store.acls.create(wiki.key, bob, "viewer", granted_by=wiki.owner_id)
    await store.users.delete(bob)

    again = await store.acls.create(wiki.key, bob, "viewer", granted_by=wiki.owner_id, check_grantee=False)

    assert again == first
    assert await swept(store) == []
    assert await store.acls.get(wiki.key, bob, consistent=True) == first


@pytest.mark.parametrize("move", ["rename", "transfer"])
async def test_a_move_takes_foreign_grants_along(store: WikibotStore, move: str) -> None:
    """A wiki that was renamed or transferred has its foreign grants, and sweeps keep them there too."""
    wiki, grantee_id = await a_foreign_grant(store)
    moved = await (
        store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed")
        if move == "rename"
        else store.wikis.transfer(wiki.owner_id, wiki.wiki_slug, await a_user_id(store))
    )

    assert await swept(store) == []

    assert await store.acls.get(moved.key, grantee_id, consistent=True) is not None
    assert await store.acls.get(wiki.key, grantee_id, consistent=True) is None


async def test_the_wiki_of_a_foreign_grant_is_checked(store: WikibotStore) -> None:
    """`check_grantee=False` skips the check of the users, and not that of the wiki."""
    with pytest.raises(NotFoundError) as missing:
        await store.acls.create("ada:none", "bot", "viewer", granted_by="bot", check_grantee=False)

    assert missing.value.table == store.config.wikis_table
    assert await stored(store, "acls", wiki_id="ada:none", grantee_id="bot") is None


# ---- a wiki by key and by wiki_id, and what comes with a grant


@pytest.mark.parametrize("form", [lambda key: key, lambda key: key.wiki_id], ids=["WikiKey", "wiki_id"])
async def test_a_wiki_is_named_in_either_form(store: WikibotStore, form: Callable[[WikiKey], WikiKey | str]) -> None:
    """Every method that takes a wiki takes its WikiKey and its wiki_id, and does the same."""
    owner_id, bob = await a_user_id(store), await a_user_id(store)
    owner = await a_user(store, id=f"did:plc:{owner_id}")
    wiki, acls = await a_wiki(store, owner.id), store.acls
    named = form(wiki.key)

    acl = await acls.create(named, bob, "editor", granted_by=owner.id)
    invitation, _ = await acls.invite(named, "eve@example.org", "viewer", invited_by=owner.id, expires_at=TOMORROW)

    assert (acl.wiki_id, invitation.wiki_id) == (wiki.key.wiki_id, wiki.key.wiki_id)
    assert await acls.get(named, bob, consistent=True) == acl
    assert (await acls.list_by_wiki(named, consistent=True)).items == [acl]
    assert [found async for found in acls.iter_by_wiki(named)] == [acl]
    assert [member.acl for member in await acls.list_members(named)] == [acl]
    assert (await acls.list_invitations(named)).items == [invitation]
    assert await acls.delete(named, bob)
    assert await acls.delete(named, invitation.grantee_id)
    assert (await acls.list_by_wiki(wiki.key, consistent=True)).items == []


async def test_members_and_shares_have_names(store: WikibotStore) -> None:
    """A page of members holds grants with their users, a page of shares grants with their wikis."""
    wiki, bob = await a_wiki(store), await a_user(store)
    acl = await store.acls.create(wiki.key, bob.id, "editor", granted_by=wiki.owner_id)

    members, shares = await store.acls.list_members(wiki.key), await store.acls.list_shared_with(bob.id)

    assert members.items == [Member(acl=acl, user=bob)]
    assert shares.items == [Share(acl=acl, wiki=wiki)]
    assert isinstance(members.items[0], Member)
    assert isinstance(shares.items[0], Share)
    assert isinstance(members.items[0].user, User)
    assert shares.items[0].acl.role is Role.EDITOR


# ---- what a delete says


async def test_deletes_return_whether_there_was_something(store: WikibotStore) -> None:
    """`users.delete`, `wikis.delete` and `acls.delete` return True the first time and False the second."""
    wiki, bob = await a_wiki(store), await a_user_id(store)
    await store.acls.create(wiki.key, bob, "editor", granted_by=wiki.owner_id)

    assert [await store.acls.delete(wiki.key, bob) for _ in range(2)] == [True, False]
    assert [await store.wikis.delete(wiki.owner_id, wiki.wiki_slug) for _ in range(2)] == [True, False]
    assert [await store.users.delete(bob) for _ in range(2)] == [True, False]
    assert [await store.users.delete(wiki.owner_id, wikis="delete") for _ in range(2)] == [True, False]
