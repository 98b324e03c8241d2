"""The members of a wiki and their roles."""

from http import HTTPStatus

from fastapi import APIRouter

from examples.wiki_api.access import wiki_for
from examples.wiki_api.dependencies import CurrentUser, Events, PageAsked, Store, WikiToOwn
from examples.wiki_api.live import Live, members_topic, user_topic
from examples.wiki_api.models import GrantIn, MemberOut, PageOut
from wikibot_store import Role, Wiki

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
    acl = await store.acls.create(wiki.key, grantee.id, new.role, granted_by=user.id, expires_at=new.expires_at)
    notify_member(events, wiki, grantee.id)
    return MemberOut.of(acl, grantee)


@router.delete("/{user_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke(
    owner_id: str, wiki_slug: str, user_id: str, *, user: CurrentUser, store: Store, events: Events
) -> None:
    """Revoke a user's role, if there is one. An owner can revoke everybody's role, and every member the own one."""
    needed = Role.VIEWER if user_id == user.id else Role.OWNER
    wiki = await wiki_for(store, user, owner_id, wiki_slug, needed)
    if await store.acls.delete(wiki.key, user_id):
        notify_member(events, wiki, user_id)


def notify_member(events: Live, wiki: Wiki, user_id: str) -> None:
    """Notify a user whose role in the wiki has changed, and the owners."""
    events.publish(user_topic(user_id), "shared")
    events.publish(members_topic(wiki.key.wiki_id), "members")
