"""What an operator runs from time to time: find what crashes have left, and finish or remove it.

Everything is found by reading the tables from end to end, and mended by the very calls that were cut off or by
transactions that check again. So it is safe beside a running service; what is still under way is found too, and
finishing it twice does no harm.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import msgspec

from wikibot_store._expressions import Update, compare
from wikibot_store._items import WRITE_ID, Item, number, string
from wikibot_store._table import ConditionFailedError, KeyValues, Table
from wikibot_store._tables import Claim, Move, Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import contention_delay
from wikibot_store.daos.users import claims_of, linked_identities, own_or_free
from wikibot_store.errors import CorruptItemError, InvalidKeyError, NotFoundError, WikibotStoreError
from wikibot_store.keys import CLAIM, WikiKey, is_invite
from wikibot_store.models import User, WikiStatus
from wikibot_store.workflows.lifecycle import delete_wiki, read_move
from wikibot_store.workflows.moves import move_wiki
from wikibot_store.workflows.people import DELETION, delete_user

TableName = Literal["wikis", "users", "acls"]

_PAGE = 100


class Fault(StrEnum):
    """What is wrong with an item."""

    WIKI_DELETING = "wiki is half deleted"
    WIKI_MOVING = "wiki has half moved"
    USER_DELETING = "user is half deleted"
    CLAIM_WITHOUT_USER = "claim without its user"
    USER_WITHOUT_CLAIM = "user without its claim"
    COUNT_IS_OFF = "wiki_count is off"
    GRANT_WITHOUT_WIKI = "grant without its wiki"
    GRANT_WITHOUT_USER = "grant to nobody"
    CORRUPT = "item does not decode"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One item with a fault; `mended` tells whether it has none any more, `problem` why it still has."""

    fault: Fault
    table: str
    key: dict[str, str]
    mended: bool = False
    problem: str | None = None


class SweepPage(msgspec.Struct, frozen=True, kw_only=True):
    """What one page of a table has shown. `resume` is where a sweep goes on behind it, None at the end."""

    table: TableName
    scanned: int
    findings: list[Finding]
    resume: str | None


class _Position(msgspec.Struct):
    """Where a sweep is: a table, and the key behind which to go on."""

    table: TableName
    after: Item | None = None


@dataclass(frozen=True)
class _Suspect:
    """A fault, where it is, and how it is mended; what cannot be mended has no way."""

    fault: Fault
    table: Table[Any]
    key: KeyValues
    mend: Callable[[], Awaitable[object]] | None

    async def finding(self, *, apply: bool) -> Finding:
        found = Finding(fault=self.fault, table=self.table.name, key=self.table.key(self.key))
        if not apply or self.mend is None:
            return found
        try:
            await self.mend()
        except TransactionRefusedError:
            return msgspec.structs.replace(found, problem="changed meanwhile")
        except WikibotStoreError as error:
            return msgspec.structs.replace(found, problem=str(error))
        return msgspec.structs.replace(found, mended=True)


async def sweep(
    tables: Tables, *, apply: bool, max_rcu: float | None, resume: str | None
) -> AsyncGenerator[SweepPage, None]:
    """Read wikis, users and acls page after page, and mend what is found if `apply` says so."""
    if max_rcu is not None and max_rcu <= 0:
        raise ValueError("max_rcu must be more than 0")
    checks: dict[TableName, Callable[[Tables, Sequence[Item]], Awaitable[list[_Suspect]]]] = {
        "wikis": _check_wikis,
        "users": _check_users,
        "acls": _check_acls,
    }
    start = _parse(resume)
    order = list(checks)
    for name in order[order.index(start.table) :]:
        after = start.after if name == start.table else None
        while True:
            items, last_key, units = await _scan(getattr(tables, name), after)
            suspects = await checks[name](tables, items)
            findings = [await suspect.finding(apply=apply) for suspect in suspects]
            at_the_end = last_key is None and name == order[-1]
            following = _Position(order[order.index(name) + 1]) if last_key is None and not at_the_end else None
            position = following or _Position(name, last_key)
            yield SweepPage(
                table=name,
                scanned=len(items),
                findings=findings,
                resume=None if at_the_end else msgspec.json.encode(position).decode(),
            )
            after = last_key
            if max_rcu is not None:
                # Each item costs about one more to check.
                await asyncio.sleep((units + len(items)) / max_rcu)
            if after is None:
                break


def _parse(resume: str | None) -> _Position:
    if resume is None:
        return _Position("wikis")
    try:
        return msgspec.json.decode(resume, type=_Position)
    except (msgspec.DecodeError, TypeError) as error:
        raise ValueError("resume must be what an earlier sweep has given") from error


async def _scan(table: Table[Any], after: Item | None) -> tuple[list[Item], Item | None, float]:
    """Scan one page; return its items, the key behind which the next one begins, and the RRU that it cost."""
    request: Item = {"TableName": table.name, "Limit": _PAGE, "ReturnConsumedCapacity": "TOTAL"}
    if after is not None:
        request["ExclusiveStartKey"] = after
    reply = await table.call("Scan", request, msgspec.json.decode, ())
    return reply["Items"], reply.get("LastEvaluatedKey"), reply.get("ConsumedCapacity", {}).get("CapacityUnits", 0)


# ---- wikis


async def _check_wikis(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    found = await asyncio.gather(*[_check_wiki(tables, item) for item in items])
    return [suspect for suspect in found if suspect is not None]


async def _check_wiki(tables: Tables, item: Item) -> _Suspect | None:
    table, key = tables.wikis, tuple(tables.wikis.codec.key_of(item).values())
    try:
        wiki = tables.moves.codec.from_item(item, table.name)
        wiki_key = WikiKey(*wiki.key)
    except (CorruptItemError, InvalidKeyError):
        return _Suspect(Fault.CORRUPT, table, key, None)
    if wiki.status is WikiStatus.DELETING:
        return _Suspect(Fault.WIKI_DELETING, table, key, lambda: delete_wiki(tables, wiki_key))
    if wiki.status is WikiStatus.MOVING and wiki.moving_to is not None:
        target = WikiKey.parse(wiki.moving_to)
        return _Suspect(Fault.WIKI_MOVING, table, key, lambda: move_wiki(tables, wiki_key, target))
    if wiki.status is WikiStatus.ARRIVING and not await _is_awaited(tables, wiki):
        return _Suspect(Fault.WIKI_MOVING, table, key, lambda: delete_wiki(tables, wiki_key))
    return None


async def _is_awaited(tables: Tables, wiki: Move) -> bool:
    """Tell whether the wiki that is to arrive is still on its way; it is found and finished where it comes from."""
    source = None if wiki.moving_from is None else await read_move(tables, WikiKey.parse(wiki.moving_from))
    return source is not None and (source.uid, source.moving_to) == (wiki.uid, wiki.wiki_id)


# ---- users


async def _check_users(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    found = await asyncio.gather(*[_check_user_or_claim(tables, item) for item in items])
    return [suspect for suspects in found for suspect in suspects]


async def _check_user_or_claim(tables: Tables, item: Item) -> list[_Suspect]:
    key = tuple(tables.users.codec.key_of(item).values())
    try:
        if key[0].startswith(CLAIM):
            return await _check_claim(tables, item)
        return await _check_user(tables, item)
    except CorruptItemError:
        return [_Suspect(Fault.CORRUPT, tables.users, key, None)]


async def _check_claim(tables: Tables, item: Item) -> list[_Suspect]:
    claim = tables.claims.codec.from_item(item, tables.claims.name)
    user_item = await tables.users.get_item((claim.user_id,))
    if user_item is not None and claim.id in _claims(tables, user_item):
        return []
    unused = tables.users.absent if user_item is None else tables.users.unchanged(user_item, WRITE_ID)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, (claim.user_id,), unused)
    return [_to_remove(Fault.CLAIM_WITHOUT_USER, tables.claims, item, transaction)]


def _claims(tables: Tables, item: Item) -> list[str]:
    return claims_of(tables.users.codec.from_item(item, tables.users.name), linked_identities(item))


async def _check_user(tables: Tables, item: Item) -> list[_Suspect]:
    user = tables.users.codec.from_item(item, tables.users.name)
    deletion = item.get(DELETION, {}).get("S")
    if deletion in {"refuse", "delete"}:
        return [
            _Suspect(
                Fault.USER_DELETING, tables.users, (user.id,), lambda: delete_user(tables, user.id, wikis=deletion)
            )
        ]
    suspects = []
    for claim_id in _claims(tables, item):
        claim = await tables.claims.get_item((claim_id,))
        if claim is None or claim.get("user_id") != string(user.id):
            suspects.append(_missing_claim(tables, user, item, claim_id))
    if user.wiki_count != await _count_wikis(tables, user.id):
        suspects.append(
            _Suspect(Fault.COUNT_IS_OFF, tables.users, (user.id,), lambda: reconcile_wiki_count(tables, user.id))
        )
    return suspects


def _missing_claim(tables: Tables, user: User, item: Item, claim_id: str) -> _Suspect:
    key = (user.id,)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, key, tables.users.unchanged(item, WRITE_ID))
    transaction.put("claim", tables.claims, Claim(id=claim_id, user_id=user.id), own_or_free(user))
    return _Suspect(Fault.USER_WITHOUT_CLAIM, tables.users, key, lambda: transaction.commit(tables.users, key))


async def reconcile_wiki_count(tables: Tables, user_id: str) -> int:
    """Set a user's count to the number of wikis that are there; return it."""
    attempt = 0
    while True:
        attempt += 1
        item = await tables.users.get_item((user_id,))
        if item is None:
            raise NotFoundError(tables.users.name, tables.users.key((user_id,)))
        wikis = await _count_wikis(tables, user_id)
        if item.get("wiki_count", number(0)) == number(wikis):
            return wikis
        # Whatever is counted in or out stamps the user: the count is right only if nothing was since it was read.
        unchanged = tables.users.unchanged(item, WRITE_ID)
        try:
            await tables.users.patch((user_id,), Update(set={"wiki_count": number(wikis)}), unchanged)
        except ConditionFailedError:
            await asyncio.sleep(contention_delay(attempt))
        else:
            return wikis


async def _count_wikis(tables: Tables, user_id: str) -> int:
    """Count the wikis that an owner's count should know: one that is renamed counts once."""
    pages = [wikis async for wikis in tables.wikis.partition(user_id)]
    return sum("uncounted" not in wiki for wikis in pages for wiki in wikis)


# ---- acls


async def _check_acls(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    wikis = await _existing(tables.wikis, (_wiki_key(item) for item in items))
    users = await _existing(tables.users, (_grantee(item) for item in items))
    suspects = []
    for item in items:
        wiki, uid = wikis[_wiki_key(item)], item.get("wiki_uid")
        if wiki is None or (uid is not None and uid != wiki.get("uid")):
            suspects.append(_without_wiki(tables, item, wiki))
        elif users[_grantee(item)] is None and not is_invite(*_grantee(item)):
            suspects.append(_without_user(tables, item))
    return suspects


def _wiki_key(grant: Item) -> KeyValues:
    """Return the key of the grant's wiki, whether or not it is one that the library would make."""
    owner_id, _, wiki_slug = grant["wiki_id"]["S"].rpartition(":")
    return owner_id or "-", wiki_slug or "-"


def _grantee(grant: Item) -> tuple[str]:
    return (grant["grantee_id"]["S"],)


async def _existing(table: Table[Any], keys: Iterable[KeyValues]) -> dict[KeyValues, Item | None]:
    wanted = list(dict.fromkeys(keys))
    items = await asyncio.gather(*[table.get_item(key) for key in wanted])
    return dict(zip(wanted, items, strict=True))


def _without_wiki(tables: Tables, grant: Item, wiki: Item | None) -> _Suspect:
    another = tables.wikis.absent
    if wiki is not None:
        another |= compare("uid", "<>", grant["wiki_uid"])
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, _wiki_key(grant), another)
    return _to_remove(Fault.GRANT_WITHOUT_WIKI, tables.acls, grant, transaction)


def _without_user(tables: Tables, grant: Item) -> _Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, _grantee(grant), tables.users.absent)
    return _to_remove(Fault.GRANT_WITHOUT_USER, tables.acls, grant, transaction)


def _to_remove(fault: Fault, table: Table[Any], item: Item, transaction: Transaction) -> _Suspect:
    """Return a suspect to be deleted by a transaction that checks first whether the fault is still there."""
    key = tuple(table.codec.key_of(item).values())
    transaction.delete("item", table, key, table.unchanged(item, WRITE_ID))
    return _Suspect(fault, table, key, lambda: transaction.commit(table, key))
