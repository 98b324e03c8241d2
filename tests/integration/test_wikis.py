"""Wikis: create, read, list and update them, touch, and record usage."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.samples import (
    a_user,
    a_user_id,
    a_wiki,
    a_wiki_item,
    collect,
    eventually,
    fresh,
    put_all,
    stored,
)
from wikibot_store import AlreadyExistsError, ConflictError, NotFoundError, Wiki, WikibotStore, WikiKey, WikiStatus
from wikibot_store.tokens import hash_token

HASH = hash_token("a token")
MEASURED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_create_stores_what_it_returns(store: WikibotStore) -> None:
    """A new wiki has the given attributes and defaults for the others, and is read back unchanged."""
    owner_id, slug = await a_user_id(store), fresh()
    before = datetime.now(UTC)

    wiki = await store.wikis.create(
        owner_id, slug, display_name="Ärger", repo_path="/srv/w", mcp_token_hash=HASH, is_public=True
    )

    assert before <= wiki.created_at <= datetime.now(UTC)
    assert wiki == Wiki(
        owner_id=owner_id,
        wiki_slug=slug,
        uid=wiki.uid,
        display_name="Ärger",
        repo_path="/srv/w",
        mcp_token_hash=HASH,
        is_public=True,
        status=WikiStatus.ACTIVE,
        page_count=0,
        disk_usage_bytes=0,
        created_at=wiki.created_at,
        updated_at=wiki.created_at,
        last_accessed=None,
        version=1,
    )
    assert wiki.key == WikiKey(owner_id, slug)
    assert await store.wikis.get(owner_id, slug, consistent=True) == wiki
    assert await store.wikis.require(owner_id, slug, consistent=True) == wiki


async def test_create_without_options_is_private(store: WikibotStore) -> None:
    """By default a wiki is private and has no token."""
    wiki = await a_wiki(store)

    assert (wiki.is_public, wiki.mcp_token_hash) == (False, None)
    assert await store.wikis.get(*_key(wiki), consistent=True) == wiki


async def test_create_refuses_a_duplicate(store: WikibotStore) -> None:
    """A create with a taken slug of the same owner is refused; another owner may have the slug."""
    wiki = await a_wiki(store)

    with pytest.raises(AlreadyExistsError) as refused:
        await store.wikis.create(*_key(wiki), display_name="Other", repo_path="/srv/other")

    assert refused.value.field == "wiki_slug"
    assert (refused.value.table, refused.value.key) == (
        store.config.wikis_table,
        {"owner_id": wiki.owner_id, "wiki_slug": wiki.wiki_slug},
    )
    assert await store.wikis.get(*_key(wiki), consistent=True) == wiki
    await store.wikis.create(await a_user_id(store), wiki.wiki_slug, display_name="Other", repo_path="/srv/other")


async def test_slug_used_again_is_another_wiki(store: WikibotStore) -> None:
    """A wiki that is created again under the same slug has another uid."""
    first = await a_wiki(store)
    await store.wikis.delete(*_key(first))

    second = await store.wikis.create(*_key(first), display_name="Second", repo_path="/srv/second")

    assert second.uid != first.uid


async def test_owner_ids_with_colons_do_not_meet(store: WikibotStore) -> None:
    """The wikis of owner a:b are not in the listing of owner a."""
    owner_id = await a_user_id(store)
    await a_user(store, id=f"{owner_id}:b")
    one = await store.wikis.create(f"{owner_id}:b", "c", display_name="One", repo_path="/srv/one")

    assert await store.wikis.get(f"{owner_id}:b", "c", consistent=True) == one
    assert await store.wikis.get(owner_id, "c", consistent=True) is None
    assert (await store.wikis.list_by_owner(owner_id, consistent=True)).items == []
    assert (await store.wikis.list_by_owner(f"{owner_id}:b", consistent=True)).items == [one]


async def test_get_is_none_without_a_wiki(store: WikibotStore) -> None:
    """A missing wiki reads as None."""
    assert await store.wikis.get(fresh(), fresh()) is None


async def test_get_many_leaves_out_what_is_missing(store: WikibotStore) -> None:
    """get_many returns the wikis that exist, by key."""
    wikis = [await a_wiki(store) for _ in range(3)]
    keys = [wiki.key for wiki in wikis]

    await eventually(
        lambda: store.wikis.get_many([*keys, WikiKey(fresh(), fresh()), keys[0]]), {wiki.key: wiki for wiki in wikis}
    )


@pytest.fixture
async def alphabet(store: WikibotStore) -> list[Wiki]:
    """The wikis of one owner, in the order of their slugs."""
    owner_id = await a_user_id(store)
    slugs = ["a", "ab", "abc", "abd", "b"]
    return [await store.wikis.create(owner_id, slug, display_name=slug, repo_path="/srv") for slug in slugs]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("prefix", "slugs"),
    [(None, ["a", "ab", "abc", "abd", "b"]), ("ab", ["ab", "abc", "abd"]), ("abd", ["abd"]), ("c", [])],
)
async def test_list_by_owner(
    store: WikibotStore, alphabet: list[Wiki], prefix: str | None, slugs: list[str], *, descending: bool
) -> None:
    """An owner's wikis are listed by slug, ascending or descending, and by prefix."""
    page = await store.wikis.list_by_owner(alphabet[0].owner_id, prefix=prefix, descending=descending, consistent=True)

    expected = [wiki for wiki in alphabet if wiki.wiki_slug in slugs]
    assert list(page) == (expected[::-1] if descending else expected)
    assert len(page) == len(slugs)
    assert page.cursor is None


@pytest.mark.parametrize("page_size", [1, 5, 500])
@pytest.mark.parametrize(("prefix", "start"), [(None, 0), ("ab", 1)])
async def test_iter_by_owner(
    store: WikibotStore, alphabet: list[Wiki], prefix: str | None, start: int, page_size: int
) -> None:
    """Iterating yields the same wikis as listing, for every page size."""
    expected = alphabet[start : -1 if prefix else None]

    await eventually(
        lambda: collect(store.wikis.iter_by_owner(alphabet[0].owner_id, prefix=prefix, page_size=page_size)), expected
    )


async def test_iter_by_owner_stops_with_its_consumer(
    store: WikibotStore, alphabet: list[Wiki], sent: list[str]
) -> None:
    """A consumer that stops after the first page has caused one Query."""
    async for wiki in store.wikis.iter_by_owner(alphabet[0].owner_id, page_size=2):
        if wiki == alphabet[1]:
            break

    assert sent == ["Query"]


async def test_list_public_by_owner(store: WikibotStore) -> None:
    """Pages hold only live public wikis, not private, deleting or arriving ones."""
    owner_id = await a_user_id(store)
    states = {"a": "active", "b": "deleting", "c": None, "d": "arriving", "e": "moving", "f": "moved"}
    wikis = [a_wiki_item(owner_id=owner_id, wiki_slug=slug, is_public=True, status=states[slug]) for slug in states]
    await put_all(store, "wikis", [*wikis, a_wiki_item(owner_id=owner_id, wiki_slug="aa", is_public=False)])

    async def pages() -> list[list[str]]:
        first = await store.wikis.list_public_by_owner(owner_id, limit=2)
        second = await store.wikis.list_public_by_owner(owner_id, limit=2, cursor=first.cursor)
        return [[wiki.wiki_slug for wiki in page] for page in (first, second)]

    await eventually(pages, [["a", "c"], ["e"]])


CHANGES = {"display_name": "New", "repo_path": "/srv/new", "mcp_token_hash": HASH, "is_public": True}


@pytest.mark.parametrize("expected_version", [None, 1])
@pytest.mark.parametrize("name", CHANGES)
async def test_update_changes_one_attribute(store: WikibotStore, name: str, expected_version: int | None) -> None:
    """An update changes the given attributes, version and time, and keeps the others."""
    wiki = await a_wiki(store)

    changes: Any = {name: CHANGES[name]}
    updated = await store.wikis.update(*_key(wiki), expected_version=expected_version, **changes)

    assert getattr(updated, name) == CHANGES[name]
    assert updated.version == 2
    assert updated.updated_at > wiki.updated_at
    unchanged = set(Wiki.__struct_fields__) - {name, "version", "updated_at"}
    assert {field: getattr(updated, field) for field in unchanged} == {
        field: getattr(wiki, field) for field in unchanged
    }
    assert await store.wikis.get(*_key(wiki), consistent=True) == updated


async def test_update_to_none_removes(store: WikibotStore) -> None:
    """None removes the token hash from the item."""
    wiki = await a_wiki(store, mcp_token_hash=HASH)

    updated = await store.wikis.update(*_key(wiki), mcp_token_hash=None)

    assert updated.mcp_token_hash is None
    item = await stored(store, "wikis", owner_id=wiki.owner_id, wiki_slug=wiki.wiki_slug)
    assert item is not None
    assert "mcp_token_hash" not in item


async def test_update_of_another_version_conflicts(store: WikibotStore) -> None:
    """An update with another version changes nothing, and its error holds the current wiki."""
    wiki = await a_wiki(store)
    current = await store.wikis.update(*_key(wiki), is_public=True)

    with pytest.raises(ConflictError) as conflict:
        await store.wikis.update(*_key(wiki), expected_version=wiki.version, is_public=False)

    assert conflict.value.current == current
    assert await store.wikis.get(*_key(wiki), consistent=True) == current


@pytest.mark.parametrize("expected_version", [None, 1])
async def test_update_of_an_incarnation(store: WikibotStore, expected_version: int | None) -> None:
    """An update with a uid does not change a later wiki with the same key and version."""
    wiki = await a_wiki(store)
    updated = await store.wikis.update(*_key(wiki), expected_version=expected_version, uid=wiki.uid, is_public=True)
    assert (updated.uid, updated.is_public) == (wiki.uid, True)
    await store.wikis.delete(*_key(wiki))
    later = await store.wikis.create(*_key(wiki), display_name="Later", repo_path="/srv/later")
    assert later.version == wiki.version

    with pytest.raises(NotFoundError):
        await store.wikis.update(*_key(wiki), expected_version=expected_version, uid=wiki.uid, is_public=True)

    assert await store.wikis.get(*_key(wiki), consistent=True) == later


async def _require(store: WikibotStore, owner_id: str, slug: str) -> Wiki:
    return await store.wikis.require(owner_id, slug)


async def _update(store: WikibotStore, owner_id: str, slug: str) -> Wiki:
    return await store.wikis.update(owner_id, slug, is_public=True)


async def _update_version(store: WikibotStore, owner_id: str, slug: str) -> Wiki:
    return await store.wikis.update(owner_id, slug, expected_version=1, is_public=True)


@pytest.mark.parametrize("call", [_require, _update, _update_version])
async def test_missing_wiki_is_not_found_and_not_made(store: WikibotStore, call: Any) -> None:  # noqa: ANN401
    """An update of a missing wiki raises an error that names it, and creates no item."""
    key = {"owner_id": fresh(), "wiki_slug": fresh()}

    with pytest.raises(NotFoundError) as missing:
        await call(store, *key.values())

    assert (missing.value.table, missing.value.key) == (store.config.wikis_table, key)
    assert await stored(store, "wikis", **key) is None


async def test_touch_notes_an_access_once_in_an_interval(store: WikibotStore) -> None:
    """A touch within the interval, of up to a leap year, stores nothing; with 0 each is stored. The version stays."""
    wiki = await a_wiki(store)

    assert await store.wikis.touch(*_key(wiki))
    first = await store.wikis.require(*_key(wiki), consistent=True)
    assert not await store.wikis.touch(*_key(wiki))
    assert not await store.wikis.touch(*_key(wiki), min_interval=366 * 86_400)
    unchanged = await store.wikis.require(*_key(wiki), consistent=True)
    assert await store.wikis.touch(*_key(wiki), min_interval=0)
    second = await store.wikis.require(*_key(wiki), consistent=True)

    assert first.last_accessed is not None
    assert second.last_accessed is not None
    assert wiki.created_at <= first.last_accessed < second.last_accessed
    assert unchanged == first
    assert (second.version, second.updated_at) == (wiki.version, wiki.updated_at)


async def test_record_usage_keeps_the_newest_figures(store: WikibotStore) -> None:
    """Usage figures replace older ones and never newer ones. The version stays the same."""
    wiki = await a_wiki(store)

    assert await _record(store, wiki, page_count=1, measured_at=MEASURED)
    assert not await _record(store, wiki, page_count=2, measured_at=MEASURED - timedelta(microseconds=1))
    assert not await _record(store, wiki, page_count=3, measured_at=MEASURED)
    assert (await store.wikis.require(*_key(wiki), consistent=True)).page_count == 1
    assert await _record(store, wiki, page_count=4, measured_at=MEASURED + timedelta(microseconds=1))

    measured = await store.wikis.require(*_key(wiki), consistent=True)
    assert (measured.page_count, measured.disk_usage_bytes) == (4, 2**63 - 1)
    assert (measured.version, measured.updated_at) == (wiki.version, wiki.updated_at)


async def test_record_usage_of_another_incarnation_is_refused(store: WikibotStore) -> None:
    """Usage figures of a deleted wiki are not stored on a later wiki with the same slug."""
    wiki = await a_wiki(store)

    assert not await _record(store, wiki, uid=fresh())

    assert await store.wikis.get(*_key(wiki), consistent=True) == wiki


async def test_background_writers_make_no_wiki(store: WikibotStore) -> None:
    """A touch or usage figures for a deleted wiki create no item."""
    wiki = await a_wiki(store)
    await store.wikis.delete(*_key(wiki))

    assert not await store.wikis.touch(*_key(wiki))
    assert not await _record(store, wiki)

    assert await stored(store, "wikis", owner_id=wiki.owner_id, wiki_slug=wiki.wiki_slug) is None


async def test_delete_tells_whether_there_was_a_wiki(store: WikibotStore) -> None:
    """The first delete returns True and deletes only this wiki; the second returns False."""
    wiki = await a_wiki(store)
    other = await a_wiki(store, wiki.owner_id)

    assert await store.wikis.delete(*_key(wiki))
    assert not await store.wikis.delete(*_key(wiki))

    assert (await store.wikis.list_by_owner(wiki.owner_id, consistent=True)).items == [other]


def _key(wiki: Wiki) -> tuple[str, str]:
    return wiki.owner_id, wiki.wiki_slug


async def _record(
    store: WikibotStore, wiki: Wiki, *, uid: str | None = None, page_count: int = 1, measured_at: datetime = MEASURED
) -> bool:
    return await store.wikis.record_usage(
        *_key(wiki),
        uid=uid or wiki.uid,
        page_count=page_count,
        disk_usage_bytes=2**63 - 1,
        measured_at=measured_at,
    )
