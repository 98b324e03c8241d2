"""The heart of wiki_api on plain Starlette: nothing in the store, nor in what surrounds it, is tied to FastAPI.

    uvicorn --factory examples.starlette_app:create_app
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from examples.wiki_api.__main__ import open_store
from examples.wiki_api.access import wiki_for
from examples.wiki_api.errors import handle_errors
from examples.wiki_api.headers import entity_tag, next_link
from examples.wiki_api.login import current_user, login_routes
from examples.wiki_api.models import GrantIn, MemberOut, PageOut, WikiIn, WikiOut
from examples.wiki_api.security import SameOriginOnly, SecurityHeaders
from wikibot_store import Role, Wiki, WikibotStore


def create_app(
    open_store: Callable[[], AbstractAsyncContextManager[WikibotStore]] = open_store, *, secret: str | None = None
) -> Starlette:
    """Return the application; without a `secret` its sessions end with it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with open_store() as store:
            yield {"store": store}

    one_wiki = "/api/wikis/{owner_id}/{wiki_slug}"
    routes = [
        *login_routes(),
        Route("/api/wikis", list_my_wikis),
        Route("/api/wikis/{wiki_slug}", create_wiki, methods=["PUT"]),
        Route(one_wiki, get_wiki),
        Route(f"{one_wiki}/members/{{user_id}}", grant, methods=["PUT"]),
        Route(f"{one_wiki}/members/{{user_id}}", revoke, methods=["DELETE"]),
    ]
    session = Middleware(SessionMiddleware, secret_key=secret or secrets.token_urlsafe())
    middleware = [Middleware(SecurityHeaders), Middleware(SameOriginOnly), session]
    app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan)
    handle_errors(app)
    return app
