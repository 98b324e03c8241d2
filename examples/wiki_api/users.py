"""Profiles."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Response

from examples.wiki_api.dependencies import CurrentUser, IfMatch, Store
from examples.wiki_api.headers import entity_tag, pinned
from examples.wiki_api.models import ProfileOut, UserChanges, UserOut
from wikibot_store import User

router = APIRouter()


@router.get("/me", response_model=UserOut)
async def get_me(user: CurrentUser, response: Response) -> User:
    """Return the logged-in user."""
    response.headers["ETag"] = entity_tag(user)
    return user


@router.patch("/me", response_model=UserOut)
async def update_me(
    changes: UserChanges, user: CurrentUser, store: Store, response: Response, if_match: IfMatch = None
) -> User:
    """Change my profile; null removes an attribute."""
    with pinned(if_match, user) as version:
        changed = await store.users.update(user.id, expected_version=version, **changes)
    response.headers["ETag"] = entity_tag(changed)
    return changed


@router.get("/users/{username}", response_model=ProfileOut)
async def get_profile(username: str, _user: CurrentUser, store: Store) -> User:
    """Find a user by username, for example to share a wiki."""
    found = await store.users.get_by_username(username)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No user has that username.")
    return found
