"""Pages and cursors: exact limits, a cursor only while more items follow, and no cursor for another listing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from aiobotocore.session import AioSession

from tests.engines import Engine, throw_away_store
from tests.integration.samples import a_user_id, a_wiki_item, an_acl_item, collect, eventually, fresh, put_all
from wikibot_store import Acl, InvalidCursorError, Page, Wiki, WikibotStore
from wikibot_store._dynamo import cursor as cursors_of_listings
from wikibot_store.provision import create_tables

COUNT = 10_000
COUNT_ON_MOTO = 2_000  # which reads the whole partition, and copies it, for every page
LONG_AGO = 1_000_000_000

AnyPage = Page[Wiki] | Page[Acl]
Listing = Callable[[int, str | None], Awaitable[AnyPage]]
"""Returns the page of a listing for a limit and a cursor."""


class Crowd(NamedTuple):
    """An owner of very many wikis."""

    store: WikibotStore
    owner_id: str
    slugs: list[str]

    def listing(self, **options: Any) -> Listing:  # noqa: ANN401 - list_by_owner's
        """Return the owner's listing with these options."""
        return _by_owner(self.store, self.owner_id, **options)


def _by_owner(store: WikibotStore, owner_id: str, **options: Any) -> Listing:  # noqa: ANN401 - list_by_owner's
    return lambda limit, cursor: store.wikis.list_by_owner(
        owner_id, limit=limit, cursor=cursor, consistent=True, **options
    )


def _by_wiki(store: WikibotStore, wiki_id: str) -> Listing:
    return lambda limit, cursor: store.acls.list_by_wiki(wiki_id, limit=limit, cursor=cursor, consistent=True)


def _by_grantee(store: WikibotStore, grantee_id: str) -> Listing:
    return lambda limit, cursor: store.acls.list_by_grantee(grantee_id, limit=limit, cursor=cursor)


async def _walk(listing: Listing, limit: int, cursor: str | None = None) -> list[AnyPage]:
    """Return all pages from the cursor to the end."""
    pages = [await listing(limit, cursor)]
    while (cursor := pages[-1].cursor) is not None:
        assert pages[-1].items
        pages.append(await listing(limit, cursor))
    return pages


def _check(pages: list[AnyPage], limit: int, sort_key: str, expected: list[str]) -> None:
    """Assert that the pages are the whole listing, without duplicates and gaps, all full except perhaps the last."""
    assert [getattr(item, sort_key) for page in pages for item in page] == expected
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(pages) == max(1, -(-len(expected) // limit))


@pytest.fixture(scope="module")
async def crowd(engine: Engine, endpoint: str | None, session: AioSession) -> AsyncIterator[Crowd]:
    """Make 10,000 wikis of one owner, fewer on moto, in tables of their own."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        owner_id = fresh()
        slugs = [f"w-{number:05}" for number in range(COUNT_ON_MOTO if engine.name == "moto" else COUNT)]
        await put_all(store, "wikis", [a_wiki_item(owner_id=owner_id, wiki_slug=slug) for slug in slugs])
        yield Crowd(store, owner_id, slugs)


@pytest.fixture(scope="module")
async def thousands(crowd: Crowd) -> list[AnyPage]:
    """Return all pages of the crowd, with a limit of 1,000."""
    return await _walk(crowd.listing(), 1_000)


@pytest.fixture(scope="module")
async def cursors(crowd: Crowd, thousands: list[AnyPage]) -> dict[int, str | None]:
    """Return cursors by the number of wikis before them."""
    listing = crowd.listing()
    two_hundred = (await listing(800, thousands[-2].cursor)).cursor
    ten = (await listing(190, two_hundred)).cursor
    return {200: two_hundred, 10: ten}


def test_pages_of_a_thousand(crowd: Crowd, thousands: list[AnyPage]) -> None:
    """Pages of 1,000 hold 10,000 wikis: a multiple of the limit ends without an empty page."""
    _check(thousands, 1_000, "wiki_slug", crowd.slugs)


async def test_one_page_of_the_largest_limit(crowd: Crowd) -> None:
    """The largest limit returns all wikis on one page."""
    _check(await _walk(crowd.listing(), COUNT), COUNT, "wiki_slug", crowd.slugs)


@pytest.mark.parametrize(("limit", "left"), [(1, 10), (7, 10), (100, 200)])
async def test_small_pages_to_the_end(crowd: Crowd, cursors: dict[int, str | None], limit: int, left: int) -> None:
    """The limit may change from page to page."""
    pages = await _walk(crowd.listing(), limit, cursors[left])

    _check(pages, limit, "wiki_slug", crowd.slugs[-left:])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("prefix", "limit"), [("w-0151", 3), ("w-015", 100), ("w-015", COUNT)])
async def test_pages_by_prefix_and_direction(crowd: Crowd, prefix: str, limit: int, *, descending: bool) -> None:
    """A listing with prefix and direction has exact pages too."""
    slugs = [slug for slug in crowd.slugs if slug.startswith(prefix)]
    expected = slugs[::-1] if descending else slugs

    pages = await _walk(crowd.listing(prefix=prefix, descending=descending), limit)

    _check(pages, limit, "wiki_slug", expected)


async def test_descending_starts_at_the_end(crowd: Crowd) -> None:
    """The first two pages of the descending listing are its last wikis."""
    listing = crowd.listing(descending=True)
    first = await listing(100, None)
    second = await listing(100, first.cursor)

    assert [wiki.wiki_slug for wiki in [*first, *second] if isinstance(wiki, Wiki)] == crowd.slugs[:-201:-1]


async def test_iteration_pages_through(crowd: Crowd) -> None:
    """Iterating yields every wiki with a prefix."""
    slugs = [slug for slug in crowd.slugs if slug.startswith("w-070")]

    wikis = await collect(crowd.store.wikis.iter_by_owner(crowd.owner_id, prefix="w-070", page_size=30))

    assert [wiki.wiki_slug for wiki in wikis] == slugs


@pytest.mark.parametrize("limit", [1, 7, 100, 1_000, 10_000])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 14])
async def test_pages_of_a_few(store: WikibotStore, count: int, limit: int) -> None:
    """Owners with no or a few wikis, around multiples of the limit, have exact pages."""
    owner_id = fresh()
    slugs = [f"w-{number:02}" for number in range(count)]
    await put_all(store, "wikis", [a_wiki_item(owner_id=owner_id, wiki_slug=slug) for slug in slugs])

    _check(await _walk(_by_owner(store, owner_id), limit), limit, "wiki_slug", slugs)


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_expired_grants_leave_no_gaps(store: WikibotStore, limit: int) -> None:
    """Pages are full although most grants have expired."""
    wiki_id, live = f"{fresh()}:{fresh()}", [3, 4, 9, 15, 16, 17]
    grants = [
        an_acl_item(wiki_id=wiki_id, grantee_id=f"g-{number:02}", expires_at=None if number in live else LONG_AGO)
        for number in range(20)
    ]
    await put_all(store, "acls", grants)

    pages = await _walk(_by_wiki(store, wiki_id), limit)

    _check(pages, limit, "grantee_id", [f"g-{number:02}" for number in live])


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_grantee_pages(store: WikibotStore, limit: int) -> None:
    """The index by-grantee pages like a table."""
    grantee_id, owner_id = fresh(), fresh()
    wiki_ids = [f"{owner_id}:w-{number}" for number in range(4)]
    await put_all(store, "acls", [an_acl_item(wiki_id=wiki_id, grantee_id=grantee_id) for wiki_id in wiki_ids])

    async def found() -> list[str]:
        return [acl.wiki_id for acl in await store.acls.list_by_grantee(grantee_id)]

    await eventually(found, wiki_ids)
    _check(await _walk(_by_grantee(store, grantee_id), limit), limit, "wiki_id", wiki_ids)


async def test_page_is_one_query(listings: dict[str, Listing], sent: list[str]) -> None:
    """A page costs one Query, whether or not another page follows."""
    for listing in listings.values():
        sent.clear()
        page = await listing(1, None)
        await listing(1, page.cursor)
        assert len([request for request in sent if request.startswith("Query")]) == 2


async def test_page_beyond_a_megabyte(store: WikibotStore, sent: list[str]) -> None:
    """A page of more than 1 MB is full, by further Queries."""
    owner_id = fresh()
    items = [a_wiki_item(owner_id=owner_id, wiki_slug=f"w-{number}", attachment="x" * 300_000) for number in range(6)]
    for item in items:
        await put_all(store, "wikis", [item])

    page = await store.wikis.list_by_owner(owner_id, limit=5, consistent=True)

    assert [wiki.wiki_slug for wiki in page] == ["w-0", "w-1", "w-2", "w-3", "w-4"]
    assert sent == ["Query (consistent)", "Query (consistent)"]
    assert (await store.wikis.list_by_owner(owner_id, limit=6, consistent=True)).cursor is None


@pytest.mark.parametrize("limit", [1, 3])
async def test_page_behind_much_that_is_left_out(limit: int, store: WikibotStore, sent: list[str]) -> None:
    """A page after many expired grants needs few Queries."""
    wiki_id = f"{fresh()}:notes"
    expired = [an_acl_item(wiki_id=wiki_id, grantee_id=f"a-{n:03}", expires_at=LONG_AGO) for n in range(120)]
    live = [an_acl_item(wiki_id=wiki_id, grantee_id=f"b-{n}") for n in range(5)]
    await put_all(store, "acls", [*expired, *live])
    sent.clear()

    page = await store.acls.list_by_wiki(wiki_id, limit=limit, consistent=True)

    assert [acl.grantee_id for acl in page] == [f"b-{n}" for n in range(limit)]
    assert len(sent) <= 7
    assert (await store.acls.list_by_wiki(wiki_id, limit=5 - limit, cursor=page.cursor, consistent=True)).cursor is None


async def test_cursor_survives_the_wiki_it_stands_at(store: WikibotStore) -> None:
    """A cursor works after its wiki was deleted, and the listing shows new wikis."""
    owner_id = await a_user_id(store)
    await put_all(store, "wikis", [a_wiki_item(owner_id=owner_id, wiki_slug=slug) for slug in ("a", "b", "d")])
    page = await store.wikis.list_by_owner(owner_id, limit=2, consistent=True)

    await store.wikis.delete(owner_id, "b")
    await store.wikis.create(owner_id, "c", display_name="C", repo_path="/srv/c")

    rest = await store.wikis.list_by_owner(owner_id, limit=2, cursor=page.cursor, consistent=True)
    assert [wiki.wiki_slug for wiki in rest] == ["c", "d"]


@pytest.fixture
async def listings(store: WikibotStore) -> dict[str, Listing]:
    """Return many listings with two items each, which differ only in what they list."""
    one, other = await a_user_id(store), fresh()
    wiki_ids = [f"{one}:ab-0", f"{one}:ab-1"]
    await put_all(
        store,
        "wikis",
        [
            a_wiki_item(owner_id=owner_id, wiki_slug=slug, is_public=True)
            for owner_id in (one, other)
            for slug in ("ab-0", "ab-1")
        ],
    )
    await put_all(
        store,
        "acls",
        [an_acl_item(wiki_id=wiki_id, grantee_id=grantee_id) for wiki_id in wiki_ids for grantee_id in (one, other)],
    )
    return {
        "one owner": _by_owner(store, one),
        "another owner": _by_owner(store, other),
        "descending": _by_owner(store, one, descending=True),
        "prefix": _by_owner(store, one, prefix="a"),
        "another prefix": _by_owner(store, one, prefix="ab"),
        "prefix, descending": _by_owner(store, one, prefix="ab", descending=True),
        "public": lambda limit, cursor: store.wikis.list_public_by_owner(one, limit=limit, cursor=cursor),
        "grants of a wiki": _by_wiki(store, wiki_ids[0]),
        "grants of another wiki": _by_wiki(store, wiki_ids[1]),
        "grants of a user": _by_grantee(store, one),
        "grants of another user": _by_grantee(store, other),
    }


async def test_cursor_opens_no_other_listing(listings: dict[str, Listing], sent: list[str]) -> None:
    """A cursor of another owner, wiki, grantee, prefix or direction is rejected before any request."""
    for origin, listing in listings.items():
        page = await listing(1, None)
        assert page.cursor is not None
        assert (await listing(1, page.cursor)).cursor is None
        sent.clear()
        for name, other in listings.items():
            if name != origin:
                with pytest.raises(InvalidCursorError):
                    await other(1, page.cursor)
        assert sent == []


async def test_cursor_of_an_owner_with_a_colon_is_its_own(store: WikibotStore) -> None:
    """The wikis (a:b, c) and (a, b-c) do not accept each other's cursors."""
    owner_id = fresh()
    wiki_ids = [f"{owner_id}:b:c", f"{owner_id}:b-c"]
    for wiki_id in wiki_ids:
        await put_all(store, "acls", [an_acl_item(wiki_id=wiki_id, grantee_id=grantee) for grantee in ("g-0", "g-1")])
    page = await store.acls.list_by_wiki(wiki_ids[0], limit=1, consistent=True)

    with pytest.raises(InvalidCursorError):
        await store.acls.list_by_wiki(wiki_ids[1], cursor=page.cursor)


def _damaged(cursor: str) -> list[str]:
    """Return damaged forms of a cursor."""
    changed = [
        cursor[:position] + ("B" if letter == "A" else "A") + cursor[position + 1 :]
        for position, letter in enumerate(cursor)
    ]
    truncated = [cursor[:length] for length in range(len(cursor))]
    garbage = ["garbage", "ÄÖÜ", "\x00", "{}", "x" * 3_000, cursor + "A", cursor + "=", cursor + "\n", " " + cursor]
    return [*changed, *truncated, *garbage, cursor.swapcase(), cursor[::-1]]


async def test_damaged_cursor_is_refused(listings: dict[str, Listing], sent: list[str]) -> None:
    """A cursor that is truncated or changed in one character is rejected before any request."""
    listing = listings["one owner"]
    cursor = (await listing(1, None)).cursor
    assert cursor is not None
    sent.clear()

    for damaged in _damaged(cursor):
        with pytest.raises(InvalidCursorError):
            await listing(1, damaged)

    assert sent == []


async def test_cursor_of_another_secret_is_refused(store: WikibotStore, session: AioSession, sent: list[str]) -> None:
    """With a secret, a cursor of another secret is rejected."""
    owner_id = fresh()
    await put_all(store, "wikis", [a_wiki_item(owner_id=owner_id, wiki_slug=slug) for slug in ("a", "b")])
    config = replace(store.config, cursor_secret="correct horse battery staple")

    async with WikibotStore.open(config, session=session) as secretive:
        with pytest.raises(InvalidCursorError):
            await secretive.wikis.list_by_owner(
                owner_id, cursor=(await store.wikis.list_by_owner(owner_id, limit=1, consistent=True)).cursor
            )
        theirs = await secretive.wikis.list_by_owner(owner_id, limit=1, consistent=True)
        rest = await secretive.wikis.list_by_owner(owner_id, cursor=theirs.cursor, consistent=True)

    assert [wiki.wiki_slug for wiki in rest] == ["b"]
    sent.clear()
    with pytest.raises(InvalidCursorError):
        await store.wikis.list_by_owner(owner_id, cursor=theirs.cursor)
    assert sent == []


@pytest.mark.parametrize(
    ("sort_key", "slugs"), [("0", ["a", "b"]), ("a", ["b"]), ("zzz", [])], ids=["before", "within", "behind"]
)
async def test_forged_cursor_shows_the_owners_own(store: WikibotStore, sort_key: str, slugs: list[str]) -> None:
    """A cursor that is forged without a secret stays within the caller's listing."""
    owner_id = fresh()
    await put_all(store, "wikis", [a_wiki_item(owner_id=owner_id, wiki_slug=slug) for slug in ("a", "b")])
    forged = cursors_of_listings.encode(("wikis.by_owner", owner_id, "", "ascending"), sort_key, ())

    page = await store.wikis.list_by_owner(owner_id, cursor=forged, consistent=True)

    assert [wiki.wiki_slug for wiki in page] == slugs


@pytest.mark.parametrize(
    ("prefix", "sort_key"), [(None, "No Slug"), ("a", "b")], ids=["no slug", "outside of the prefix"]
)
async def test_forged_cursor_with_no_sort_key_is_refused(
    store: WikibotStore, sent: list[str], prefix: str | None, sort_key: str
) -> None:
    """The sort key in a forged cursor is validated."""
    owner_id = fresh()
    forged = cursors_of_listings.encode(("wikis.by_owner", owner_id, prefix or "", "ascending"), sort_key, ())

    with pytest.raises(InvalidCursorError):
        await store.wikis.list_by_owner(owner_id, prefix=prefix, cursor=forged)

    assert sent == []
