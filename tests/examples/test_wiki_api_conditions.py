"""Conditional requests: who comes too late is told so, and nothing is overwritten."""

import asyncio
from http import HTTPStatus

import pytest
from starlette.exceptions import HTTPException

from examples.wiki_api.headers import entity_tag, pinned
from tests.examples.serving import Person
from tests.unit.samples import WIKI
from wikibot_store import ConflictError, NotFoundError, WikibotStoreError

NEW = {"display_name": "Notes", "is_public": False}


async def test_create_is_idempotent(ada: Person) -> None:
    """However often a wiki is put, there is one, as the last one to put it said."""
    path = f"/api/wikis/{ada.id}/notes"

    answers = [await ada.send("PUT", path, NEW | {"display_name": name}) for name in ("Notes", "Notes", "More")]

    assert [answer.status_code for answer in answers] == [HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.OK]
    (wiki,) = (await ada.send("GET", "/api/wikis")).json()["items"]
    assert wiki["display_name"] == "More"


async def test_create_only_does_not_overwrite(ada: Person) -> None:
    """With `If-None-Match: *` a wiki that is there is left as it is."""
    path = f"/api/wikis/{ada.id}/notes"
    only_new = {"If-None-Match": "*"}

    answers = [await ada.send("PUT", path, NEW | {"display_name": name}, headers=only_new) for name in ("A", "B")]

    assert [answer.status_code for answer in answers] == [HTTPStatus.CREATED, HTTPStatus.PRECONDITION_FAILED]
    assert (await ada.send("GET", path)).json()["display_name"] == "A"


async def test_one_of_many_creates_wins(ada: Person) -> None:
    """Of creates at once, one makes the wiki and the others learn that it is there."""
    path = f"/api/wikis/{ada.id}/notes"
    only_new = {"If-None-Match": "*"}

    answers = await asyncio.gather(*(ada.send("PUT", path, NEW, headers=only_new) for _ in range(6)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [HTTPStatus.CREATED] + [HTTPStatus.PRECONDITION_FAILED] * 5


async def test_wiki_in_somebody_elses_name_is_403(ada: Person, bob: Person) -> None:
    """Nobody creates a wiki for somebody else."""
    assert (await bob.send("PUT", f"/api/wikis/{ada.id}/notes", NEW)).status_code == HTTPStatus.FORBIDDEN


async def test_replace_only_creates_nothing(ada: Person) -> None:
    """With If-Match there is no wiki where there was none."""
    path = f"/api/wikis/{ada.id}/notes"

    answer = await ada.send("PUT", path, NEW, headers={"If-Match": "*"})

    assert answer.status_code == HTTPStatus.PRECONDITION_FAILED
    assert (await ada.send("GET", path)).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_second_change_of_one_version_is_412(ada: Person, method: str) -> None:
    """Of two changes to one version the second is refused, and what it holds is not written."""
    path = await ada.create_wiki()
    known = {"If-Match": (await ada.send("GET", path)).headers["etag"]}

    answers = [await ada.send(method, path, NEW | {"display_name": name}, headers=known) for name in ("A", "B")]

    assert [answer.status_code for answer in answers] == [HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED]
    after = await ada.send("GET", path)
    assert after.json()["display_name"] == "A"
    assert after.headers["etag"] == answers[0].headers["etag"] != known["If-Match"]


async def test_profile_of_another_version_is_412(ada: Person) -> None:
    """A change of a profile that has another version is refused, and nothing is changed."""
    known = {"If-Match": (await ada.send("GET", "/api/me")).headers["etag"]}

    answers = [await ada.send("PATCH", "/api/me", {"display_name": name}, headers=known) for name in ("A", "B")]

    assert [answer.status_code for answer in answers] == [HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED]
    assert (await ada.send("GET", "/api/me")).json()["display_name"] == "A"


@pytest.mark.parametrize("pinned", [True, False], ids=["If-Match", "no condition"])
async def test_every_accepted_change_counts(ada: Person, *, pinned: bool) -> None:
    """Of changes at once, those that lost are told so: 412 if they named a version, else 409; the others are all in."""
    path = await ada.create_wiki()
    headers = {"If-Match": (await ada.send("GET", path)).headers["etag"]} if pinned else {}

    answers = await asyncio.gather(
        *(ada.send("PATCH", path, {"display_name": str(number)}, headers=headers) for number in range(8))
    )

    statuses = [answer.status_code for answer in answers]
    lost = HTTPStatus.PRECONDITION_FAILED if pinned else HTTPStatus.CONFLICT
    assert set(statuses) <= {HTTPStatus.OK, lost}
    assert (await ada.send("GET", path)).json()["version"] == 1 + statuses.count(HTTPStatus.OK)
    assert statuses.count(HTTPStatus.OK) == 1 or not pinned


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ("*", HTTPStatus.OK),
        ("{tag}", HTTPStatus.OK),
        ('"another", {tag}', HTTPStatus.OK),
        ("W/{tag}", HTTPStatus.PRECONDITION_FAILED),
        ('"another"', HTTPStatus.PRECONDITION_FAILED),
        ("1", HTTPStatus.PRECONDITION_FAILED),
        ("", HTTPStatus.PRECONDITION_FAILED),
    ],
)
async def test_if_match_is_read_as_http_says(ada: Person, if_match: str, status: HTTPStatus) -> None:
    """A star or one strong tag of a list holds; a weak tag, another one and what is none do not."""
    path = await ada.create_wiki()
    tag = (await ada.send("GET", path)).headers["etag"]

    answer = await ada.send("PATCH", path, {"display_name": "A"}, headers={"If-Match": if_match.format(tag=tag)})

    assert answer.status_code == status


@pytest.mark.parametrize("late", [ConflictError("wikis", {}, None), NotFoundError("wikis", {})], ids=repr)
async def test_what_was_overtaken_by_another_writer_is_412(late: WikibotStoreError) -> None:
    """A tag that held when the request arrived, and holds no more when it is written, has the same answer."""
    with pytest.raises(HTTPException) as refused, pinned(entity_tag(WIKI), WIKI):
        raise late

    assert refused.value.status_code == HTTPStatus.PRECONDITION_FAILED


async def test_tag_of_an_earlier_wiki_does_not_match(ada: Person) -> None:
    """A wiki that has the slug of a deleted one has other tags, though its version is the same."""
    path = await ada.create_wiki()
    known = {"If-Match": (await ada.send("GET", path)).headers["etag"]}
    await ada.send("DELETE", path)
    await ada.create_wiki()

    answer = await ada.send("DELETE", path, headers=known)

    assert answer.status_code == HTTPStatus.PRECONDITION_FAILED
    assert (await ada.send("GET", path)).status_code == HTTPStatus.OK
