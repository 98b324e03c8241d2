"""Every error as an HTTP answer: the one place where that is decided.

The body is a problem as in RFC 9457; a person whose browser was sent here gets a page with a way back. What it says
comes from this table and from messages that hold no stored value; table names, keys and DynamoDB's own words go to the
log.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from wikibot_store import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    CorruptItemError,
    IndexNotConfiguredError,
    InvalidCursorError,
    InvalidInviteError,
    InvalidKeyError,
    LastIdentityError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    QuotaExceededError,
    RequestFailedError,
    ThrottledError,
    UnavailableError,
    UserOwnsWikisError,
    WikibotStoreError,
    WriteOutcomeUnknownError,
)

_log = logging.getLogger(__name__)

_INTERNAL = (HTTPStatus.INTERNAL_SERVER_ERROR, "This is our fault, and it is in our log.")
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, "The store cannot answer now: try again in a moment.")
_RETRY_AFTER_SECONDS = "5"
_PAGE = """<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="stylesheet" href="/static/app.css">
  <main class="lobby">
    <section class="card">
      <h1>{title}</h1>
      <p class="quiet">{detail}</p>
      <a class="button" href="/">Back to the wikis</a>
    </section>
  </main>
</html>
"""

ANSWERS: dict[type[WikibotStoreError], tuple[HTTPStatus, str]] = {
    InvalidKeyError: (HTTPStatus.UNPROCESSABLE_ENTITY, "{error}"),
    InvalidCursorError: (HTTPStatus.UNPROCESSABLE_ENTITY, "{error}"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "There is no such thing."),
    AlreadyExistsError: (HTTPStatus.CONFLICT, "{error.field} is taken."),
    ConflictError: (HTTPStatus.CONFLICT, "Somebody else changed it first: read it again before you change it."),
    NotActiveError: (HTTPStatus.CONFLICT, "It is {error.status}."),
    QuotaExceededError: (HTTPStatus.FORBIDDEN, "No more than {error.limit} wikis."),
    UserOwnsWikisError: (HTTPStatus.CONFLICT, "There are {error.count} wikis: delete or transfer them first."),
    LastIdentityError: (HTTPStatus.CONFLICT, "Nobody could log in without it."),
    InvalidInviteError: (HTTPStatus.GONE, "{error}"),
    ProtectedOwnerError: (HTTPStatus.CONFLICT, "The owner's access is fixed."),
    UnavailableError: _BUSY,
    ThrottledError: _BUSY,
    # Not 503: that and Retry-After invite clients and proxies to send it again by themselves, and a create that had
    # been applied would then be answered as a duplicate. Only who reads first can tell.
    WriteOutcomeUnknownError: (
        HTTPStatus.GATEWAY_TIMEOUT,
        "This may have been saved or not: read it before you retry.",
    ),
    ConfigurationError: _INTERNAL,
    CorruptItemError: _INTERNAL,
    IndexNotConfiguredError: _INTERNAL,
    RequestFailedError: _INTERNAL,
}
"""Status and detail for each of the library's errors; the detail may use what the error says."""


def handle_errors(app: Starlette, *, bad_input: type[Exception] = RequestValidationError) -> None:
    """Make `app`, FastAPI or plain Starlette, answer errors with problems.

    `bad_input` is what pydantic's refusals arrive as: FastAPI wraps them. TypeError and ValueError outside the
    library's tree stay what they are, bugs: the handlers have checked the input.
    """
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        WikibotStoreError: _answer_store_error,
        HTTPException: _answer_http_error,
        bad_input: _answer_bad_input,
    }
    for kind, answer in handlers.items():
        app.add_exception_handler(kind, answer)


async def _answer_store_error(request: Request, error: WikibotStoreError) -> Response:
    status, detail = ANSWERS[type(error)]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("answered with %d", status, exc_info=error)
    busy = status is HTTPStatus.SERVICE_UNAVAILABLE
    return _told(request, status, detail.format(error=error), {"Retry-After": _RETRY_AFTER_SECONDS} if busy else None)


async def _answer_bad_input(_request: Request, error: RequestValidationError | ValidationError) -> JSONResponse:
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults))


async def _answer_http_error(request: Request, error: HTTPException) -> Response:
    return _told(request, HTTPStatus(error.status_code), error.detail, error.headers)


def _told(request: Request, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None) -> Response:
    if "text/html" not in request.headers.get("accept", ""):  # what a browser sends that goes somewhere, and no script
        return problem(status, detail, headers)
    return HTMLResponse(_PAGE.format(title=escape(status.phrase), detail=escape(detail)), status, headers)


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an answer that says what is wrong."""
    body = {"status": status.value, "title": status.phrase, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
