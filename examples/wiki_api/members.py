"""The members of a wiki and their roles."""

from http import HTTPStatus

from fastapi import APIRouter

from examples.wiki_api.dependencies import CurrentUser, Events, PageAsked, Store, WikiToOwn
from examples.wiki_api.live import Live, user_topic, wiki_topic
from examples.wiki_api.models import GrantIn, MemberOut, PageOut
from wikibot_store import Wiki

router = APIRouter(prefix="/wikis/{owner_id}/{wiki_slug}/members")


@router.get("")
async def list_members(wiki: WikiToOwn, store: Store, asked: PageAsked) -> PageOut[MemberOut]:
    """Return a page of the members of a wiki, without its owner."""
    page = await store.acls.list_members(wiki.key, limit=asked.limit, cursor=asked.cursor)
    asked.link(page.cursor)
    return PageOut(items=[MemberOut.of(acl, user) for acl, user in page], cursor=page.cursor)


@router.put("/{user_id}")
async def grant(
    user_id: str, new: GrantIn, *, wiki: WikiToOwn, user: CurrentUser, store: Store, events: Events
) -> MemberOut:
    """Give a user a role; it replaces the role that the user had."""
    grantee = await store.users.require(user_id)
    acl = await store.acls.create(wiki.key, grantee.id, new.role, granted_by=user.id)
    _notify(events, wiki, grantee.id)
    return MemberOut.of(acl, grantee)


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke(user_id: str, wiki: WikiToOwn, store: Store, events: Events) -> None:
    """Revoke a user's role, if there is one."""
    if await store.acls.delete(wiki.key, user_id):
        _notify(events, wiki, user_id)


def _notify(events: Live, wiki: Wiki, grantee_id: str) -> None:
    events.publish(user_topic(grantee_id), "shared")
    events.publish(wiki_topic(wiki.key.wiki_id), "members")
