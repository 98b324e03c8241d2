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


async def test_code_that_was_used_leads_back_to_the_page(http: httpx.AsyncClient) -> None:
    """A logged-in visitor who comes back to the callback, for example by the Back button, gets the page."""
    browser, callback = await begin(http)
    finished = await http.get(callback, headers=browser)

    again = await http.get(callback, headers=cookie(finished))

    assert (again.status_code, again.headers["location"]) == (HTTPStatus.SEE_OTHER, "/")


async def test_back_button_leads_to_another_login(http: httpx.AsyncClient) -> None:
    """A visitor who goes back to the provider's page after a login and picks another person is that person."""
    begun = await http.get("/login")
    names = [f"p-{secrets.token_hex(8)}" for _ in range(2)]
    headers = cookie(begun)
    for name in names:
        picked = await http.post(begun.headers["location"], data={"name": name}, headers=headers)
        headers = cookie(await http.get(picked.headers["location"], headers=headers))

    assert (await http.get("/api/me", headers=headers)).json()["display_name"] == names[1]


async def test_logins_in_several_tabs_all_work(http: httpx.AsyncClient) -> None:
    """A browser may begin a few logins before it finishes the first one; an old one is forgotten."""
    addresses: list[str] = []
    headers: dict[str, str] = {}
    for _ in range(6):
        begun = await http.get("/login", headers=headers)
        headers = cookie(begun)
        addresses.append(begun.headers["location"])
    statuses = []
    for address in addresses[:2]:
        picked = await http.post(address, data={"name": "ada"}, headers=headers)
        statuses.append((await http.get(picked.headers["location"], headers=headers)).status_code)

    assert statuses == [HTTPStatus.BAD_REQUEST, HTTPStatus.SEE_OTHER]


async def link(person: Person, name: str) -> str:
    """Add the login of `name` to a person's account; return where the browser is led in the end."""
    begun = await person.send("POST", "/login/link")
    headers = cookie(begun)
    picked = await person.http.post(begun.headers["location"], data={"name": name}, headers=headers)
    return (await person.http.get(picked.headers["location"], headers=headers)).headers["location"]


async def test_second_login_leads_to_the_same_account(ada: Person) -> None:
    """A login that a user adds opens the same account, until it is removed; the last one stays."""
    name = f"p-{secrets.token_hex(8)}"

    assert (await link(ada, name)).endswith("login=added")
    added = await Person.log_in(ada.http, name)
    identities = (await ada.send("GET", "/api/me/identities")).json()
    removed = [await ada.send("DELETE", "/api/me/identities", **identity) for identity in identities]

    assert added.id == ada.id
    assert {identity["sub"] for identity in identities} == {ada.username, name}
    assert [answer.status_code for answer in removed] == [HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT]


async def test_login_of_somebody_else_cannot_be_added(ada: Person, bob: Person) -> None:
    """A login that opens another account is not added, and the page is told why."""
    assert (await link(ada, bob.username or "")).endswith("login=taken")
    assert len((await ada.send("GET", "/api/me/identities")).json()) == 1


async def test_logins_of_an_account_are_limited() -> None:
    """A login beyond the limit of the store is not added, and the page is told why."""
    with local_engine() as engine, serve(lambda: store_on(engine)) as url:
        async with client(url) as http, store_on(engine) as store:
            ada = await Person.log_in(http)
            for number in range(19):
                await store.users.link_identity(ada.id, "github", str(number))
            result = await link(ada, "one-more")

    assert result.endswith("login=too-many")


async def test_adding_a_login_needs_a_session(http: httpx.AsyncClient) -> None:
    """Without a session there is no account to add a login to."""
    assert (await http.post("/login/link")).status_code == HTTPStatus.UNAUTHORIZED


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
    assert "This login was not started in this browser." in answer.text
    assert "Please log in again" in answer.text
    assert '<a class="button primary" href="/login">' in answer.text


async def test_unknown_address_gets_a_page_with_a_way_back(http: httpx.AsyncClient) -> None:
    """A visitor of an address that does not exist reads so, and can go to the start page."""
    answer = await http.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert "This page does not exist" in answer.text
    assert '<a class="button primary" href="/">' in answer.text


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
