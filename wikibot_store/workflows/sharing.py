"""Grants of wikis that exist, and the people behind them."""

from datetime import UTC, datetime
from typing import TypeVar

from wikibot_store._expressions import Condition, absent_or, equals
from wikibot_store._items import WRITE_ID, string, time
from wikibot_store._reads import batch_get
from wikibot_store._tables import Move, Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.daos.acls import AclDao
from wikibot_store.errors import NotActiveError, NotFoundError, ProtectedOwnerError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Acl, Page, Role, User, Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import read_move, still


async def grant(
    tables: Tables, key: WikiKey, grantee_id: str, role: Role, *, granted_by: str, expires_at: datetime | None
) -> Acl:
    """Put the grant on condition that the wiki is live and the same that was read."""
    protect_owner(tables, key, grantee_id)
    acl_key, wiki_key = (key.wiki_id, grantee_id), (key.owner_id, key.wiki_slug)
    deadline = tables.wire.deadline()
    contention = Contention()
    while True:
        found = await batch_get(
            tables.wire, {tables.wikis: [wiki_key], tables.acls: [acl_key]}, consistent=True, deadline=deadline
        )
        wiki = require_active(tables, key, found[tables.wikis].get(wiki_key))
        now = datetime.now(UTC)
        wanted = Acl(
            wiki_id=key.wiki_id,
            grantee_id=grantee_id,
            role=role,
            granted_by=granted_by,
            granted_at=now,
            expires_at=expires_at,
            wiki_uid=wiki.uid,
        )
        seen: Acl | None = found[tables.acls].get(acl_key)
        if seen is not None and not seen.is_expired(now) and _same_grant(seen, wanted):
            return seen
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki_key, alive(wiki.uid))
        transaction.put("grant", tables.acls, wanted, unchanged(tables, seen))
        try:
            await transaction.commit(tables.acls, acl_key, deadline=deadline)
        except TransactionRefusedError:  # the wiki or the grant has changed since
            await contention.pause()
        else:
            return wanted


async def revoke(tables: Tables, key: WikiKey, grantee_id: str) -> bool:
    """Delete the grant, whatever the state of the wiki, at all ends of a move at once; return whether there was one."""
    protect_owner(tables, key, grantee_id)
    deadline = tables.wire.deadline()
    contention = Contention()
    was_there = False
    while True:
        ends = await _ends(tables, key, deadline)
        grants = [await tables.acls.get_item((end.wiki_id, grantee_id), deadline) for end in ends]
        found = any(grant is not None for grant in grants)
        # What was read is checked again, also that there is nothing: no copy of a grant slips past.
        transaction = Transaction(tables.wire)
        for (end, wiki), grant in zip(ends.items(), grants, strict=True):
            state = tables.moves.absent if wiki is None else still(wiki)
            transaction.check(f"wiki {end}", tables.moves, (end.owner_id, end.wiki_slug), state)
            acl_key, name = (end.wiki_id, grantee_id), f"grant {end}"
            if grant is None:
                transaction.check(name, tables.acls, acl_key, tables.acls.absent)
            else:
                transaction.delete(name, tables.acls, acl_key, tables.acls.unchanged(grant, WRITE_ID))
        try:
            await transaction.commit(tables.acls, (key.wiki_id, grantee_id), deadline=deadline)
        except TransactionRefusedError as refused:
            was_there |= found and refused.maybe_applied
            await contention.pause()
        else:
            return found or was_there


async def _ends(tables: Tables, key: WikiKey, deadline: float) -> dict[WikiKey, Move | None]:
    """Read the wiki's state, and while it moves also that under the key that it comes from or goes to."""
    wiki = await read_move(tables, key, deadline=deadline)
    ends = {key: wiki}
    other = None if wiki is None else wiki.moving_from or wiki.moving_to or wiki.moved_to
    while wiki is not None and other is not None and WikiKey.parse(other) not in ends:
        end = await read_move(tables, WikiKey.parse(other), deadline=deadline)
        if end is None or end.uid != wiki.uid:
            break
        ends[WikiKey.parse(other)] = end
        other = end.moving_to or end.moved_to
    return ends


async def members(
    tables: Tables, acls: AclDao, key: WikiKey, *, limit: int, cursor: str | None
) -> Page[tuple[Acl, User | None]]:
    """Page through the grants, then read all their people at once."""
    page = await acls.list_by_wiki(key.wiki_id, limit=limit, cursor=cursor)
    users = await tables.users.get_many((acl.grantee_id,) for acl in page)
    return Page([(acl, users.get((acl.grantee_id,))) for acl in page], page.cursor)


def protect_owner(tables: Tables, key: WikiKey, grantee_id: str) -> None:
    """Refuse to touch the access that the owner has by owning."""
    if grantee_id == key.owner_id:
        raise ProtectedOwnerError(tables.acls.name, tables.acls.key((key.wiki_id, grantee_id)))


async def list_shared_with(
    tables: Tables, acls: AclDao, user_id: str, *, limit: int, cursor: str | None
) -> Page[tuple[Acl, Wiki | None]]:
    """Page through the user's grants, then read all their wikis at once."""
    page = await acls.list_by_grantee(user_id, limit=limit, cursor=cursor)
    keys = [WikiKey.parse(acl.wiki_id) for acl in page]
    wikis = await tables.wikis.get_many((key.owner_id, key.wiki_slug) for key in keys)
    found = [wikis.get((key.owner_id, key.wiki_slug)) for key in keys]
    return Page([(acl, _if_opened(wiki, acl)) for acl, wiki in zip(page, found, strict=True)], page.cursor)


def _if_opened(wiki: Wiki | None, acl: Acl) -> Wiki | None:
    """Return the wiki if the grant is for it and it is live."""
    return wiki if wiki is not None and wiki.is_live and acl.wiki_uid in {None, wiki.uid} else None


W = TypeVar("W", Wiki, Move)


def require_active(tables: Tables, key: WikiKey, wiki: W | None) -> W:
    """Return the wiki if grants can be given in it: not while it moves."""
    where = {"owner_id": key.owner_id, "wiki_slug": key.wiki_slug}
    if wiki is None:
        raise NotFoundError(tables.wikis.name, where)
    if wiki.status is not WikiStatus.ACTIVE:
        raise NotActiveError(tables.wikis.name, where, wiki.status)
    return wiki


def alive(uid: str) -> Condition:
    """Hold while the wiki is active and of this incarnation."""
    return equals("uid", string(uid)) & absent_or("status", "=", string(WikiStatus.ACTIVE.value))


def _same_grant(one: Acl, other: Acl) -> bool:
    """Tell whether both allow the same, no matter who granted it and when."""
    return (one.role, one.expires_at, one.wiki_uid) == (other.role, other.expires_at, other.wiki_uid)


def unchanged(tables: Tables, seen: Acl | None) -> Condition:
    """Hold while the grant is the one that was seen: each has its own time."""
    return tables.acls.absent if seen is None else equals("granted_at", time(seen.granted_at))
