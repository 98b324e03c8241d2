"""The example's answers to the library's errors."""

from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI

from examples.wiki_api.errors import ANSWERS, handle_errors
from wikibot_store import errors
from wikibot_store.errors import WikibotStoreError

STORED = "a stored value"
KEY = {"id": STORED}
SAMPLES = [
    errors.AlreadyExistsError(STORED, KEY, "username"),
    errors.BackupError(STORED),
    errors.ConfigurationError(STORED),
    errors.ConflictError(STORED, KEY, STORED),
    errors.CorruptItemError(STORED, KEY, STORED),
    errors.IndexNotConfiguredError(STORED, STORED),
    errors.InvalidCursorError("the cursor is damaged"),
    errors.InvalidInviteError("the invitation is used, revoked or expired: ask for a new one"),
    errors.InvalidKeyError("wiki_slug", "must be short"),
    errors.LastIdentityError(STORED, KEY),
    errors.NotActiveError(STORED, KEY, "suspended"),
    errors.NotFoundError(STORED, KEY),
    errors.ProtectedOwnerError(STORED, KEY),
    errors.QuotaExceededError(STORED, KEY, 3),
    errors.RequestFailedError(STORED, STORED, STORED, STORED),
    errors.ThrottledError(STORED, 5, STORED),
    errors.UnavailableError(STORED, 5, STORED),
    errors.UserOwnsWikisError(STORED, KEY, 2),
    errors.WriteOutcomeUnknownError(STORED, KEY, STORED),
]


def library_errors(root: type[WikibotStoreError] = WikibotStoreError) -> set[type[WikibotStoreError]]:
    """Return the public errors below `root`."""
    below = {cls for child in root.__subclasses__() for cls in {child} | library_errors(child)}
    return {cls for cls in below if cls.__module__ == errors.__name__ and not cls.__name__.startswith("_")}


async def answer_to(error: WikibotStoreError) -> httpx.Response:
    """Return what a client sees when a handler meets `error`."""
    app = FastAPI()
    handle_errors(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        return await http.get("/")


def test_every_error_has_an_answer_and_a_sample() -> None:
    """No error of the library is forgotten, neither in the table nor in these tests."""
    assert set(ANSWERS) == library_errors()
    assert {type(sample) for sample in SAMPLES} == library_errors()


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
async def test_answer_is_a_problem_that_gives_nothing_away(error: WikibotStoreError) -> None:
    """The answer has the table's status and says nothing of tables, keys, stored values or DynamoDB's own words."""
    answer = await answer_to(error)

    assert answer.status_code == ANSWERS[type(error)][0]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() == {"status", "title", "detail"}
    assert answer.json()["status"] == answer.status_code
    assert STORED not in answer.text


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
async def test_only_unwritten_requests_are_to_be_sent_again(error: WikibotStoreError) -> None:
    """Retry-After goes with 503, never with a write that may have been applied."""
    answer = await answer_to(error)

    assert ("retry-after" in answer.headers) == isinstance(error, errors.UnavailableError)
    assert (answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE) == isinstance(error, errors.UnavailableError)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
async def test_faults_on_our_side_are_logged(error: WikibotStoreError, caplog: pytest.LogCaptureFixture) -> None:
    """A fault on our side, of which the client is told little, is logged with its traceback; others are not."""
    answer = await answer_to(error)

    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert logged == ([error] if answer.is_server_error else [])


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (errors.AlreadyExistsError(STORED, KEY, "username"), "This username is taken."),
        (errors.AlreadyExistsError(STORED, KEY, "wiki_slug"), "This address is taken."),
        (errors.InvalidKeyError("wiki_slug", "must be short"), "The address must be short."),
        (errors.InvalidInviteError("the invitation was used: ask for one"), "The invitation was used: ask for one."),
        (errors.InvalidCursorError("the cursor is damaged"), "The cursor is damaged."),
    ],
    ids=str,
)
async def test_details_are_sentences_for_people(error: WikibotStoreError, detail: str) -> None:
    """A detail begins with a capital, ends with a period, and calls fields what the page calls them."""
    assert (await answer_to(error)).json()["detail"] == detail


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/api/me", 405)])
async def test_unknown_routes_are_problems_too(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """What no handler answers has the form of every other error."""
    answer = await http.request(method, path)

    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
