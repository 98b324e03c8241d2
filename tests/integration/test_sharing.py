"""Grants of existing wikis."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.integration.samples import a_user, a_user_id, a_wiki, change, key_of, stored
from tests.integration.steps import before_requests
from wikibot_store import (
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    Role,
    UnavailableError,
    WikibotStore,
    WikiKey,
)


async def test_grant_remembers_the_incarnation(store: WikibotStore, sent: list[str]) -> None:
    """A grant is stored with the wiki's uid, in a transaction that checks the wiki."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)
    sent.clear()

    acl = await store.acls.create(wiki.key, grantee, "editor", granted_by=wiki.owner_id)

    assert sent == ["BatchGetItem", "TransactWriteItems (ConditionCheck, Put)"]
    assert (acl.role, acl.wiki_uid) == (Role.EDITOR, wiki.uid)
    assert await store.acls.get(wiki.key.wiki_id, grantee, consistent=True) == acl


async def test_same_grant_is_left_as_it_is(store: WikibotStore, sent: list[str]) -> None:
    """Granting the same again writes nothing and keeps the first grantor and time."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)
    first = await store.acls.create(wiki.key, grantee, "editor", granted_by=wiki.owner_id)
    sent.clear()

    again = await store.acls.create(wiki.key, grantee, "editor", granted_by=grantee)

    assert again == first
    assert sent == ["BatchGetItem"]


async def test_another_role_replaces_the_grant(store: WikibotStore) -> None:
    """Granting another role stores the new grantor and time."""
    wiki, grantee, other = await a_wiki(store), await a_user_id(store), await a_user_id(store)
    first = await store.acls.create(wiki.key, grantee, "editor", granted_by=wiki.owner_id)

    second = await store.acls.create(wiki.key, grantee, "viewer", granted_by=other)

    assert (second.role, second.granted_by) == (Role.VIEWER, other)
    assert second.granted_at > first.granted_at
    assert await store.acls.get(wiki.key.wiki_id, grantee, consistent=True) == second


async def test_expired_grant_can_be_given_again(store: WikibotStore) -> None:
    """An expired grant is replaced, even by one that reads the same."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)
    past = datetime.now(UTC) - timedelta(hours=1)
    first = await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, expires_at=past)

    again = await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, expires_at=past)
    forever = await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id)

    assert again.granted_at > first.granted_at
    assert forever.expires_at is None
    assert await store.acls.get(wiki.key.wiki_id, grantee, consistent=True) == forever


async def test_missing_wiki_is_not_granted(store: WikibotStore) -> None:
    """A grant for a missing wiki raises NotFoundError."""
    owner_id, grantee = await a_user_id(store), await a_user_id(store)

    with pytest.raises(NotFoundError, match="wikis"):
        await store.acls.create(WikiKey(owner_id, "none"), grantee, "viewer", granted_by=owner_id)

    assert await stored(store, "acls", wiki_id=f"{owner_id}:none", grantee_id=grantee) is None


async def test_dying_wiki_is_not_granted(store: WikibotStore) -> None:
    """A grant for a wiki that is being deleted raises NotActiveError."""
    wiki = await a_wiki(store)
    await change(store, "wikis", key_of(wiki), status="deleting")

    with pytest.raises(NotActiveError) as refusal:
        await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=wiki.owner_id)

    assert refusal.value.status == "deleting"


async def test_owner_is_protected(unreachable_store: WikibotStore) -> None:
    """Granting to the owner or revoking from the owner raises an error, and nothing is sent."""
    with pytest.raises(ProtectedOwnerError):
        await unreachable_store.acls.create("owner:wiki", "owner", "viewer", granted_by="owner")
    with pytest.raises(ProtectedOwnerError):
        await unreachable_store.acls.delete("owner:wiki", "owner")


async def test_bad_input_is_refused(unreachable_store: WikibotStore) -> None:
    """Bad ids, roles and times are rejected before any request."""
    with pytest.raises(InvalidKeyError, match="grantee_id"):
        await unreachable_store.acls.create("owner:wiki", "a b", "viewer", granted_by="owner")
    with pytest.raises(InvalidKeyError, match="granted_by"):
        await unreachable_store.acls.create("owner:wiki", "bob", "viewer", granted_by="")
    with pytest.raises(ValueError, match="role"):
        await unreachable_store.acls.create("owner:wiki", "bob", "superuser", granted_by="owner")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="no time zone"):
        await unreachable_store.acls.create(
            "owner:wiki",
            "bob",
            "viewer",
            granted_by="owner",
            expires_at=datetime(2030, 1, 1),  # noqa: DTZ001 - naive on purpose
        )
    with pytest.raises(UnavailableError):
        await unreachable_store.acls.create("owner:wiki", "bob", "viewer", granted_by="owner")


async def test_revoke_tells_whether_there_was_a_grant(store: WikibotStore) -> None:
    """The first revoke returns True, the second returns False."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)
    await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id)

    assert await store.acls.delete(wiki.key, grantee)
    assert not await store.acls.delete(wiki.key, grantee)


async def test_revoke_takes_what_is_there_in_the_end(store: WikibotStore) -> None:
    """A revoke takes away the grant of its moment: another than it has read."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)
    await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id)

    grant = partial(store.acls.create, wiki.key, grantee, "editor", granted_by=wiki.owner_id)
    with before_requests(store, {3: grant}):
        assert await store.acls.delete(wiki.key, grantee)

    assert await stored(store, "acls", wiki_id=wiki.key.wiki_id, grantee_id=grantee) is None


async def test_parallel_grants_end_as_one_of_them(store: WikibotStore) -> None:
    """Grants of different roles to one user at once all succeed, and one of them is what is stored."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)

    roles = [Role.VIEWER, Role.EDITOR] * 6
    acls = await asyncio.gather(
        *[store.acls.create(wiki.key, grantee, role, granted_by=wiki.owner_id) for role in roles]
    )

    assert await store.acls.get(wiki.key.wiki_id, grantee, consistent=True) in acls


async def test_members_come_with_their_users(store: WikibotStore, sent: list[str]) -> None:
    """A page of members costs two requests; a deleted user is None."""
    wiki = await a_wiki(store)
    people = [await a_user(store) for _ in range(5)]
    gone = await a_user_id(store)
    for grantee in [*(user.id for user in people), gone]:
        await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id)
    await store.users.delete(gone)
    sent.clear()

    page = await store.acls.list_members(wiki.key, limit=10)

    assert sent == ["Query", "BatchGetItem"]
    assert {acl.grantee_id: user for acl, user in page} == {user.id: user for user in people} | {gone: None}
    assert page.cursor is None


async def test_members_are_paged_exactly(store: WikibotStore) -> None:
    """Pages of members are exact and complete."""
    wiki = await a_wiki(store)
    grantees = sorted([await a_user_id(store) for _ in range(6)])
    for grantee in grantees:
        await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id)

    first = await store.acls.list_members(wiki.key, limit=3)
    second = await store.acls.list_members(wiki.key, limit=3, cursor=first.cursor)

    assert [acl.grantee_id for acl, _ in [*first, *second]] == grantees
    assert (len(first), second.cursor) == (3, None)
