"""The example backend, over real HTTP."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
import pytest

from examples.wiki_api.models import WikiOut
from tests.examples.serving import Person, client, serve
from wikibot_store import StoreConfig, Wiki, WikibotStore
from wikibot_store.local import local_engine, local_session, local_store
from wikibot_store.provision import create_tables

SLUGS = [f"wiki-{number:03}" for number in range(120)]


@pytest.fixture(scope="module")
async def collector(http: httpx.AsyncClient) -> Person:
    """Give somebody with 120 wikis."""
    person = await Person.log_in(http)
    await asyncio.gather(*(person.create_wiki(slug) for slug in SLUGS))
    return person


async def test_second_login_is_the_same_user(http: httpx.AsyncClient) -> None:
    """Who logs in again is the user that the first login made."""
    sub = secrets.token_hex(8)

    first, second = await Person.log_in(http, sub), await Person.log_in(http, sub)

    assert first.id == second.id


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer made-up"}], ids=["no token", "made-up token"])
async def test_without_session_is_401(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Whoever has no session is asked to log in."""
    answer = await http.get("/wikis", headers=headers)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_profile_change(ada: Person) -> None:
    """A change of the profile keeps what it does not name, and null removes."""
    address = "https://example.org/ada.png"
    changed = await ada.send("PATCH", "/me", {"expected_version": 1, "display_name": "Ada", "avatar_url": address})
    removed = await ada.send("PATCH", "/me", {"expected_version": 2, "display_name": None})

    assert changed.json() | {"version": 2, "display_name": "Ada", "avatar_url": address} == changed.json()
    assert removed.json() == changed.json() | {"version": 3, "display_name": None}
    assert (await ada.send("GET", "/me")).json() == removed.json()


async def test_profile_change_cannot_buy_a_tier(ada: Person) -> None:
    """Attributes that are not the user's to change are passed over."""
    answer = await ada.send("PATCH", "/me", {"expected_version": 1, "display_name": "Ada", "tier": "gold"})

    assert answer.json()["tier"] == "free"


async def test_profile_version_conflict(ada: Person) -> None:
    """A change of a profile that has another version is refused, and nothing is changed."""
    answer = await ada.send("PATCH", "/me", {"expected_version": 7, "display_name": "Ada"})

    assert answer.status_code == HTTPStatus.CONFLICT
    assert (await ada.send("GET", "/me")).json()["display_name"] is None


async def test_wiki_life(ada: Person) -> None:
    """A wiki is created, read, changed and deleted by its owner."""
    created = await ada.send("POST", "/wikis", {"wiki_slug": "notes", "display_name": "Notes"})
    path = f"/wikis/{ada.id}/notes"
    read = await ada.send("GET", path)
    changed = await ada.send("PATCH", path, {"expected_version": 1, "display_name": "More notes"})
    deleted = await ada.send("DELETE", path)

    assert created.status_code == HTTPStatus.CREATED
    assert read.json() == created.json()
    assert changed.json()["display_name"] == "More notes"
    assert changed.json()["version"] == 2
    assert deleted.status_code == HTTPStatus.NO_CONTENT
    assert (await ada.send("GET", path)).status_code == HTTPStatus.NOT_FOUND


async def test_duplicate_wiki_is_409(ada: Person) -> None:
    """A second wiki of one slug is refused, naming what is taken."""
    await ada.create_wiki("notes")

    answer = await ada.send("POST", "/wikis", {"wiki_slug": "notes", "display_name": "Again"})

    assert answer.status_code == HTTPStatus.CONFLICT
    assert answer.json() == {"status": 409, "title": "Conflict", "detail": "wiki_slug is taken."}


async def test_wiki_version_conflict(ada: Person) -> None:
    """Of two changes to one version the second is refused."""
    path = await ada.create_wiki()

    answers = [await ada.send("PATCH", path, {"expected_version": 1, "display_name": name}) for name in ("A", "B")]

    assert [answer.status_code for answer in answers] == [HTTPStatus.OK, HTTPStatus.CONFLICT]
    assert (await ada.send("GET", path)).json()["display_name"] == "A"


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "/login", {"provider": "git hub", "sub": "1"}, "oauth_provider"),
        ("POST", "/login", {"provider": "github"}, "body.sub"),
        ("POST", "/wikis", {"wiki_slug": "No Slug", "display_name": "Notes"}, "wiki_slug"),
        ("POST", "/wikis", {"wiki_slug": "notes", "display_name": ""}, "body.display_name"),
        ("GET", "/wikis?limit=0", None, "query.limit"),
        ("GET", "/wikis?limit=101", None, "query.limit"),
        ("GET", "/wikis?cursor=garbage", None, "cursor"),
        ("GET", "/wikis/somebody/No%20Slug", None, "wiki_slug"),
        ("PATCH", "/me", {"expected_version": 1}, "body"),
        ("PATCH", "/me", {"display_name": "Ada"}, "body.expected_version"),
        ("PATCH", "/me", {"expected_version": 10**40, "display_name": "Ada"}, "body.expected_version"),
        ("PATCH", "/me", {"expected_version": 1, "avatar_url": "javascript:alert(1)"}, "body.avatar_url"),
    ],
)
async def test_bad_input_is_422(ada: Person, method: str, path: str, body: object, named: str) -> None:
    """Bad input is refused with a problem that names the field."""
    answer = await ada.send(method, path, body)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": None}, {}])
async def test_bad_role_is_422(ada: Person, bob: Person, body: dict[str, str]) -> None:
    """A grant without a known role is refused."""
    wiki = await ada.create_wiki()

    answer = await ada.send("PUT", f"{wiki}/grants/{bob.id}", body)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_refusal_does_not_repeat_the_input(ada: Person) -> None:
    """What somebody typed into the wrong field is not sent back."""
    answer = await ada.send("POST", "/wikis", {"wiki_slug": "My Secret", "display_name": ["My Secret"]})

    assert "My Secret" not in answer.text


@pytest.mark.parametrize("limit", [40, 50], ids=["last page full", "last page short"])
async def test_wikis_page_by_cursor(collector: Person, limit: int) -> None:
    """Pages hold exactly `limit` wikis until the listing ends, each wiki once, and only the last has no cursor."""
    pages = [(await collector.send("GET", "/wikis", limit=limit)).json()]
    while cursor := pages[-1]["cursor"]:
        pages.append((await collector.send("GET", "/wikis", limit=limit, cursor=cursor)).json())

    assert [wiki["wiki_slug"] for page in pages for wiki in page["items"]] == SLUGS
    assert [len(page["items"]) for page in pages[:-1]] == [limit, limit]


async def test_no_wikis_are_one_empty_page(ada: Person) -> None:
    """Somebody without wikis gets an empty page and no cursor."""
    assert (await ada.send("GET", "/wikis")).json() == {"items": [], "cursor": None}


async def test_damaged_cursor_is_422(collector: Person) -> None:
    """A cursor of which one character was changed is refused."""
    cursor = (await collector.send("GET", "/wikis", limit=1)).json()["cursor"]
    damaged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")

    answer = await collector.send("GET", "/wikis", cursor=damaged)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_cursor_of_somebody_else_is_422(collector: Person, ada: Person) -> None:
    """A cursor opens nobody else's listing."""
    cursor = (await collector.send("GET", "/wikis", limit=1)).json()["cursor"]

    answer = await ada.send("GET", "/wikis", cursor=cursor)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "items" not in answer.json()


async def test_strangers_cannot_tell_whether_a_wiki_exists(ada: Person, bob: Person) -> None:
    """A private wiki of somebody else and one that does not exist are answered alike."""
    private = await bob.send("GET", await ada.create_wiki())
    missing = await bob.send("GET", f"/wikis/{ada.id}/missing")

    assert private.status_code == HTTPStatus.NOT_FOUND
    assert (private.status_code, private.json()) == (missing.status_code, missing.json())


async def test_public_wiki_can_be_read_and_not_changed(ada: Person, bob: Person) -> None:
    """Everybody who is logged in is a viewer of a public wiki."""
    wiki = await ada.create_wiki(is_public=True)

    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.OK
    change = await bob.send("PATCH", wiki, {"expected_version": 1, "display_name": "Mine"})
    assert change.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("role", "statuses"), [("viewer", [200, 403, 403]), ("editor", [200, 200, 403]), ("owner", [200, 200, 200])]
)
async def test_role_decides_what_a_grantee_may(ada: Person, bob: Person, role: str, statuses: list[int]) -> None:
    """A viewer reads, an editor also changes, an owner also sees the grants."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, role)

    answers = [
        await bob.send("GET", wiki),
        await bob.send("PATCH", wiki, {"expected_version": 1, "display_name": "Bob was here"}),
        await bob.send("GET", f"{wiki}/grants"),
    ]

    assert [answer.status_code for answer in answers] == statuses


async def test_revoke_takes_the_wiki_away(ada: Person, bob: Person) -> None:
    """Who lost a grant sees the wiki no more; revoking twice is no error."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")
    before = await bob.send("GET", wiki)

    revoked = [await ada.send("DELETE", f"{wiki}/grants/{bob.id}") for _ in range(2)]

    assert before.status_code == HTTPStatus.OK
    assert [answer.status_code for answer in revoked] == [HTTPStatus.NO_CONTENT] * 2
    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND


async def test_grants_are_listed_with_their_latest_role(ada: Person, bob: Person) -> None:
    """Granting again replaces the role, and the listing shows the one grant."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")
    await ada.grant(wiki, bob, "editor")

    page = (await ada.send("GET", f"{wiki}/grants")).json()

    (grant,) = page["items"]
    assert grant | {"grantee_id": bob.id, "role": "editor", "granted_by": ada.id} == grant
    assert page["cursor"] is None


async def test_grant_to_nobody_is_404(ada: Person) -> None:
    """A role can only be given to a user."""
    wiki = await ada.create_wiki()

    answer = await ada.send("PUT", f"{wiki}/grants/nobody", {"role": "viewer"})

    assert answer.status_code == HTTPStatus.NOT_FOUND


async def test_grant_of_a_deleted_wiki_opens_nothing_later(ada: Person, bob: Person) -> None:
    """A grant that outlived its wiki does not open the next wiki of that slug."""
    wiki = await ada.create_wiki("again")
    await ada.grant(wiki, bob, "owner")
    await ada.send("DELETE", wiki)
    await ada.create_wiki("again")

    assert (await bob.send("GET", wiki)).status_code == HTTPStatus.NOT_FOUND


def test_wiki_shows_no_secret() -> None:
    """The API's wiki leaves out the token hash and the path on disk."""
    now = datetime.now(UTC)
    wiki = Wiki(
        owner_id="ada",
        wiki_slug="notes",
        uid="1",
        display_name="Notes",
        repo_path="/srv/secret",
        mcp_token_hash="secret",
        created_at=now,
        updated_at=now,
    )

    assert "secret" not in WikiOut.model_validate(wiki).model_dump_json()


async def test_one_store_serves_all_requests() -> None:
    """The store is opened when the application starts, closed when it ends, and by no request."""
    events = []

    @asynccontextmanager
    async def open_store() -> AsyncIterator[WikibotStore]:
        async with local_store() as store:
            events.append("opened")
            yield store
        events.append("closed")

    with serve(open_store) as url:
        async with client(url) as http:
            ada = await Person.log_in(http)
            await asyncio.gather(*(ada.send("GET", "/me") for _ in range(8)))
        assert events == ["opened"]

    assert events == ["opened", "closed"]


@asynccontextmanager
async def store_on(engine: str) -> AsyncIterator[WikibotStore]:
    """Open a store on an engine, with its tables made, that does not try twice."""
    config = StoreConfig(endpoint_url=engine, max_attempts=1)
    async with WikibotStore.open(config, session=local_session()) as store:
        await create_tables(store)
        yield store


async def test_suspended_user_is_403() -> None:
    """Who is suspended is locked out at once, sessions or not."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            ada = await Person.log_in(http)
            await store.users.update(ada.id, status="suspended")
            answer = await ada.send("GET", "/wikis")

    assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_engine_that_is_gone_is_503() -> None:
    """Where the store cannot be reached, the client is told to come back later."""
    with ExitStack() as life:
        engine = life.enter_context(local_engine())
        with serve(lambda: store_on(engine)) as url:
            async with client(url) as http:
                ada = await Person.log_in(http)
                life.close()
                answer = await ada.send("GET", "/me")

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
