"""Wikis: listed and searched, created and replaced by PUT, changed by PATCH, renamed and transferred."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response

from examples.wiki_api.dependencies import (
    CurrentUser,
    Events,
    IfMatch,
    IfNoneMatch,
    MyAccess,
    PageAsked,
    Search,
    Store,
    WikiToEdit,
    WikiToOwn,
    WikiToRead,
)
from examples.wiki_api.headers import NO_STORE, entity_tag, pinned, precondition_failed
from examples.wiki_api.live import Live, user_topic, wiki_changed, wiki_topic
from examples.wiki_api.models import (
    AccessOut,
    McpTokenOut,
    OwnerIn,
    PageOut,
    ProfileOut,
    SharedOut,
    SlugIn,
    WikiChanges,
    WikiIn,
    WikiOut,
)
from wikibot_store import Access, AlreadyExistsError, Page, Role, Share, User, Wiki, WikibotStore

MAX_WIKIS = 1000
router = APIRouter()
one_wiki = APIRouter(prefix="/wikis/{owner_id}/{wiki_slug}")
_CREATED: dict[int | str, dict[str, Any]] = {
    HTTPStatus.CREATED: {"model": WikiOut, "description": "The wiki was created."}
}


@router.get("/wikis", response_model=PageOut[WikiOut])
async def list_my_wikis(user: CurrentUser, store: Store, asked: PageAsked, search: Search = None) -> Page[Wiki]:
    """Return a page of my wikis, or the first `limit` wikis that have `search` in their name or slug.

    The table has no index of names, so a search reads all my wikis: at most MAX_WIKIS, which are one or two Queries.
    """
    if search is not None:
        found = [wiki async for wiki in store.wikis.iter_by_owner(user.id) if _matches(wiki, search)]
        return Page(found[: asked.limit])
    page = await store.wikis.list_by_owner(user.id, limit=asked.limit, cursor=asked.cursor)
    asked.link(page.cursor)
    return page


@router.get("/shared")
async def list_shared_with_me(
    user: CurrentUser, store: Store, asked: PageAsked, search: Search = None
) -> PageOut[SharedOut]:
    """Return a page of the wikis that others share with me; a wiki that no longer exists is null.

    With `search`, return the first `limit` wikis that have it in their name or slug.
    """
    if search is not None:
        page = Page(await _search_shared(store, user, search, asked.limit))
    else:
        page = await store.acls.list_shared_with(user.id, limit=asked.limit, cursor=asked.cursor)
    owners = await store.users.get_many({wiki.owner_id for _, wiki in page if wiki is not None})
    asked.link(page.cursor)
    return PageOut(items=[SharedOut.of(acl, wiki, owners) for acl, wiki in page], cursor=page.cursor)


async def _search_shared(store: WikibotStore, user: User, search: str, limit: int) -> list[Share]:
    found: list[Share] = []
    cursor: str | None = None
    while len(found) < limit:
        page = await store.acls.list_shared_with(user.id, limit=500, cursor=cursor)
        found += [share for share in page if share.wiki is not None and _matches(share.wiki, search)]
        cursor = page.cursor
        if cursor is None:
            break
    return found[:limit]


def _matches(wiki: Wiki, search: str) -> bool:
    return search.casefold() in wiki.display_name.casefold() or search.casefold() in wiki.wiki_slug


@one_wiki.get("", response_model=WikiOut)
async def get_wiki(wiki: WikiToRead, response: Response) -> Wiki:
    """Return a wiki that is mine, shared with me, or public."""
    response.headers["ETag"] = entity_tag(wiki)
    return wiki


@one_wiki.get("/access")
async def get_access(mine: MyAccess, user: CurrentUser, store: Store, response: Response) -> AccessOut:
    """Return a wiki with its owner and my role in it. The ETag is that of the wiki."""
    access, wiki = mine
    response.headers["ETag"] = entity_tag(wiki)
    return await access_out(store, user, access, wiki)


async def access_out(store: WikibotStore, user: User, access: Access, wiki: Wiki) -> AccessOut:
    """Describe a user's access to a wiki."""
    is_mine = wiki.owner_id == user.id
    owner = user if is_mine else await store.users.require(wiki.owner_id)
    return AccessOut(
        wiki=WikiOut.model_validate(wiki),
        owner=ProfileOut.model_validate(owner),
        role=access.role or Role.VIEWER,
        is_mine=is_mine,
    )


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
        await wiki_changed(events, store, wiki.key)
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
    mine: MyAccess,
    *,
    response: Response,
    store: Store,
    events: Events,
    if_match: IfMatch = None,
) -> Wiki:
    """Change a wiki; an attribute that is left out stays. Only an owner decides whether the wiki is public."""
    if "is_public" in changes and not mine[0].allows(Role.OWNER):
        raise HTTPException(HTTPStatus.FORBIDDEN, "Only an owner decides whether the wiki is public.")
    with pinned(if_match, wiki) as version:
        # The `uid` makes sure that this is the wiki whose access was checked, and not a later one with its slug.
        changed = await store.wikis.update(
            wiki.owner_id, wiki.wiki_slug, expected_version=version, uid=wiki.uid, **changes
        )
    await wiki_changed(events, store, wiki.key)
    response.headers["ETag"] = entity_tag(changed)
    return changed


@one_wiki.delete("", status_code=HTTPStatus.NO_CONTENT)
async def delete_wiki(wiki: WikiToOwn, store: Store, events: Events, if_match: IfMatch = None) -> None:
    """Delete a wiki with its grants. If-Match is compared with the wiki as it was read just before."""
    with pinned(if_match, wiki):
        members = [acl.grantee_id async for acl in store.acls.iter_by_wiki(wiki.key)]
        await store.wikis.delete(wiki.owner_id, wiki.wiki_slug)
    _moved_away(events, wiki, members)


@one_wiki.post("/rename", response_model=WikiOut)
async def rename_wiki(
    new: SlugIn, wiki: WikiToOwn, *, response: Response, store: Store, events: Events, if_match: IfMatch = None
) -> Wiki:
    """Change the slug of a wiki. Its members keep their roles; open invitations become invalid."""
    with pinned(if_match, wiki):
        renamed = await store.wikis.rename(wiki.owner_id, wiki.wiki_slug, new.wiki_slug)
    return await _moved(events, store, response, wiki, renamed)


@one_wiki.post("/transfer", response_model=WikiOut)
async def transfer_wiki(
    new: OwnerIn,
    wiki: WikiToOwn,
    *,
    response: Response,
    user: CurrentUser,
    store: Store,
    events: Events,
    if_match: IfMatch = None,
) -> Wiki:
    """Give my wiki to another user. I lose access; the members keep their roles; open invitations become invalid."""
    if wiki.owner_id != user.id:
        raise HTTPException(HTTPStatus.FORBIDDEN, "You can only transfer wikis of your own.")
    with pinned(if_match, wiki):
        transferred = await store.wikis.transfer(user.id, wiki.wiki_slug, new.owner_id, limit=MAX_WIKIS)
    return await _moved(events, store, response, wiki, transferred)


async def _moved(events: Live, store: WikibotStore, response: Response, old: Wiki, new: Wiki) -> Wiki:
    await wiki_changed(events, store, new.key)
    _moved_away(events, old, [new.owner_id])
    response.headers["Content-Location"] = f"/api/wikis/{quote(new.owner_id, safe='')}/{new.wiki_slug}"
    response.headers["ETag"] = entity_tag(new)
    return new


def _moved_away(events: Live, wiki: Wiki, members: Iterable[str]) -> None:
    events.publish(user_topic(wiki.owner_id), "wikis")
    events.publish(wiki_topic(wiki.key.wiki_id), "wiki")
    for member in members:
        events.publish(user_topic(member), "shared")


@one_wiki.post("/mcp-token", status_code=HTTPStatus.CREATED)
async def create_mcp_token(
    wiki: WikiToOwn, *, response: Response, store: Store, events: Events, if_match: IfMatch = None
) -> McpTokenOut:
    """Make a new MCP token for a wiki. The previous one becomes invalid."""
    with pinned(if_match, wiki):
        changed, token = await store.wikis.set_mcp_token(wiki.owner_id, wiki.wiki_slug)
    await wiki_changed(events, store, wiki.key)
    response.headers["ETag"] = entity_tag(changed)
    response.headers["Cache-Control"] = NO_STORE
    return McpTokenOut(token=token)


@one_wiki.delete("/mcp-token", status_code=HTTPStatus.NO_CONTENT)
async def revoke_mcp_token(wiki: WikiToOwn, store: Store, events: Events, if_match: IfMatch = None) -> None:
    """Make the MCP token of a wiki invalid."""
    with pinned(if_match, wiki) as version:
        await store.wikis.update(
            wiki.owner_id, wiki.wiki_slug, expected_version=version, uid=wiki.uid, mcp_token_hash=None
        )
    await wiki_changed(events, store, wiki.key)
