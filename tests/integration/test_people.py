"""Users are deleted with their wikis and claims, even after crashes and in races."""

import asyncio
from itertools import count
from typing import Literal

import pytest

from tests.integration.samples import (
    a_user,
    a_user_id,
    a_wiki_item,
    an_item,
    change,
    collect,
    fresh,
    key_of,
    put,
    stored,
)
from tests.integration.stops import is_stopped
from wikibot_store import (
    CorruptItemError,
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    Role,
    User,
    UserOwnsWikisError,
    UserStatus,
    Wiki,
    WikibotStore,
    WikiKey,
    WikiStatus,
)

ROUNDS = 2


async def create(store: WikibotStore, owner: User, slug: str | None = None) -> Wiki:
    """Create a counted wiki with a grant."""
    wiki = await store.wikis.create(owner.id, slug or fresh(), display_name="A wiki", repo_path="/srv/a")
    await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=owner.id)
    return wiki


async def a_person(store: WikibotStore) -> tuple[User, list[str]]:
    """Create a user with a username and two identities; return it with the ids of its claims."""
    user = await a_user(store, username=fresh())
    provider, sub = fresh(), fresh()
    await store.users.link_identity(user.id, provider, sub)
    identities = [(user.oauth_provider, user.oauth_provider_sub), (provider, sub)]
    return user, [f"claim#username#{user.username}", *(f"claim#oauth#{p}#{s}" for p, s in identities)]


async def left_of(store: WikibotStore, user: User, claims: list[str]) -> list[str]:
    """Return the ids of a user's items in the users table."""
    items = [await stored(store, "users", id=key) for key in [user.id, *claims]]
    return [item["id"]["S"] for item in items if item is not None]


async def wikis_of(store: WikibotStore, owner_id: str) -> list[str]:
    """Return the slugs of all items of an owner in the wikis table."""
    reply = await (await store.client()).query(
        TableName=store.config.wikis_table,
        KeyConditionExpression="owner_id = :owner",
        ExpressionAttributeValues={":owner": {"S": owner_id}},
        ConsistentRead=True,
    )
    return [item["wiki_slug"]["S"] for item in reply["Items"]]


async def count_of(store: WikibotStore, user: User) -> int:
    """Return how many wikis a user is counted to have."""
    return (await store.users.require(user.id, consistent=True)).wiki_count


@pytest.mark.parametrize("wikis", ["refuse", "delete"])
async def test_delete_frees_all_claims(store: WikibotStore, wikis: Literal["refuse", "delete"]) -> None:
    """After a delete the username and the identities are free at once."""
    user, claims = await a_person(store)

    assert await store.users.delete(user.id, wikis=wikis)

    assert await left_of(store, user, claims) == []
    _, created = await store.users.get_or_create_by_oauth(
        user.oauth_provider, user.oauth_provider_sub, username=user.username
    )
    assert created


async def test_delete_is_refused_while_there_are_wikis(store: WikibotStore) -> None:
    """A user with wikis is not deleted, and the error has their number."""
    user, claims = await a_person(store)
    for _ in range(2):
        await create(store, user)
    before = await stored(store, "users", id=user.id)

    with pytest.raises(UserOwnsWikisError) as refusal:
        await store.users.delete(user.id)

    assert refusal.value.count == 2
    assert await stored(store, "users", id=user.id) == before
    assert len(await left_of(store, user, claims)) == 4


async def test_uncounted_wikis_are_seen(store: WikibotStore) -> None:
    """A wiki that is not in the count prevents the delete too."""
    user = await a_user(store)
    await put(store, "wikis", a_wiki_item(owner_id=user.id))

    with pytest.raises(UserOwnsWikisError) as refusal:
        await store.users.delete(user.id)

    assert refusal.value.count == 1


async def test_delete_takes_wikis_along(store: WikibotStore) -> None:
    """With `wikis="delete"` all wikis and their grants are deleted."""
    user, claims = await a_person(store)
    wikis = [await create(store, user) for _ in range(3)]

    await store.users.delete(user.id, wikis="delete")

    assert await left_of(store, user, claims) == []
    assert await wikis_of(store, user.id) == []
    for wiki in wikis:
        assert await collect(store.acls.iter_by_wiki(wiki.key.wiki_id)) == []


async def test_the_longest_texts_leave_room_for_the_end(store: WikibotStore) -> None:
    """Items with the longest texts can still be touched, moved and deleted."""
    longest = "x" * 65_536
    user = await store.users.create(
        oauth_provider=fresh(), oauth_provider_sub=fresh(), email=longest, display_name=longest, avatar_url=longest
    )
    await store.users.update(user.id, tier=longest)
    await store.wikis.create(user.id, "notes", display_name=longest, repo_path=longest)

    assert await store.wikis.touch(user.id, "notes")
    moved = await store.wikis.rename(user.id, "notes", "other")
    await store.users.delete(user.id, wikis="delete")

    assert moved.display_name == longest
    assert await store.users.get(user.id, consistent=True) is None
    assert await store.wikis.get(user.id, "other", consistent=True) is None


async def test_an_id_that_is_given_again(store: WikibotStore) -> None:
    """A new user with the id of a deleted one has that user's grants until a sweep removes them."""
    owner, bob = await a_user(store), await a_user(store)
    await store.wikis.create(owner.id, "notes", display_name="Notes", repo_path="/srv/notes")
    await store.acls.create(WikiKey(owner.id, "notes"), bob.id, "editor", granted_by=owner.id)

    await store.users.delete(bob.id)
    assert (await store.authorize(bob.id, owner.id, "notes")).role is None

    await store.users.create(id=bob.id, oauth_provider=fresh(), oauth_provider_sub=fresh())
    assert (await store.authorize(bob.id, owner.id, "notes")).role is Role.EDITOR


async def test_delete_of_nobody_does_nothing(store: WikibotStore, sent: list[str]) -> None:
    """Deleting a missing user does nothing."""
    assert not await store.users.delete(fresh())

    assert sent == ["GetItem (consistent)"]


async def test_suspended_users_can_be_deleted(store: WikibotStore) -> None:
    """A suspended user can be deleted."""
    user, claims = await a_person(store)
    await store.users.update(user.id, status="suspended")

    await store.users.delete(user.id)

    assert await left_of(store, user, claims) == []


@pytest.mark.parametrize("slug", ["Old_Wiki", "old#wiki", "x" * 200])
async def test_wikis_of_other_programs_are_deleted_under_any_key(store: WikibotStore, slug: str) -> None:
    """A wiki whose slug the library rejects is deleted with its owner, and so are its grants."""
    user = await a_user(store)
    await put(store, "wikis", a_wiki_item(owner_id=user.id, wiki_slug=slug))
    await put(store, "acls", an_item(wiki_id=f"{user.id}:{slug}", grantee_id="bob", role="viewer"))
    await create(store, user, "notes")

    assert await is_stopped(store, 6, store.users.delete(user.id, wikis="delete"))
    assert not await store.users.delete(user.id, wikis="delete")

    assert await stored(store, "users", id=user.id) is None
    assert await wikis_of(store, user.id) == []
    assert await stored(store, "acls", wiki_id=f"{user.id}:{slug}", grantee_id="bob") is None


async def test_grants_of_another_wiki_stay(store: WikibotStore) -> None:
    """A slug with a colon makes the wiki_id of another owner's wiki: the grants of that wiki stay."""
    user = await a_user(store)
    other = await a_user(store, id=f"{user.id}:x")
    wiki = await create(store, other, "notes")
    await put(store, "wikis", a_wiki_item(owner_id=user.id, wiki_slug="x:notes"))

    assert await store.users.delete(user.id, wikis="delete")

    assert await wikis_of(store, user.id) == []
    assert len(await collect(store.acls.iter_by_wiki(wiki.key))) == 1


async def test_an_identity_that_cannot_be_claimed_does_not_stop_a_deletion(store: WikibotStore) -> None:
    """A user of another program whose provider the library rejects is deleted with the other claims."""
    user, claims = await a_person(store)
    item = await stored(store, "users", id=user.id)
    assert item is not None
    await put(store, "users", item | an_item(oauth_provider="my idp"))
    await create(store, user)

    assert await store.users.delete(user.id, wikis="delete")

    assert await left_of(store, user, claims) == [claims[1]]  # the first identity's, which the item does not name


async def test_a_damaged_move_is_the_stored_item_s_fault(store: WikibotStore) -> None:
    """A wiki whose item names no wiki as the other end of its move stops the deletion with an error that names it."""
    user = await a_user(store)
    wiki = await create(store, user)
    await change(store, "wikis", key_of(wiki), status="moving", moving_to="x", operation="an id")

    with pytest.raises(CorruptItemError, match=r"the other end of its move: wiki_id must be") as caught:
        await store.users.delete(user.id, wikis="delete")

    assert caught.value.key == key_of(wiki)


async def test_a_user_who_does_not_decode_is_not_marked(store: WikibotStore) -> None:
    """An item whose claims cannot be read is rejected before anything is written."""
    user = await a_user(store)
    wiki = await create(store, user)
    item = (await stored(store, "users", id=user.id) or {}) | an_item(identities="odd")
    await put(store, "users", item)

    with pytest.raises(CorruptItemError, match=user.id):
        await store.users.delete(user.id, wikis="delete")

    assert await stored(store, "users", id=user.id) == item
    assert await wikis_of(store, user.id) == [wiki.wiki_slug]


async def test_bad_input_is_refused(unreachable_store: WikibotStore) -> None:
    """A bad id and an unknown choice are rejected before any request."""
    with pytest.raises(InvalidKeyError, match="user_id"):
        await unreachable_store.users.delete("a b")
    with pytest.raises(ValueError, match="wikis must be one of refuse, delete"):
        await unreachable_store.users.delete("ada", wikis="keep")  # type: ignore[arg-type]


async def test_marked_users_get_nothing_more(store: WikibotStore) -> None:
    """From the mark on the user is `deleting`, says what is to become of the wikis, and neither gets nor opens any."""
    user, other = await a_user(store), await a_user(store)
    wiki = await create(store, other)
    await store.acls.create(wiki.key, user.id, "editor", granted_by=other.id)

    assert await is_stopped(store, 2, store.users.delete(user.id, wikis="delete"))

    item = await stored(store, "users", id=user.id)
    assert item is not None
    assert (item["status"], item["deletion"]) == ({"S": "deleting"}, {"S": "delete"})
    assert (await store.authorize(user.id, other.id, wiki.wiki_slug)).role is None
    with pytest.raises(NotActiveError):
        await create(store, user)
    with pytest.raises(NotActiveError):
        await store.wikis.transfer(other.id, wiki.wiki_slug, user.id)


@pytest.mark.parametrize("wikis", ["refuse", "delete"])
async def test_delete_goes_on_after_a_stop(store: WikibotStore, wikis: Literal["refuse", "delete"]) -> None:
    """A delete that is stopped after any of its requests is completed by the next call."""
    for requests in count(1):
        user, claims = await a_person(store)
        slugs = [(await create(store, user)).wiki_slug for _ in range(wikis == "delete")]

        stopped = await is_stopped(store, requests, store.users.delete(user.id, wikis=wikis))
        await store.users.delete(user.id, wikis=wikis)

        assert await left_of(store, user, claims) == []
        assert await wikis_of(store, user.id) == []
        for slug in slugs:
            assert await collect(store.acls.iter_by_wiki(f"{user.id}:{slug}")) == []
        if not stopped:
            assert requests > 5
            return


async def test_refusing_goes_before_an_unfinished_delete(store: WikibotStore) -> None:
    """A call with "refuse" keeps the wikis that an earlier delete has not reached."""
    user = await a_user(store)
    await create(store, user)
    assert await is_stopped(store, 2, store.users.delete(user.id, wikis="delete"))

    with pytest.raises(UserOwnsWikisError):
        await store.users.delete(user.id)

    assert len(await wikis_of(store, user.id)) == 1


async def test_somebody_elses_claim_stays(store: WikibotStore) -> None:
    """A claim of another user, which a restore may leave, is kept and does not prevent the delete."""
    user, claims = await a_person(store)
    other = await a_user(store)
    await put(store, "users", an_item(id=claims[0], user_id=other.id))

    await store.users.delete(user.id)

    assert await left_of(store, user, claims) == [claims[0]]


async def test_deletes_at_once_delete_once(store: WikibotStore) -> None:
    """Parallel deletes of both kinds raise no error and leave nothing."""
    user, claims = await a_person(store)

    choices: list[Literal["refuse", "delete"]] = ["refuse", "delete"]
    await asyncio.gather(*[store.users.delete(user.id, wikis=wikis) for wikis in choices * 4])

    assert await left_of(store, user, claims) == []


async def test_delete_beside_changes_of_claims(store: WikibotStore) -> None:
    """Names and identities that the user gets during the delete are free afterwards."""
    for _ in range(ROUNDS):
        user, claims = await a_person(store)
        names, provider, subs = [fresh(), fresh()], fresh(), [fresh(), fresh()]

        results = await asyncio.gather(
            *[store.users.set_username(user.id, name) for name in names],
            *[store.users.link_identity(user.id, provider, sub) for sub in subs],
            store.users.unlink_identity(user.id, user.oauth_provider, user.oauth_provider_sub),
            store.users.delete(user.id),
            return_exceptions=True,
        )

        assert {type(result) for result in results} <= {User, NotFoundError, bool}
        asked = [f"claim#username#{name}" for name in names] + [f"claim#oauth#{provider}#{sub}" for sub in subs]
        assert await left_of(store, user, claims + asked) == []


async def test_delete_beside_logins(store: WikibotStore) -> None:
    """A login during the delete gets the old user or a new one; one user has the identity afterwards."""
    for _ in range(ROUNDS):
        user = await a_user(store)
        identity = user.oauth_provider, user.oauth_provider_sub

        deleting = asyncio.create_task(store.users.delete(user.id))
        logins = await asyncio.gather(*[store.users.get_or_create_by_oauth(*identity) for _ in range(6)])
        await deleting

        created = [found.id for found, is_new in logins if is_new]
        assert {found.id for found, _ in logins} <= {user.id, *created}
        holder = await store.users.get_by_oauth(*identity, consistent=True)
        assert [holder.id] == created if holder is not None else created == []


@pytest.mark.parametrize("wikis", ["refuse", "delete"])
async def test_delete_beside_creates(store: WikibotStore, wikis: Literal["refuse", "delete"]) -> None:
    """A wiki that is created during the delete keeps the user or is deleted too."""
    for _ in range(ROUNDS):
        user = await a_user(store)

        deleted, *created = await asyncio.gather(
            store.users.delete(user.id, wikis=wikis), *[create(store, user) for _ in range(6)], return_exceptions=True
        )

        assert {type(result) for result in created} <= {Wiki, NotActiveError, NotFoundError}
        if wikis == "refuse" and isinstance(deleted, UserOwnsWikisError):
            assert await count_of(store, user) == len(await wikis_of(store, user.id)) > 0
        else:
            assert deleted is True
            assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])


async def test_delete_beside_transfers_to_the_user(store: WikibotStore) -> None:
    """A wiki that is transferred to a user during the delete stays with its owner or is deleted too."""
    for _ in range(ROUNDS):
        giver, user = await a_user(store), await a_user(store)
        wiki = await create(store, giver)

        _, transferred = await asyncio.gather(
            store.users.delete(user.id, wikis="delete"),
            store.wikis.transfer(giver.id, wiki.wiki_slug, user.id),
            return_exceptions=True,
        )

        assert isinstance(transferred, (Wiki, NotActiveError, NotFoundError))
        assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])
        assert await count_of(store, giver) == len(await wikis_of(store, giver.id))


async def test_delete_beside_transfers_from_the_user(store: WikibotStore) -> None:
    """A wiki that is transferred by a user during the delete arrives whole or is deleted."""
    for _ in range(ROUNDS):
        user, receiver = await a_user(store), await a_user(store)
        wiki = await create(store, user)

        _, transferred = await asyncio.gather(
            store.users.delete(user.id, wikis="delete"),
            store.wikis.transfer(user.id, wiki.wiki_slug, receiver.id),
            return_exceptions=True,
        )

        assert isinstance(transferred, (Wiki, NotActiveError, NotFoundError))
        assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])
        arrived = [wiki.status async for wiki in store.wikis.iter_by_owner(receiver.id)]
        assert arrived in ([], [WikiStatus.ACTIVE])
        assert await count_of(store, receiver) == len(arrived)


async def test_delete_beside_renames(store: WikibotStore) -> None:
    """A wiki that is renamed during the delete of its owner is deleted under either slug."""
    for _ in range(ROUNDS):
        user = await a_user(store)
        slugs = [(await create(store, user)).wiki_slug for _ in range(2)]

        await asyncio.gather(
            store.users.delete(user.id, wikis="delete"),
            *[store.wikis.rename(user.id, slug, f"{prefix}-{slug}") for slug, prefix in zip(slugs, "0z", strict=True)],
            return_exceptions=True,
        )

        assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])


async def test_delete_of_an_owner_whose_wiki_is_renamed(store: WikibotStore) -> None:
    """After a crash of a rename, a delete of the owner deletes both keys and counts one wiki."""
    for requests in count(1):
        user = await a_user(store)
        wiki = await create(store, user)

        stopped = await is_stopped(store, requests, store.wikis.rename(user.id, wiki.wiki_slug, "renamed"))
        with pytest.raises(UserOwnsWikisError) as refusal:
            await store.users.delete(user.id)
        await store.users.delete(user.id, wikis="delete")

        assert refusal.value.count == 1
        assert await wikis_of(store, user.id) == []
        if not stopped:
            return


async def test_delete_of_an_owner_whose_wiki_leaves(store: WikibotStore) -> None:
    """After a crash of a transfer, a delete of the giver leaves the wiki arrived or deletes both keys."""
    for requests in count(1):
        user, receiver = await a_user(store), await a_user(store)
        wiki = await create(store, user)

        stopped = await is_stopped(store, requests, store.wikis.transfer(user.id, wiki.wiki_slug, receiver.id))
        await store.users.delete(user.id, wikis="delete")

        assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])
        assert await count_of(store, receiver) == len(await wikis_of(store, receiver.id))
        if not stopped:
            assert len(await wikis_of(store, receiver.id)) == 1
            return


async def test_delete_of_a_receiver(store: WikibotStore) -> None:
    """After a crash of a transfer, a delete of the receiver leaves the wiki with the giver or deletes it."""
    for requests in count(1):
        giver, user = await a_user(store), await a_user(store)
        wiki = await create(store, giver)

        stopped = await is_stopped(store, requests, store.wikis.transfer(giver.id, wiki.wiki_slug, user.id))
        await store.users.delete(user.id, wikis="delete")

        assert (await stored(store, "users", id=user.id), await wikis_of(store, user.id)) == (None, [])
        found = await store.wikis.get(giver.id, wiki.wiki_slug, consistent=True)
        assert found is None or found.status in {WikiStatus.ACTIVE, WikiStatus.DELETING}
        assert await count_of(store, giver) == (found is not None and found.is_live)
        if not stopped:
            assert found is None
            return


async def test_an_active_user_again_is_marked_again(store: WikibotStore) -> None:
    """A user whose status was set back to active is deleted by the next call."""
    user, claims = await a_person(store)
    assert await is_stopped(store, 3, store.users.delete(user.id))
    await store.users.update(user.id, status=UserStatus.ACTIVE)

    await store.users.delete(user.id)

    assert await left_of(store, user, claims) == []
