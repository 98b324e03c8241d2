"""The wikis that are shared with a user."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.samples import a_user_id, a_wiki, an_acl_item, change, eventually, fresh, key_of, put
from wikibot_store import IndexNotConfiguredError, InvalidKeyError, Page, StoreConfig, Wiki, WikibotStore
from wikibot_store.local import local_session


async def share(store: WikibotStore, grantee: str, number: int) -> list[Wiki]:
    """Create wikis and share them with a user."""
    wikis = [await a_wiki(store) for _ in range(number)]
    for wiki in wikis:
        await store.acls.create(wiki.key, grantee, "editor", granted_by=wiki.owner_id)
    return sorted(wikis, key=lambda wiki: wiki.key.wiki_id)


async def shown(store: WikibotStore, grantee: str) -> list[tuple[str, Wiki | None]]:
    """Return the shared wikis of a user, as wiki id and wiki."""
    return [(acl.wiki_id, wiki) for acl, wiki in await store.acls.list_shared_with(grantee)]


async def test_grants_come_with_their_wikis(store: WikibotStore) -> None:
    """Each grant of the user is returned with its wiki, ordered by wiki id."""
    grantee = await a_user_id(store)
    wikis = await share(store, grantee, 3)

    await eventually(lambda: shown(store, grantee), [(wiki.key.wiki_id, wiki) for wiki in wikis])


async def test_wikis_that_are_not_opened_are_absent(store: WikibotStore) -> None:
    """A wiki that is deleted, is another incarnation or is being deleted is None."""
    grantee = fresh()
    gone, another, dying = fresh(), await a_wiki(store), await a_wiki(store)
    await change(store, "wikis", key_of(dying), status="deleting")
    grants = {f"{gone}:gone": fresh(), another.key.wiki_id: fresh(), dying.key.wiki_id: dying.uid}
    for wiki_id, uid in grants.items():
        await put(store, "acls", an_acl_item(wiki_id=wiki_id, grantee_id=grantee, wiki_uid=uid))

    await eventually(lambda: shown(store, grantee), [(wiki_id, None) for wiki_id in sorted(grants)])


async def test_a_wiki_that_moves_is_live(store: WikibotStore) -> None:
    """A moving wiki is shown under its old key, also for a grant without wiki_uid."""
    grantee, wiki = fresh(), await a_wiki(store)
    await change(store, "wikis", key_of(wiki), status="moving")
    granted_at = datetime.now(UTC).isoformat()
    await put(store, "acls", an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=grantee, granted_at=granted_at))
    moving = await store.wikis.require(wiki.owner_id, wiki.wiki_slug, consistent=True)

    await eventually(lambda: shown(store, grantee), [(wiki.key.wiki_id, moving)])


async def test_expired_grants_are_left_out(store: WikibotStore) -> None:
    """An expired grant is not shown, even if TTL has not deleted it yet."""
    grantee, wiki = await a_user_id(store), await a_wiki(store)
    past = datetime.now(UTC) - timedelta(hours=1)
    await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, expires_at=past)
    (kept,) = await share(store, grantee, 1)

    await eventually(lambda: shown(store, grantee), [(kept.key.wiki_id, kept)])


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (5, [5]), (6, [5])])
async def test_pages_are_exact(store: WikibotStore, limit: int, sizes: list[int]) -> None:
    """Pages hold exactly `limit` wikis, and the last one has no cursor."""
    grantee = await a_user_id(store)
    wikis = await share(store, grantee, 5)
    await eventually(lambda: shown(store, grantee), [(wiki.key.wiki_id, wiki) for wiki in wikis])

    pages: list[Page[tuple[object, Wiki | None]]] = []
    cursor = None
    for _ in sizes:
        page = await store.acls.list_shared_with(grantee, limit=limit, cursor=cursor)
        pages.append(Page([*page], page.cursor))
        cursor = page.cursor

    assert [len(page) for page in pages] == sizes
    assert [wiki for page in pages for _, wiki in page] == wikis
    assert [page.cursor is None for page in pages] == [*[False] * (len(sizes) - 1), True]


async def test_nothing_is_one_request(store: WikibotStore, sent: list[str]) -> None:
    """A user without grants costs one Query."""
    assert await shown(store, fresh()) == []
    assert sent == ["Query (by-grantee)"]


async def test_index_must_be_configured() -> None:
    """Without the opt-in index nothing is sent, and there is no Scan."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:1", max_attempts=1)
    async with WikibotStore.open(config, session=local_session()) as store:
        with pytest.raises(IndexNotConfiguredError) as refusal:
            await store.acls.list_shared_with("ada")

    assert refusal.value.index == "by-grantee"


async def test_bad_input_is_refused(unreachable_store: WikibotStore) -> None:
    """A bad id and a bad limit are refused before any request."""
    with pytest.raises(InvalidKeyError, match="user_id"):
        await unreachable_store.acls.list_shared_with("a b")
    with pytest.raises(ValueError, match="limit"):
        await unreachable_store.acls.list_shared_with("ada", limit=0)
