"""The life of a wiki across the tables: created within its owner's quota, deleted with its grants.

A deletion marks the wiki with the deletion's id and decrements the owner's count, in one transaction. From then on the
item is a remnant. The deletion then deletes the grants, and finally the item. Each of these steps has the condition
that the item still carries that id, so a client that wakes up late changes nothing. A call that needs the key of a wiki
that is being deleted finishes the deletion first.
"""

from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from wikibot_store._dynamo.expressions import (
    Condition,
    Update,
    absent_or,
    compare,
    equals,
    exists,
    not_exists,
)
from wikibot_store._dynamo.items import Item, number, string
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import new_write_id
from wikibot_store._dynamo.transaction import MAX_ACTIONS, Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import (
    AlreadyExistsError,
    CorruptItemError,
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    QuotaExceededError,
)
from wikibot_store.keys import WikiKey
from wikibot_store.models import UserStatus, Wiki, WikiStatus
from wikibot_store.workflows.tables import OPERATION, Move, Tables

_GRANTS_AT_A_TIME = MAX_ACTIONS - 1


class CalledOffError(Exception):
    """The deletion of the user to which the deletion of a wiki belongs was called off."""


class UncountedError(Exception):
    """An owner whom another program created has no `wiki_count`."""

    def __init__(self, owner_id: str) -> None:
        super().__init__(owner_id)
        self.owner_id = owner_id


async def create_wiki(tables: Tables, wiki: Wiki, *, limit: int | None) -> Wiki:
    """Put the wiki and increment its owner's count, or neither; the owner must be active and below the limit.

    Raises:
        UncountedError: The owner's wikis must be counted first.

    """
    owner, key = (wiki.owner_id,), tables.wikis.key_of(wiki)
    while True:
        transaction = Transaction(tables.wire)
        transaction.update("owner", tables.users, owner, count(1), may_own_more(limit))
        transaction.put("wiki", tables.wikis, wiki, tables.wikis.absent)
        try:
            await transaction.commit(tables.wikis, key)
        except TransactionRefusedError as refused:
            found = refused.item("wiki")
            if found is not None and found.get("uid") == string(wiki.uid):  # by an attempt whose answer was lost
                return wiki
            if refused.failed("owner"):
                raise owner_error(tables, owner, refused.item("owner"), limit) from refused
            await vacate(tables, key, found)
        else:
            return wiki


async def vacate(tables: Tables, key: Key, item: Item | None) -> None:
    """Free a key that another call needs: finish the deletion of the wiki that is stored there.

    Raises:
        AlreadyExistsError: The wiki is not being deleted.

    """
    wiki = None if item is None else tables.moves.decode(item)
    if item is None or wiki is None or wiki.status is not WikiStatus.DELETING:
        raise AlreadyExistsError(*tables.wikis.where(key), "wiki_slug")
    await tables.moves.complete(item)
    await finish_delete(tables, wiki)


def count(change: int) -> Update:
    """Return the change of an owner's count."""
    return Update(add={"wiki_count": number(change)})


def is_active_user() -> Condition:
    """Hold for a user who is neither suspended nor being deleted."""
    return absent_or("status", "=", string(UserStatus.ACTIVE.value))


def is_staying() -> Condition:
    """Hold for a user who is not being deleted, and if there is no user."""
    return absent_or("status", "<>", string(UserStatus.DELETING.value))


def may_own_more(limit: int | None) -> Condition:
    """Hold for an owner who is active and has fewer than `limit` wikis, where they have been counted."""
    return is_active_user() & (exists("wiki_count") if limit is None else compare("wiki_count", "<", number(limit)))


def owner_error(tables: Tables, owner: Key, item: Item | None, limit: int | None) -> Exception:
    """Return why the owner may not have one more wiki."""
    where = tables.users.where(owner)
    if item is None:
        return NotFoundError(*where)
    user = tables.users.decode(item)
    if user.status is UserStatus.ACTIVE and "wiki_count" not in item:
        return UncountedError(user.id)
    if user.status is not UserStatus.ACTIVE or limit is None:
        return NotActiveError(*where, user.status)
    return QuotaExceededError(*where, limit)


class CountOut:
    """Decrements an owner's `wiki_count`, in a transaction that may have to be sent again.

    If the owner is gone or has a count of zero, the transaction only checks that this is still so. The owner must have
    the attributes of `marked`.
    """

    def __init__(self, tables: Tables, owner_id: str, *, marked: Item | None = None) -> None:
        self._table = tables.users
        self._key = (owner_id,)
        self._marked = {} if marked is None else marked
        self._counted = True

    def add_to(self, transaction: Transaction) -> None:
        """Add the action "count" to a transaction."""
        none = number(0)
        condition = compare("wiki_count", ">", none) if self._counted else absent_or("wiki_count", "<=", none)
        for attribute, value in self._marked.items():
            condition &= equals(attribute, value)
        if self._counted:
            transaction.update("count", self._table, self._key, count(-1), condition)
        else:
            transaction.check("count", self._table, self._key, condition)

    def learn(self, refused: TransactionRefusedError) -> None:
        """Use the owner's item that a refused transaction returned.

        Raises:
            CalledOffError: The owner no longer has the attributes of `marked`.

        """
        if not refused.failed("count"):
            return
        owner: Item = refused.item("count") or {}
        if not self._marked.items() <= owner.items():
            raise CalledOffError from refused
        self._counted = int(owner.get("wiki_count", number(0))["N"]) > 0


async def read_move(tables: Tables, key: WikiKey, *, deadline: float | None = None) -> Move | None:
    """Read a wiki's state consistently; the rest of the item need not decode."""
    item = await tables.moves.get_item((key.owner_id, key.wiki_slug), deadline)
    return None if item is None else tables.moves.decode(item)


async def read_completed(tables: Tables, key: Key, *, deadline: float | None = None) -> Move | None:
    """Do as `read_move`, but give a wiki of another program its `uid` first, so that a write can require it.

    The key may be one that a WikiKey would reject.
    """
    while True:
        item = await tables.moves.get_item(key, deadline)
        if item is None:
            return None
        if not await tables.moves.complete(item, deadline=deadline):
            return tables.moves.decode(item)


def still(wiki: Move) -> Condition:
    """Hold while the wiki has the state and the operation that were read."""
    status, operation = string(wiki.status.value), wiki.operation
    is_active = wiki.status is WikiStatus.ACTIVE
    same = equals("uid", string(wiki.uid)) & (
        absent_or("status", "=", status) if is_active else equals("status", status)
    )
    return same & (not_exists(OPERATION) if operation is None else equals(OPERATION, string(operation)))


def other_end(tables: Tables, wiki: Move, wiki_id: str) -> WikiKey:
    """Return the key that a wiki's item has stored of the other end of its move.

    Raises:
        CorruptItemError: It is no wiki_id.

    """
    try:
        return WikiKey.parse(wiki_id)
    except InvalidKeyError as error:
        raise CorruptItemError(*tables.wikis.where(wiki.key), f"the other end of its move: {error}") from error


async def ends_of(tables: Tables, wiki: Move) -> tuple[Move | None, Move | None]:
    """Return source and target of a wiki's move before the switch; None for an end that is missing.

    Both ends are written in one transaction. An end that is missing or belongs to another move never comes back.
    """
    is_source = wiki.status is WikiStatus.MOVING
    other_id = wiki.moving_to if is_source else wiki.moving_from
    other = None if other_id is None else await read_move(tables, other_end(tables, wiki, other_id))
    source, target = (wiki, other) if is_source else (other, wiki)
    if source is None or target is None or not _are_one_move(source, target):
        return (wiki, None) if is_source else (None, wiki)
    return source, target


def _are_one_move(source: Move, target: Move) -> bool:
    return (source.status, target.status) == (WikiStatus.MOVING, WikiStatus.ARRIVING) and (
        source.uid,
        source.operation,
        source.wiki_id,
        source.moving_to,
    ) == (target.uid, target.operation, target.moving_from, target.wiki_id)


async def delete_wiki(tables: Tables, key: Key, *, owner: Item | None = None) -> bool:
    """Mark the wiki and decrement the count; delete its grants; delete the item. Return whether this call marked it.

    A move that is under way is given up. A call after a crash finishes the deletion that the last call marked. With
    `owner`, the wiki is marked only if its owner has these attributes. Another program may have stored the wiki under a
    key that a WikiKey would reject.

    Raises:
        CalledOffError: The owner does not have these attributes.

    """
    count_out = CountOut(tables, key[0], marked=owner)
    contention = Contention()
    maybe_marked = False
    while True:
        wiki = await read_completed(tables, key)
        if wiki is None:
            return maybe_marked
        if wiki.status is WikiStatus.DELETING:
            await finish_delete(tables, wiki)
            return maybe_marked
        if wiki.status is WikiStatus.ARRIVING:
            await give_up_move(tables, wiki)
            return maybe_marked
        if wiki.status is WikiStatus.MOVING and wiki.operation is None:  # begun by an earlier version
            await give_up_move(tables, wiki)
            continue
        ends = await ends_of(tables, wiki) if wiki.status is WikiStatus.MOVING else (wiki, None)
        try:
            left = await _mark(tables, wiki.key, [end for end in ends if end is not None], count_out=count_out)
        except TransactionRefusedError as refused:
            maybe_marked |= refused.maybe_applied
            await contention.pause()
        else:
            for end in left:
                await finish_delete(tables, end)
            return True


async def give_up_move(tables: Tables, wiki: Move) -> None:
    """End a wiki's move unless it has switched; the wiki stays at the source."""
    source, target = await ends_of(tables, wiki)
    count_out = CountOut(tables, target.owner_id) if target is not None and target.counts else None
    ends = [] if target is None else [target]
    with suppress(TransactionRefusedError):
        for end in await _mark(tables, wiki.key, ends, staying=source, count_out=count_out):
            await finish_delete(tables, end)


async def _mark(
    tables: Tables,
    key: Key,
    ends: Sequence[Move],
    *,
    staying: Move | None = None,
    count_out: CountOut | None = None,
) -> list[Move]:
    """Mark items for deletion, and make the source of a move active again; return the marked items.

    Raises:
        CalledOffError: The owner does not have the attributes that `count_out` requires.
        TransactionRefusedError: Something has changed since it was read.

    """
    operation = new_write_id()
    marked = [replace(end, status=WikiStatus.DELETING, operation=operation) for end in ends]
    deleting = Update(
        set={"status": string(WikiStatus.DELETING.value), OPERATION: string(operation)},
        remove=("moving_to", "moving_from"),
    )
    stays = Update(set={"status": string(WikiStatus.ACTIVE.value)}, remove=("moving_to", OPERATION))
    while True:
        transaction = Transaction(tables.wire)
        for end in ends:
            transaction.update(end.wiki_id, tables.moves, end.key, deleting, still(end))
        if staying is not None:
            transaction.update("staying", tables.moves, staying.key, stays, still(staying))
        if count_out is not None:
            count_out.add_to(transaction)
        try:
            await transaction.commit(tables.wikis, key)
        except TransactionRefusedError as refused:
            if count_out is None or not refused.failed("count"):
                raise
            count_out.learn(refused)
        else:
            return marked


async def finish_delete(tables: Tables, wiki: Move) -> None:
    """Delete all grants of a remnant, including expired and corrupt ones, and then its item.

    If the item has another state, another call has finished the deletion, and this one stops.
    """
    if wiki.operation is None:  # marked by an earlier version, which decremented the count at the end
        count_out = CountOut(tables, wiki.owner_id) if wiki.counts else None
        with suppress(TransactionRefusedError):
            for marked in await _mark(tables, wiki.key, [wiki], count_out=count_out):
                await finish_delete(tables, marked)
        return
    if ":" not in wiki.wiki_slug:  # else, by another program, the grants of this wiki_id are those of another wiki
        async for grants in tables.acls.partition(wiki.wiki_id, keys_only=True):
            for start in range(0, len(grants), _GRANTS_AT_A_TIME):
                if not await _delete_grants(tables, wiki, grants[start : start + _GRANTS_AT_A_TIME]):
                    return
    await _delete_item(tables, wiki)


async def _delete_grants(tables: Tables, wiki: Move, grants: Sequence[Item]) -> bool:
    """Delete grants by key; return False if the item has another state, since they may belong to a later wiki."""
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, wiki.key, still(wiki))
    for grant in grants:
        grantee_id = grant["grantee_id"]["S"]
        transaction.delete(f"grant to {grantee_id}", tables.acls, (wiki.wiki_id, grantee_id))
    try:
        await transaction.commit(tables.wikis, wiki.key)
    except TransactionRefusedError:
        return False
    return True


async def _delete_item(tables: Tables, wiki: Move) -> None:
    """Delete the item; if it is the remnant of a move, allow the wiki to move again."""
    settled = wiki.moved_to is None
    while True:
        transaction = Transaction(tables.wire)
        transaction.delete("wiki", tables.wikis, wiki.key, still(wiki))
        if not settled:
            moved = other_end(tables, wiki, wiki.moved_to or "")
            here = equals("uid", string(wiki.uid)) & equals(OPERATION, string(wiki.operation or ""))
            settle = Update(remove=(OPERATION,))
            transaction.update("moved", tables.moves, (moved.owner_id, moved.wiki_slug), settle, here)
        try:
            await transaction.commit(tables.wikis, wiki.key)
        except TransactionRefusedError as refused:
            if settled or not refused.failed("moved") or refused.failed("wiki"):
                return
            settled = True  # the wiki has been deleted since
        else:
            return
