"""What keeps other sites out of the example."""

import re
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from examples import wiki_api
from tests.examples.serving import Person

STATIC = Path(wiki_api.__file__).parent / "static"


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/identity-provider/authorize", "/api/me", "/nowhere"])
async def test_every_answer_names_its_policy(http: httpx.AsyncClient, path: str) -> None:
    """Pages, files and errors alike may run nothing from elsewhere, be framed by nobody, be kept by no proxy."""
    headers = (await http.get(path)).headers

    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("private")


@pytest.mark.parametrize("name", sorted(str(file.relative_to(STATIC)) for file in STATIC.rglob("*.*")))
def test_page_loads_nothing_from_elsewhere(name: str) -> None:
    """What the page consists of names no other host, so that it works without a network."""
    hosts = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", (STATIC / name).read_text())

    assert set(hosts) <= {"http://www.w3.org"}  # the name of SVG, which nobody fetches


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, HTTPStatus.CREATED),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "{origin}"}, HTTPStatus.CREATED),
        ({"Sec-Fetch-Site": "none"}, HTTPStatus.CREATED),
        ({"Origin": "{origin}"}, HTTPStatus.CREATED),
        ({"Sec-Fetch-Site": "cross-site"}, HTTPStatus.FORBIDDEN),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{origin}"}, HTTPStatus.FORBIDDEN),
        ({"Origin": "https://evil.example"}, HTTPStatus.FORBIDDEN),
        ({"Origin": "null"}, HTTPStatus.FORBIDDEN),
    ],
)
async def test_other_sites_change_nothing(ada: Person, headers: dict[str, str], status: HTTPStatus) -> None:
    """A change that another origin's page sends is refused, even with the cookie; programs are no pages."""
    path = f"/api/wikis/{ada.id}/notes"
    origin = str(ada.http.base_url).rstrip("/")
    headers = {name: value.format(origin=origin) for name, value in headers.items()}

    answer = await ada.send("PUT", path, {"display_name": "Notes"}, headers=headers)

    assert answer.status_code == status
    exists = (await ada.send("GET", path)).status_code == HTTPStatus.OK
    assert exists == (status == HTTPStatus.CREATED)


async def test_links_from_other_sites_work(http: httpx.AsyncClient) -> None:
    """Reading is free: who follows a link from elsewhere sees the page."""
    answer = await http.get("/", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == HTTPStatus.OK
