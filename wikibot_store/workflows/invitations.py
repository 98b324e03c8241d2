"""Invitations: grants to whoever holds a token, such as people who have not signed up yet.

An invitation is an item among the wiki's grants, under `invite#` and the SHA-256 of a secret. The token consists of the
wiki's id and the secret, so it leads to the item. The tables do not hold the secret, so nobody can make a token from
them.
"""

import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.reads import Key, ReadableTable, batch_get_items
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import InvalidInviteError, NotActiveError, NotFoundError, WriteOutcomeUnknownError
from wikibot_store.keys import INVITE, WikiKey
from wikibot_store.models import Acl, Role, User, UserStatus, Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import is_active_user
from wikibot_store.workflows.sharing import alive, protect_owner, require_active, require_staying, unchanged
from wikibot_store.workflows.tables import Tables

_SECRET_BYTES = 32
# In base64url without padding: a wiki's id of at most 1,024 bytes, and a secret of 32.
_TOKEN = re.compile(r"([A-Za-z0-9_-]{2,1366})\.([A-Za-z0-9_-]{43})")
_NO_TOKEN = "the token does not match an open invitation: use the link as it was sent"  # noqa: S105 - a message


async def invite(
    tables: Tables, key: WikiKey, email: str, role: Role, *, invited_by: str, expires_at: datetime
) -> tuple[Acl, str]:
    """Put an invitation on condition that the wiki is active; return it with its token."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    wiki_key, inviter_key = (key.owner_id, key.wiki_slug), (invited_by,)
    deadline = tables.wire.deadline()
    contention = Contention()
    while True:
        wanted: dict[ReadableTable[Any], Sequence[Key]] = {tables.wikis: [wiki_key], tables.users: [inviter_key]}
        found = await batch_get_items(tables.wire, wanted, consistent=True, deadline=deadline)
        wiki_item = found[tables.wikis].get(wiki_key)
        wiki = require_active(tables, key, wiki_item)
        require_staying(tables, inviter_key, found[tables.users].get(inviter_key))
        if await tables.moves.complete(wiki_item, deadline=deadline):
            continue
        invitation = Acl(
            wiki_id=key.wiki_id,
            grantee_id=_grantee_id(secret),
            role=role,
            granted_by=invited_by,
            granted_at=utc_now(),
            expires_at=expires_at,
            wiki_uid=wiki.uid,
            invited_email=email,
        )
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki_key, alive(wiki.uid))
        transaction.put("invitation", tables.acls, invitation, tables.acls.absent)
        try:
            await transaction.commit(tables.acls, tables.acls.key_of(invitation), deadline=deadline)
        except TransactionRefusedError:  # the secret is new, so the wiki has changed
            await contention.pause()
        else:
            return invitation, f"{_encode(key.wiki_id)}.{secret}"


async def accept_invite(tables: Tables, token: str, user_id: str) -> Acl:
    """Replace the invitation by a grant to the user; of any number of calls with one token, one succeeds."""
    key, grantee_id = _parse(token)
    protect_owner(tables, key, user_id)
    wiki_key = (key.owner_id, key.wiki_slug)
    invite_key, acl_key = (key.wiki_id, grantee_id), (key.wiki_id, user_id)
    deadline = tables.wire.deadline()
    contention = Contention()
    while True:
        found = await batch_get_items(
            tables.wire,
            {tables.wikis: [wiki_key], tables.acls: [invite_key, acl_key], tables.users: [(user_id,)]},
            consistent=True,
            deadline=deadline,
        )
        now = utc_now()
        invite_item, seen_item = found[tables.acls].get(invite_key), found[tables.acls].get(acl_key)
        wiki_item, user_item = found[tables.wikis].get(wiki_key), found[tables.users].get((user_id,))
        wiki = None if wiki_item is None else tables.wikis.decode(wiki_item)
        invitation = _require_valid(None if invite_item is None else tables.acls.decode(invite_item), wiki, now)
        _require_active_user(tables, user_id, None if user_item is None else tables.users.decode(user_item))
        if await tables.moves.complete(wiki_item, deadline=deadline):
            continue
        seen = None if seen_item is None else tables.acls.decode(seen_item)
        granted = _granted(invitation, user_id, now)
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki_key, alive(invitation.wiki_uid or ""))
        transaction.check("user", tables.users, (user_id,), tables.users.exists & is_active_user())
        transaction.delete("invitation", tables.acls, invite_key, unchanged(tables, invite_item))
        if seen is not None and wiki is not None and _allows_as_much(seen, granted, wiki, now):
            granted = seen
        else:
            transaction.put("grant", tables.acls, granted, unchanged(tables, seen_item))
        try:
            await transaction.commit(tables.acls, acl_key, deadline=deadline)
        except TransactionRefusedError as refused:
            used = refused.failed("invitation") and refused.item("invitation") is None
            # Perhaps this call has used it, and the grant was replaced since, or was there before.
            if used and refused.maybe_applied and (granted is seen or refused.failed("grant")):
                raise WriteOutcomeUnknownError(*tables.acls.where(acl_key), "TransactWriteItems") from refused
            await contention.pause()
        else:
            return granted


def _grantee_id(secret: str) -> str:
    return INVITE + hashlib.sha256(secret.encode()).hexdigest()


def _encode(wiki_id: str) -> str:
    return urlsafe_b64encode(wiki_id.encode()).rstrip(b"=").decode()


def _parse(token: str) -> tuple[WikiKey, str]:
    """Return the wiki and the grantee id that a token names."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidInviteError(_NO_TOKEN)
    wiki_id, secret = match.groups()
    try:
        key = WikiKey.parse(urlsafe_b64decode(wiki_id + "=" * (-len(wiki_id) % 4)).decode())
    except ValueError as error:  # neither base64, UTF-8 nor a wiki id
        raise InvalidInviteError(_NO_TOKEN) from error
    if _encode(key.wiki_id) != wiki_id:  # another spelling of the token that was sent
        raise InvalidInviteError(_NO_TOKEN)
    return key, _grantee_id(secret)


def _require_valid(invitation: Acl | None, wiki: Wiki | None, now: datetime) -> Acl:
    if invitation is None or invitation.is_expired(now):
        raise InvalidInviteError("the invitation was used or revoked, or has expired: ask for a new one")
    if wiki is None or wiki.uid != invitation.wiki_uid or wiki.status is not WikiStatus.ACTIVE:
        raise InvalidInviteError("the wiki of the invitation was deleted or moved: ask for a new invitation")
    return invitation


def _require_active_user(tables: Tables, user_id: str, user: User | None) -> None:
    where = tables.users.where((user_id,))
    if user is None:
        raise NotFoundError(*where)
    if user.status is not UserStatus.ACTIVE:
        raise NotActiveError(*where, user.status)


def _granted(invitation: Acl, user_id: str, now: datetime) -> Acl:
    """Return the grant that an invitation becomes; the invitation expires, the grant does not."""
    return Acl(
        wiki_id=invitation.wiki_id,
        grantee_id=user_id,
        role=invitation.role,
        granted_by=invitation.granted_by,
        granted_at=now,
        wiki_uid=invitation.wiki_uid,
    )


def _allows_as_much(seen: Acl, granted: Acl, wiki: Wiki, now: datetime) -> bool:
    """Return whether the grant that the user already has allows as much as the invitation."""
    stronger = list(Role).index(seen.role) < list(Role).index(granted.role)
    lasting = seen.role is granted.role and seen.expires_at is None
    return seen.is_for(wiki) and not seen.is_expired(now) and (stronger or lasting)
