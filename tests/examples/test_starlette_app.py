"""The handlers on plain Starlette answer as those on FastAPI do."""

from collections.abc import AsyncIterator, Iterable

import httpx
import pytest

from examples.starlette_app import create_app
from tests.examples.serving import Person, client, serve_app

Answers = list[tuple[int, Iterable[str], Iterable[str]]]
HEADERS = {"etag", "link", "content-security-policy"}


@pytest.fixture
async def starlette() -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the Starlette application."""
    with serve_app(create_app()) as url:
        async with client(url) as http:
            yield http


async def play(http: httpx.AsyncClient) -> Answers:
    """Do what people do, and return status, headers and fields of each answer."""
    ada, bob = await Person.log_in(http), await Person.log_in(http)
    notes = f"/api/wikis/{ada.id}/notes"
    member = f"{notes}/members/{bob.id}"
    steps: list[tuple[Person, str, str, object]] = [
        (ada, "GET", "/api/me", None),
        (ada, "PUT", notes, {"display_name": "Notes"}),
        (ada, "PUT", notes, {"display_name": ""}),
        (bob, "PUT", notes, {"display_name": "Mine"}),
        (ada, "GET", notes, None),
        (bob, "GET", notes, None),
        (ada, "PUT", member, {"role": "king"}),
        (ada, "PUT", member, {"role": "viewer"}),
        (ada, "PUT", f"{notes}/members/nobody", {"role": "viewer"}),
        (bob, "GET", notes, None),
        (bob, "GET", f"{notes}/members", None),
        (ada, "GET", f"{notes}/members", None),
        (ada, "DELETE", member, None),
        (bob, "GET", notes, None),
        (ada, "GET", "/api/wikis", None),
        (ada, "GET", "/api/wikis?cursor=garbage", None),
        (ada, "GET", "/api/nowhere", None),
        (ada, "POST", notes, None),
    ]
    answers = [await person.send(method, path, body) for person, method, path, body in steps]
    answers.append(await http.get(notes))
    answers.append(await ada.send("PUT", notes, {"display_name": "A"}, headers={"Sec-Fetch-Site": "cross-site"}))
    for number in range(20):
        await ada.create_wiki(f"wiki-{number}")
    answers.append(await ada.send("GET", "/api/wikis?limit=20"))
    return [(answer.status_code, HEADERS & answer.headers.keys(), _fields(answer)) for answer in answers]


def _fields(answer: httpx.Response) -> list[str]:
    return sorted(answer.json()) if answer.content else []


async def test_starlette_answers_like_fastapi(http: httpx.AsyncClient, starlette: httpx.AsyncClient) -> None:
    """The same requests are answered with the same statuses, headers and fields."""
    expected = await play(http)

    assert await play(starlette) == expected
    assert {status for status, _, _ in expected} >= {200, 201, 204, 401, 403, 404, 405, 422}
