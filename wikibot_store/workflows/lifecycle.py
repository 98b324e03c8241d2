"""The life of a wiki across the tables: made within its owner's quota, deleted with its grants."""

import asyncio
from datetime import UTC, datetime

from wikibot_store._expressions import Update, absent_or, compare, equals
from wikibot_store._items import WRITE_ID, Item, number, string
from wikibot_store._table import (
    ConditionFailedError,
    KeyValues,
    Listing,
    TransactionRefusedError,
    new_write_id,
    transact,
)
from wikibot_store._tables import Tables
from wikibot_store._wire import contention_delay
from wikibot_store.errors import AlreadyExistsError, NotActiveError, NotFoundError, QuotaExceededError
from wikibot_store.keys import WikiKey, check_id
from wikibot_store.models import User, UserStatus, Wiki, WikiStatus

_DELETING = string(WikiStatus.DELETING.value)


async def create_wiki(tables: Tables, wiki: Wiki, *, limit: int | None) -> Wiki:
    """Put the wiki and count it at its owner: both or neither, and only if the owner is active and below the limit."""
    write_id = new_write_id()
    owner, key = (wiki.owner_id,), tables.wikis.key_values(wiki)
    may_own = absent_or("status", "=", string(UserStatus.ACTIVE.value))
    if limit is not None:
        fewer = compare("wiki_count", "<", number(limit))
        may_own &= absent_or("wiki_count", "<", number(limit)) if limit > 0 else fewer
    actions = [
        tables.users.update_action(owner, _count(1, write_id), may_own),
        tables.wikis.put_action(tables.wikis.codec.encode(wiki, write_id), tables.wikis.absent),
    ]
    where = tables.wikis.key(key)
    try:
        await transact(tables.wire, actions, write_id=write_id, table=tables.wikis.name, key=where)
    except TransactionRefusedError as refused:
        if refused.failed(0):
            raise _owner_error(tables, owner, refused.reasons[0].item, limit) from refused
        raise AlreadyExistsError(tables.wikis.name, where, "wiki_slug") from refused
    return wiki


def _owner_error(tables: Tables, owner: KeyValues, item: Item | None, limit: int | None) -> Exception:
    """Return why the owner may not have one more wiki."""
    name, key = tables.users.name, tables.users.key(owner)
    if item is None:
        return NotFoundError(name, key)
    user: User = tables.users.codec.from_item(item, name)
    if user.status is not UserStatus.ACTIVE or limit is None:
        return NotActiveError(name, key, user.status)
    return QuotaExceededError(name, key, limit)


async def delete_wiki(tables: Tables, owner_id: str, wiki_slug: str) -> None:
    """Mark the wiki, so that nothing is granted any more; delete its grants; delete it and count it out.

    Each step finds what an earlier call left, so that a call after a crash goes on where that one stopped.
    """
    key = WikiKey(owner_id, wiki_slug)
    wiki = await _mark_deleting(tables, (key.owner_id, key.wiki_slug))
    if wiki is not None:
        await _delete_grants(tables, key.wiki_id)
        await _delete_marked(tables, wiki)


async def _mark_deleting(tables: Tables, key: KeyValues) -> Wiki | None:
    """Set the status, and return the wiki as it is then; None if there is none."""
    attempt = 0
    while True:
        attempt += 1
        wiki = await tables.wikis.get(*key, consistent=True)
        if wiki is None or wiki.status is WikiStatus.DELETING:
            return wiki
        update = Update(set={"status": _DELETING, **tables.wikis.next_version(wiki.version, datetime.now(UTC))})
        try:
            return await tables.wikis.patch(key, update, tables.wikis.version_is(wiki.version))
        except ConditionFailedError:
            await asyncio.sleep(contention_delay(attempt))


async def _delete_grants(tables: Tables, wiki_id: str) -> None:
    """Delete all grants of a wiki, expired and corrupt ones too."""
    listing = Listing(
        name="", partition=("wiki_id", wiki_id), sort_key="grantee_id", check=lambda grantee: check_id("", grantee)
    )
    async for keys in tables.acls.key_pages(listing):
        await tables.acls.delete_many(keys)


async def _delete_marked(tables: Tables, wiki: Wiki) -> None:
    """Delete the wiki if it is still this incarnation, and count it out."""
    if not await _delete_and_count(tables, wiki, counted=True):
        # The owner is gone, or has never counted this wiki.
        await _delete_and_count(tables, wiki, counted=False)


async def _delete_and_count(tables: Tables, wiki: Wiki, *, counted: bool) -> bool:
    """Return False if the owner's count does not allow it; a wiki that somebody else has deleted counts as done."""
    write_id = new_write_id()
    key = tables.wikis.key_values(wiki)
    doomed = equals("uid", string(wiki.uid)) & equals("status", _DELETING)
    actions = [tables.wikis.delete_action(key, doomed)]
    if counted:
        some = compare("wiki_count", ">", number(0))
        actions.append(tables.users.update_action((wiki.owner_id,), _count(-1, write_id), some))
    try:
        await transact(tables.wire, actions, write_id=write_id, table=tables.wikis.name, key=tables.wikis.key(key))
    except TransactionRefusedError as refused:
        return refused.failed(0)
    return True


def _count(change: int, write_id: str) -> Update:
    return Update(set={WRITE_ID: string(write_id)}, add={"wiki_count": number(change)})
