"""Wikis: listed by owner, created and replaced by PUT, changed by PATCH."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from examples.wiki_api.dependencies import (
    CurrentUser,
    Events,
    IfMatch,
    IfNoneMatch,
    PageAsked,
    Store,
    WikiToEdit,
    WikiToOwn,
    WikiToRead,
)
from examples.wiki_api.headers import entity_tag, pinned, precondition_failed
from examples.wiki_api.live import user_topic
from examples.wiki_api.models import PageOut, SharedOut, WikiChanges, WikiIn, WikiOut
from wikibot_store import AlreadyExistsError, Page, User, Wiki, WikibotStore

MAX_WIKIS = 1000
router = APIRouter()
one_wiki = APIRouter(prefix="/wikis/{owner_id}/{wiki_slug}")
_CREATED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.CREATED: {"model": WikiOut, "description": "The wiki was created."}
}


@router.get("/wikis", response_model=PageOut[WikiOut])
async def list_my_wikis(user: CurrentUser, store: Store, asked: PageAsked) -> Page[Wiki]:
    """Return a page of my wikis."""
    page = await store.wikis.list_by_owner(user.id, limit=asked.limit, cursor=asked.cursor)
    asked.link(page.cursor)
    return page


@router.get("/shared")
async def list_shared_with_me(user: CurrentUser, store: Store, asked: PageAsked) -> PageOut[SharedOut]:
    """Return a page of the wikis that others share with me; a wiki that no longer exists is null."""
    page = await store.acls.list_shared_with(user.id, limit=asked.limit, cursor=asked.cursor)
    owners = await store.users.get_many({wiki.owner_id for _, wiki in page if wiki is not None})
    asked.link(page.cursor)
    return PageOut(items=[SharedOut.of(acl, wiki, owners) for acl, wiki in page], cursor=page.cursor)


@one_wiki.get("", response_model=WikiOut)
async def get_wiki(wiki: WikiToRead, response: Response) -> Wiki:
    """Return a wiki that is mine, shared with me, or public."""
    response.headers["ETag"] = entity_tag(wiki)
    return wiki


@one_wiki.put("", response_model=WikiOut, responses=_CREATED)
async def put_wiki(
    owner_id: str,
    wiki_slug: str,
    new: WikiIn,
    *,
    request: Request,
    response: Response,
    user: CurrentUser,
    store: Store,
    events: Events,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Wiki:
    """Create a wiki of mine, or replace its attributes. The request can be repeated and never creates a second wiki.

    `If-None-Match: *` only creates, If-Match only replaces; the answer is 412 if the header does not match.
    """
    if owner_id != user.id:
        raise HTTPException(HTTPStatus.FORBIDDEN, "You can only create wikis of your own.")
    current = None if if_none_match else await _replaceable(store, user, wiki_slug)
    if current is not None:
        with pinned(if_match, current) as version:
            wiki = await store.wikis.update(
                user.id, wiki_slug, expected_version=version, uid=current.uid, **new.model_dump()
            )
    elif if_match is not None:
        raise precondition_failed()
    else:
        wiki = await _create(store, user, wiki_slug, new, only_new=if_none_match is not None)
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = request.url.path
    events.publish(user_topic(user.id), "wikis")
    response.headers["ETag"] = entity_tag(wiki)
    return wiki


async def _replaceable(store: WikibotStore, owner: User, wiki_slug: str) -> Wiki | None:
    """Return the wiki; None also if it is not live, although its slug is then still taken."""
    access = await store.authorize(owner.id, owner.id, wiki_slug)
    return access.wiki if access.role is not None else None


async def _create(store: WikibotStore, owner: User, wiki_slug: str, new: WikiIn, *, only_new: bool) -> Wiki:
    try:
        return await store.wikis.create(
            owner.id,
            wiki_slug,
            display_name=new.display_name,
            repo_path=f"/srv/wikis/{owner.id}/{wiki_slug}",
            is_public=new.is_public,
            limit=MAX_WIKIS,
        )
    except AlreadyExistsError as taken:
        if only_new:
            raise precondition_failed() from taken
        raise


@one_wiki.patch("", response_model=WikiOut)
async def update_wiki(
    changes: WikiChanges,
    wiki: WikiToEdit,
    *,
    response: Response,
    store: Store,
    events: Events,
    if_match: IfMatch = None,
) -> Wiki:
    """Change a wiki; an attribute that is left out stays."""
    with pinned(if_match, wiki) as version:
        # The `uid` makes sure that this is the wiki whose access was checked, and not a later one with its slug.
        changed = await store.wikis.update(
            wiki.owner_id, wiki.wiki_slug, expected_version=version, uid=wiki.uid, **changes
        )
    events.publish(user_topic(wiki.owner_id), "wikis")
    response.headers["ETag"] = entity_tag(changed)
    return changed


@one_wiki.delete("", status_code=HTTPStatus.NO_CONTENT)
async def delete_wiki(wiki: WikiToOwn, store: Store, events: Events, if_match: IfMatch = None) -> None:
    """Delete a wiki with its grants. If-Match is compared with the wiki as it was read just before."""
    with pinned(if_match, wiki):
        await store.wikis.delete(wiki.owner_id, wiki.wiki_slug)
    events.publish(user_topic(wiki.owner_id), "wikis")
