"""Items that another program wrote: unknown, missing and broken attributes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.samples import (
    a_user,
    a_user_id,
    a_user_item,
    a_wiki,
    a_wiki_item,
    an_acl_item,
    an_item,
    change,
    collect,
    eventually,
    fresh,
    indexed,
    key_of,
    put,
    put_all,
    stored,
)
from wikibot_store import CorruptItemError, Page, User, UserStatus, Wiki, WikibotStore, WikiKey, WikiStatus
from wikibot_store.schema import GRANTEE_INDEX, OAUTH_INDEX

UNKNOWN: dict[str, Any] = {
    "color": {"S": "blue"},
    "karma": {"N": "1.5"},
    "flags": {"SS": ["a", "b"]},
    "settings": {"M": {"theme": {"L": [{"NULL": True}, {"BOOL": False}]}}},
    "avatar": {"B": b"\x00\xff"},
}
"""Attributes that the models do not have."""
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

Write = Callable[[WikibotStore, Any], Awaitable[object]]
Read = Callable[[WikibotStore, Any], Awaitable[object]]
"""Reads one item, given its key; both raise if it does not decode."""

USER_WRITES: dict[str, Write] = {
    "update": lambda store, user_id: store.users.update(user_id, tier="pro"),
    "update of a version": lambda store, user_id: store.users.update(user_id, expected_version=1, email="e"),
    "removal": lambda store, user_id: store.users.update(user_id, email=None),
    "set_username": lambda store, user_id: store.users.set_username(user_id, fresh()),
    "record_login": lambda store, user_id: store.users.record_login(user_id),
}
WIKI_UPDATES: dict[str, Write] = {
    "update": lambda store, key: store.wikis.update(*key, is_public=True),
    "update of a version": lambda store, key: store.wikis.update(*key, expected_version=1, display_name="New"),
    "removal": lambda store, key: store.wikis.update(*key, mcp_token_hash=None),
}
WIKI_NOTES: dict[str, Write] = {
    "touch": lambda store, key: store.wikis.touch(*key),
    "record_usage": lambda store, key: store.wikis.record_usage(
        *key, uid="uid", page_count=1, disk_usage_bytes=1, measured_at=LONG_AGO
    ),
}
WIKI_WRITES = WIKI_UPDATES | WIKI_NOTES


@pytest.mark.parametrize("write", USER_WRITES.values(), ids=USER_WRITES)
async def test_unknown_attributes_of_a_user_survive(store: WikibotStore, write: Write) -> None:
    """Every kind of write keeps the attributes of a user's item that the model does not have."""
    item = a_user_item(**UNKNOWN)
    await put(store, "users", item)

    await write(store, item["id"]["S"])

    after = await stored(store, "users", id=item["id"]["S"])
    assert after is not None
    assert after != item
    assert {name: after[name] for name in UNKNOWN} == UNKNOWN


@pytest.mark.parametrize("write", WIKI_WRITES.values(), ids=WIKI_WRITES)
async def test_unknown_attributes_of_a_wiki_survive(store: WikibotStore, write: Write) -> None:
    """Every kind of write keeps the attributes of a wiki's item that the model does not have."""
    item = a_wiki_item(uid="uid", **UNKNOWN)
    await put(store, "wikis", item)

    await write(store, (item["owner_id"]["S"], item["wiki_slug"]["S"]))

    after = await stored(store, "wikis", owner_id=item["owner_id"]["S"], wiki_slug=item["wiki_slug"]["S"])
    assert after is not None
    assert after != item
    assert {name: after[name] for name in UNKNOWN} == UNKNOWN


async def test_missing_attributes_of_a_user_read_as_defaults(store: WikibotStore) -> None:
    """A user's item with only the required attributes reads with defaults for the others."""
    item = a_user_item()
    await put(store, "users", item)

    user = await store.users.require(item["id"]["S"], consistent=True)

    assert user == User(
        id=item["id"]["S"],
        oauth_provider=item["oauth_provider"]["S"],
        oauth_provider_sub=item["oauth_provider_sub"]["S"],
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )
    assert (user.tier, user.status, user.wiki_count, user.version) == ("free", UserStatus.ACTIVE, 0, 1)


async def test_missing_attributes_of_a_wiki_read_as_defaults(store: WikibotStore) -> None:
    """A wiki's item with only the required attributes reads with defaults for the others."""
    item = a_wiki_item()
    await put(store, "wikis", item)

    wiki = await store.wikis.require(item["owner_id"]["S"], item["wiki_slug"]["S"], consistent=True)

    assert wiki == Wiki(
        owner_id=item["owner_id"]["S"],
        wiki_slug=item["wiki_slug"]["S"],
        uid=item["uid"]["S"],
        display_name="A wiki",
        repo_path="/srv/a",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )
    assert (wiki.is_public, wiki.status, wiki.page_count, wiki.version) == (False, WikiStatus.ACTIVE, 0, 1)


async def test_missing_attributes_of_a_grant_read_as_defaults(store: WikibotStore) -> None:
    """A grant's item without expiry and wiki_uid reads as one that never expires."""
    item = an_acl_item()
    await put(store, "acls", item)

    acl = await store.acls.get(item["wiki_id"]["S"], item["grantee_id"]["S"], consistent=True)

    assert acl is not None
    assert (acl.expires_at, acl.wiki_uid) == (None, None)


@pytest.mark.parametrize("expected_version", [None, 1])
async def test_item_without_version_has_version_one(store: WikibotStore, expected_version: int | None) -> None:
    """An item without version is updated from version 1 to 2, with or without an expected version."""
    item = a_user_item()
    await put(store, "users", item)

    user = await store.users.update(item["id"]["S"], expected_version=expected_version, tier="pro")

    assert user.version == 2
    assert (await store.users.set_username(user.id, fresh())).version == 3


async def test_item_without_write_id_can_be_replaced_and_deleted(store: WikibotStore) -> None:
    """A grant and a wiki without write_id can be replaced and deleted."""
    owner_id, grantee_id = await a_user_id(store), await a_user_id(store)
    key = WikiKey(owner_id, fresh())
    await put(store, "wikis", a_wiki_item(owner_id=owner_id, wiki_slug=key.wiki_slug))
    await put(store, "acls", an_acl_item(wiki_id=key.wiki_id, grantee_id=grantee_id))

    acl = await store.acls.create(key, grantee_id, "viewer", granted_by=owner_id)

    assert await store.acls.get(key, grantee_id, consistent=True) == acl
    await put(store, "acls", an_acl_item(wiki_id=key.wiki_id, grantee_id=grantee_id))
    assert await store.acls.delete(key, grantee_id)
    assert await store.wikis.delete(owner_id, key.wiki_slug)


WIKI_READS: dict[str, Read] = {
    "get": lambda store, key: store.wikis.get(*key, consistent=True),
    "require": lambda store, key: store.wikis.require(*key, consistent=True),
    "get_many": lambda store, key: store.wikis.get_many([WikiKey(*key), WikiKey(key[0], "sound")]),
    **WIKI_UPDATES,
}
BROKEN_WIKIS: dict[str, dict[str, Any]] = {
    "text for a number": {"page_count": "three"},
    "fraction": {"page_count": {"N": "1.5"}},
    "number for text": {"display_name": 3},
    "text for a boolean": {"is_public": "yes"},
    "null": {"repo_path": {"NULL": True}},
    "map": {"display_name": {"M": {}}},
    "missing": {"display_name": None},
    "unknown status": {"status": "secret-status"},
    "no time": {"created_at": "yesterday"},
    "boolean for a time": {"updated_at": True},
    "version": {"version": {"N": "1.5"}},
}


@pytest.mark.parametrize("broken", BROKEN_WIKIS.values(), ids=BROKEN_WIKIS)
async def test_broken_wiki_is_named(store: WikibotStore, broken: dict[str, Any]) -> None:
    """A wiki that does not decode raises CorruptItemError with table, key and attribute, and without its value."""
    item = a_wiki_item(**broken)
    await put(store, "wikis", item)
    key = {name: item[name]["S"] for name in ("owner_id", "wiki_slug")}

    with pytest.raises(CorruptItemError) as corrupt:
        await store.wikis.get(*key.values(), consistent=True)

    assert (corrupt.value.table, corrupt.value.key) == (store.config.wikis_table, key)
    (attribute,) = broken
    assert attribute in str(corrupt.value)
    assert "secret" not in str(corrupt.value)


@pytest.mark.parametrize("read", WIKI_READS.values(), ids=WIKI_READS)
async def test_broken_wiki_is_found_by_every_method(store: WikibotStore, read: Read) -> None:
    """Every method that reads a broken wiki, alone or among others, names it."""
    owner_id = fresh()
    key = {"owner_id": owner_id, "wiki_slug": "broken"}
    broken = a_wiki_item(**key, uid="uid", disk_usage_bytes="a lot", is_public="yes", display_name=7)
    await put_all(store, "wikis", [broken, a_wiki_item(owner_id=owner_id, wiki_slug="sound")])

    with pytest.raises(CorruptItemError) as corrupt:
        await read(store, tuple(key.values()))

    assert (corrupt.value.table, corrupt.value.key) == (store.config.wikis_table, key)


@pytest.mark.parametrize("write", WIKI_NOTES.values(), ids=WIKI_NOTES)
async def test_broken_wiki_is_written_to(store: WikibotStore, write: Write) -> None:
    """A touch and usage figures are stored on an item that does not decode."""
    item = a_wiki_item(uid="uid", display_name=7)
    await put(store, "wikis", item)

    assert await write(store, (item["owner_id"]["S"], item["wiki_slug"]["S"]))


async def test_broken_wiki_can_be_deleted(store: WikibotStore) -> None:
    """A wiki that does not decode can be deleted."""
    item = a_wiki_item(display_name=7, page_count="three")
    await put(store, "wikis", item)

    assert await store.wikis.delete(item["owner_id"]["S"], item["wiki_slug"]["S"])
    assert await store.wikis.get(item["owner_id"]["S"], item["wiki_slug"]["S"], consistent=True) is None


async def test_broken_wiki_is_the_trouble_of_its_reader(store: WikibotStore) -> None:
    """Of several reads that share a request, only the read of the broken wiki fails."""
    owner_id = fresh()
    await put_all(
        store,
        "wikis",
        [
            a_wiki_item(owner_id=owner_id, wiki_slug="broken", page_count="three"),
            a_wiki_item(owner_id=owner_id, wiki_slug="sound"),
        ],
    )

    broken, sound, missing = await asyncio.gather(
        *[store.wikis.get(owner_id, slug, consistent=True) for slug in ("broken", "sound", "missing")],
        return_exceptions=True,
    )

    assert isinstance(broken, CorruptItemError)
    assert isinstance(sound, Wiki)
    assert missing is None


USER_READS: dict[str, Read] = {
    "get": lambda store, user: store.users.get(user["id"]["S"], consistent=True),
    "get_many": lambda store, user: store.users.get_many([user["id"]["S"]]),
    "get_by_oauth": lambda store, user: store.users.get_by_oauth(
        user["oauth_provider"]["S"], user["oauth_provider_sub"]["S"]
    ),
    "get_by_username": lambda store, user: store.users.get_by_username(user["username"]["S"]),
    "update": lambda store, user: store.users.update(user["id"]["S"], email=None),
    "update of a version": lambda store, user: store.users.update(user["id"]["S"], expected_version=1, email=None),
    "set_username": lambda store, user: store.users.set_username(user["id"]["S"], None),
    "record_login": lambda store, user: store.users.record_login(user["id"]["S"]),
}


@pytest.mark.parametrize("read", USER_READS.values(), ids=USER_READS)
async def test_broken_user_is_found_by_every_method(store: WikibotStore, read: Read) -> None:
    """Every method that reads a broken user names it by table and id."""
    username = fresh()
    item = a_user_item(username=username, wiki_count="many")
    claim = an_item(id=f"claim#username#{username}", user_id=item["id"]["S"])
    await put_all(store, "users", [item, claim])

    provider = item["oauth_provider"]["S"]
    await eventually(lambda: indexed(store, "users", OAUTH_INDEX, oauth_provider=provider), [item])

    with pytest.raises(CorruptItemError) as corrupt:
        await read(store, item)

    assert (corrupt.value.table, corrupt.value.key) == (store.config.users_table, {"id": item["id"]["S"]})


async def test_broken_login_time_is_named(store: WikibotStore) -> None:
    """An invalid last_login_at is reported and not overwritten."""
    item = a_user_item(last_login_at="recently")
    await put(store, "users", item)

    with pytest.raises(CorruptItemError, match="last_login_at"):
        await store.users.record_login(item["id"]["S"])

    assert await stored(store, "users", id=item["id"]["S"]) == item


@pytest.mark.parametrize("write", ["update of a version", "record_login"])
async def test_broken_user_is_written_to(store: WikibotStore, write: str) -> None:
    """A write without a read changes an item that does not decode; the error is about the returned item."""
    user_id = fresh()
    await put(store, "users", a_user_item(id=user_id, wiki_count="many"))

    with pytest.raises(CorruptItemError):
        await USER_WRITES[write](store, user_id)

    item = await stored(store, "users", id=user_id)
    assert item is not None
    assert {"update of a version": "email", "record_login": "last_login_at"}[write] in item


async def test_broken_claim_is_named(store: WikibotStore) -> None:
    """A claim without a user id is reported as a corrupt item of the users table."""
    username = fresh()
    await put(store, "users", an_item(id=f"claim#username#{username}", user_id=7))

    with pytest.raises(CorruptItemError) as corrupt:
        await store.users.get_by_username(username)

    assert corrupt.value.key == {"id": f"claim#username#{username}"}


ACL_READS: dict[str, Read] = {
    "get": lambda store, key: store.acls.get(*key, consistent=True),
    "create": lambda store, key: store.acls.create(key[0], key[1], "viewer", granted_by=key[1]),
}


@pytest.mark.parametrize("read", ACL_READS.values(), ids=ACL_READS)
async def test_broken_grant_is_found_by_every_method(store: WikibotStore, read: Read) -> None:
    """A grant with an unknown role is reported; it can be revoked and given again."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)
    wiki_id, _ = key = (wiki.key.wiki_id, grantee_id)
    item = an_acl_item(wiki_id=wiki_id, grantee_id=grantee_id, role="emperor")
    await put(store, "acls", item)
    await eventually(lambda: indexed(store, "acls", GRANTEE_INDEX, grantee_id=grantee_id), [item])

    with pytest.raises(CorruptItemError, match="role") as corrupt:
        await read(store, key)

    assert corrupt.value.table == store.config.acls_table
    assert corrupt.value.key == {"wiki_id": wiki_id, "grantee_id": grantee_id}
    assert await store.acls.delete(wiki_id, grantee_id)
    acl = await store.acls.create(wiki_id, grantee_id, "viewer", granted_by=wiki.owner_id)
    assert await store.acls.get(wiki_id, grantee_id, consistent=True) == acl


# ---- listings


def keys_of(page: Page[Any]) -> list[str]:
    """Return the sort keys of the corrupt items of a page."""
    return [list(error.key.values())[-1] for error in page.corrupt]


async def test_a_listing_of_wikis_survives_a_broken_one(store: WikibotStore) -> None:
    """Pages and iterations of wikis hold the sound ones, page by page, and the pages name the broken ones."""
    owner = await a_user(store)
    broken = [a_wiki_item(owner_id=owner.id, wiki_slug=f"{letter}0", is_public="yes") for letter in "abc"]
    sound = [a_wiki_item(owner_id=owner.id, wiki_slug=f"{letter}1", is_public=True) for letter in "abc"]
    await put_all(store, "wikis", broken + sound)

    first = await store.wikis.list_by_owner(owner.id, limit=2, consistent=True)
    last = await store.wikis.list_by_owner(owner.id, limit=2, cursor=first.cursor, consistent=True)

    assert [[wiki.wiki_slug for wiki in page] for page in (first, last)] == [["a1", "b1"], ["c1"]]
    assert (keys_of(first), keys_of(last), last.cursor) == (["a0", "b0"], ["c0"], None)
    assert [wiki.wiki_slug for wiki in await collect(store.wikis.iter_by_owner(owner.id))] == ["a1", "b1", "c1"]
    assert [wiki.wiki_slug for wiki in await store.wikis.list_public_by_owner(owner.id)] == ["a1", "b1", "c1"]


async def test_public_wikis_of_a_broken_owner(store: WikibotStore) -> None:
    """Nobody knows whether an owner who does not decode is active: the listing of public wikis raises."""
    wiki = await a_wiki(store, is_public=True)
    await change(store, "users", {"id": wiki.owner_id}, status="odd")

    with pytest.raises(CorruptItemError):
        await store.wikis.list_public_by_owner(wiki.owner_id)


async def test_a_listing_of_grants_survives_a_broken_one(store: WikibotStore) -> None:
    """Lists of grants, members and invitations hold the sound ones, and name the broken ones."""
    wiki = await a_wiki(store)
    members = sorted([await a_user_id(store), await a_user_id(store)])
    for grantee_id in members:
        await store.acls.create(wiki.key, grantee_id, "viewer", granted_by=wiki.owner_id)
    invite_id = f"invite#{'5e' * 32}"
    for grantee_id, email in (("broken", None), (invite_id, "e@example.org")):
        item = an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=grantee_id, role="emperor", invited_email=email)
        await put(store, "acls", item)
    await change(store, "users", {"id": members[0]}, status="odd")

    page = await store.acls.list_by_wiki(wiki.key, consistent=True)
    there = await store.acls.list_members(wiki.key)
    invitations = await store.acls.list_invitations(wiki.key)

    assert ([acl.grantee_id for acl in page], keys_of(page)) == (members, ["broken"])
    assert [acl.grantee_id for acl in await collect(store.acls.iter_by_wiki(wiki.key))] == members
    assert [(member.acl.grantee_id, member.user is None) for member in there] == [
        (members[0], True),
        (members[1], False),
    ]
    assert keys_of(there) == ["broken", members[0]]
    assert (invitations.items, keys_of(invitations)) == ([], [invite_id])


async def test_shared_wikis_survive_broken_ones(store: WikibotStore) -> None:
    """A list of what is shared holds what is sound; a broken wiki, or a wiki_id that names none, opens nothing."""
    user, wiki, broken = await a_user(store), await a_wiki(store), await a_wiki(store)
    for shared in (wiki, broken):
        await store.acls.create(shared.key, user.id, "viewer", granted_by=shared.owner_id)
    await change(store, "wikis", key_of(broken), is_public="yes")
    await put(store, "acls", an_acl_item(wiki_id="no colon", grantee_id=user.id))
    await put(store, "acls", an_acl_item(wiki_id=f"{fresh()}:x", grantee_id=user.id, role="emperor"))

    async def shared_with() -> object:
        page = await store.acls.list_shared_with(user.id)
        wikis = [share.wiki.wiki_slug if share.wiki else None for share in page]
        return sorted(map(str, wikis)), sorted(error.table for error in page.corrupt)

    tables = sorted([store.config.acls_table, store.config.wikis_table])
    await eventually(shared_with, (sorted([wiki.wiki_slug, "None", "None"]), tables))
