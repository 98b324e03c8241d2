"""Users: create, find, change, and the claims that keep identities and usernames unique."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.samples import a_user, a_user_item, an_item, eventually, fresh, indexed, put, stored
from wikibot_store import AlreadyExistsError, ConflictError, NotFoundError, User, UserStatus, WikibotStore
from wikibot_store.daos.users import SettableStatus
from wikibot_store.schema import OAUTH_INDEX

PROFILE = {"email": "ada@example.org", "display_name": "Ada", "avatar_url": "https://example.org/ada.png"}
BOOK = "\N{OPEN BOOK}"  # four bytes in UTF-8


async def test_create_stores_what_it_returns(store: WikibotStore) -> None:
    """A new user has the given attributes and defaults for the others, and is read back unchanged."""
    before = datetime.now(UTC)
    provider, sub, username = fresh(), fresh(), fresh()

    user = await store.users.create(oauth_provider=provider, oauth_provider_sub=sub, username=username, **PROFILE)

    assert before <= user.created_at <= datetime.now(UTC)
    assert user == User(
        id=user.id,
        oauth_provider=provider,
        oauth_provider_sub=sub,
        username=username,
        **PROFILE,
        tier="free",
        status=UserStatus.ACTIVE,
        wiki_count=0,
        created_at=user.created_at,
        updated_at=user.created_at,
        last_login_at=None,
        version=1,
    )
    assert await store.users.get(user.id, consistent=True) == user


async def test_create_keeps_a_given_id(store: WikibotStore) -> None:
    """An id that the caller chooses is kept, also with colons and letters of any script."""
    user_id = f"did:plc:{fresh()}:Ünïcode"

    user = await store.users.create(oauth_provider=fresh(), oauth_provider_sub=fresh(), id=user_id)

    assert user.id == user_id
    assert await store.users.get(user_id, consistent=True) == user


async def test_create_takes_the_longest_key_values(store: WikibotStore) -> None:
    """An id of 256 characters and a subject of 255 of four bytes each, and a claim of 2,048 bytes, are stored."""
    provider, sub = "abc" + BOOK * 253, BOOK * 255
    assert len(f"claim#oauth#{provider}#{sub}".encode()) == 2048

    user = await store.users.create(id=BOOK * 256, oauth_provider=provider, oauth_provider_sub=sub)

    assert await store.users.get(user.id, consistent=True) == user
    assert await store.users.get_by_oauth(provider, sub, consistent=True) == user
    await eventually(lambda: store.users.get_by_oauth(provider, sub), user)


@pytest.mark.parametrize("field", ["id", "oauth", "username"])
async def test_create_refuses_a_duplicate(store: WikibotStore, field: str) -> None:
    """A create with a taken id, identity or username is refused by that field, and the first user stays."""
    user = await a_user(store, username=fresh())
    other: dict[str, Any] = {"id": fresh(), "oauth_provider": fresh(), "oauth_provider_sub": fresh()}
    same: dict[str, dict[str, Any]] = {
        "id": {"id": user.id},
        "oauth": {"oauth_provider": user.oauth_provider, "oauth_provider_sub": user.oauth_provider_sub},
        "username": {"username": user.username},
    }

    with pytest.raises(AlreadyExistsError) as refused:
        await store.users.create(**other | same[field])

    assert refused.value.field == field
    assert refused.value.table == store.config.users_table
    assert await store.users.get(user.id, consistent=True) == user


async def test_refused_create_leaves_nothing_behind(store: WikibotStore) -> None:
    """A create that is refused for the username stores neither user nor claim."""
    taken = await a_user(store, username=fresh())
    user_id, provider, sub = fresh(), fresh(), fresh()

    with pytest.raises(AlreadyExistsError):
        await store.users.create(id=user_id, oauth_provider=provider, oauth_provider_sub=sub, username=taken.username)

    assert await stored(store, "users", id=user_id) is None
    assert await stored(store, "users", id=f"claim#oauth#{provider}#{sub}") is None


async def test_claims_never_enter_the_index(store: WikibotStore) -> None:
    """Claims hold the user's id and no identity, so only the user is in the index by-oauth."""
    user = await a_user(store, username=fresh())
    claims = [f"claim#oauth#{user.oauth_provider}#{user.oauth_provider_sub}", f"claim#username#{user.username}"]

    for claim_id in claims:
        claim = await stored(store, "users", id=claim_id)
        assert claim is not None
        assert claim["user_id"] == {"S": user.id}
        assert claim.keys() == {"id", "user_id", "write_id"}

    item = await stored(store, "users", id=user.id)
    await eventually(lambda: indexed(store, "users", OAUTH_INDEX, oauth_provider=user.oauth_provider), [item])


async def test_get_is_none_without_a_user(store: WikibotStore) -> None:
    """A missing user reads as None."""
    assert await store.users.get(fresh()) is None


async def test_require_returns_the_user(store: WikibotStore) -> None:
    """`require` returns the same user as get."""
    user = await a_user(store)

    assert await store.users.require(user.id, consistent=True) == user


async def test_get_many_leaves_out_who_is_missing(store: WikibotStore) -> None:
    """get_many returns the users that exist, by id."""
    users = [await a_user(store) for _ in range(3)]
    wanted = [user.id for user in users]

    await eventually(lambda: store.users.get_many([*wanted, fresh(), wanted[0]]), {user.id: user for user in users})


async def test_get_many_takes_more_than_a_batch(store: WikibotStore) -> None:
    """get_many accepts more ids than fit into one request."""
    first, last = await a_user(store), await a_user(store)
    wanted = [first.id, *(fresh() for _ in range(198)), last.id, fresh()]

    await eventually(lambda: store.users.get_many(wanted), {first.id: first, last.id: last})


@pytest.mark.parametrize("consistent", [False, True])
async def test_get_by_oauth_finds_by_the_whole_identity(store: WikibotStore, *, consistent: bool) -> None:
    """A user is found by provider and subject together, by index and by claim."""
    user = await a_user(store)
    get_by_oauth = store.users.get_by_oauth

    await eventually(lambda: get_by_oauth(user.oauth_provider, user.oauth_provider_sub, consistent=consistent), user)
    assert await get_by_oauth(user.oauth_provider, fresh(), consistent=consistent) is None
    assert await get_by_oauth(fresh(), user.oauth_provider_sub, consistent=consistent) is None


async def test_get_by_username(store: WikibotStore) -> None:
    """A user is found by its username; an unknown username reads as None."""
    user = await a_user(store, username=fresh())

    assert await store.users.get_by_username(user.username or "") == user
    assert await store.users.get_by_username(fresh()) is None


@pytest.mark.parametrize("owner", ["with another name", "missing"])
async def test_claim_alone_gives_no_username(store: WikibotStore, owner: str) -> None:
    """A claim whose user is missing, or has another name, finds no user."""
    user_id = (await a_user(store, username=fresh())).id if owner == "with another name" else fresh()
    username = fresh()
    await put(store, "users", an_item(id=f"claim#username#{username}", user_id=user_id))

    assert await store.users.get_by_username(username) is None


async def test_login_creates_once(store: WikibotStore) -> None:
    """The first login creates a user with the profile; the next one returns it unchanged."""
    provider, sub, username = fresh(), fresh(), fresh()

    user, created = await store.users.get_or_create_by_oauth(provider, sub, username=username, **PROFILE)
    again, created_again = await store.users.get_or_create_by_oauth(provider, sub, username=fresh(), email="new")

    assert (created, created_again) == (True, False)
    assert (user.username, user.email) == (username, PROFILE["email"])
    assert again == user


async def test_login_with_a_taken_username_creates_nobody(store: WikibotStore) -> None:
    """A first login with a taken username is refused and works with another one."""
    taken = await a_user(store, username=fresh())
    provider, sub = fresh(), fresh()

    with pytest.raises(AlreadyExistsError) as refused:
        await store.users.get_or_create_by_oauth(provider, sub, username=taken.username)

    assert refused.value.field == "username"
    assert (await store.users.get_or_create_by_oauth(provider, sub))[1]


async def test_login_follows_the_claim_where_the_index_knows_nothing(store: WikibotStore) -> None:
    """A login finds a user by the claim if the index does not have the identity."""
    user = await a_user(store)
    provider, sub = fresh(), fresh()
    await put(store, "users", an_item(id=f"claim#oauth#{provider}#{sub}", user_id=user.id))

    assert await store.users.get_or_create_by_oauth(provider, sub) == (user, False)


async def test_login_with_a_claim_of_nobody_is_refused(store: WikibotStore) -> None:
    """A login with an identity whose claim has no user raises an error and creates no user."""
    provider, sub = fresh(), fresh()
    await put(store, "users", an_item(id=f"claim#oauth#{provider}#{sub}", user_id=fresh()))

    with pytest.raises(AlreadyExistsError) as refused:
        await store.users.get_or_create_by_oauth(provider, sub)

    assert refused.value.field == "oauth"


CHANGES = {"email": "new@example.org", "display_name": "New", "avatar_url": "https://example.org/new", "tier": "pro"}


@pytest.mark.parametrize("expected_version", [None, 1])
@pytest.mark.parametrize("name", CHANGES)
async def test_update_changes_one_attribute(store: WikibotStore, name: str, expected_version: int | None) -> None:
    """An update changes the given attributes, version and time, and keeps the others."""
    user = await store.users.create(oauth_provider=fresh(), oauth_provider_sub=fresh(), username=fresh(), **PROFILE)

    changes: Any = {name: CHANGES[name]}
    updated = await store.users.update(user.id, expected_version=expected_version, **changes)

    assert getattr(updated, name) == CHANGES[name]
    assert updated.version == 2
    assert updated.updated_at > user.updated_at
    unchanged = set(User.__struct_fields__) - {name, "version", "updated_at"}
    assert {field: getattr(updated, field) for field in unchanged} == {
        field: getattr(user, field) for field in unchanged
    }
    assert await store.users.get(user.id, consistent=True) == updated


@pytest.mark.parametrize("name", PROFILE)
async def test_update_to_none_removes(store: WikibotStore, name: str) -> None:
    """None removes an attribute, whether or not it existed."""
    user = await store.users.create(oauth_provider=fresh(), oauth_provider_sub=fresh(), **PROFILE)
    removal: Any = {name: None}

    once = await store.users.update(user.id, **removal)
    twice = await store.users.update(user.id, **removal)

    assert getattr(once, name) is getattr(twice, name) is None
    item = await stored(store, "users", id=user.id)
    assert item is not None
    assert name not in item


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, "suspended"])
async def test_update_takes_a_status_as_member_or_text(store: WikibotStore, status: SettableStatus) -> None:
    """A status may be given as enum member or as text."""
    user = await a_user(store)

    assert (await store.users.update(user.id, status=status)).status is UserStatus.SUSPENDED


async def test_update_of_another_version_conflicts(store: WikibotStore) -> None:
    """An update with another version changes nothing, and its error holds the current user."""
    user = await a_user(store)
    current = await store.users.update(user.id, tier="pro")

    with pytest.raises(ConflictError) as conflict:
        await store.users.update(user.id, expected_version=user.version, tier="free")

    assert conflict.value.current == current
    assert await store.users.get(user.id, consistent=True) == current


async def _update(store: WikibotStore, user_id: str) -> User:
    return await store.users.update(user_id, tier="pro")


async def _update_version(store: WikibotStore, user_id: str) -> User:
    return await store.users.update(user_id, expected_version=1, tier="pro")


async def _require(store: WikibotStore, user_id: str) -> User:
    return await store.users.require(user_id)


async def _set_username(store: WikibotStore, user_id: str) -> User:
    return await store.users.set_username(user_id, fresh())


async def _record_login(store: WikibotStore, user_id: str) -> User:
    return await store.users.record_login(user_id)


@pytest.mark.parametrize("call", [_require, _update, _update_version, _set_username, _record_login])
async def test_missing_user_is_not_found_and_not_made(store: WikibotStore, call: Any) -> None:  # noqa: ANN401
    """A write to a missing user raises an error that names it, and creates no item."""
    user_id = fresh()

    with pytest.raises(NotFoundError) as missing:
        await call(store, user_id)

    assert (missing.value.table, missing.value.key) == (store.config.users_table, {"id": user_id})
    assert await stored(store, "users", id=user_id) is None


async def test_set_username_renames(store: WikibotStore) -> None:
    """After a change the user is found only by the new username, and the version grows."""
    old, new = fresh(), fresh()
    user = await a_user(store, username=old)

    renamed = await store.users.set_username(user.id, new)

    assert (renamed.username, renamed.version) == (new, 2)
    assert renamed.updated_at > user.updated_at
    assert await store.users.get(user.id, consistent=True) == renamed
    assert await store.users.get_by_username(new) == renamed
    assert await store.users.get_by_username(old) is None


async def test_set_username_frees_the_old_name(store: WikibotStore) -> None:
    """An old username can be taken by another user, and taken back when it is free again."""
    name = fresh()
    one, other = await a_user(store, username=name), await a_user(store)

    await store.users.set_username(one.id, fresh())
    await store.users.set_username(other.id, name)
    await store.users.set_username(other.id, None)
    back = await store.users.set_username(one.id, name)

    assert await store.users.get_by_username(name) == back


async def test_set_username_to_none_removes_it(store: WikibotStore) -> None:
    """None removes the username and its claim."""
    name = fresh()
    user = await a_user(store, username=name)

    nameless = await store.users.set_username(user.id, None)

    assert (nameless.username, nameless.version) == (None, 2)
    assert await store.users.get(user.id, consistent=True) == nameless
    assert await stored(store, "users", id=f"claim#username#{name}") is None


@pytest.mark.parametrize("username", [None, "the same"])
async def test_set_username_to_the_same_changes_nothing(store: WikibotStore, username: str | None) -> None:
    """Setting the same username, or None without one, changes nothing."""
    user = await a_user(store, username=username and fresh())

    assert await store.users.set_username(user.id, user.username) == user


async def test_set_username_refuses_a_taken_name(store: WikibotStore) -> None:
    """A taken username is refused, and both users keep theirs."""
    one, other = await a_user(store, username=fresh()), await a_user(store, username=fresh())

    with pytest.raises(AlreadyExistsError) as refused:
        await store.users.set_username(one.id, other.username)

    assert (refused.value.field, refused.value.key) == ("username", {"id": one.id})
    assert await store.users.get_by_username(one.username or "") == one
    assert await store.users.get_by_username(other.username or "") == other


async def test_record_login_notes_the_time_only(store: WikibotStore) -> None:
    """A login sets last_login_at and keeps version and updated_at."""
    user = await a_user(store)
    before = datetime.now(UTC)

    seen = await store.users.record_login(user.id)

    assert seen.last_login_at is not None
    assert before <= seen.last_login_at <= datetime.now(UTC)
    assert (seen.version, seen.updated_at) == (user.version, user.updated_at)
    assert await store.users.get(user.id, consistent=True) == seen


async def test_record_login_never_moves_backwards(store: WikibotStore) -> None:
    """A later login that is already stored stays, and the user is returned."""
    later = datetime.now(UTC) + timedelta(days=1)
    item = a_user_item(last_login_at=f"{later:%Y-%m-%dT%H:%M:%S.%f}Z")
    await put(store, "users", item)

    user = await store.users.record_login(item["id"]["S"])

    assert user.last_login_at == later
    assert await stored(store, "users", id=user.id) == item
