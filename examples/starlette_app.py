"""The main parts of wiki_api on plain Starlette; nothing in the store depends on FastAPI.

Run it with `uvicorn --factory examples.starlette_app:create_app`.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from examples.wiki_api.models import GrantIn, MemberOut, PageOut, UserOut, WikiIn, WikiOut
from examples.wiki_api.security import SameOriginOnly, SecurityHeaders
from wikibot_store import Role, Wiki


def create_app() -> Starlette:
    """Return the application. Its sessions end with the process."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with open_store() as store:
            yield {"store": store}

    wiki = "/api/wikis/{owner_id}/{wiki_slug}"
    routes = [
        *login_routes(),
        Route("/api/me", get_me),
        Route("/api/wikis", list_my_wikis),
        Route(wiki, get_wiki),
        Route(wiki, create_wiki, methods=["PUT"]),
        Route(f"{wiki}/members", list_members),
        Route(f"{wiki}/members/{{user_id}}", grant, methods=["PUT"]),
        Route(f"{wiki}/members/{{user_id}}", revoke, methods=["DELETE"]),
    ]
    sessions = Middleware(SessionMiddleware, secret_key=secrets.token_urlsafe())
    middleware = [Middleware(SecurityHeaders), Middleware(SameOriginOnly), sessions]
    app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan)
    handle_errors(app, bad_input=ValidationError)
    return app


async def get_me(request: Request) -> Response:
    """Return the logged-in user."""
    user = await current_user(request)
    return _json(UserOut.model_validate(user), headers={"ETag": entity_tag(user)})


async def list_my_wikis(request: Request) -> Response:
    """Return a page of my wikis."""
    user, cursor = await current_user(request), request.query_params.get("cursor")
    page = await request.state.store.wikis.list_by_owner(user.id, limit=20, cursor=cursor)
    return _page(request, [WikiOut.model_validate(wiki) for wiki in page], page.cursor)


async def create_wiki(request: Request) -> Response:
    """Create a wiki of mine."""
    user, slug = await current_user(request), request.path_params["wiki_slug"]
    if request.path_params["owner_id"] != user.id:
        raise HTTPException(HTTPStatus.FORBIDDEN, "You can only create wikis of your own.")
    new = WikiIn.model_validate_json(await request.body())
    repo = f"/srv/wikis/{user.id}/{slug}"
    wiki = await request.state.store.wikis.create(user.id, slug, repo_path=repo, **new.model_dump())
    return _json(WikiOut.model_validate(wiki), HTTPStatus.CREATED, {"ETag": entity_tag(wiki)})


async def get_wiki(request: Request) -> Response:
    """Return a wiki that is mine, shared with me, or public."""
    wiki = await _wiki_as(Role.VIEWER, request)
    return _json(WikiOut.model_validate(wiki), headers={"ETag": entity_tag(wiki)})


async def list_members(request: Request) -> Response:
    """Return a page of the members of a wiki."""
    wiki, cursor = await _wiki_as(Role.OWNER, request), request.query_params.get("cursor")
    page = await request.state.store.acls.list_members(wiki.key, limit=20, cursor=cursor)
    return _page(request, [MemberOut.of(acl, user) for acl, user in page], page.cursor)


async def grant(request: Request) -> Response:
    """Give a user a role; it replaces the role that the user had."""
    wiki, store, user = await _wiki_as(Role.OWNER, request), request.state.store, await current_user(request)
    new = GrantIn.model_validate_json(await request.body())
    grantee = await store.users.require(request.path_params["user_id"])
    acl = await store.acls.create(wiki.key, grantee.id, new.role, granted_by=user.id)
    return _json(MemberOut.of(acl, grantee))


async def revoke(request: Request) -> Response:
    """Revoke a user's role, if there is one."""
    wiki = await _wiki_as(Role.OWNER, request)
    await request.state.store.acls.delete(wiki.key, request.path_params["user_id"])
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _wiki_as(role: Role, request: Request) -> Wiki:
    path = request.path_params
    return await wiki_for(request.state.store, await current_user(request), path["owner_id"], path["wiki_slug"], role)


def _page(request: Request, items: list[Any], cursor: str | None) -> Response:
    headers = {} if cursor is None else {"Link": next_link(request.url, cursor)}
    return _json(PageOut[Any](items=items, cursor=cursor), headers=headers)


def _json(body: BaseModel, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    return Response(body.model_dump_json(), status, headers, "application/json")
