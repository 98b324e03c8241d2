"""A simulated OAuth provider: a page on which the visitor picks one of a few people, without a password."""

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

_PAGE = Path(__file__).parent / "static" / "identity_provider.html"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The person that the provider has authenticated. `sub` never changes; the names may change."""

    provider: str
    sub: str
    username: str
    display_name: str


class IdentityProvider:
    """Redirects people to `callback`, its only registered address, with a code that works once."""

    def __init__(self, callback: str) -> None:
        self._callback = callback
        self._codes: dict[str, Identity] = {}
        self.app = Starlette(routes=[Route("/authorize", self._authorize, methods=["GET", "POST"])])

    async def _authorize(self, request: Request) -> Response:
        """Show the people; after a choice, redirect the visitor back with a code and the client's state."""
        if request.method != "POST":
            return FileResponse(_PAGE)
        form = parse_qs((await request.body()).decode())
        name = " ".join(form.get("name", [""])[0].split())
        if not name:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "A name is required.")
        code = secrets.token_urlsafe()
        handle = name.lower().replace(" ", "-")
        self._codes[code] = Identity(provider="local", sub=handle, username=handle, display_name=name)
        answer = urlencode({"code": code, "state": request.query_params.get("state", "")})
        return RedirectResponse(f"{self._callback}?{answer}", HTTPStatus.SEE_OTHER)

    async def exchange(self, code: str) -> Identity | None:
        """Return the identity of a code, once. With a real provider this is an HTTPS request."""
        return self._codes.pop(code, None)
