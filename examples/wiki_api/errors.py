"""Maps every error to an HTTP answer, in this one place.

The body is a problem as in RFC 9457; a person who navigates in a browser gets a page with a link back. The text comes
from the table below and from messages that contain no stored value. Table names, keys and DynamoDB's messages go to the
log only.
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
    BackupError,
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

_INTERNAL = (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error. The details are in the server's log.")
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, "The service is not available at the moment. Please try again.")
_RETRY_AFTER_SECONDS = "5"
_PAGE = """<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="stylesheet" href="/static/app.css">
  <main class="lobby">
    <section class="card">
      <img src="/static/favicon.svg" alt="" width="56" height="56">
      <h1>{title}</h1>
      <p class="quiet">{detail}</p>
      <a class="button primary" href="{address}">{way_out}</a>
    </section>
  </main>
</html>
"""

_LABELS = {"wiki_slug": "address", "oauth": "login"}
"""What the page calls the library's fields, where it has another word for them."""

_HEADINGS = {
    HTTPStatus.BAD_REQUEST: "Please log in again",
    HTTPStatus.NOT_FOUND: "This page does not exist",
    HTTPStatus.UNAUTHORIZED: "Please log in",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is not available",
}
_TO_LOGIN = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}

ANSWERS: dict[type[WikibotStoreError], tuple[HTTPStatus, str]] = {
    InvalidKeyError: (HTTPStatus.UNPROCESSABLE_ENTITY, "The {label} {error.rule}."),
    InvalidCursorError: (HTTPStatus.UNPROCESSABLE_ENTITY, "{sentence}."),
    NotFoundError: (HTTPStatus.NOT_FOUND, "Not found."),
    AlreadyExistsError: (HTTPStatus.CONFLICT, "This {label} is taken."),
    ConflictError: (
        HTTPStatus.CONFLICT,
        "Another user has changed it in the meantime. Read it again before you change it.",
    ),
    NotActiveError: (HTTPStatus.CONFLICT, "The status is {error.status}."),
    QuotaExceededError: (HTTPStatus.FORBIDDEN, "The limit of {error.limit} wikis is reached."),
    UserOwnsWikisError: (HTTPStatus.CONFLICT, "The user owns {error.count} wikis. Delete or transfer them first."),
    LastIdentityError: (HTTPStatus.CONFLICT, "This is the user's last identity."),
    InvalidInviteError: (HTTPStatus.GONE, "{sentence}."),
    ProtectedOwnerError: (HTTPStatus.CONFLICT, "The owner's access cannot be changed."),
    UnavailableError: _BUSY,
    ThrottledError: _BUSY,
    # Not 503: with 503 and Retry-After, clients and proxies repeat the request by themselves, and a create that was
    # applied would then be answered as a duplicate. The client must read first.
    WriteOutcomeUnknownError: (
        HTTPStatus.GATEWAY_TIMEOUT,
        "It is not known whether this was saved. Read it before you retry.",
    ),
    BackupError: _INTERNAL,
    ConfigurationError: _INTERNAL,
    CorruptItemError: _INTERNAL,
    IndexNotConfiguredError: _INTERNAL,
    RequestFailedError: _INTERNAL,
}
"""Status and detail for each of the library's errors.

The detail may use the fields of the error, its whole `sentence`, and the `label` of its field.
"""


def handle_errors(app: Starlette, *, bad_input: type[Exception] = RequestValidationError) -> None:
    """Make `app`, FastAPI or plain Starlette, answer errors with problems.

    `bad_input` is the exception for input that pydantic rejects; FastAPI wraps it. TypeError and ValueError outside the
    library's tree are bugs and stay unhandled, because the handlers have checked the input.
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
    text = str(error)
    field = getattr(error, "field", "")
    words = {"error": error, "sentence": text[:1].upper() + text[1:], "label": _LABELS.get(field, field)}
    busy = status is HTTPStatus.SERVICE_UNAVAILABLE
    return _told(request, status, detail.format(**words), {"Retry-After": _RETRY_AFTER_SECONDS} if busy else None)


async def _answer_bad_input(_request: Request, error: RequestValidationError | ValidationError) -> JSONResponse:
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults))


async def _answer_http_error(request: Request, error: HTTPException) -> Response:
    return _told(request, HTTPStatus(error.status_code), error.detail, error.headers)


def _told(request: Request, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None) -> Response:
    # Only a browser that navigates accepts HTML; a script does not.
    if "text/html" not in request.headers.get("accept", ""):
        return problem(status, detail, headers)
    address, way_out = ("/login", "Log in") if status in _TO_LOGIN else ("/", "Back to the wikis")
    title = _HEADINGS.get(status, status.phrase)
    # Without a detail of its own, the error repeats the phrase.
    text = "" if detail == status.phrase else detail
    page = _PAGE.format(title=escape(title), detail=escape(text), address=address, way_out=way_out)
    return HTMLResponse(page, status, headers)


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an answer that describes a problem."""
    body = {"status": status.value, "title": status.phrase, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
