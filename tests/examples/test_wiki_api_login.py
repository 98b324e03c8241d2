"""Logging in to the example and out of it, as a browser does."""

import secrets
from http import HTTPStatus

import httpx
import pytest

from examples.wiki_api.__main__ import open_store
from examples.wiki_api.app import create_app
from tests.examples.serving import Person, client, cookie, serve, serve_app, store_on
from wikibot_store.local import local_engine


async def test_second_login_is_the_same_user(http: httpx.AsyncClient) -> None:
    """Who logs in again is the user that the first login made."""
    name = f"p-{secrets.token_hex(8)}"

    first, second = await Person.log_in(http, name), await Person.log_in(http, name)

    assert first.id == second.id


async def test_first_login_takes_the_names_along(http: httpx.AsyncClient) -> None:
    """A new user has the name that the provider knows, and a username made of it."""
    name = f"P {secrets.token_hex(8)}"
    person = await Person.log_in(http, name)

    me = (await person.send("GET", "/api/me")).json()

    assert (me["display_name"], me["username"]) == (name, name.lower().replace(" ", "-"))


@pytest.mark.parametrize("name", ["Zoë {}", "Somebody with a name too long for a username {}"])
async def test_name_that_is_no_username_keeps_nobody_out(http: httpx.AsyncClient, name: str) -> None:
    """Who goes by a name that cannot be a username logs in without one."""
    person = await Person.log_in(http, name.format(secrets.token_hex(8)))

    assert person.username is None


async def test_taken_username_keeps_nobody_out() -> None:
    """Whose username somebody else has logs in without one, and as the same user ever after."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            await store.users.create(oauth_provider="github", oauth_provider_sub="1", username="ada-lind")
            first, second = [await Person.log_in(http, "Ada Lind") for _ in range(2)]

    assert first.username is None
    assert first.id == second.id


async def begin(http: httpx.AsyncClient) -> tuple[dict[str, str], str]:
    """Return the browser's cookie and the address that it is sent back to by the provider."""
    begun = await http.get("/login")
    picked = await http.post(begun.headers["location"], data={"name": "ada"}, headers=cookie(begun))
    return cookie(begun), picked.headers["location"]


async def test_code_works_once(http: httpx.AsyncClient) -> None:
    """A code that was seen on its way is worth nothing afterwards."""
    browser, callback = await begin(http)

    first, second = [await http.get(callback, headers=browser) for _ in range(2)]

    assert first.status_code == HTTPStatus.SEE_OTHER
    assert second.status_code == HTTPStatus.BAD_REQUEST


async def test_login_that_another_browser_began_is_refused(http: httpx.AsyncClient) -> None:
    """Nobody is logged in as somebody else by following that one's link."""
    _, callback = await begin(http)
    other, _ = await begin(http)

    for browser in ({}, other):
        answer = await http.get(callback, headers=browser)

        assert answer.status_code == HTTPStatus.BAD_REQUEST
        assert "user_id" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("query", ["", "?code=made-up", "?state=%C3%A9"])
async def test_made_up_callback_is_refused(http: httpx.AsyncClient, query: str) -> None:
    """A callback that no provider sent is a bad request, whatever it holds."""
    browser, _ = await begin(http)

    answer = await http.get(f"/login/callback{query}", headers=browser)

    assert answer.status_code == HTTPStatus.BAD_REQUEST


async def test_refused_visitor_gets_a_page_with_a_way_back(http: httpx.AsyncClient) -> None:
    """Who was sent here by a link reads what is wrong, as text, and can go on from there."""
    answer = await http.get("/login/callback", headers={"Accept": "text/html,*/*;q=0.8"})

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "This login was started in another browser. Please start again." in answer.text
    assert '<a class="button" href="/">' in answer.text


@pytest.mark.parametrize("form", [{}, {"name": " "}])
async def test_provider_wants_a_name(http: httpx.AsyncClient, form: dict[str, str]) -> None:
    """The provider vouches for nobody without a name."""
    answer = await http.post("/identity-provider/authorize?state=1", data=form)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_session_cookie_is_the_browsers_alone(http: httpx.AsyncClient) -> None:
    """Neither scripts nor other sites' requests get the cookie."""
    browser, callback = await begin(http)

    flags = (await http.get(callback, headers=browser)).headers["set-cookie"].lower()

    assert "httponly" in flags
    assert "samesite=lax" in flags


async def test_cookie_stays_off_plain_http_where_there_is_https() -> None:
    """With `https_only` the cookie is marked Secure."""
    with serve_app(create_app(open_store, secret="another", https_only=True)) as url:
        async with client(url) as http:
            answer = await http.get("/login")

    assert "; secure" in answer.headers["set-cookie"].lower()


async def test_without_session_is_401(http: httpx.AsyncClient, ada: Person) -> None:
    """Whoever has no session, or one that this server did not sign, is asked to log in."""
    content, _, signature = ada.headers["Cookie"].rpartition(".")
    forged = f"{content}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"

    for headers in ({}, {"Cookie": "session=made-up"}, {"Cookie": forged}):
        answer = await http.get("/api/wikis", headers=headers)

        assert answer.status_code == HTTPStatus.UNAUTHORIZED
        assert "www-authenticate" in answer.headers
        assert answer.headers["content-type"] == "application/problem+json"


async def test_logout_takes_the_cookie_away(ada: Person) -> None:
    """Logging out leads to the front page and leaves a cookie that opens nothing."""
    answer = await ada.send("POST", "/logout")

    assert answer.headers["location"] == "/"
    assert (await ada.http.get("/api/me", headers=cookie(answer))).status_code == HTTPStatus.UNAUTHORIZED


async def test_session_outlives_a_restart() -> None:
    """A server that starts with the same secret and tables knows those who logged in before."""
    with local_engine() as engine:
        with serve(lambda: store_on(engine)) as url:
            async with client(url) as http:
                ada = await Person.log_in(http)
        with serve(lambda: store_on(engine)) as url:
            async with client(url) as http:
                answer = await http.get("/api/me", headers=ada.headers)

    assert answer.json()["id"] == ada.id
