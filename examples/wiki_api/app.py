"""The application: one store for its whole life, and handlers that await the DAOs."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from examples.wiki_api.errors import handle_errors
from examples.wiki_api.models import (
    Grant,
    GrantOut,
    Identity,
    NewWiki,
    PageOut,
    SessionOut,
    UserChanges,
    UserOut,
    WikiChanges,
    WikiOut,
)
from wikibot_store import Acl, Page, Role, User, UserStatus, Wiki, WikibotStore

MAX_WIKIS = 1000
router = APIRouter()
one_wiki = APIRouter(prefix="/wikis/{owner_id}/{wiki_slug}")


def create_app(open_store: Callable[[], AbstractAsyncContextManager[WikibotStore]]) -> FastAPI:
    """Return the application. It opens its store when it starts and closes it when it ends; requests share it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_store() as store:
            yield {"store": store, "sessions": {}}

    app = FastAPI(title="Wiki API", lifespan=lifespan)
    app.include_router(router)
    app.include_router(one_wiki)
    handle_errors(app)
    return app


# ---- what handlers depend on


async def _store(request: Request) -> WikibotStore:
    store: WikibotStore = request.state.store
    return store


async def _sessions(request: Request) -> dict[str, str]:
    sessions: dict[str, str] = request.state.sessions
    return sessions


Store = Annotated[WikibotStore, Depends(_store)]
Sessions = Annotated[dict[str, str], Depends(_sessions)]
Bearer = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


async def _current_user(bearer: Bearer, sessions: Sessions, store: Store) -> User:
    """Return whose session it is. The read is consistent, for the user may have been created a moment ago."""
    user_id = sessions.get(bearer.credentials)
    user = None if user_id is None else await store.users.get(user_id, consistent=True)
    if user is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "Log in first.", {"WWW-Authenticate": "Bearer"})
    if user.status != UserStatus.ACTIVE:
        raise HTTPException(HTTPStatus.FORBIDDEN, "This account is not active.")
    return user


CurrentUser = Annotated[User, Depends(_current_user)]


def _wiki_as(role: Role) -> Callable[..., Awaitable[Wiki]]:
    """Return a dependency: the wiki of the path, for users who are at least `role` in it.

    To everybody who has no role in it, a wiki that exists and one that does not look the same.
    """

    async def wiki_as(owner_id: str, wiki_slug: str, user: CurrentUser, store: Store) -> Wiki:
        access = await store.authorize(user.id, owner_id, wiki_slug)
        if access.wiki is None or access.role is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such wiki.")
        if not access.allows(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"As {access.role} of this wiki you may not do that.")
        return access.wiki

    return wiki_as


WikiToRead = Annotated[Wiki, Depends(_wiki_as(Role.VIEWER))]
WikiToEdit = Annotated[Wiki, Depends(_wiki_as(Role.EDITOR))]
WikiToOwn = Annotated[Wiki, Depends(_wiki_as(Role.OWNER))]

Limit = Annotated[int, Query(ge=1, le=100)]


# ---- users


@router.post("/login")
async def log_in(identity: Identity, store: Store, sessions: Sessions) -> SessionOut:
    """Log in, for the first time or again.

    This stands in for an OAuth callback: it believes what it is told. A real one gets provider and subject from the
    provider's signed answer, and keeps sessions where they expire and outlive a restart.
    """
    user, _ = await store.users.get_or_create_by_oauth(identity.provider, identity.sub)
    await store.users.record_login(user.id)
    token = secrets.token_urlsafe()
    sessions[token] = user.id
    return SessionOut(token=token)


@router.get("/me", response_model=UserOut)
async def get_me(user: CurrentUser) -> User:
    """Say who I am."""
    return user


@router.patch("/me", response_model=UserOut)
async def update_me(changes: UserChanges, user: CurrentUser, store: Store) -> User:
    """Change my profile, if it still has the version that I know."""
    return await store.users.update(user.id, **changes)


# ---- wikis


@router.post("/wikis", response_model=WikiOut, status_code=HTTPStatus.CREATED)
async def create_wiki(new: NewWiki, user: CurrentUser, store: Store) -> Wiki:
    """Create a wiki of mine."""
    return await store.create_wiki(
        user.id,
        new.wiki_slug,
        display_name=new.display_name,
        repo_path=f"/srv/wikis/{user.id}/{new.wiki_slug}",
        is_public=new.is_public,
        limit=MAX_WIKIS,
    )


@router.get("/wikis", response_model=PageOut[WikiOut])
async def list_my_wikis(user: CurrentUser, store: Store, limit: Limit = 50, cursor: str | None = None) -> Page[Wiki]:
    """Page through my wikis."""
    return await store.wikis.list_by_owner(user.id, limit=limit, cursor=cursor)


@one_wiki.get("", response_model=WikiOut)
async def get_wiki(wiki: WikiToRead) -> Wiki:
    """Read a wiki that is mine, granted to me, or public."""
    return wiki


@one_wiki.patch("", response_model=WikiOut)
async def update_wiki(changes: WikiChanges, wiki: WikiToEdit, store: Store) -> Wiki:
    """Change a wiki, if it still has the version that I know."""
    return await store.wikis.update(wiki.owner_id, wiki.wiki_slug, **changes)


@one_wiki.delete("", status_code=HTTPStatus.NO_CONTENT)
async def delete_wiki(wiki: WikiToOwn, store: Store) -> None:
    """Delete a wiki with its grants."""
    await store.delete_wiki(wiki.owner_id, wiki.wiki_slug)


# ---- grants


@one_wiki.get("/grants", response_model=PageOut[GrantOut])
async def list_grants(wiki: WikiToOwn, store: Store, limit: Limit = 50, cursor: str | None = None) -> Page[Acl]:
    """Page through the grants of a wiki."""
    return await store.acls.list_by_wiki(wiki.key.wiki_id, limit=limit, cursor=cursor)


@one_wiki.put("/grants/{grantee_id}", response_model=GrantOut)
async def grant(grantee_id: str, new: Grant, wiki: WikiToOwn, user: CurrentUser, store: Store) -> Acl:
    """Give a user a role, in place of the one that the user had."""
    grantee = await store.users.require(grantee_id)
    return await store.grant(wiki.owner_id, wiki.wiki_slug, grantee.id, new.role, granted_by=user.id)


@one_wiki.delete("/grants/{grantee_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke(grantee_id: str, wiki: WikiToOwn, store: Store) -> None:
    """Take a user's role away, if there is one."""
    await store.revoke(wiki.owner_id, wiki.wiki_slug, grantee_id)
