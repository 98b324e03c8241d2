"""A stand-in for an OAuth provider: a page with a few people, of whom the visitor picks one without a password."""

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
    """Whom the provider vouches for; `sub` never changes, the names may and are wishes only."""

    provider: str
    sub: str
    username: str
    display_name: str


class IdentityProvider:
    """Sends people back to `callback`, the only address that is registered with it, with a code that works once."""

    def __init__(self, callback: str) -> None:
        self._callback = callback
        self._codes: dict[str, Identity] = {}
        self.app = Starlette(routes=[Route("/authorize", self._authorize, methods=["GET", "POST"])])

    async def _authorize(self, request: Request) -> Response:
        """Show the people; once one was picked, send the visitor back with a code for it and the client's state."""
        if request.method != "POST":
            return FileResponse(_PAGE)
        form = parse_qs((await request.body()).decode())
        name = " ".join(form.get("name", [""])[0].split())
        if not name:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "Say who you are.")
        code = secrets.token_urlsafe()
        handle = name.lower().replace(" ", "-")
        self._codes[code] = Identity(provider="local", sub=handle, username=handle, display_name=name)
        answer = urlencode({"code": code, "state": request.query_params.get("state", "")})
        return RedirectResponse(f"{self._callback}?{answer}", HTTPStatus.SEE_OTHER)

    async def exchange(self, code: str) -> Identity | None:
        """Return whom the code stands for, the first time. A real provider is asked over HTTPS here."""
        return self._codes.pop(code, None)
