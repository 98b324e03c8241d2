"""The application: one store for its whole lifetime, and handlers that await it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from examples.wiki_api import docs, events, health, invitations, members, users, wikis
from examples.wiki_api.errors import handle_errors
from examples.wiki_api.live import Live
from examples.wiki_api.login import login_routes
from examples.wiki_api.security import HeadLikeGet, SameOriginOnly, SecurityHeaders
from wikibot_store import WikibotStore

_STATIC = Path(__file__).parent / "static"


def create_app(
    open_store: Callable[[], AbstractAsyncContextManager[WikibotStore]], *, secret: str, https_only: bool = False
) -> FastAPI:
    """Return the application. It opens its store when it starts and closes it when it ends; all requests share it.

    `secret` signs the sessions: every process that serves the same people needs the same secret. Behind HTTPS,
    `https_only` prevents that the cookie is sent over plain HTTP.
    """
    live = Live()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_store() as store:
            yield {"store": store, "live": live}

    app = FastAPI(
        title="Wiki API",
        lifespan=lifespan,
        routes=login_routes(),
        docs_url=None,  # FastAPI's pages load scripts from other servers; docs.py has one that does not
        redoc_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(SameOriginOnly),
            Middleware(HeadLikeGet),
            Middleware(SessionMiddleware, secret_key=secret, https_only=https_only),
        ],
    )
    app.state.live = live
    app.include_router(health.router)
    app.include_router(docs.router)
    for router in (
        users.router,
        wikis.router,
        wikis.one_wiki,
        members.router,
        invitations.router,
        invitations.accept,
        events.router,
    ):
        app.include_router(router, prefix="/api")
    # Compressed, unlike the API: what is compressed together with a secret can reveal it.
    app.mount("/static", GZipMiddleware(StaticFiles(directory=_STATIC)))

    @app.get("/", include_in_schema=False)
    async def get_page() -> FileResponse:
        """Return the page, which reads its data from the API."""
        return FileResponse(_STATIC / "index.html")

    handle_errors(app)
    return app
