"""Invitations to a wiki by email address. The example sends no mail: the page shows the link to send."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from examples.wiki_api.access import access_for
from examples.wiki_api.dependencies import CurrentUser, Events, PageAsked, Store, WikiToOwn
from examples.wiki_api.headers import NO_STORE
from examples.wiki_api.live import members_topic
from examples.wiki_api.members import notify_member
from examples.wiki_api.models import AccessOut, InvitationIn, InvitationOut, NewInvitationOut, PageOut, TokenIn
from examples.wiki_api.wikis import access_out
from wikibot_store import Role, WikiKey
from wikibot_store.keys import INVITE

router = APIRouter(prefix="/wikis/{owner_id}/{wiki_slug}/invitations")
accept = APIRouter(prefix="/invitations")


@router.get("")
async def list_invitations(wiki: WikiToOwn, store: Store, asked: PageAsked) -> PageOut[InvitationOut]:
    """Return a page of the open invitations to a wiki."""
    page = await store.acls.list_invitations(wiki.key, limit=asked.limit, cursor=asked.cursor)
    asked.link(page.cursor)
    return PageOut(items=[InvitationOut.of(acl) for acl in page], cursor=page.cursor)


@router.post("", status_code=HTTPStatus.CREATED)
async def invite(
    new: InvitationIn, *, wiki: WikiToOwn, user: CurrentUser, store: Store, events: Events, response: Response
) -> NewInvitationOut:
    """Invite a person who may not be a user yet. The token in the answer accepts the invitation, once."""
    acl, token = await store.acls.invite(wiki.key, new.email, new.role, invited_by=user.id, expires_at=new.expires_at)
    events.publish(members_topic(wiki.key.wiki_id), "members")
    response.headers["Cache-Control"] = NO_STORE
    return NewInvitationOut(invitation=InvitationOut.of(acl), token=token)


@router.delete("/{invitation_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_invitation(invitation_id: str, wiki: WikiToOwn, store: Store, events: Events) -> None:
    """Revoke an invitation, if it is open."""
    if await store.acls.delete(wiki.key, INVITE + invitation_id):
        events.publish(members_topic(wiki.key.wiki_id), "members")


@accept.post("/accept")
async def accept_invitation(sent: TokenIn, user: CurrentUser, store: Store, events: Events) -> AccessOut:
    """Accept the invitation with this token; return the wiki and my role in it."""
    acl = await store.acls.accept_invite(sent.token, user.id)
    key = WikiKey.parse(acl.wiki_id)
    access, wiki = await access_for(store, user, key.owner_id, key.wiki_slug, Role.VIEWER)
    notify_member(events, wiki, user.id)
    return await access_out(store, user, access, wiki)
