"""A wiki moves to another key with all its grants: renamed, or transferred to another owner.

    source                 target
    active                 -
      │ begin: one transaction reserves the target's key, and a place in the receiver's count
    moving                 arriving
      │ copy every grant; switch: one transaction
    deleting               active
      │ clean up: the source is deleted like any other wiki
    -                      active

The wiki is live under the source's key until the switch and under the target's from then on: at every moment under one
of them. While it moves nothing is granted, so that the copies are complete; a revoke reaches both keys. Each state says
where the wiki goes, so that a call after a crash, or a second call at the same time, goes on from there.
"""

from collections.abc import Sequence
from contextlib import suppress

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Update, equals
from wikibot_store._dynamo.items import WRITE_ID, Item, string
from wikibot_store._dynamo.transaction import MAX_ACTIONS, Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, NotActiveError, NotFoundError
from wikibot_store.keys import WikiKey, is_invite
from wikibot_store.models import Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import (
    count,
    finish_delete,
    is_staying,
    may_own_more,
    owner_error,
    read_move,
    still,
)
from wikibot_store.workflows.tables import Move, Tables

_ACTIVE = string(WikiStatus.ACTIVE.value)
_MOVING = string(WikiStatus.MOVING.value)
_ARRIVING = string(WikiStatus.ARRIVING.value)
_DELETING = string(WikiStatus.DELETING.value)

# What an item says of a move, and not of the wiki.
_STATE = frozenset({"moving_to", "moved_to", "moving_from", "moved_from", "uncounted"})
_GRANTS_AT_A_TIME = (MAX_ACTIONS - 1) // 2


class _OvertakenError(Exception):
    """The move is not in the state any more that a step belongs to."""


async def move_wiki(tables: Tables, source: WikiKey, target: WikiKey, *, limit: int | None = None) -> Wiki:
    """Move a wiki from key to key, or go on with such a move where an earlier call stopped."""
    contention = Contention()
    while True:
        # In this order: where the source has gone the target is seen to have come from it.
        item = await tables.moves.get_item((source.owner_id, source.wiki_slug))
        arrival = await read_move(tables, target)
        if item is None and arrival is not None and arrival.moved_from == source.wiki_id:
            return await _arrived(tables, target)
        item = _require_movable(tables, item, source, target)
        if source == target:
            return await _arrived(tables, target)
        try:
            await _go_on(tables, item, arrival, target, limit=limit)
            return await _arrived(tables, target)
        except _OvertakenError:
            await contention.pause()


async def finish_move(tables: Tables, item: Item, target: WikiKey) -> None:
    """Go on with a move that seemed to stand still; leave the wiki alone if it is in another state by now."""
    arrival = await read_move(tables, target)
    with suppress(_OvertakenError):
        await _go_on(tables, item, arrival, target, limit=None)


async def _go_on(tables: Tables, item: Item, arrival: Move | None, target: WikiKey, *, limit: int | None) -> None:
    """Take the steps that are left; each is bound to the state and the incarnation of the source's item."""
    wiki = tables.moves.decode(item)
    if wiki.status is not WikiStatus.DELETING:
        if wiki.status is WikiStatus.ACTIVE or arrival is None or not _belongs(arrival, wiki):
            await _begin(tables, wiki, item, target, limit=limit)
        await _copy_grants(tables, wiki, target)
        wiki = await _switch(tables, wiki, target)
    await finish_delete(tables, wiki)


def _require_movable(tables: Tables, item: Item | None, source: WikiKey, target: WikiKey) -> Item:
    """Return the source's item if a move to the target can begin or go on."""
    where = tables.wikis.where((source.owner_id, source.wiki_slug))
    if item is None:
        raise NotFoundError(*where)
    wiki = tables.moves.decode(item)
    # One that is deleted in the middle of a move still says where it was moving to, but does not go there any more.
    goes_to = wiki.moved_to if wiki.status is WikiStatus.DELETING else wiki.moving_to
    if wiki.status is not WikiStatus.ACTIVE and goes_to != target.wiki_id:
        raise NotActiveError(*where, wiki.status)
    return item


def _belongs(arrival: Move, wiki: Move) -> bool:
    """Tell whether a target's item has been put by this move."""
    return (arrival.uid, arrival.status, arrival.moving_from) == (wiki.uid, WikiStatus.ARRIVING, wiki.wiki_id)


async def _begin(tables: Tables, wiki: Move, item: Item, target: WikiKey, *, limit: int | None) -> None:
    """Reserve the target's key and a place in the receiver's count, and say so at the source; or refuse all of it.

    Also a begun move whose target has got lost begins anew. What is written to the wiki from now on, the switch brings.
    """
    key, owner = (target.owner_id, target.wiki_slug), (target.owner_id,)
    begun = Update(set={"status": _MOVING, "moving_to": string(target.wiki_id)})
    arriving = {"status": _ARRIVING, "moving_from": string(wiki.wiki_id), **_uncounted(wiki, target)}
    transaction = Transaction(tables.wire)
    transaction.update("source", tables.moves, wiki.key, begun, still(wiki))
    transaction.put_item("target", tables.wikis, _item_at(target, item, arriving), tables.wikis.absent)
    if target.owner_id == wiki.owner_id:
        transaction.check("owner", tables.users, owner, is_staying())
    else:
        transaction.update("owner", tables.users, owner, count(1), may_own_more(limit))
    try:
        await transaction.commit(tables.wikis, key)
    except TransactionRefusedError as refused:
        if refused.failed("source"):
            raise _OvertakenError from refused
        if not refused.failed("target"):
            raise owner_error(tables, owner, refused.item("owner"), limit) from refused
        taken = refused.item("target")
        has_begun = taken is not None and _belongs(tables.moves.decode(taken), wiki)
        if has_begun and wiki.status is WikiStatus.MOVING:
            raise _OvertakenError from refused
        raise AlreadyExistsError(*tables.wikis.where(key), "wiki_slug") from refused


def _uncounted(wiki: Move, target: WikiKey) -> Item:
    """Return what marks the end of a move that is not live: of the two items of one owner one counts."""
    return {"uncounted": {"BOOL": True}} if target.owner_id == wiki.owner_id else {}


def _item_at(target: WikiKey, item: Item, state: Item) -> Item:
    """Return the wiki's item, with all that the library does not know of, under the target's key and in a new state."""
    kept = {name: value for name, value in item.items() if name not in _STATE}
    return kept | {"owner_id": string(target.owner_id), "wiki_slug": string(target.wiki_slug)} | state


async def _copy_grants(tables: Tables, wiki: Move, target: WikiKey) -> None:
    """Copy every grant of this incarnation but the receiver's own and invitations, which name the old key."""
    async for grants in tables.acls.partition(wiki.wiki_id):
        coming = [grant for grant in grants if _comes_along(grant, wiki, target)]
        for start in range(0, len(coming), _GRANTS_AT_A_TIME):
            await _copy(tables, wiki, target, coming[start : start + _GRANTS_AT_A_TIME])


def _comes_along(grant: Item, wiki: Move, target: WikiKey) -> bool:
    grantee_id = grant["grantee_id"]["S"]
    of_this_wiki = grant.get("wiki_uid", string(wiki.uid)) == string(wiki.uid)
    return of_this_wiki and grantee_id != target.owner_id and not is_invite(grantee_id)


async def _copy(tables: Tables, wiki: Move, target: WikiKey, grants: Sequence[Item]) -> None:
    """Copy grants as they are at this moment: one that is revoked meanwhile is left out."""
    moving = equals("uid", string(wiki.uid)) & equals("moving_to", string(target.wiki_id)) & equals("status", _MOVING)
    while grants:
        transaction = Transaction(tables.wire)
        transaction.check("wiki", tables.wikis, wiki.key, moving)
        for position, grant in enumerate(grants):
            key = (wiki.wiki_id, grant["grantee_id"]["S"])
            transaction.check(f"{position} stays", tables.acls, key, tables.acls.unchanged(grant, WRITE_ID))
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


async def _switch(tables: Tables, wiki: Move, target: WikiKey) -> Move:
    """Let the wiki be live at the target, with all that was written to it until then, and no longer at the source.

    Return what is left at the source.
    """
    moving = {"uid": string(wiki.uid), "status": _MOVING, "moving_to": string(target.wiki_id)}
    arriving = equals("uid", string(wiki.uid)) & equals("status", _ARRIVING)
    left = {"status": _DELETING, "moved_to": string(target.wiki_id), **_uncounted(wiki, target)}
    contention = Contention()
    while True:
        item = await tables.wikis.get_item(wiki.key)
        if item is None or not moving.items() <= item.items():
            raise _OvertakenError
        version = tables.moves.decode(item).version
        arrived = {"status": _ACTIVE, "moved_from": string(wiki.wiki_id)}
        arrived |= tables.wikis.next_version(version, utc_now())
        transaction = Transaction(tables.wire)
        unchanged = tables.wikis.unchanged(item, WRITE_ID)
        transaction.update("source", tables.moves, wiki.key, Update(set=left, remove=("moving_to",)), unchanged)
        transaction.put_item("target", tables.wikis, _item_at(target, item, arrived), arriving)
        try:
            await transaction.commit(tables.wikis, wiki.key)
        except TransactionRefusedError as refused:
            if refused.failed("target"):
                raise _OvertakenError from refused
            await contention.pause()
        else:
            return tables.moves.decode({name: item[name] for name in item if name != "moving_to"} | left)


async def _arrived(tables: Tables, target: WikiKey) -> Wiki:
    wiki = await tables.wikis.get(target.owner_id, target.wiki_slug, consistent=True)
    if wiki is None:  # deleted since
        raise NotFoundError(*tables.wikis.where((target.owner_id, target.wiki_slug)))
    return wiki
