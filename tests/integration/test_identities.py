"""Identities: a user may have several, and each belongs to one user."""

import asyncio
from enum import Enum

import pytest

from tests.integration.samples import a_user, an_item, eventually, fresh, indexed, put, stored
from wikibot_store import (
    AlreadyExistsError,
    CorruptItemError,
    InvalidKeyError,
    LastIdentityError,
    NotFoundError,
    User,
    WikibotStore,
)
from wikibot_store.schema import OAUTH_INDEX

MOST = 20


def first_of(user: User) -> tuple[str, str]:
    """Return the identity in the user's item."""
    return user.oauth_provider, user.oauth_provider_sub


async def holder_of(store: WikibotStore, identity: tuple[str, str]) -> str | None:
    """Return the user id in a claim."""
    claim = await stored(store, "users", id=f"claim#oauth#{identity[0]}#{identity[1]}")
    return None if claim is None else str(claim["user_id"]["S"])


async def test_every_identity_finds_the_user(store: WikibotStore) -> None:
    """A login with a linked identity finds the user and creates no second one."""
    user, second, third = await a_user(store), (fresh(), fresh()), (fresh(), fresh())

    await store.users.link_identity(user.id, *second)
    linked = await store.users.link_identity(user.id, *third)

    assert linked.version == user.version + 2
    assert await store.users.get(user.id, consistent=True) == linked
    assert await store.users.get_identities(user.id) == [first_of(user), second, third]
    for identity in (first_of(user), second, third):
        assert await store.users.get_by_oauth(*identity, consistent=True) == linked
        await eventually(lambda identity=identity: store.users.get_by_oauth(*identity), linked)  # type: ignore[misc]
        assert await store.users.get_or_create_by_oauth(*identity) == (linked, False)


async def test_an_identity_of_an_enums_members_is_that_of_their_values(store: WikibotStore) -> None:
    """A provider given as enum member and as text is the same identity."""

    class Provider(str, Enum):  # noqa: UP042 - older than StrEnum, and shown as `Provider.GITHUB` in another text
        """The providers of a service."""

        GITHUB = "github"

    sub = fresh()
    user, _ = await store.users.get_or_create_by_oauth(Provider.GITHUB, sub)

    assert await store.users.get_by_oauth("github", sub, consistent=True) == user
    with pytest.raises(AlreadyExistsError):
        await store.users.create(oauth_provider="github", oauth_provider_sub=sub)


async def test_linking_again_writes_nothing(store: WikibotStore, sent: list[str]) -> None:
    """Linking an identity that the user already has changes nothing."""
    user, second = await a_user(store), (fresh(), fresh())
    linked = await store.users.link_identity(user.id, *second)
    sent.clear()

    assert await store.users.link_identity(user.id, *second) == linked
    assert await store.users.link_identity(user.id, *first_of(user)) == linked
    assert sent == ["GetItem (consistent)"] * 2


@pytest.mark.parametrize("linked", [False, True])
async def test_somebody_elses_identity_is_refused(store: WikibotStore, linked: bool) -> None:  # noqa: FBT001 - a parameter
    """An identity of another user cannot be linked, and nothing changes."""
    user, other = await a_user(store), await a_user(store)
    identity = first_of(other)
    if linked:
        identity = (fresh(), fresh())
        await store.users.link_identity(other.id, *identity)

    with pytest.raises(AlreadyExistsError) as refusal:
        await store.users.link_identity(user.id, *identity)

    assert refusal.value.field == "oauth"
    assert await store.users.get(user.id, consistent=True) == user
    assert await holder_of(store, identity) == other.id


async def test_of_32_users_one_gets_an_identity(store: WikibotStore) -> None:
    """If 16 users link an identity and 16 people log in with it at once, one user gets it."""
    identity = (fresh(), fresh())
    users = [await a_user(store) for _ in range(16)]

    results = await asyncio.gather(
        *[store.users.link_identity(user.id, *identity) for user in users],
        *[store.users.get_or_create_by_oauth(*identity) for _ in range(16)],
        return_exceptions=True,
    )

    holder = await holder_of(store, identity)
    linked = [user.id for user, result in zip(users, results[:16], strict=True) if isinstance(result, User)]
    logins = [result for result in results[16:] if isinstance(result, tuple)]
    created = [user.id for user, is_new in logins if is_new]
    assert linked + created == [holder]
    assert {user.id for user, _ in logins} == {holder}
    assert len(logins) == 16
    assert {type(result) for result in results[:16]} <= {User, AlreadyExistsError}


async def test_unlinked_identity_is_free(store: WikibotStore) -> None:
    """An unlinked identity can be taken by another user at once; the others stay."""
    user, second = await a_user(store), (fresh(), fresh())
    await store.users.link_identity(user.id, *second)

    unlinked = await store.users.unlink_identity(user.id, *second)

    assert unlinked.version == 3
    assert await store.users.get(user.id, consistent=True) == unlinked
    assert await store.users.get_identities(user.id) == [first_of(user)]
    item = await stored(store, "users", id=user.id)
    assert item is not None
    assert "identities" not in item
    other, created = await store.users.get_or_create_by_oauth(*second)
    assert (created, other.id != user.id) == (True, True)


async def test_next_identity_takes_the_first_ones_place(store: WikibotStore) -> None:
    """After its first identity is unlinked, the index finds a user by the next one only."""
    user, second, third = await a_user(store), (fresh(), fresh()), (fresh(), fresh())
    for identity in (second, third):
        await store.users.link_identity(user.id, *identity)

    unlinked = await store.users.unlink_identity(user.id, *first_of(user))

    assert first_of(unlinked) == second
    assert await store.users.get(user.id, consistent=True) == unlinked
    assert await store.users.get_identities(user.id) == [second, third]
    item = await stored(store, "users", id=user.id)
    await eventually(lambda: indexed(store, "users", OAUTH_INDEX, oauth_provider=second[0]), [item])
    await eventually(lambda: indexed(store, "users", OAUTH_INDEX, oauth_provider=user.oauth_provider), [])
    assert await store.users.get_by_oauth(*first_of(user), consistent=True) is None


async def test_unlinking_what_is_not_linked_writes_nothing(store: WikibotStore, sent: list[str]) -> None:
    """Unlinking an identity that the user does not have changes nothing."""
    user, other = await a_user(store), await a_user(store)
    sent.clear()

    assert await store.users.unlink_identity(user.id, fresh(), fresh()) == user
    assert await store.users.unlink_identity(user.id, *first_of(other)) == user
    assert sent == ["GetItem (consistent)"] * 2
    assert await holder_of(store, first_of(other)) == other.id


async def test_last_identity_stays(store: WikibotStore) -> None:
    """The only identity cannot be unlinked."""
    user = await a_user(store)

    with pytest.raises(LastIdentityError):
        await store.users.unlink_identity(user.id, *first_of(user))

    assert await store.users.get_by_oauth(*first_of(user), consistent=True) == user


async def test_of_parallel_unlinks_one_identity_is_left(store: WikibotStore) -> None:
    """If all identities are unlinked at once, one stays with its claim."""
    user, others = await a_user(store), [(fresh(), fresh()) for _ in range(4)]
    for identity in others:
        await store.users.link_identity(user.id, *identity)
    identities = [first_of(user), *others]

    results = await asyncio.gather(
        *[store.users.unlink_identity(user.id, *identity) for identity in identities], return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["LastIdentityError"] + ["User"] * 4
    (left,) = await store.users.get_identities(user.id)
    assert [await holder_of(store, identity) for identity in identities if identity != left] == [None] * 4
    assert await holder_of(store, left) == user.id


async def test_no_more_than_20_identities(store: WikibotStore) -> None:
    """Of 22 identities that are linked at once, 19 are added to the first one; the others stay free."""
    user, identities = await a_user(store), [(fresh(), fresh()) for _ in range(22)]

    results = await asyncio.gather(
        *[store.users.link_identity(user.id, *identity) for identity in identities], return_exceptions=True
    )

    assert sum(isinstance(result, User) for result in results) == MOST - 1
    refusals = [result for result in results if not isinstance(result, User)]
    assert {type(refusal) for refusal in refusals} == {ValueError}
    assert all("at most 20 identities" in str(refusal) for refusal in refusals)
    held = await store.users.get_identities(user.id)
    assert len(held) == MOST
    claimed = [identity for identity in identities if await holder_of(store, identity) == user.id]
    assert set(claimed) == set(held) - {first_of(user)}


async def test_changes_of_one_user_at_once_all_apply(store: WikibotStore) -> None:
    """A new name, a linked and an unlinked identity and an update at the same time are all applied."""
    user, old, new = await a_user(store, username=fresh()), (fresh(), fresh()), (fresh(), fresh())
    await store.users.link_identity(user.id, *old)
    name = fresh()

    await asyncio.gather(
        store.users.set_username(user.id, name),
        store.users.link_identity(user.id, *new),
        store.users.unlink_identity(user.id, *old),
        store.users.update(user.id, email="ada@example.org"),
        store.users.record_login(user.id),
    )

    changed = await store.users.require(user.id, consistent=True)
    assert (changed.username, changed.email, changed.version) == (name, "ada@example.org", 6)
    assert changed.last_login_at is not None
    assert await store.users.get_identities(user.id) == [first_of(user), new]
    assert (await holder_of(store, new), await holder_of(store, old)) == (user.id, None)


async def test_user_must_exist(store: WikibotStore) -> None:
    """A missing user raises NotFoundError."""
    for attempt in (
        store.users.link_identity(fresh(), fresh(), fresh()),
        store.users.unlink_identity(fresh(), fresh(), fresh()),
        store.users.get_identities(fresh()),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_bad_input_is_refused(unreachable_store: WikibotStore) -> None:
    """An invalid id, provider or subject is rejected before any request."""
    users = unreachable_store.users
    for change in (users.link_identity, users.unlink_identity):
        for arguments in (("a b", "github", "1"), ("ada", "git#hub", "1"), ("ada", "github", "")):
            with pytest.raises(InvalidKeyError):
                await change(*arguments)
    with pytest.raises(InvalidKeyError, match="user_id"):
        await users.get_identities("")


@pytest.mark.parametrize(
    "identities", [{"S": "github"}, {"S": "a#b#c"}, {"N": "1"}], ids=["one word", "three", "number"]
)
async def test_corrupt_identities_are_named(store: WikibotStore, identities: dict[str, str]) -> None:
    """Corrupt identities raise an error that names the user, and are not overwritten."""
    user = await a_user(store)
    item = await stored(store, "users", id=user.id)
    assert item is not None
    await put(store, "users", item | {"identities": identities})

    for attempt in (store.users.get_identities(user.id), store.users.link_identity(user.id, fresh(), fresh())):
        with pytest.raises(CorruptItemError, match="`identities` is not a list of provider#sub") as error:
            await attempt
        assert error.value.key == {"id": user.id}


async def test_a_claim_of_somebody_else_can_be_let_go(store: WikibotStore) -> None:
    """If a restore gave a name or identity to two users, one can remove it and the other keeps the claim."""
    user, other, second = await a_user(store, username=fresh()), await a_user(store), (fresh(), fresh())
    await store.users.link_identity(user.id, *second)
    name_claim = f"claim#username#{user.username}"
    for claim in (name_claim, f"claim#oauth#{second[0]}#{second[1]}"):
        await put(store, "users", an_item(id=claim, user_id=other.id))

    unlinked = await store.users.unlink_identity(user.id, *second)
    renamed = await store.users.set_username(user.id, None)

    assert await store.users.get(user.id, consistent=True) == renamed
    assert (unlinked.version, renamed.version) == (3, 4)
    assert await holder_of(store, second) == other.id
    assert await stored(store, "users", id=name_claim) == an_item(id=name_claim, user_id=other.id)


async def test_a_claim_of_nobody_refuses_a_login(store: WikibotStore) -> None:
    """A claim whose user is missing makes a login fail with an error."""
    provider, sub = fresh(), fresh()
    await put(store, "users", an_item(id=f"claim#oauth#{provider}#{sub}", user_id=fresh()))

    with pytest.raises(AlreadyExistsError) as refusal:
        await store.users.get_or_create_by_oauth(provider, sub)

    assert refusal.value.field == "oauth"
