"""Grants: give, change, revoke, expire, and list from either side."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import aioboto3
import pytest

from tests.integration.samples import an_acl_item, collect, eventually, fresh, put, stored
from wikibot_store import Acl, IndexNotConfiguredError, Role, WikibotStore, WikiKey

NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
LONG_AGO = 1_000_000_000


async def test_create_stores_what_it_returns(store: WikibotStore) -> None:
    """A new grant has what was given, and reads back the same."""
    wiki_id, grantee_id, granted_by = _wiki_id(), fresh(), fresh()
    before = datetime.now(UTC)

    acl = await store.acls.create(wiki_id, grantee_id, Role.EDITOR, granted_by=granted_by, expires_at=NEXT_YEAR)

    assert before <= acl.granted_at <= datetime.now(UTC)
    assert acl == Acl(
        wiki_id=wiki_id,
        grantee_id=grantee_id,
        role=Role.EDITOR,
        granted_by=granted_by,
        granted_at=acl.granted_at,
        expires_at=NEXT_YEAR,
        wiki_uid=None,
    )
    assert await store.acls.get(wiki_id, grantee_id, consistent=True) == acl


@pytest.mark.parametrize("role", ["owner", "editor", "viewer"])
async def test_create_takes_a_role_as_text(store: WikibotStore, role: str) -> None:
    """A role may be given as its value."""
    acl = await store.acls.create(_wiki_id(), fresh(), role, granted_by=fresh())

    assert acl.role is Role(role)


async def test_create_overwrites_the_role(store: WikibotStore) -> None:
    """Granting again replaces the grant, expiry included; there is one item."""
    wiki_id, grantee_id = _wiki_id(), fresh()
    await store.acls.create(wiki_id, grantee_id, Role.EDITOR, granted_by=fresh(), expires_at=NEXT_YEAR)

    acl = await store.acls.create(wiki_id, grantee_id, Role.VIEWER, granted_by=fresh())

    assert (acl.role, acl.expires_at) == (Role.VIEWER, None)
    assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == [acl]


async def test_expiry_is_stored_as_whole_epoch_seconds(store: WikibotStore) -> None:
    """The expiry is what DynamoDB's TTL reads: seconds since 1970, cut, whatever the time zone it was given in."""
    wiki_id, grantee_id = _wiki_id(), fresh()
    given = (NEXT_YEAR + timedelta(milliseconds=999)).astimezone(timezone(timedelta(hours=5, minutes=30)))

    acl = await store.acls.create(wiki_id, grantee_id, Role.VIEWER, granted_by=fresh(), expires_at=given)

    assert acl.expires_at == NEXT_YEAR
    item = await stored(store, "acls", wiki_id=wiki_id, grantee_id=grantee_id)
    assert item is not None
    assert item["expires_at"] == {"N": str(int(NEXT_YEAR.timestamp()))}


async def test_expired_grant_counts_as_absent(store: WikibotStore) -> None:
    """A grant whose time is over reads as None and is in no listing, although its item is still there."""
    expired = an_acl_item(expires_at=LONG_AGO)
    await put(store, "acls", expired)
    wiki_id, grantee_id = expired["wiki_id"]["S"], expired["grantee_id"]["S"]
    live = await store.acls.create(wiki_id, fresh(), Role.VIEWER, granted_by=fresh(), expires_at=NEXT_YEAR)
    elsewhere = await store.acls.create(_wiki_id(), grantee_id, Role.VIEWER, granted_by=fresh())

    assert await store.acls.get(wiki_id, grantee_id, consistent=True) is None
    assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == [live]
    await eventually(partial(_iterate, store, wiki_id), [live])
    await eventually(partial(_grants_of, store, grantee_id), [elsewhere])
    assert await stored(store, "acls", wiki_id=wiki_id, grantee_id=grantee_id) == expired


async def test_grant_that_is_given_expired_opens_nothing(store: WikibotStore) -> None:
    """A grant that expires at this very second is stored, and counts as absent at once."""
    wiki_id, grantee_id = _wiki_id(), fresh()

    await store.acls.create(wiki_id, grantee_id, Role.OWNER, granted_by=fresh(), expires_at=datetime.now(UTC))

    assert await store.acls.get(wiki_id, grantee_id, consistent=True) is None
    assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == []


async def test_expired_grant_can_be_given_again(store: WikibotStore) -> None:
    """Granting after the expiry gives a live grant."""
    expired = an_acl_item(expires_at=LONG_AGO)
    await put(store, "acls", expired)
    wiki_id, grantee_id = expired["wiki_id"]["S"], expired["grantee_id"]["S"]

    acl = await store.acls.create(wiki_id, grantee_id, Role.VIEWER, granted_by=fresh(), expires_at=NEXT_YEAR)

    assert await store.acls.get(wiki_id, grantee_id, consistent=True) == acl


async def test_get_is_none_without_a_grant(store: WikibotStore) -> None:
    """A user without a grant reads as None."""
    assert await store.acls.get(_wiki_id(), fresh()) is None


async def test_delete_tells_whether_there_was_a_grant(store: WikibotStore) -> None:
    """The first revocation removes the grant and no other, the second finds nothing."""
    wiki_id, grantee_id = _wiki_id(), fresh()
    await store.acls.create(wiki_id, grantee_id, Role.EDITOR, granted_by=fresh())
    other = await store.acls.create(wiki_id, fresh(), Role.EDITOR, granted_by=fresh())

    assert await store.acls.delete(wiki_id, grantee_id)
    assert not await store.acls.delete(wiki_id, grantee_id)

    assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == [other]


async def test_lists_are_of_one_wiki_and_of_one_grantee(store: WikibotStore) -> None:
    """A wiki's grants come in the order of grantees, a grantee's in the order of wikis, from the one set of grants."""
    wiki_ids, grantee_ids = sorted(_wiki_id() for _ in range(3)), sorted(fresh() for _ in range(3))
    grants = {
        (wiki_id, grantee_id): await store.acls.create(wiki_id, grantee_id, Role.VIEWER, granted_by=fresh())
        for wiki_id in reversed(wiki_ids)
        for grantee_id in reversed(grantee_ids)
    }

    for wiki_id in wiki_ids:
        expected = [grants[wiki_id, grantee_id] for grantee_id in grantee_ids]
        assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == expected
        await eventually(partial(_iterate, store, wiki_id), expected)
    for grantee_id in grantee_ids:
        expected = [grants[wiki_id, grantee_id] for wiki_id in wiki_ids]
        await eventually(partial(_grants_of, store, grantee_id), expected)


async def test_owner_ids_with_colons_do_not_meet(store: WikibotStore) -> None:
    """Grants on (a:b, c) are grants on no wiki of owner a."""
    owner_id, grantee_id = fresh(), fresh()
    acl = await store.acls.create(WikiKey(f"{owner_id}:b", "c").wiki_id, grantee_id, Role.EDITOR, granted_by=fresh())

    assert await store.acls.get(WikiKey(f"{owner_id}:b", "c").wiki_id, grantee_id, consistent=True) == acl
    for slug in ("b", "c", "b-c"):
        assert await store.acls.get(WikiKey(owner_id, slug).wiki_id, grantee_id, consistent=True) is None


async def test_create_takes_the_longest_key_values(store: WikibotStore) -> None:
    """A grantee id, and a wiki id, of the 1,024 bytes that an index takes as sort key are stored and listed."""
    book = "\N{OPEN BOOK}"  # four bytes in UTF-8
    wiki_id, grantee_id = WikiKey(book * 240, "s" * 63).wiki_id, book * 256
    assert len(wiki_id.encode()) == len(grantee_id.encode()) == 1024

    acl = await store.acls.create(wiki_id, grantee_id, Role.EDITOR, granted_by=grantee_id)

    assert (await store.acls.list_by_wiki(wiki_id, consistent=True)).items == [acl]
    await eventually(partial(_grants_of, store, grantee_id), [acl])


async def test_list_by_grantee_needs_the_index(store: WikibotStore, session: aioboto3.Session) -> None:
    """A store that is not configured with the index says so and does not scan."""
    config = replace(store.config, grantee_index=False)

    async with WikibotStore.open(config, session=session) as without:
        with pytest.raises(IndexNotConfiguredError, match="grantee_index"):
            await without.acls.list_by_grantee(fresh())


async def _iterate(store: WikibotStore, wiki_id: str) -> list[Acl]:
    return await collect(store.acls.iter_by_wiki(wiki_id, page_size=2))


async def _grants_of(store: WikibotStore, grantee_id: str) -> list[Acl]:
    return (await store.acls.list_by_grantee(grantee_id)).items


def _wiki_id() -> str:
    return WikiKey(fresh(), fresh()).wiki_id
