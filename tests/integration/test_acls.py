"""Grants: create, replace, revoke, expire and list."""

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from aiobotocore.session import AioSession

from tests.integration.samples import (
    a_user,
    a_user_id,
    a_wiki,
    an_acl_item,
    collect,
    eventually,
    fresh,
    put,
    put_all,
    stored,
)
from wikibot_store import Acl, IndexNotConfiguredError, Role, WikibotStore, WikiKey
from wikibot_store.models import RoleName

NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
LONG_AGO = 1_000_000_000


async def test_create_stores_what_it_returns(store: WikibotStore) -> None:
    """A new grant has the given attributes and is read back unchanged."""
    wiki, grantee_id, granted_by = await a_wiki(store), await a_user_id(store), await a_user_id(store)
    before = datetime.now(UTC)

    acl = await store.acls.create(wiki.key, grantee_id, Role.EDITOR, granted_by=granted_by, expires_at=NEXT_YEAR)

    assert before <= acl.granted_at <= datetime.now(UTC)
    assert acl == Acl(
        wiki_id=wiki.key.wiki_id,
        grantee_id=grantee_id,
        role=Role.EDITOR,
        granted_by=granted_by,
        granted_at=acl.granted_at,
        expires_at=NEXT_YEAR,
        wiki_uid=wiki.uid,
    )
    assert await store.acls.get(wiki.key, grantee_id, consistent=True) == acl


@pytest.mark.parametrize("role", ["owner", "editor", "viewer"])
async def test_create_takes_a_role_as_text(store: WikibotStore, role: RoleName) -> None:
    """A role may be given as text."""
    wiki = await a_wiki(store)

    acl = await store.acls.create(wiki.key, await a_user_id(store), role, granted_by=wiki.owner_id)

    assert acl.role is Role(role)


async def test_create_overwrites_the_role(store: WikibotStore) -> None:
    """Granting again replaces the grant with its expiry; there is one item."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)
    await store.acls.create(wiki.key, grantee_id, Role.EDITOR, granted_by=wiki.owner_id, expires_at=NEXT_YEAR)

    acl = await store.acls.create(wiki.key, grantee_id, Role.VIEWER, granted_by=wiki.owner_id)

    assert (acl.role, acl.expires_at) == (Role.VIEWER, None)
    assert (await store.acls.list_by_wiki(wiki.key, consistent=True)).items == [acl]


async def test_expiry_is_stored_as_whole_epoch_seconds(store: WikibotStore) -> None:
    """The expiry is stored as epoch seconds, rounded down, whatever its time zone."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)
    given = (NEXT_YEAR + timedelta(milliseconds=999)).astimezone(timezone(timedelta(hours=5, minutes=30)))

    acl = await store.acls.create(wiki.key, grantee_id, Role.VIEWER, granted_by=wiki.owner_id, expires_at=given)

    assert acl.expires_at == NEXT_YEAR
    item = await stored(store, "acls", wiki_id=wiki.key.wiki_id, grantee_id=grantee_id)
    assert item is not None
    assert item["expires_at"] == {"N": str(int(NEXT_YEAR.timestamp()))}


async def test_expired_grant_counts_as_absent(store: WikibotStore) -> None:
    """An expired grant reads as None and is in no listing, although its item still exists."""
    (wiki, other), grantee_id = [await a_wiki(store) for _ in range(2)], await a_user_id(store)
    key = {"wiki_id": wiki.key.wiki_id, "grantee_id": grantee_id}
    expired = an_acl_item(**key, expires_at=LONG_AGO)
    await put(store, "acls", expired)
    live = await store.acls.create(
        wiki.key, await a_user_id(store), Role.VIEWER, granted_by=wiki.owner_id, expires_at=NEXT_YEAR
    )
    elsewhere = await store.acls.create(other.key, grantee_id, Role.VIEWER, granted_by=other.owner_id)

    assert await store.acls.get(wiki.key, grantee_id, consistent=True) is None
    assert (await store.acls.list_by_wiki(wiki.key, consistent=True)).items == [live]
    await eventually(partial(_iterate, store, wiki.key), [live])
    await eventually(partial(_grants_of, store, grantee_id), [elsewhere])
    assert await stored(store, "acls", **key) == expired


async def test_grant_that_is_given_expired_opens_nothing(store: WikibotStore) -> None:
    """A grant that expires in this second is stored and already counts as missing."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)

    await store.acls.create(wiki.key, grantee_id, "owner", granted_by=wiki.owner_id, expires_at=datetime.now(UTC))

    assert await store.acls.get(wiki.key, grantee_id, consistent=True) is None
    assert (await store.acls.list_by_wiki(wiki.key, consistent=True)).items == []


async def test_get_is_none_without_a_grant(store: WikibotStore) -> None:
    """A user without a grant reads as None."""
    assert await store.acls.get(WikiKey(fresh(), fresh()), fresh()) is None


async def test_delete_returns_whether_there_was_a_grant(store: WikibotStore) -> None:
    """The first delete removes the grant and no other, the second finds nothing."""
    wiki, grantee_id = await a_wiki(store), await a_user_id(store)
    await store.acls.create(wiki.key, grantee_id, Role.EDITOR, granted_by=wiki.owner_id)
    other = await store.acls.create(wiki.key, await a_user_id(store), Role.EDITOR, granted_by=wiki.owner_id)

    assert await store.acls.delete(wiki.key, grantee_id)
    assert not await store.acls.delete(wiki.key, grantee_id)

    assert (await store.acls.list_by_wiki(wiki.key, consistent=True)).items == [other]


async def test_lists_are_of_one_wiki_and_of_one_grantee(store: WikibotStore) -> None:
    """The grants of a wiki are ordered by grantee, those of a grantee by wiki."""
    wiki_ids, grantee_ids = [sorted(f"{fresh()}:{fresh()}" for _ in range(3)), sorted(fresh() for _ in range(3))]
    grants = [an_acl_item(wiki_id=wiki_id, grantee_id=grantee_id) for wiki_id in wiki_ids for grantee_id in grantee_ids]
    await put_all(store, "acls", grants[::-1])

    for wiki_id in wiki_ids:
        expected = [(wiki_id, grantee_id) for grantee_id in grantee_ids]
        assert _keys(await store.acls.list_by_wiki(wiki_id, consistent=True)) == expected
        await eventually(lambda wiki_id=wiki_id: _keys_of(_iterate(store, wiki_id)), expected)  # type: ignore[misc]
    for grantee_id in grantee_ids:
        expected = [(wiki_id, grantee_id) for wiki_id in wiki_ids]
        await eventually(lambda grantee_id=grantee_id: _keys_of(_grants_of(store, grantee_id)), expected)  # type: ignore[misc]


async def test_owner_ids_with_colons_do_not_meet(store: WikibotStore) -> None:
    """Grants in the wiki (a:b, c) are not grants in a wiki of owner a."""
    owner_id, grantee_id = fresh(), await a_user_id(store)
    owner = await a_user(store, id=f"{owner_id}:b")
    wiki = await store.wikis.create(owner.id, "c", display_name="C", repo_path="/srv/c")
    acl = await store.acls.create(wiki.key, grantee_id, Role.EDITOR, granted_by=owner.id)

    assert await store.acls.get(f"{owner_id}:b:c", grantee_id, consistent=True) == acl
    for slug in ("b", "c", "b-c"):
        assert await store.acls.get(WikiKey(owner_id, slug), grantee_id, consistent=True) is None


async def test_create_takes_the_longest_key_values(store: WikibotStore) -> None:
    """A grantee id and a wiki id of 1,024 bytes, the limit of a sort key, are stored and listed."""
    book = "\N{BOOKS}"  # four bytes in UTF-8
    key, grantee_id = WikiKey(book * 240, "s" * 63), book * 256
    assert len(key.wiki_id.encode()) == len(grantee_id.encode()) == 1024
    for user_id in (key.owner_id, grantee_id):
        await a_user(store, id=user_id)
    await store.wikis.create(key.owner_id, key.wiki_slug, display_name="S", repo_path="/srv/s")

    acl = await store.acls.create(key, grantee_id, Role.EDITOR, granted_by=grantee_id)

    assert (await store.acls.list_by_wiki(key, consistent=True)).items == [acl]
    await eventually(partial(_grants_of, store, grantee_id), [acl])


async def test_list_by_grantee_needs_the_index(store: WikibotStore, session: AioSession) -> None:
    """Without the index in the config, the call raises an error and does not scan."""
    config = replace(store.config, grantee_index=False)

    async with WikibotStore.open(config, session=session) as without:
        with pytest.raises(IndexNotConfiguredError, match="grantee_index"):
            await without.acls.list_by_grantee(fresh())


async def _iterate(store: WikibotStore, wiki: WikiKey | str) -> list[Acl]:
    return await collect(store.acls.iter_by_wiki(wiki, page_size=2))


async def _grants_of(store: WikibotStore, grantee_id: str) -> list[Acl]:
    return (await store.acls.list_by_grantee(grantee_id)).items


async def _keys_of(acls: Awaitable[list[Acl]]) -> list[tuple[str, str]]:
    return _keys(await acls)


def _keys(acls: Iterable[Acl]) -> list[tuple[str, str]]:
    return [(acl.wiki_id, acl.grantee_id) for acl in acls]
