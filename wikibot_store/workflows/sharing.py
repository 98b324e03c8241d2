"""Grants in wikis that exist, and the people behind them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Condition, absent_or, equals
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.reads import Key, ReadableTable, batch_get_items, corrupt_among
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import (
    CorruptItemError,
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    WriteOutcomeUnknownError,
)
from wikibot_store.keys import WikiKey
from wikibot_store.models import Acl, Member, Page, Role, Share, User, UserStatus, Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import other_end, read_completed, still
from wikibot_store.workflows.tables import Move, Tables

FOREIGN = "foreign"
"""The attribute of a grant whose grantee another system manages: there need not be a user of that id."""

_FOREIGN = {FOREIGN: {"BOOL": True}}


async def grant(
    tables: Tables,
    key: WikiKey,
    grantee_id: str,
    role: Role,
    *,
    granted_by: str,
    expires_at: datetime | None,
    check_users: bool,
) -> Acl:
    """Put the grant on condition that the wiki is live and the same that was read."""
    protect_owner(tables, key, grantee_id)
    acl_key, wiki_key = (key.wiki_id, grantee_id), (key.owner_id, key.wiki_slug)
    people = [(person,) for person in dict.fromkeys([grantee_id, granted_by])] if check_users else []
    wanted: dict[ReadableTable[Any], Sequence[Key]] = {tables.wikis: [wiki_key], tables.acls: [acl_key]}
    if people:
        wanted[tables.users] = people
    deadline = tables.wire.deadline()
    contention = Contention()
    while True:
        found = await batch_get_items(tables.wire, wanted, consistent=True, deadline=deadline)
        wiki_item, seen_item = found[tables.wikis].get(wiki_key), found[tables.acls].get(acl_key)
        wiki = require_active(tables, key, wiki_item)
        for person in people:
            require_staying(tables, person, found[tables.users].get(person))
        if await tables.moves.complete(wiki_item, deadline=deadline):
            continue
        now = utc_now()
        granted = Acl(
            wiki_id=key.wiki_id,
            grantee_id=grantee_id,
            role=role,
            granted_by=granted_by,
            granted_at=now,
            expires_at=expires_at,
            wiki_uid=wiki.uid,
        )
        seen = None if seen_item is None else tables.acls.decode(seen_item)
        if seen is not None and not seen.is_expired(now) and _same_grant(seen, granted):
            if check_users:
                return seen
            granted = seen  # stored again, because it may lack the mark
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki_key, alive(wiki.uid))
        transaction.put(
            "grant", tables.acls, granted, unchanged(tables, seen_item), **({} if check_users else _FOREIGN)
        )
        try:
            await transaction.commit(tables.acls, acl_key, deadline=deadline)
        except TransactionRefusedError:  # the wiki or the grant has changed since
            await contention.pause()
        else:
            return granted


async def revoke(tables: Tables, key: WikiKey, grantee_id: str) -> bool:
    """Delete the grant, at both ends of a move at once; return whether there was one.

    Raises:
        WriteOutcomeUnknownError: An answer was lost, and the wiki has moved or been deleted since.

    """
    protect_owner(tables, key, grantee_id)
    deadline = tables.wire.deadline()
    contention = Contention()
    unsettled: TransactionRefusedError | None = None
    while True:
        place, wiki = await _place_of(tables, key, deadline)
        acl_key = (place.wiki_id, grantee_id)
        is_there = wiki is None or wiki.status in {WikiStatus.ACTIVE, WikiStatus.MOVING}
        grant = await tables.acls.get_item(acl_key, deadline) if is_there else None
        if grant is None:
            if unsettled is not None:
                raise WriteOutcomeUnknownError(*tables.acls.where(acl_key), "TransactWriteItems") from unsettled
            return False
        transaction = Transaction(tables.wire)
        state = tables.wikis.absent if wiki is None else still(wiki)
        transaction.check("wiki", tables.wikis, (place.owner_id, place.wiki_slug), state)
        transaction.delete("grant", tables.acls, acl_key, tables.acls.unchanged(grant))
        if wiki is not None and wiki.moving_to is not None:  # the move may have copied the grant
            transaction.delete("copy", tables.acls, (wiki.moving_to, grantee_id))
        try:
            await transaction.commit(tables.acls, acl_key, deadline=deadline)
        except TransactionRefusedError as refused:
            if refused.maybe_applied:
                if not refused.failed("wiki") and refused.item("grant") is None:
                    return True
                unsettled = refused
            await contention.pause()
        else:
            return True


async def _place_of(tables: Tables, key: WikiKey, deadline: float) -> tuple[WikiKey, Move | None]:
    """Return the wiki's key and state; if this key holds the remnant of a move, those of the target."""
    wiki = await read_completed(tables, (key.owner_id, key.wiki_slug), deadline=deadline)
    if wiki is None or wiki.status is not WikiStatus.DELETING or wiki.moved_to is None:
        return key, wiki
    target = other_end(tables, wiki, wiki.moved_to)
    moved = await read_completed(tables, (target.owner_id, target.wiki_slug), deadline=deadline)
    if moved is None or (moved.uid, moved.operation) != (wiki.uid, wiki.operation):
        return key, wiki
    return target, moved


async def with_users(tables: Tables, page: Page[Acl]) -> Page[Member]:
    """Return each grant of a page with its user."""
    users = await tables.users.get_each((acl.grantee_id,) for acl in page)
    found = [users.get((acl.grantee_id,)) for acl in page]
    members = [Member(acl, user if isinstance(user, User) else None) for acl, user in zip(page, found, strict=True)]
    return Page(members, page.cursor, page.corrupt + corrupt_among(users.values()))


async def with_wikis(tables: Tables, page: Page[Acl]) -> Page[Share]:
    """Return each grant of a page with its wiki, if it opens one."""
    keys = [_wiki_key(acl) for acl in page]
    wikis = await tables.wikis.get_each(key for key in keys if key is not None)
    found = [None if key is None else wikis.get(key) for key in keys]
    shares = [Share(acl, _if_opened(wiki, acl)) for acl, wiki in zip(page, found, strict=True)]
    return Page(shares, page.cursor, page.corrupt + corrupt_among(wikis.values()))


def _wiki_key(acl: Acl) -> Key | None:
    """Return the key of a grant's wiki, None if another program wrote a wiki_id that names none."""
    try:
        key = WikiKey.parse(acl.wiki_id)
    except InvalidKeyError:
        return None
    return key.owner_id, key.wiki_slug


def protect_owner(tables: Tables, key: WikiKey, grantee_id: str) -> None:
    """Reject a change of the access that the owner has by owning the wiki."""
    if grantee_id == key.owner_id:
        raise ProtectedOwnerError(*tables.acls.where((key.wiki_id, grantee_id)))


def _if_opened(wiki: Wiki | CorruptItemError | None, acl: Acl) -> Wiki | None:
    """Return the wiki if the grant is for it and it is live."""
    return wiki if isinstance(wiki, Wiki) and wiki.is_live and acl.is_for(wiki) else None


def require_active(tables: Tables, key: WikiKey, item: Item | None) -> Wiki:
    """Return the wiki if grants can be given in it: not while it moves."""
    where = tables.wikis.where((key.owner_id, key.wiki_slug))
    if item is None:
        raise NotFoundError(*where)
    wiki = tables.wikis.decode(item)
    if wiki.status is not WikiStatus.ACTIVE:
        raise NotActiveError(*where, wiki.status)
    return wiki


def require_staying(tables: Tables, key: Key, item: Item | None) -> None:
    """Reject an id that is not a user, or is a user who is being deleted: a grant would outlive the user."""
    if item is None:
        raise NotFoundError(*tables.users.where(key))
    user = tables.users.decode(item)
    if user.status is UserStatus.DELETING:
        raise NotActiveError(*tables.users.where(key), user.status)


def alive(uid: str) -> Condition:
    """Hold while the wiki is active and of this incarnation."""
    return equals("uid", string(uid)) & absent_or("status", "=", string(WikiStatus.ACTIVE.value))


def _same_grant(one: Acl, other: Acl) -> bool:
    """Return whether both allow the same, whoever granted it and whenever."""
    return (one.role, one.expires_at, one.wiki_uid) == (other.role, other.expires_at, other.wiki_uid)


def unchanged(tables: Tables, seen: Item | None) -> Condition:
    """Hold while the grant is the one that was read."""
    return tables.acls.absent if seen is None else tables.acls.unchanged(seen)
