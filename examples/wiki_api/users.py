"""Profiles: the public one of everybody, and mine with its logins."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response

from examples.wiki_api.dependencies import CurrentUser, Events, IfMatch, Store
from examples.wiki_api.headers import entity_tag, pinned
from examples.wiki_api.live import user_topic
from examples.wiki_api.models import IdentityOut, ProfileOut, UserChanges, UsernameIn, UserOut
from wikibot_store import Identity, User

router = APIRouter()


@router.get("/me", response_model=UserOut)
async def get_me(user: CurrentUser, response: Response) -> User:
    """Return the logged-in user."""
    response.headers["ETag"] = entity_tag(user)
    return user


@router.patch("/me", response_model=UserOut)
async def update_me(
    changes: UserChanges,
    user: CurrentUser,
    *,
    store: Store,
    events: Events,
    response: Response,
    if_match: IfMatch = None,
) -> User:
    """Change my profile; null removes an attribute."""
    with pinned(if_match, user) as version:
        changed = await store.users.update(user.id, expected_version=version, **changes)
    events.publish(user_topic(user.id), "me")
    response.headers["ETag"] = entity_tag(changed)
    return changed


@router.delete("/me", status_code=HTTPStatus.NO_CONTENT)
async def delete_me(
    user: CurrentUser, store: Store, events: Events, request: Request, wikis: Literal["refuse", "delete"] = "refuse"
) -> None:
    """Delete my account, with `wikis=delete` together with my wikis, and end the session."""
    await store.users.delete(user.id, wikis=wikis)
    request.session.clear()
    events.publish(user_topic(user.id), "me")


@router.put("/me/username", response_model=UserOut)
async def set_my_username(
    new: UsernameIn,
    user: CurrentUser,
    *,
    store: Store,
    events: Events,
    response: Response,
    if_match: IfMatch = None,
) -> User:
    """Change my username. The old one is free afterwards."""
    with pinned(if_match, user):
        changed = await store.users.set_username(user.id, new.username)
    events.publish(user_topic(user.id), "me")
    response.headers["ETag"] = entity_tag(changed)
    return changed


@router.get("/me/identities", response_model=list[IdentityOut])
async def list_my_identities(user: CurrentUser, store: Store) -> list[Identity]:
    """Return the logins that lead to my account. `/login/link` adds one."""
    return await store.users.get_identities(user.id)


@router.delete("/me/identities", status_code=HTTPStatus.NO_CONTENT)
async def unlink_my_identity(
    user: CurrentUser, store: Store, events: Events, provider: Annotated[str, Query()], sub: Annotated[str, Query()]
) -> None:
    """Remove a login of mine, but not the last one. The subject may hold any character, so it is in the query."""
    await store.users.unlink_identity(user.id, provider, sub)
    events.publish(user_topic(user.id), "me")


@router.get("/users/{username}", response_model=ProfileOut)
async def get_profile(username: str, _user: CurrentUser, store: Store) -> User:
    """Find a user by username, for example to share a wiki."""
    found = await store.users.get_by_username(username)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No user has that username.")
    return found
