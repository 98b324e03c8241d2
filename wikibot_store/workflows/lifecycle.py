"""The life of a wiki across the tables: made within its owner's quota, deleted with its grants."""

from collections.abc import Sequence

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Condition, Update, absent_or, compare, equals, not_exists
from wikibot_store._dynamo.items import Item, number, string
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store._dynamo.transaction import MAX_ACTIONS, Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, NotActiveError, NotFoundError, QuotaExceededError
from wikibot_store.keys import WikiKey
from wikibot_store.models import UserStatus, Wiki, WikiStatus
from wikibot_store.workflows.tables import Move, Tables

_GRANTS_AT_A_TIME = MAX_ACTIONS - 1


async def create_wiki(tables: Tables, wiki: Wiki, *, limit: int | None) -> Wiki:
    """Put the wiki and count it at its owner: both or neither, and only if the owner is active and below the limit."""
    owner, key = (wiki.owner_id,), tables.wikis.key_of(wiki)
    transaction = Transaction(tables.wire)
    transaction.update("owner", tables.users, owner, count(1), may_own_more(limit))
    transaction.put("wiki", tables.wikis, wiki, tables.wikis.absent)
    try:
        await transaction.commit(tables.wikis, key)
    except TransactionRefusedError as refused:
        found = refused.item("wiki")
        if found is not None and found.get("uid") == string(wiki.uid):  # created by an attempt whose answer was lost
            return wiki
        if refused.failed("owner"):
            raise owner_error(tables, owner, refused.item("owner"), limit) from refused
        raise AlreadyExistsError(*tables.wikis.where(key), "wiki_slug") from refused
    return wiki


def count(change: int) -> Update:
    """Return the change of an owner's count."""
    return Update(add={"wiki_count": number(change)})


def is_active_user() -> Condition:
    """Hold for a user who is neither suspended nor being deleted."""
    return absent_or("status", "=", string(UserStatus.ACTIVE.value))


def is_staying() -> Condition:
    """Hold for a user who is not being deleted, also for one who is not there."""
    return absent_or("status", "<>", string(UserStatus.DELETING.value))


def may_own_more(limit: int | None) -> Condition:
    """Hold for an owner who is active and has fewer than `limit` wikis."""
    if limit is None:
        return is_active_user()
    fewer = compare("wiki_count", "<", number(limit))
    return is_active_user() & (absent_or("wiki_count", "<", number(limit)) if limit > 0 else fewer)


def owner_error(tables: Tables, owner: Key, item: Item | None, limit: int | None) -> Exception:
    """Return why the owner may not have one more wiki."""
    where = tables.users.where(owner)
    if item is None:
        return NotFoundError(*where)
    user = tables.users.decode(item)
    if user.status is not UserStatus.ACTIVE or limit is None:
        return NotActiveError(*where, user.status)
    return QuotaExceededError(*where, limit)


async def delete_wiki(tables: Tables, key: WikiKey, *, seen: Move | None = None) -> bool:
    """Mark the wiki, so that nothing is granted any more; delete its grants; delete it and count it out.

    Each step finds what an earlier call left, so that a call after a crash goes on where that one stopped. A move that
    is under way is given up. Who deletes it for the state that was `seen` leaves it alone in any other. Return whether
    there was a wiki.
    """
    doomed = await _mark_deleting(tables, (key.owner_id, key.wiki_slug), seen)
    if doomed is None:
        return False
    if doomed.moving_to is not None:
        arriving = await read_move(tables, WikiKey.parse(doomed.moving_to))
        if arriving is not None and arriving.uid == doomed.uid and arriving.status is WikiStatus.DELETING:
            await finish_delete(tables, arriving)
    await finish_delete(tables, doomed)
    return True


async def read_move(tables: Tables, key: WikiKey, *, deadline: float | None = None) -> Move | None:
    """Read a wiki's state consistently; nothing else of the item need decode."""
    item = await tables.moves.get_item((key.owner_id, key.wiki_slug), deadline)
    return None if item is None else tables.moves.decode(item)


async def _mark_deleting(tables: Tables, key: Key, seen: Move | None) -> Move | None:
    """Set the status, also of the other end of a move; return the state as it was before, None if there is no wiki."""
    contention = Contention()
    while True:
        wiki = await read_move(tables, WikiKey(*key))
        if wiki is not None and seen is not None and (wiki.uid, wiki.status) != (seen.uid, seen.status):
            return None
        if wiki is None or wiki.status is WikiStatus.DELETING:
            return wiki
        try:
            if wiki.status is WikiStatus.ACTIVE:
                update = tables.wikis.next_version(wiki.version, utc_now())
                await tables.moves.patch(key, _deleting(update), still(wiki) & tables.wikis.version_is(wiki.version))
            else:
                await _give_up(tables, wiki)
        except (ConditionFailedError, TransactionRefusedError):
            await contention.pause()
        else:
            return wiki


async def _give_up(tables: Tables, wiki: Move) -> None:
    """End a move at both of its ends: whichever is to be deleted, what has not arrived is deleted with it.

    Raises:
        TransactionRefusedError: The move has gone on meanwhile.

    """
    transaction = Transaction(tables.wire)
    transaction.update("wiki", tables.moves, wiki.key, _deleting(), still(wiki))
    other = await read_move(tables, WikiKey.parse(wiki.moving_to or wiki.moving_from or wiki.wiki_id))
    if other is not None and wiki.wiki_id in {other.moving_to, other.moving_from} and other.uid == wiki.uid:
        stays = Update(set={"status": string(WikiStatus.ACTIVE.value)}, remove=("moving_to",))
        end = stays if wiki.status is WikiStatus.ARRIVING else _deleting()
        transaction.update("other end", tables.moves, other.key, end, still(other))
    await transaction.commit(tables.wikis, wiki.key)


def _deleting(attributes: Item | None = None) -> Update:
    return Update(set={"status": string(WikiStatus.DELETING.value), **(attributes or {})})


def still(wiki: Move) -> Condition:
    """Hold while the wiki is in the state that was read, and in the same move."""
    same, status = equals("uid", string(wiki.uid)), string(wiki.status.value)
    if wiki.status is WikiStatus.ACTIVE:
        return same & absent_or("status", "=", status)
    ends = {"moving_to": wiki.moving_to, "moving_from": wiki.moving_from}
    for end, wiki_id in ends.items():
        same &= not_exists(end) if wiki_id is None else equals(end, string(wiki_id))
    return same & equals("status", status)


async def finish_delete(tables: Tables, wiki: Move) -> None:
    """Delete what is marked: all grants of the wiki, expired and corrupt ones too, then the item and its count."""
    async for grants in tables.acls.partition(wiki.wiki_id, keys_only=True):
        for start in range(0, len(grants), _GRANTS_AT_A_TIME):
            if not await _delete_grants(tables, wiki, grants[start : start + _GRANTS_AT_A_TIME]):
                return
    if wiki.uncounted or not await _delete_marked(tables, wiki, counted=True):
        # It does not count, or its owner is gone or has never counted it.
        await _delete_marked(tables, wiki, counted=False)


async def _delete_grants(tables: Tables, wiki: Move, grants: Sequence[Item]) -> bool:
    """Delete grants by key; False if the wiki has gone, and they may be those of a later one."""
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, wiki.key, _doomed(wiki))
    for grant in grants:
        grantee_id = grant["grantee_id"]["S"]
        transaction.delete(f"grant to {grantee_id}", tables.acls, (wiki.wiki_id, grantee_id))
    try:
        await transaction.commit(tables.wikis, wiki.key)
    except TransactionRefusedError:
        return False
    return True


async def _delete_marked(tables: Tables, wiki: Move, *, counted: bool) -> bool:
    """Return False if the owner's count does not allow it; a wiki that somebody else has deleted counts as done."""
    transaction = Transaction(tables.wire)
    transaction.delete("wiki", tables.wikis, wiki.key, _doomed(wiki))
    if counted:
        some = compare("wiki_count", ">", number(0))
        transaction.update("owner", tables.users, (wiki.owner_id,), count(-1), some)
    try:
        await transaction.commit(tables.wikis, wiki.key)
    except TransactionRefusedError as refused:
        return refused.failed("wiki")
    return True


def _doomed(wiki: Move) -> Condition:
    return equals("uid", string(wiki.uid)) & equals("status", string(WikiStatus.DELETING.value))
