"""The deletion of users with their wikis and claims, and the count of a user's wikis."""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar, get_args

from wikibot_store._dynamo.expressions import Update
from wikibot_store._dynamo.items import Item, number, string
from wikibot_store._dynamo.table import ConditionFailedError, new_write_id
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import NotFoundError, UserOwnsWikisError
from wikibot_store.models import UserStatus, WikiStatus
from wikibot_store.workflows.claims import own_or_free, possible_claims_of
from wikibot_store.workflows.lifecycle import CalledOffError, UncountedError, delete_wiki
from wikibot_store.workflows.tables import OPERATION, Tables

T = TypeVar("T")

OwnedWikis = Literal["refuse", "delete"]
"""What to do if the user owns wikis."""

_DELETION = "deletion"
DELETION_ATTRIBUTES = (_DELETION, OPERATION)
"""The attributes that a deletion sets besides the status: the choice for the wikis, and the deletion's id."""

_DELETING = string(UserStatus.DELETING.value)
# The attributes that change with a wiki's state, and those that decide whether it counts.
_STATE = ("wiki_slug", "uid", "status", "version", OPERATION, "uncounted")


async def delete_user(tables: Tables, user_id: str, *, wikis: OwnedWikis, seen: Item | None = None) -> bool:
    """Delete a user with all claims in one transaction; return whether this call deleted or marked the user.

    To delete the wikis first, the call marks the user, so that no further wiki is created. The call that marks the user
    returns True, whichever call finishes. A repair continues only the deletion that it has `seen` on the user's item.

    Raises:
        UserOwnsWikisError: The user owns wikis, and `wikis` is "refuse".

    """
    contention = Contention()
    is_ours = False
    while True:
        reading = _read_with_wikis(tables, user_id) if wikis == "refuse" else _read_alone(tables, user_id)
        item, owned = await reading
        if item is None or (seen is not None and _mark_of(item) != _mark_of(seen)):
            return is_ours
        if owned:
            raise UserOwnsWikisError(*tables.users.where((user_id,)), owned)
        try:
            if wikis == "refuse":
                await _delete_with_claims(tables, user_id, item)
                return deletion_of(item) != "delete"
            if deletion_of(item) != "delete":
                is_ours = False  # if this call had marked the user, its deletion was called off
                possible_claims_of(tables.users, item)  # rejects an item whose claims cannot be deleted
                await _mark(tables, user_id, item)
                is_ours = True
            elif not await _delete_wikis(tables, user_id, _mark_of(item)):
                await _delete_with_claims(tables, user_id, item)
                return is_ours
        except TransactionRefusedError as refused:
            is_ours |= wikis == "refuse" and refused.maybe_applied
            await contention.pause()
        except (CalledOffError, ConditionFailedError):
            await contention.pause()


def deletion_of(item: Item) -> OwnedWikis | None:
    """Return the choice for the wikis of a user who is being deleted; None if the user is not being deleted.

    Only earlier versions marked a user with "refuse".
    """
    if item.get("status") != _DELETING:
        return None
    return next((choice for choice in get_args(OwnedWikis) if item.get(_DELETION) == string(choice)), None)


def _mark_of(item: Item) -> Item:
    """Return the attributes that a deletion has set on a user's item."""
    return {name: item[name] for name in ("status", *DELETION_ATTRIBUTES) if name in item}


async def _mark(tables: Tables, user_id: str, item: Item) -> None:
    """Set the status, on condition that the user has not changed."""
    marked = {"status": _DELETING, _DELETION: string("delete"), OPERATION: string(new_write_id())}
    try:
        await tables.users.patch((user_id,), Update(set=marked), tables.users.unchanged(item))
    except ConditionFailedError as failed:
        # If the answer of the mark was lost, another call may have changed the user since, or finished the deletion.
        if not failed.maybe_applied or (failed.item is not None and failed.item.get(OPERATION) != marked[OPERATION]):
            raise


async def count_wikis(tables: Tables, user_id: str) -> int:
    """Count an owner's wikis in one pass, which may miss a wiki that moves meanwhile, or count it twice."""
    return sum(map(_counts, await _states(tables, user_id)))


async def wikis_of(tables: Tables, user_id: str) -> int:
    """Count an owner's wikis: in one pass, or if one of them is moving, until two passes agree."""
    states = await _states(tables, user_id)
    if any(OPERATION in wiki for wiki in states):
        return (await _read_with_wikis(tables, user_id))[1]
    return sum(map(_counts, states))


async def is_count_wrong(tables: Tables, user_id: str) -> bool:
    """Return whether a user's `wiki_count` differs from the number of wikis."""
    item, wikis = await _read_with_wikis(tables, user_id)
    return item is not None and item.get("wiki_count", number(0)) != number(wikis)


async def reconcile_wiki_count(tables: Tables, user_id: str) -> int:
    """Set a user's `wiki_count` to the number of wikis; return it."""
    contention = Contention()
    while True:
        item, wikis = await _read_with_wikis(tables, user_id)
        if item is None:
            raise NotFoundError(*tables.users.where((user_id,)))
        if item.get("wiki_count") == number(wikis):
            return wikis
        # Every change of the count writes a new write_id to the user: the number is right only if that is unchanged.
        unchanged = tables.users.unchanged(item)
        try:
            await tables.users.patch((user_id,), Update(set={"wiki_count": number(wikis)}), unchanged)
        except ConditionFailedError:
            await contention.pause()
        else:
            return wikis


async def counting(tables: Tables, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns, after counting the wikis of an owner whom another program created."""
    while True:
        try:
            return await work()
        except UncountedError as uncounted:
            await reconcile_wiki_count(tables, uncounted.owner_id)


async def _read_alone(tables: Tables, user_id: str) -> tuple[Item | None, int]:
    """Read a user without counting the wikis."""
    return await tables.users.get_item((user_id,)), 0


async def _read_with_wikis(tables: Tables, user_id: str) -> tuple[Item | None, int]:
    """Read a user and count the wikis, until two passes agree, so that the count was true at one moment.

    A Query is not isolated: it may return both items of a wiki that is renamed meanwhile, or neither.
    """
    seen: tuple[Item, list[Item]] | None = None
    while True:
        item = await tables.users.get_item((user_id,))
        wikis = [] if item is None else await _states(tables, user_id)
        if item is None or (item, wikis) == seen:
            return item, sum(map(_counts, wikis))
        seen = item, wikis


async def _states(tables: Tables, user_id: str) -> list[Item]:
    """Return the state attributes of an owner's wikis; the rest of the items need not decode."""
    pages = [wikis async for wikis in tables.wikis.partition(user_id)]
    return [{name: wiki[name] for name in _STATE if name in wiki} for page in pages for wiki in page]


def _counts(wiki: Item) -> bool:
    """Return whether an item is in its owner's `wiki_count`, as Move.counts says."""
    is_left = wiki.get("status") in [string(status.value) for status in (WikiStatus.ARRIVING, WikiStatus.DELETING)]
    return not is_left or not wiki.keys() & {OPERATION, "uncounted"}


async def _delete_wikis(tables: Tables, user_id: str, mark: Item) -> bool:
    """Delete the user's wikis; return whether there were any, since others may have been created meanwhile.

    Raises:
        CalledOffError: The user no longer has the mark.

    """
    found = False
    async for wikis in tables.wikis.partition(user_id, keys_only=True):
        for wiki in wikis:
            found = True
            await delete_wiki(tables, (user_id, wiki["wiki_slug"]["S"]), owner=mark)
    return found


async def _delete_with_claims(tables: Tables, user_id: str, item: Item) -> None:
    """Delete the user as it was read, with all its claims; a claim that belongs to another user stays.

    Raises:
        TransactionRefusedError: The user has changed.

    """
    claims = possible_claims_of(tables.users, item)
    while True:
        transaction = Transaction(tables.wire)
        transaction.delete("user", tables.users, (user_id,), tables.users.unchanged(item))
        for claim in claims:
            transaction.delete(claim, tables.claims, (claim,), own_or_free(user_id))
        try:
            await transaction.commit(tables.users, (user_id,))
        except TransactionRefusedError as refused:
            if refused.failed("user"):
                raise
            claims = [claim for claim in claims if not refused.failed(claim)]
        else:
            return
