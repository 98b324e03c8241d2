"""Operations on several tables at once: each succeeds or is refused as a whole, and all items stay consistent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import pytest

from tests.integration.clean_tables import check_and_wipe
from tests.integration.samples import a_user
from tests.integration.steps import on_one_engine
from wikibot_store import (
    Acl,
    AlreadyExistsError,
    InvalidInviteError,
    NotActiveError,
    NotFoundError,
    QuotaExceededError,
    Role,
    User,
    UserOwnsWikisError,
    Wiki,
    WikibotStore,
    WikiKey,
)

pytestmark = on_one_engine

T = TypeVar("T")

ROUNDS = 4
PEOPLE = 6


@pytest.fixture(autouse=True)
async def _nothing_is_wrong(store: WikibotStore) -> AsyncIterator[None]:
    """Check after each test that counts, claims and grants are consistent, and delete all items."""
    yield
    await check_and_wipe(store)


async def all_at_once(a_round: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the rounds at once, so that their timing varies."""
    await asyncio.gather(*[a_round() for _ in range(ROUNDS)])


async def outcome(call: Awaitable[T], *refusals: type[Exception]) -> T | Exception:
    """Return the result of a call, or which of these errors it raised."""
    try:
        return await call
    except refusals as refusal:
        return refusal


async def a_shared_wiki(store: WikibotStore, owner: User, people: list[User]) -> Wiki:
    """Create a wiki with these users as editors."""
    wiki = await store.wikis.create(owner.id, "old", display_name="A wiki", repo_path="/srv/a")
    await asyncio.gather(*[store.acls.create(wiki.key, user.id, "editor", granted_by=owner.id) for user in people])
    return wiki


async def some_users(store: WikibotStore, number: int) -> list[User]:
    """Create users."""
    return await asyncio.gather(*[a_user(store) for _ in range(number)])


async def role(store: WikibotStore, user: User, owner: User, slug: str) -> Role | None:
    """Return the user's role in a wiki."""
    return (await store.authorize(user.id, owner.id, slug)).role


async def test_rename_against_updates_grants_and_readers(store: WikibotStore) -> None:
    """During a rename, editors find the wiki, no update is lost, and each grant is stored or refused."""

    async def a_round() -> None:
        owner, reader, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, [reader])
        done = asyncio.Event()

        async def read_until_done() -> None:
            while not done.is_set():
                # Who reads the old key and then the new one finds the wiki under one of them.
                roles = [await role(store, reader, owner, slug) for slug in ("old", "new")]
                assert Role.EDITOR in roles

        async def rename() -> None:
            await store.wikis.rename(owner.id, "old", "new")
            done.set()

        async def update(slug: str) -> bool:
            refusals = (NotFoundError, NotActiveError)
            return isinstance(await outcome(store.wikis.update(owner.id, slug, is_public=False), *refusals), Wiki)

        async def grant(user: User) -> bool:
            given = store.acls.create(WikiKey(owner.id, "old"), user.id, "viewer", granted_by=owner.id)
            return isinstance(await outcome(given, NotFoundError, NotActiveError), Acl)

        _, _, updated, granted = await asyncio.gather(
            rename(),
            read_until_done(),
            asyncio.gather(*[update(slug) for slug in ("old", "new") * 4]),
            asyncio.gather(*[grant(user) for user in people]),
        )

        wiki = await store.wikis.require(owner.id, "new", consistent=True)
        assert wiki.version == 1 + sum(updated) + 1
        found = [await role(store, user, owner, "new") for user in people]
        assert found == [Role.VIEWER if given else None for given in granted]

    await all_at_once(a_round)


async def test_rename_against_rename(store: WikibotStore) -> None:
    """Of two renames to two slugs one succeeds with all grants, and the other is refused."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        wiki = await a_shared_wiki(store, owner, people)

        results = await asyncio.gather(
            *[
                outcome(store.wikis.rename(owner.id, "old", slug), NotActiveError, NotFoundError)
                for slug in ("this", "that")
            ]
        )

        (winner,) = (result for result in results if isinstance(result, Wiki))
        assert (winner.uid, winner.wiki_slug in {"this", "that"}) == (wiki.uid, True)
        assert [wiki.key for wiki in await store.wikis.list_by_owner(owner.id, consistent=True)] == [winner.key]
        assert {await role(store, user, owner, winner.wiki_slug) for user in people} == {Role.EDITOR}

    await all_at_once(a_round)


async def test_same_rename_by_two(store: WikibotStore) -> None:
    """Two calls of the same rename both return the wiki."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)

        one, other = await asyncio.gather(*[store.wikis.rename(owner.id, "old", "new") for _ in range(2)])

        assert one == other == await store.wikis.get(owner.id, "new", consistent=True)
        assert one.version == 2

    await all_at_once(a_round)


@pytest.mark.parametrize("slug", ["old", "new"])
async def test_rename_against_delete(store: WikibotStore, slug: str) -> None:
    """A wiki that is deleted during a rename is gone, or lives whole under the new slug."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)
        refusals = (AlreadyExistsError, NotActiveError, NotFoundError)

        renamed, _ = await asyncio.gather(
            outcome(store.wikis.rename(owner.id, "old", "new"), *refusals), store.wikis.delete(owner.id, slug)
        )

        wikis = await store.wikis.list_by_owner(owner.id, consistent=True)
        assert {wiki.is_live for wiki in wikis} <= {True}
        if slug == "old":
            assert isinstance(renamed, Wiki) == (len(wikis) == 1)
        for wiki in wikis:
            assert {await role(store, user, owner, wiki.wiki_slug) for user in people} == {Role.EDITOR}

    await all_at_once(a_round)


async def test_rename_against_delete_of_the_owner(store: WikibotStore) -> None:
    """A rename does not save a wiki from the delete of its owner."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)
        refusals = (AlreadyExistsError, NotActiveError, NotFoundError)

        await asyncio.gather(
            outcome(store.wikis.rename(owner.id, "old", "new"), *refusals), store.users.delete(owner.id, wikis="delete")
        )

        assert len(await store.wikis.list_by_owner(owner.id, consistent=True)) == 0

    await all_at_once(a_round)


async def test_transfer_against_creates_at_the_quota(store: WikibotStore) -> None:
    """If one more wiki is allowed, either the transfer or one create succeeds."""

    async def a_round() -> None:
        owner, receiver = await some_users(store, 2)
        await a_shared_wiki(store, owner, [])
        creates = [
            store.wikis.create(receiver.id, f"wiki-{number}", display_name="A wiki", repo_path="/srv/a", limit=1)
            for number in range(PEOPLE)
        ]

        results = await asyncio.gather(
            *[
                outcome(call, QuotaExceededError)
                for call in (store.wikis.transfer(owner.id, "old", receiver.id, limit=1), *creates)
            ]
        )

        (winner,) = (result for result in results if isinstance(result, Wiki))
        assert (await store.users.require(receiver.id, consistent=True)).wiki_count == 1
        assert [wiki.key for wiki in await store.wikis.list_by_owner(receiver.id, consistent=True)] == [winner.key]

    await all_at_once(a_round)


async def test_transfer_to_two_people(store: WikibotStore) -> None:
    """Of two transfers of one wiki one succeeds, and the other is refused."""

    async def a_round() -> None:
        owner, one, other, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)

        results = await asyncio.gather(
            *[
                outcome(store.wikis.transfer(owner.id, "old", receiver.id), NotActiveError, NotFoundError)
                for receiver in (one, other)
            ]
        )

        (winner,) = (result for result in results if isinstance(result, Wiki))
        receiver = one if winner.owner_id == one.id else other
        assert {await role(store, user, receiver, "old") for user in people} == {Role.EDITOR}

    await all_at_once(a_round)


@pytest.mark.parametrize("wikis", ["refuse", "delete"])
async def test_transfer_against_delete_of_the_receiver(store: WikibotStore, wikis: Literal["refuse", "delete"]) -> None:
    """A user who is being deleted gets no wiki, or it is deleted too, or the user is kept."""

    async def a_round() -> None:
        owner, receiver, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)

        transferred, deleted = await asyncio.gather(
            outcome(
                store.wikis.transfer(owner.id, "old", receiver.id), AlreadyExistsError, NotActiveError, NotFoundError
            ),
            outcome(store.users.delete(receiver.id, wikis=wikis), UserOwnsWikisError),
        )

        here = [wiki.is_live for wiki in await store.wikis.list_by_owner(owner.id, consistent=True)]
        there = [wiki.is_live for wiki in await store.wikis.list_by_owner(receiver.id, consistent=True)]
        is_gone = await store.users.get(receiver.id, consistent=True) is None
        assert is_gone == (deleted is True)
        if wikis == "refuse":
            assert isinstance(transferred, Wiki) != is_gone
        assert (here, there) in [([True], []), ([], [] if is_gone else [True])]

    await all_at_once(a_round)


async def test_one_invitation_for_two(store: WikibotStore) -> None:
    """Of two users with one token one gets a grant."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, [])
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        _, token = await store.acls.invite(
            WikiKey(owner.id, "old"), "a@example.org", "editor", invited_by=owner.id, expires_at=tomorrow
        )

        results = await asyncio.gather(
            *[outcome(store.acls.accept_invite(token, user.id), InvalidInviteError) for user in people]
        )

        (grant,) = (result for result in results if isinstance(result, Acl))
        roles = {user.id: await role(store, user, owner, "old") for user in people}
        assert {user_id for user_id, role in roles.items() if role is not None} == {grant.grantee_id}

    await all_at_once(a_round)


async def test_revoke_against_rename(store: WikibotStore) -> None:
    """No access is left after a revoke; if it found nothing, the wiki was already under the other key."""

    async def a_round() -> None:
        owner, *people = await some_users(store, PEOPLE)
        await a_shared_wiki(store, owner, people)

        async def revoke(user: User) -> None:
            if not await store.acls.delete(WikiKey(owner.id, "old"), user.id):
                assert await store.wikis.get(owner.id, "old", consistent=True) is None
                assert await store.acls.delete(WikiKey(owner.id, "new"), user.id)

        await asyncio.gather(store.wikis.rename(owner.id, "old", "new"), *map(revoke, people))

        assert {await role(store, user, owner, "new") for user in people} == {None}

    await all_at_once(a_round)


async def test_revoke_under_both_keys_against_rename(store: WikibotStore) -> None:
    """Of two revokes under both keys at once at most one returns True, and the grant is gone."""

    async def a_round() -> None:
        owner, user = await some_users(store, 2)
        await a_shared_wiki(store, owner, [user])

        _, revoked = await asyncio.gather(
            store.wikis.rename(owner.id, "old", "new"),
            asyncio.gather(*[store.acls.delete(WikiKey(owner.id, slug), user.id) for slug in ("old", "new")]),
        )

        assert sum(revoked) <= 1
        assert await role(store, user, owner, "new") == (None if any(revoked) else Role.EDITOR)

    await all_at_once(a_round)
