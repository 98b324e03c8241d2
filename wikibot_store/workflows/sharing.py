"""Grants of wikis that exist, and the people behind them."""

import asyncio
from datetime import UTC, datetime

from wikibot_store._expressions import Condition, absent_or, equals
from wikibot_store._items import string, time
from wikibot_store._table import TransactionRefusedError, batch_get, new_write_id, transact
from wikibot_store._tables import Tables
from wikibot_store._wire import contention_delay
from wikibot_store.daos.acls import AclDao
from wikibot_store.errors import NotActiveError, NotFoundError, ProtectedOwnerError
from wikibot_store.keys import WikiKey, check_id
from wikibot_store.models import Acl, Page, Role, User, Wiki, WikiStatus


async def grant(
    tables: Tables, key: WikiKey, grantee_id: str, role: Role, *, granted_by: str, expires_at: datetime | None
) -> Acl:
    """Put the grant on condition that the wiki is live and the same that was read."""
    protect_owner(tables, key, grantee_id)
    acl_key, wiki_key = (key.wiki_id, grantee_id), (key.owner_id, key.wiki_slug)
    deadline = tables.wire.deadline()
    attempt = 0
    while True:
        attempt += 1
        found = await batch_get(
            tables.wire, {tables.wikis: [wiki_key], tables.acls: [acl_key]}, consistent=True, deadline=deadline
        )
        wiki = _require_live(tables, key, found[tables.wikis].get(wiki_key))
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
        write_id = new_write_id()
        alive = equals("uid", string(wiki.uid)) & absent_or("status", "=", string(WikiStatus.ACTIVE.value))
        actions = [
            tables.wikis.check_action(wiki_key, alive),
            tables.acls.put_action(tables.acls.codec.encode(wanted, write_id), _unchanged(tables, seen)),
        ]
        where = tables.acls.key(acl_key)
        try:
            await transact(
                tables.wire, actions, write_id=write_id, table=tables.acls.name, key=where, deadline=deadline
            )
        except TransactionRefusedError:  # the wiki or the grant has changed since
            await asyncio.sleep(contention_delay(attempt))
        else:
            return wanted


async def revoke(tables: Tables, key: WikiKey, grantee_id: str) -> bool:
    """Delete the grant, whatever the state of the wiki; return whether there was one."""
    protect_owner(tables, key, grantee_id)
    return await tables.acls.delete(key.wiki_id, grantee_id)


async def members(
    tables: Tables, acls: AclDao, key: WikiKey, *, limit: int, cursor: str | None
) -> Page[tuple[Acl, User | None]]:
    """Page through the grants, then read all their people at once."""
    page = await acls.list_by_wiki(key.wiki_id, limit=limit, cursor=cursor)
    users = await tables.users.get_many((acl.grantee_id,) for acl in page)
    return Page([(acl, users.get((acl.grantee_id,))) for acl in page], page.cursor)


def protect_owner(tables: Tables, key: WikiKey, grantee_id: str) -> None:
    """Refuse to touch the access that the owner has by owning."""
    if check_id("grantee_id", grantee_id) == key.owner_id:
        raise ProtectedOwnerError(tables.acls.name, tables.acls.key((key.wiki_id, grantee_id)))


def _require_live(tables: Tables, key: WikiKey, wiki: Wiki | None) -> Wiki:
    where = {"owner_id": key.owner_id, "wiki_slug": key.wiki_slug}
    if wiki is None:
        raise NotFoundError(tables.wikis.name, where)
    if wiki.status is not WikiStatus.ACTIVE:
        raise NotActiveError(tables.wikis.name, where, wiki.status)
    return wiki


def _same_grant(one: Acl, other: Acl) -> bool:
    """Tell whether both allow the same, no matter who granted it and when."""
    return (one.role, one.expires_at, one.wiki_uid) == (other.role, other.expires_at, other.wiki_uid)


def _unchanged(tables: Tables, seen: Acl | None) -> Condition:
    """Hold while the grant is the one that was seen: each has its own time."""
    return tables.acls.absent if seen is None else equals("granted_at", time(seen.granted_at))
