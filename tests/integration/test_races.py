"""Many writers at once: every race has exactly one winner, and no change is lost."""

import asyncio
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import TypeVar

from tests.integration.samples import a_user, a_user_id, a_wiki, eventually, fresh, indexed, stored
from wikibot_store import AlreadyExistsError, ConflictError, Role, User, Wiki, WikibotStore
from wikibot_store.schema import OAUTH_INDEX

T = TypeVar("T")

ROUNDS = 3


async def _race(racers: Iterable[Awaitable[T]]) -> tuple[list[T], list[BaseException]]:
    """Run all at once; return the results of the winners and the errors of the losers."""
    results = await asyncio.gather(*racers, return_exceptions=True)
    won = [result for result in results if not isinstance(result, BaseException)]
    return won, [result for result in results if isinstance(result, BaseException)]


async def test_logins_of_one_identity_make_one_user(store: WikibotStore) -> None:
    """Of 64 first logins at once one creates the user, and all return it."""
    for _ in range(ROUNDS):
        provider, sub, username = fresh(), fresh(), fresh()

        logins = await asyncio.gather(
            *[store.users.get_or_create_by_oauth(provider, sub, username=username) for _ in range(64)]
        )

        assert sorted(created for _, created in logins) == [False] * 63 + [True]
        user = logins[0][0]
        assert {found.id for found, _ in logins} == {user.id}
        claim = await stored(store, "users", id=f"claim#oauth#{provider}#{sub}")
        assert claim is not None
        assert claim["user_id"] == {"S": user.id}
        item = await stored(store, "users", id=user.id)
        await eventually(partial(indexed, store, "users", OAUTH_INDEX, oauth_provider=provider), [item])


async def test_creates_of_one_slug_make_one_wiki(store: WikibotStore) -> None:
    """Of 64 creates at once one creates the wiki, and 63 are refused."""
    for _ in range(ROUNDS):
        owner_id, slug = await a_user_id(store), fresh()

        won, lost = await _race(
            store.wikis.create(owner_id, slug, display_name=f"{racer}", repo_path="/srv") for racer in range(64)
        )

        assert [type(error) for error in lost] == [AlreadyExistsError] * 63
        assert (await store.wikis.list_by_owner(owner_id, consistent=True)).items == won


async def test_one_username_goes_to_one_user(store: WikibotStore) -> None:
    """Of 32 users, 16 of them new, that want one username at once, one gets it; no other new user is created."""
    for _ in range(ROUNDS):
        username = fresh()
        users = [await a_user(store) for _ in range(16)]
        changes = [store.users.set_username(user.id, username) for user in users]
        creates = [a_user(store, username=username) for _ in range(16)]

        won, lost = await _race([*changes, *creates])

        assert {type(error) for error in lost} == {AlreadyExistsError}
        assert {error.field for error in lost if isinstance(error, AlreadyExistsError)} == {"username"}
        (winner,) = won
        assert await store.users.get_by_username(username) == winner


async def test_unversioned_updates_all_apply(store: WikibotStore) -> None:
    """16 updates at once without a version are all applied: the version grows by 16."""
    await asyncio.gather(*[_check_updates(store, await a_wiki(store)) for _ in range(ROUNDS)])


async def _check_updates(store: WikibotStore, wiki: Wiki) -> None:
    updated = await asyncio.gather(
        *[store.wikis.update(wiki.owner_id, wiki.wiki_slug, display_name=f"{racer}") for racer in range(16)]
    )

    assert sorted(wiki.version for wiki in updated) == list(range(2, 18))
    assert {wiki.display_name for wiki in updated} == {f"{racer}" for racer in range(16)}
    last = max(updated, key=lambda wiki: wiki.version)
    assert await store.wikis.get(wiki.owner_id, wiki.wiki_slug, consistent=True) == last


async def test_of_two_editors_one_wins(store: WikibotStore) -> None:
    """Of two updates of one version one is applied; the other raises ConflictError with the stored item."""
    for _ in range(ROUNDS):
        user = await a_user(store)

        won, lost = await _race(
            store.users.update(user.id, expected_version=user.version, display_name=name) for name in ("Ada", "Bob")
        )

        (winner,), (conflict,) = won, lost
        assert isinstance(conflict, ConflictError)
        assert conflict.current == winner
        assert await store.users.get(user.id, consistent=True) == winner


async def test_renames_of_one_user_leave_one_claim(store: WikibotStore) -> None:
    """After 32 changes of one username at once, the user has one claim and all other names are free."""
    user = await a_user(store, username=fresh())
    names = [fresh() for _ in range(32)]

    renamed: list[User] = await asyncio.gather(*[store.users.set_username(user.id, name) for name in names])

    last = max(renamed, key=lambda user: user.version)
    assert last.version == 33
    assert await store.users.get(user.id, consistent=True) == last
    claims = [await stored(store, "users", id=f"claim#username#{name}") for name in [user.username, *names]]
    assert [claim["id"]["S"] for claim in claims if claim is not None] == [f"claim#username#{last.username}"]


async def test_grants_of_one_grantee_leave_one(store: WikibotStore) -> None:
    """Of 16 grants at once to one user exactly one is stored."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)

    grants = await asyncio.gather(
        *[store.acls.create(wiki.key, grantee_id, role, granted_by=wiki.owner_id) for role in [*Role] * 5]
    )

    assert await store.acls.get(wiki.key, grantee_id, consistent=True) in grants
    assert len((await store.acls.list_by_wiki(wiki.key, consistent=True)).items) == 1


async def test_deletes_of_one_wiki_remove_it_once(store: WikibotStore) -> None:
    """16 deletes at once, beside touches, delete the wiki and lower the count once."""
    wiki: Wiki = await a_wiki(store)
    key = (wiki.owner_id, wiki.wiki_slug)

    deleted, _ = await asyncio.gather(
        asyncio.gather(*[store.wikis.delete(*key) for _ in range(16)]),
        asyncio.gather(*[store.wikis.touch(*key, min_interval=0) for _ in range(16)]),
    )

    assert any(deleted)
    assert await stored(store, "wikis", owner_id=wiki.owner_id, wiki_slug=wiki.wiki_slug) is None
    assert (await store.users.require(wiki.owner_id, consistent=True)).wiki_count == 0
