"""A wiki moves to another key with all its grants: renamed, or transferred to another owner.

    source                 target
    active                 -
      │ begin: one transaction gives the move an id, which both items have from now on
    moving                 arriving
      │ copy every grant; switch: one transaction, which also counts the wiki at its new owner
    deleting               active
      │ clean up: what is left is deleted; the id goes with it
    -                      active

The wiki is live under the source's key until the switch, and under the target's key afterwards: at every moment under
exactly one of them. Nothing can be granted while it moves, so the copies are complete. A revoke deletes both copies.

Every step has the condition that both items carry the move's id. A second call of the same move therefore continues it,
and the step of a client that wakes up late fails. Before the switch, a deletion of either key or a sweep gives the move
up; only the same call finishes it, so every call knows its own result. A wiki can move again after the remnant of its
last move is deleted.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Update, compare, equals, not_exists
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.table import ConditionFailedError, new_write_id
from wikibot_store._dynamo.transaction import MAX_ACTIONS, Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import NotActiveError, NotFoundError, WriteOutcomeUnknownError
from wikibot_store.keys import WikiKey, is_invite
from wikibot_store.models import Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import (
    CountOut,
    count,
    ends_of,
    finish_delete,
    give_up_move,
    is_staying,
    may_own_more,
    other_end,
    owner_error,
    read_move,
    still,
    vacate,
)
from wikibot_store.workflows.tables import OPERATION, Move, Tables

_ACTIVE = string(WikiStatus.ACTIVE.value)
_MOVING = string(WikiStatus.MOVING.value)
_ARRIVING = string(WikiStatus.ARRIVING.value)
_DELETING = string(WikiStatus.DELETING.value)

# What an item says of a move, and not of the wiki.
_STATE = frozenset({OPERATION, "moving_to", "moved_to", "moving_from", "moved_from", "uncounted"})
_GRANTS_AT_A_TIME = (MAX_ACTIONS - 1) // 2


class _OvertakenError(Exception):
    """The move is no longer in the state that a step requires."""


async def move_wiki(tables: Tables, source: WikiKey, target: WikiKey, *, limit: int | None = None) -> Wiki:
    """Move a wiki to another key, or continue the same move where an earlier call stopped."""
    contention = Contention()
    while True:
        # In this order, so that a wiki that has left the source is seen at the target.
        item = await tables.moves.get_item((source.owner_id, source.wiki_slug))
        arrival = await tables.moves.get_item((target.owner_id, target.wiki_slug))
        if await tables.moves.complete(item):
            continue
        wiki = None if item is None else tables.moves.decode(item)
        if arrival is not None and await _has_moved(tables, wiki, source, tables.moves.decode(arrival)):
            return tables.wikis.decode(arrival)
        if item is None or wiki is None:
            if await _is_nowhere(tables, source, target):
                raise NotFoundError(*tables.wikis.where((source.owner_id, source.wiki_slug)))
            await contention.pause()
            continue
        _require_movable(tables, wiki, target)
        if source == target:
            return tables.wikis.decode(item)
        try:
            moving = await _begin(tables, wiki, item, target, limit=limit)
            await _copy_grants(tables, moving, target)
            return await _switch(tables, moving, target, limit=limit)
        except _OvertakenError:
            await contention.pause()


async def _is_nowhere(tables: Tables, source: WikiKey, target: WikiKey) -> bool:
    """Return whether at one moment no wiki is at the source, and none at the target that came from there.

    Between two reads it may move there and back, so this is a transaction. It writes nothing.
    """
    wikis, transaction = tables.wikis, Transaction(tables.wire)
    transaction.check("source", wikis, (source.owner_id, source.wiki_slug), wikis.absent)
    if target != source:
        from_elsewhere = not_exists("moved_from") | compare("moved_from", "<>", string(source.wiki_id))
        is_leaving = compare("status", "<>", _ACTIVE) & compare("status", "<>", _MOVING)
        transaction.check("target", wikis, (target.owner_id, target.wiki_slug), from_elsewhere | is_leaving)
    try:
        await transaction.commit(wikis, (source.owner_id, source.wiki_slug))
    except TransactionRefusedError:
        return False
    return True


async def _has_moved(tables: Tables, left: Move | None, source: WikiKey, arrival: Move) -> bool:
    """Return whether the wiki at the target came from the source; if so, delete the remnant at the source."""
    if arrival.moved_from != source.wiki_id or arrival.status not in {WikiStatus.ACTIVE, WikiStatus.MOVING}:
        return False
    if left is None:
        return True
    if left.status is not WikiStatus.DELETING or left.uid != arrival.uid:
        return False
    await finish_delete(tables, left)
    return True


def _require_movable(tables: Tables, wiki: Move, target: WikiKey) -> None:
    """Reject a move of a wiki that is not active, unless it is already moving to the target."""
    if wiki.status is not WikiStatus.ACTIVE and wiki.moving_to != target.wiki_id:
        raise NotActiveError(*tables.wikis.where(wiki.key), wiki.status)


async def _begin(tables: Tables, wiki: Move, item: Item, target: WikiKey, *, limit: int | None) -> Move:
    """Reserve the target's key and mark the source, or continue the move that is under way; return the source.

    The switch copies everything that is written to the wiki until then.

    Raises:
        _OvertakenError: The source has changed, or this call had to change its state first.

    """
    if wiki.status is WikiStatus.MOVING:
        if wiki.operation is not None and None not in await ends_of(tables, wiki):
            return wiki
        await give_up_move(tables, wiki)  # begun by an earlier version, or its target is missing
        raise _OvertakenError
    if wiki.operation is not None:
        await settle(tables, wiki)
        raise _OvertakenError
    operation = string(new_write_id())
    key, owner = (target.owner_id, target.wiki_slug), (target.owner_id,)
    begun = {"status": _MOVING, OPERATION: operation, "moving_to": string(target.wiki_id)}
    arriving = {"status": _ARRIVING, OPERATION: operation, "moving_from": string(wiki.wiki_id)}
    may_come = is_staying() if target.owner_id == wiki.owner_id else tables.users.exists & may_own_more(limit)
    transaction = Transaction(tables.wire)
    transaction.update("source", tables.moves, wiki.key, Update(set=begun), still(wiki))
    transaction.put_item("target", tables.wikis, _item_at(target, item, arriving), tables.wikis.absent)
    transaction.check("owner", tables.users, owner, may_come)
    try:
        await transaction.commit(tables.wikis, key)
    except TransactionRefusedError as refused:
        if not refused.failed("source"):
            if refused.failed("target"):
                await vacate(tables, key, refused.item("target"))
            else:
                raise owner_error(tables, owner, refused.item("owner"), limit) from refused
        raise _OvertakenError from refused
    return replace(wiki, status=WikiStatus.MOVING, operation=operation["S"], moving_to=target.wiki_id)


async def settle(tables: Tables, wiki: Move) -> None:
    """Delete the remnant of an active wiki's last move, so that the wiki can move again."""
    left = None if wiki.moved_from is None else await read_move(tables, other_end(tables, wiki, wiki.moved_from))
    if left is not None and (left.status, left.operation) == (WikiStatus.DELETING, wiki.operation):
        await finish_delete(tables, left)
        return
    try:
        await tables.moves.patch(wiki.key, Update(remove=(OPERATION,)), still(wiki))
    except ConditionFailedError:
        return  # another call has settled it, or changed its state


def _item_at(target: WikiKey, item: Item, state: Item) -> Item:
    """Return the wiki's item, with its unknown attributes, under the target's key and in a new state."""
    kept = {name: value for name, value in item.items() if name not in _STATE}
    return kept | {"owner_id": string(target.owner_id), "wiki_slug": string(target.wiki_slug)} | state


async def _copy_grants(tables: Tables, wiki: Move, target: WikiKey) -> None:
    """Copy every grant of this incarnation, except the receiver's own and invitations (tokens name the old key)."""
    async for grants in tables.acls.partition(wiki.wiki_id):
        coming = [grant for grant in grants if _comes_along(grant, wiki, target)]
        for start in range(0, len(coming), _GRANTS_AT_A_TIME):
            await _copy(tables, wiki, target, coming[start : start + _GRANTS_AT_A_TIME])


def _comes_along(grant: Item, wiki: Move, target: WikiKey) -> bool:
    grantee_id = grant["grantee_id"]["S"]
    of_this_wiki = grant.get("wiki_uid", string(wiki.uid)) == string(wiki.uid)
    return of_this_wiki and grantee_id != target.owner_id and not is_invite(grantee_id)


async def _copy(tables: Tables, wiki: Move, target: WikiKey, grants: Sequence[Item]) -> None:
    """Copy grants as they are stored now; a grant that was revoked since it was read is not copied."""
    while grants:
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki.key, still(wiki))
        for position, grant in enumerate(grants):
            key = (wiki.wiki_id, grant["grantee_id"]["S"])
            transaction.check(f"{position} stays", tables.acls, key, tables.acls.unchanged(grant))
            transaction.put_item(f"{position} copy", tables.acls, grant | {"wiki_id": string(target.wiki_id)})
        try:
            await transaction.commit(tables.wikis, wiki.key)
        except TransactionRefusedError as refused:
            if refused.failed("wiki"):
                raise _OvertakenError from refused
            now = [
                refused.item(f"{position} stays") if refused.failed(f"{position} stays") else grant
                for position, grant in enumerate(grants)
            ]
            grants = [grant for grant in now if grant is not None]
        else:
            return


async def _switch(tables: Tables, wiki: Move, target: WikiKey, *, limit: int | None) -> Wiki:
    """Make the wiki live at the target, with everything written to it so far, and no longer at the source.

    Then delete the remnant at the source; return the wiki as this call wrote it to the target.
    """
    operation = string(wiki.operation or "")
    left = {"status": _DELETING, "moved_to": string(target.wiki_id)}
    arriving = equals("uid", string(wiki.uid)) & equals("status", _ARRIVING) & equals(OPERATION, operation)
    count_out = CountOut(tables, wiki.owner_id)
    is_transfer = target.owner_id != wiki.owner_id
    contention = Contention()
    while True:
        item = await tables.wikis.get_item(wiki.key)
        if item is None or (item.get("status"), item.get(OPERATION)) != (_MOVING, operation):
            raise _OvertakenError
        arrived = {"status": _ACTIVE, OPERATION: operation, "moved_from": string(wiki.wiki_id)}
        arrived |= tables.wikis.next_version(tables.moves.decode(item).version, utc_now())
        there = _item_at(target, item, arrived)
        transaction = Transaction(tables.wire)
        unchanged = tables.wikis.unchanged(item)
        transaction.update("source", tables.moves, wiki.key, Update(set=left, remove=("moving_to",)), unchanged)
        transaction.put_item("target", tables.wikis, there, arriving)
        if is_transfer:
            transaction.update("receiver", tables.users, (target.owner_id,), count(1), may_own_more(limit))
            count_out.add_to(transaction)
        try:
            await transaction.commit(tables.wikis, wiki.key)
        except TransactionRefusedError as refused:
            if refused.failed("target"):
                await _settle_switch(tables, wiki, target, refused)
            if is_transfer and refused.failed("receiver") and not refused.failed("source"):
                await give_up_move(tables, tables.moves.decode(item))
                raise owner_error(tables, (target.owner_id,), refused.item("receiver"), limit) from refused
            if is_transfer:
                count_out.learn(refused)
            await contention.pause()
        else:
            remnant = replace(wiki, status=WikiStatus.DELETING, moving_to=None, moved_to=target.wiki_id)
            await finish_delete(tables, remnant)
            return tables.wikis.decode(there)


async def _settle_switch(tables: Tables, wiki: Move, target: WikiKey, refused: TransactionRefusedError) -> None:
    """Raise the error of a switch that found another state at the target."""
    arrival = await read_move(tables, target)
    has_switched = arrival is not None and (arrival.uid, arrival.moved_from) == (wiki.uid, wiki.wiki_id)
    if refused.maybe_applied and not has_switched:
        where = tables.wikis.where(wiki.key)
        raise WriteOutcomeUnknownError(*where, "TransactWriteItems") from refused
    raise _OvertakenError from refused
