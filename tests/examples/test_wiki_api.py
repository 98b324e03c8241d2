"""The example backend, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus

import httpx
import pytest

from examples.wiki_api.__main__ import open_store
from tests.examples.serving import Person, client, serve, store_on
from wikibot_store import WikibotStore
from wikibot_store.local import local_engine

SLUGS = [f"wiki-{number:03}" for number in range(60)]


@pytest.fixture(scope="module")
async def collector(http: httpx.AsyncClient) -> Person:
    """Give somebody with 60 wikis."""
    person = await Person.log_in(http)
    await asyncio.gather(*(person.create_wiki(slug) for slug in SLUGS))
    return person


def _profile(person: Person) -> dict[str, str | None]:
    """Return the public attributes of somebody who has changed nothing."""
    return {"id": person.id, "username": person.username, "display_name": person.username, "avatar_url": None}


async def test_profile_change(ada: Person) -> None:
    """A change of the profile keeps what it does not name, and null removes."""
    address = "https://example.org/ada.png"
    changed = await ada.send("PATCH", "/api/me", {"display_name": "Ada", "avatar_url": address})
    removed = await ada.send("PATCH", "/api/me", {"display_name": None})

    assert changed.json() | {"version": 2, "display_name": "Ada", "avatar_url": address} == changed.json()
    assert removed.json() == changed.json() | {"version": 3, "display_name": None}
    assert (await ada.send("GET", "/api/me")).json() == removed.json()


async def test_profile_change_cannot_buy_a_tier(ada: Person) -> None:
    """Attributes that are not the user's to change are passed over."""
    answer = await ada.send("PATCH", "/api/me", {"display_name": "Ada", "tier": "gold"})

    assert answer.json()["tier"] == "free"


async def test_others_see_no_more_than_the_name(ada: Person, bob: Person) -> None:
    """Whoever is logged in can look a user up by name, and learns nothing that is private."""
    answer = await bob.send("GET", f"/api/users/{ada.username}")

    assert answer.json() == _profile(ada)


async def test_unknown_username_is_404(ada: Person) -> None:
    """A name that nobody has is not found."""
    assert (await ada.send("GET", "/api/users/nobody-at-all")).status_code == HTTPStatus.NOT_FOUND


async def test_wiki_life(ada: Person) -> None:
    """A wiki is created, read, changed and deleted by its owner."""
    path = f"/api/wikis/{ada.id}/notes"
    created = await ada.send("PUT", path, {"display_name": "Notes"})
    read = await ada.send("GET", path)
    changed = await ada.send("PATCH", path, {"display_name": "More notes"})
    deleted = await ada.send("DELETE", path)

    assert created.status_code == HTTPStatus.CREATED
    assert created.headers["location"] == path
    assert read.json() == created.json()
    assert changed.json() | {"display_name": "More notes", "version": 2} == changed.json()
    assert deleted.status_code == HTTPStatus.NO_CONTENT
    assert (await ada.send("GET", path)).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("PUT", "/api/wikis/{me}/No%20Slug", {"display_name": "Notes"}, "The address must be"),
        ("PUT", "/api/wikis/{me}/notes", {"display_name": ""}, "body.display_name"),
        ("PUT", "/api/wikis/{me}/notes", {}, "body.display_name"),
        ("GET", "/api/wikis?limit=0", None, "query.limit"),
        ("GET", "/api/wikis?limit=101", None, "query.limit"),
        ("GET", "/api/wikis?cursor=garbage", None, "cursor"),
        ("GET", "/api/shared?cursor=garbage", None, "cursor"),
        ("GET", "/api/wikis/somebody/No%20Slug", None, "The address must be"),
        ("GET", "/api/events?wiki_id=garbage", None, "wiki_id"),
        ("PATCH", "/api/me", {}, "body"),
        ("PATCH", "/api/me", {"avatar_url": "javascript:alert(1)"}, "body.avatar_url"),
    ],
)
async def test_bad_input_is_422(ada: Person, method: str, path: str, body: object, named: str) -> None:
    """Bad input is refused with a problem that names the field."""
    answer = await ada.send(method, path.format(me=ada.id), body)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": None}, {}])
async def test_bad_role_is_422(ada: Person, bob: Person, body: dict[str, str]) -> None:
    """A grant without a known role is refused."""
    wiki = await ada.create_wiki()

    answer = await ada.send("PUT", f"{wiki}/members/{bob.id}", body)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_refusal_does_not_repeat_the_input(ada: Person) -> None:
    """What somebody typed into the wrong field is not sent back."""
    answer = await ada.send("PUT", f"/api/wikis/{ada.id}/notes", {"display_name": ["My Secret"]})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "My Secret" not in answer.text


@pytest.mark.parametrize("limit", [20, 25], ids=["last page full", "last page short"])
async def test_wikis_page_by_link(collector: Person, limit: int) -> None:
    """Links lead through exact pages, each wiki once; only the last page has none."""
    pages = [await collector.send("GET", "/api/wikis", limit=limit)]
    while following := pages[-1].links.get("next"):
        pages.append(await collector.send("GET", following["url"]))

    assert [wiki["wiki_slug"] for page in pages for wiki in page.json()["items"]] == SLUGS
    assert [len(page.json()["items"]) for page in pages[:-1]] == [limit, limit]
    assert [page.json()["cursor"] is None for page in pages] == [False, False, True]


async def test_link_keeps_the_rest_of_the_query(collector: Person) -> None:
    """The next page is asked for with the same limit, at the same path, whatever the host is called."""
    following = (await collector.send("GET", "/api/wikis", limit=7)).links["next"]["url"]

    assert following.startswith("/api/wikis?limit=7&cursor=")


async def test_no_wikis_are_one_empty_page(ada: Person) -> None:
    """Somebody without wikis gets an empty page, no cursor and no link."""
    answer = await ada.send("GET", "/api/wikis")

    assert answer.json() == {"items": [], "cursor": None}
    assert not answer.links


async def test_damaged_cursor_is_422(collector: Person) -> None:
    """A cursor of which one character was changed is refused."""
    cursor = (await collector.send("GET", "/api/wikis", limit=1)).json()["cursor"]
    damaged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")

    answer = await collector.send("GET", "/api/wikis", cursor=damaged)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_cursor_of_somebody_else_is_422(collector: Person, ada: Person) -> None:
    """A cursor opens nobody else's listing."""
    cursor = (await collector.send("GET", "/api/wikis", limit=1)).json()["cursor"]

    answer = await ada.send("GET", "/api/wikis", cursor=cursor)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "items" not in answer.json()


async def test_strangers_cannot_tell_whether_a_wiki_exists(ada: Person, bob: Person) -> None:
    """A private wiki of somebody else and one that does not exist are answered alike."""
    private = await bob.send("GET", await ada.create_wiki())
    missing = await bob.send("GET", f"/api/wikis/{ada.id}/missing")

    assert private.status_code == HTTPStatus.NOT_FOUND
    assert (private.status_code, private.json()) == (missing.status_code, missing.json())


async def test_public_wiki_can_be_read_and_not_changed(ada: Person, bob: Person) -> None:
    """Everybody who is logged in is a viewer of a public wiki."""
    wiki = await ada.create_wiki(is_public=True)

    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.OK
    assert (await bob.send("PATCH", wiki, {"display_name": "Mine"})).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("role", "statuses"), [("viewer", [200, 403, 403]), ("editor", [200, 200, 403]), ("owner", [200, 200, 200])]
)
async def test_role_decides_what_a_member_may(ada: Person, bob: Person, role: str, statuses: list[int]) -> None:
    """A viewer reads, an editor also changes, an owner also sees the members."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, role)

    answers = [
        await bob.send("GET", wiki),
        await bob.send("PATCH", wiki, {"display_name": "Bob was here"}),
        await bob.send("GET", f"{wiki}/members"),
    ]

    assert [answer.status_code for answer in answers] == statuses


async def test_revoke_takes_the_wiki_away(ada: Person, bob: Person) -> None:
    """Who lost a grant sees the wiki no more; revoking twice is no error."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")
    before = await bob.send("GET", wiki)

    revoked = [await ada.send("DELETE", f"{wiki}/members/{bob.id}") for _ in range(2)]

    assert before.status_code == HTTPStatus.OK
    assert [answer.status_code for answer in revoked] == [HTTPStatus.NO_CONTENT] * 2
    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND
    assert (await bob.send("GET", "/api/shared")).json()["items"] == []


async def test_members_are_listed_with_name_and_latest_role(ada: Person, bob: Person) -> None:
    """Granting again replaces the role, and the listing shows the one grant with its user."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")
    await ada.grant(wiki, bob, "editor")

    answer = await ada.send("GET", f"{wiki}/members")

    (member,) = answer.json()["items"]
    assert member | {"user_id": bob.id, "role": "editor", "granted_by": ada.id} == member
    assert member["user"] == _profile(bob)
    assert not answer.links


async def test_members_page_by_link(ada: Person, http: httpx.AsyncClient) -> None:
    """Members are paged as everything else."""
    wiki = await ada.create_wiki()
    others = [await Person.log_in(http) for _ in range(3)]
    for other in others:
        await ada.grant(wiki, other, "viewer")

    first = await ada.send("GET", f"{wiki}/members", limit=2)
    second = await ada.send("GET", first.links["next"]["url"])

    listed = [member["user_id"] for page in (first, second) for member in page.json()["items"]]
    assert sorted(listed) == sorted(other.id for other in others)
    assert not second.links


async def test_shared_wikis_page_by_link(ada: Person, bob: Person) -> None:
    """What others share is listed with role and owner."""
    for slug, role in (("one", "viewer"), ("three", "owner"), ("two", "editor")):
        await ada.grant(await ada.create_wiki(slug), bob, role)

    first = await bob.send("GET", "/api/shared", limit=2)
    second = await bob.send("GET", first.links["next"]["url"])

    shares = first.json()["items"] + second.json()["items"]
    assert [(share["wiki"]["wiki_slug"], share["role"]) for share in shares] == [
        ("one", "viewer"),
        ("three", "owner"),
        ("two", "editor"),
    ]
    assert {share["owner"]["username"] for share in shares} == {ada.username}
    assert not second.links


async def test_grant_to_nobody_is_404(ada: Person) -> None:
    """A role can only be given to a user."""
    wiki = await ada.create_wiki()

    answer = await ada.send("PUT", f"{wiki}/members/nobody", {"role": "viewer"})

    assert answer.status_code == HTTPStatus.NOT_FOUND


async def test_grant_of_a_deleted_wiki_opens_nothing_later(ada: Person, bob: Person) -> None:
    """A grant that outlived its wiki does not open the next wiki of that slug."""
    wiki = await ada.create_wiki("again")
    await ada.grant(wiki, bob, "owner")
    await ada.send("DELETE", wiki)
    await ada.create_wiki("again")

    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND


async def test_one_store_serves_all_requests() -> None:
    """The store is opened when the application starts, closed when it ends, and by no request."""
    events = []

    @asynccontextmanager
    async def watched_store() -> AsyncIterator[WikibotStore]:
        async with open_store() as store:
            events.append("opened")
            yield store
        events.append("closed")

    with serve(watched_store) as url:
        async with client(url) as http:
            ada = await Person.log_in(http)
            await asyncio.gather(*(ada.send("GET", "/api/me") for _ in range(8)))
        assert events == ["opened"]

    assert events == ["opened", "closed"]


async def test_suspended_user_is_403() -> None:
    """Who is suspended is locked out at once, sessions or not."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            ada = await Person.log_in(http)
            await store.users.update(ada.id, status="suspended")
            answer = await ada.send("GET", "/api/wikis")

    assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_grant_that_outlived_its_wiki_is_shown_without_it() -> None:
    """A grant whose wiki is missing, or was replaced by another wiki, is listed with null, as after a restore."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            ada, bob = await Person.log_in(http), await Person.log_in(http)
            for slug in ("gone", "other"):
                await ada.grant(await ada.create_wiki(slug), bob, "viewer")
                key = {"owner_id": {"S": ada.id}, "wiki_slug": {"S": slug}}
                await (await store.client()).delete_item(TableName=store.config.wikis_table, Key=key)
            await store.wikis.create(ada.id, "other", display_name="Another", repo_path="/srv/other")
            answer = await bob.send("GET", "/api/shared")

    shares = [(share["wiki_id"], share["wiki"], share["owner"]) for share in answer.json()["items"]]
    assert shares == [(f"{ada.id}:gone", None, None), (f"{ada.id}:other", None, None)]


async def test_engine_that_is_gone_is_503() -> None:
    """Where the store cannot be reached, clients are told to come back later: alive, but not ready."""
    with ExitStack() as life:
        engine = life.enter_context(local_engine())
        with serve(lambda: store_on(engine)) as url:
            async with client(url) as http:
                ada = await Person.log_in(http)
                life.close()
                answer = await ada.send("GET", "/api/me")
                health = [(await http.get(path)).status_code for path in ("/healthz", "/readyz")]

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
    assert health == [HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE]


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
async def test_health_needs_no_session(http: httpx.AsyncClient, path: str, status: str) -> None:
    """Whoever asks is told that the process lives and that its store answers."""
    answer = await http.get(path)

    assert answer.status_code == HTTPStatus.OK
    assert answer.json() == {"status": status}
