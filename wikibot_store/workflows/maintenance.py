"""What an operator runs from time to time: find what crashes have left, and finish or remove it.

Everything is found by reading the tables from end to end, and mended by the very calls that were cut off or by
transactions that check again. So it is safe beside a running service; what is still under way is found too, and
finishing it twice does no harm.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from wikibot_store._claims import claims_of, own_or_free
from wikibot_store._expressions import Condition, Update, compare
from wikibot_store._items import WRITE_ID, Item, number, string
from wikibot_store._reads import KeyValues
from wikibot_store._table import ConditionFailedError, Table
from wikibot_store._tables import Claim, Move, Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import CorruptItemError, InvalidKeyError, NotFoundError, WikibotStoreError
from wikibot_store.keys import CLAIM, WikiKey, is_invite
from wikibot_store.models import WikiStatus
from wikibot_store.workflows.lifecycle import delete_wiki
from wikibot_store.workflows.moves import finish_move
from wikibot_store.workflows.people import count_wikis, delete_user, deletion_of

TableName = Literal["wikis", "users", "acls"]

_PAGE = 100
_UNREADABLE = (CorruptItemError, InvalidKeyError)


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
    """Where a sweep is: a table, and the primary key behind which to go on."""

    table: TableName
    after: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class _Suspect:
    """A fault, where it is, and how it is mended; what cannot be mended has a problem instead."""

    fault: Fault
    table: Table[Any]
    key: KeyValues
    mend: Callable[[], Awaitable[object]] | None = None
    problem: str | None = None

    async def finding(self, *, apply: bool) -> Finding:
        """Return what is to be told, after mending it if `apply`."""
        found = Finding(fault=self.fault, table=self.table.name, key=self.table.key(self.key), problem=self.problem)
        if not apply or self.mend is None:
            return found
        try:
            await self.mend()
        except TransactionRefusedError:
            return msgspec.structs.replace(found, problem="changed meanwhile: sweep again")
        except WikibotStoreError as error:
            return msgspec.structs.replace(found, problem=str(error))
        return msgspec.structs.replace(found, mended=True)


class _Check(NamedTuple):
    """How the items of a table are checked, and about how many RRU that takes per item besides the scan."""

    find: Callable[[Tables, Sequence[Item]], Awaitable[list[_Suspect]]]
    cost: int


async def sweep(
    tables: Tables, *, apply: bool, max_rcu: float | None, resume: str | None
) -> AsyncGenerator[SweepPage, None]:
    """Read wikis, users and acls page after page, and mend what is found if `apply` says so."""
    if max_rcu is not None and not max_rcu > 0:
        raise ValueError("max_rcu must be more than 0")
    position = _parse(tables, resume)
    while True:
        check = _CHECKS[position.table]
        # What a page takes is spent at once and waited for afterwards: about a second's worth of it.
        limit = _PAGE if max_rcu is None else max(1, min(_PAGE, int(max_rcu / (1 + check.cost))))
        items, last_key, units = await _scan(tables, position, limit)
        findings = [await suspect.finding(apply=apply) for suspect in await check.find(tables, items)]
        following = _following(position.table, last_key)
        yield SweepPage(
            table=position.table,
            scanned=len(items),
            findings=findings,
            resume=None if following is None else msgspec.json.encode(following).decode(),
        )
        if following is None:
            return
        position = following
        if max_rcu is not None:
            await asyncio.sleep((units + len(items) * check.cost) / max_rcu)


def _parse(tables: Tables, resume: str | None) -> _Position:
    if resume is None:
        return _Position("wikis")
    try:
        position = msgspec.json.decode(resume, type=_Position)
        if position.after is not None:  # too few values, or too many, are a ValueError
            _table(tables, position.table).key(position.after)
    except (TypeError, ValueError) as error:
        raise ValueError("resume must be what an earlier sweep has given") from error
    return position


def _following(table: TableName, last_key: KeyValues | None) -> _Position | None:
    """Return where a sweep goes on behind a page, None at the end of the last table."""
    if last_key is not None:
        return _Position(table, last_key)
    later = list(_CHECKS)[list(_CHECKS).index(table) + 1 :]
    return _Position(later[0]) if later else None


def _table(tables: Tables, name: TableName) -> Table[Any]:
    table: Table[Any] = getattr(tables, name)
    return table


async def _scan(tables: Tables, position: _Position, limit: int) -> tuple[list[Item], KeyValues | None, float]:
    """Scan one page; return its items, the key behind which the next one begins, and the RRU that it took."""
    table = _table(tables, position.table)
    request: Item = {"TableName": table.name, "Limit": limit, "ReturnConsumedCapacity": "TOTAL"}
    if position.after is not None:
        request["ExclusiveStartKey"] = table.key_item(position.after)
    reply = await table.call("Scan", request, msgspec.json.decode, ())
    last_key = _key(table, reply["LastEvaluatedKey"]) if "LastEvaluatedKey" in reply else None
    return reply["Items"], last_key, reply.get("ConsumedCapacity", {}).get("CapacityUnits", 0)


def _key(table: Table[Any], item: Item) -> KeyValues:
    return tuple(item[name]["S"] for name in table.codec.schema.key)


def _corrupt(table: Table[Any], item: Item, error: WikibotStoreError) -> _Suspect:
    """Return a suspect that only a person can mend."""
    return _Suspect(fault=Fault.CORRUPT, table=table, key=_key(table, item), problem=str(error))


# ---- wikis


async def _check_wikis(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    found = await asyncio.gather(*[_check_wiki_or_tell(tables, item) for item in items])
    return [suspect for suspect in found if suspect is not None]


async def _check_wiki_or_tell(tables: Tables, item: Item) -> _Suspect | None:
    try:
        return await _check_wiki(tables, item)
    except _UNREADABLE as error:
        return _corrupt(tables.wikis, item, error)


async def _check_wiki(tables: Tables, item: Item) -> _Suspect | None:
    table, state = tables.wikis, tables.moves.decode(item)
    key = WikiKey(*state.key)
    if state.status is WikiStatus.MOVING:
        if state.moving_to is None:
            raise CorruptItemError(table.name, table.key(state.key), "it is moving, and `moving_to` is missing")
        finish = partial(finish_move, tables, item, WikiKey.parse(state.moving_to))
        return _Suspect(fault=Fault.WIKI_MOVING, table=table, key=state.key, mend=finish)
    delete = partial(delete_wiki, tables, key, seen=state)
    if state.status is WikiStatus.DELETING:
        return _Suspect(fault=Fault.WIKI_DELETING, table=table, key=state.key, mend=delete)
    if state.status is WikiStatus.ARRIVING and not await _is_awaited(tables, state):
        return _Suspect(fault=Fault.WIKI_MOVING, table=table, key=state.key, mend=delete)
    table.decode(item)  # all of it
    return None


async def _is_awaited(tables: Tables, wiki: Move) -> bool:
    """Tell whether the wiki that is to arrive is still on its way; it is found and finished where it comes from."""
    if wiki.moving_from is None:
        return False
    source = WikiKey.parse(wiki.moving_from)
    item = await tables.wikis.get_item((source.owner_id, source.wiki_slug))
    return item is not None and (item.get("uid"), item.get("moving_to")) == (string(wiki.uid), string(wiki.wiki_id))


# ---- users


async def _check_users(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    found = await asyncio.gather(*[_check_user_or_claim(tables, item) for item in items])
    return [suspect for suspects in found for suspect in suspects]


async def _check_user_or_claim(tables: Tables, item: Item) -> list[_Suspect]:
    check = _check_claim if _key(tables.users, item)[0].startswith(CLAIM) else _check_user
    try:
        return await check(tables, item)
    except _UNREADABLE as error:
        return [_corrupt(tables.users, item, error)]


async def _check_claim(tables: Tables, item: Item) -> list[_Suspect]:
    claim = tables.claims.decode(item)
    user = await tables.users.get_item((claim.user_id,))
    if user is not None and _may_claim(tables, user, claim.id):
        return []
    unused = tables.users.absent if user is None else tables.users.unchanged(user, WRITE_ID)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, (claim.user_id,), unused)
    return [_to_remove(Fault.CLAIM_WITHOUT_USER, tables.claims, item, transaction)]


def _may_claim(tables: Tables, user: Item, claim_id: str) -> bool:
    """Tell whether a claim is one of the user's, or the user's item, which is told by itself, does not say."""
    try:
        return claim_id in claims_of(tables.users, user)
    except _UNREADABLE:
        return True


async def _check_user(tables: Tables, item: Item) -> list[_Suspect]:
    claims, user_id = claims_of(tables.users, item), _key(tables.users, item)[0]
    if (wikis := deletion_of(item)) is not None:
        finish = partial(delete_user, tables, user_id, wikis=wikis, resume=True)
        return [_Suspect(fault=Fault.USER_DELETING, table=tables.users, key=(user_id,), mend=finish)]
    suspects = []
    for claim_id in claims:
        claim = await tables.claims.get_item((claim_id,))
        if claim is None or claim.get("user_id") != string(user_id):
            suspects.append(_without_claim(tables, item, claim_id, claim))
    if item.get("wiki_count", number(0)) != number(await count_wikis(tables, user_id)):
        recount = partial(reconcile_wiki_count, tables, user_id)
        suspects.append(_Suspect(fault=Fault.COUNT_IS_OFF, table=tables.users, key=(user_id,), mend=recount))
    return suspects


def _without_claim(tables: Tables, user: Item, claim_id: str, claim: Item | None) -> _Suspect:
    fault, key = Fault.USER_WITHOUT_CLAIM, _key(tables.users, user)
    if claim is not None:
        problem = f"somebody else holds {claim_id}: set_username or unlink_identity for one of them"
        return _Suspect(fault=fault, table=tables.users, key=key, problem=problem)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, key, tables.users.unchanged(user, WRITE_ID))
    transaction.put("claim", tables.claims, Claim(id=claim_id, user_id=key[0]), own_or_free(key[0]))
    mend = partial(transaction.commit, tables.users, key)
    return _Suspect(fault=fault, table=tables.users, key=key, mend=mend)


async def reconcile_wiki_count(tables: Tables, user_id: str) -> int:
    """Set a user's count to the number of wikis that are there; return it."""
    contention = Contention()
    while True:
        item = await tables.users.get_item((user_id,))
        if item is None:
            raise NotFoundError(tables.users.name, tables.users.key((user_id,)))
        wikis = await count_wikis(tables, user_id)
        if item.get("wiki_count", number(0)) == number(wikis):
            return wikis
        # Whatever is counted in or out stamps the user: the count is right only if nothing was since it was read.
        unchanged = tables.users.unchanged(item, WRITE_ID)
        try:
            await tables.users.patch((user_id,), Update(set={"wiki_count": number(wikis)}), unchanged)
        except ConditionFailedError:
            await contention.pause()
        else:
            return wikis


# ---- acls


async def _check_acls(tables: Tables, items: Sequence[Item]) -> list[_Suspect]:
    wikis = await _existing(tables.wikis, (key for key in map(_wiki_key, items) if key is not None))
    users = await _existing(tables.users, (_grantee(item) for item in items if not is_invite(*_grantee(item))))
    found = [_check_acl(tables, item, wikis, users) for item in items]
    return [suspect for suspect in found if suspect is not None]


_Found = Mapping[KeyValues, Item | None]


def _check_acl(tables: Tables, grant: Item, wikis: _Found, users: _Found) -> _Suspect | None:
    wiki_key = _wiki_key(grant)
    if wiki_key is None:
        return _corrupt(tables.acls, grant, InvalidKeyError("wiki_id", "must be '<owner_id>:<wiki_slug>'"))
    wiki = wikis[wiki_key]
    if wiki is None:
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent)
    try:
        tables.acls.decode(grant)
    except CorruptItemError as error:
        return _corrupt(tables.acls, grant, error)
    uid = grant.get("wiki_uid")
    if uid is not None and uid != wiki.get("uid"):
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent | compare("uid", "<>", uid))
    if users.get(_grantee(grant)) is None and not is_invite(*_grantee(grant)):
        return _without_user(tables, grant)
    return None


def _wiki_key(grant: Item) -> KeyValues | None:
    """Return the key of the grant's wiki, None if there cannot be one."""
    try:
        key = WikiKey.parse(grant["wiki_id"]["S"])
    except InvalidKeyError:
        return None
    return key.owner_id, key.wiki_slug


def _grantee(grant: Item) -> tuple[str]:
    return (grant["grantee_id"]["S"],)


async def _existing(table: Table[Any], keys: Iterable[KeyValues]) -> _Found:
    wanted = list(dict.fromkeys(keys))
    items = await asyncio.gather(*[table.get_item(key) for key in wanted])
    return dict(zip(wanted, items, strict=True))


def _without_wiki(tables: Tables, grant: Item, wiki_key: KeyValues, another: Condition) -> _Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, wiki_key, another)
    return _to_remove(Fault.GRANT_WITHOUT_WIKI, tables.acls, grant, transaction)


def _without_user(tables: Tables, grant: Item) -> _Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, _grantee(grant), tables.users.absent)
    return _to_remove(Fault.GRANT_WITHOUT_USER, tables.acls, grant, transaction)


def _to_remove(fault: Fault, table: Table[Any], item: Item, transaction: Transaction) -> _Suspect:
    """Return a suspect to be deleted by a transaction that checks first whether the fault is still there."""
    key = _key(table, item)
    transaction.delete("item", table, key, table.unchanged(item, WRITE_ID))
    return _Suspect(fault=fault, table=table, key=key, mend=partial(transaction.commit, table, key))


# In this order: what is mended first makes the later counts and grants right.
_CHECKS: dict[TableName, _Check] = {
    "wikis": _Check(_check_wikis, 0),
    "users": _Check(_check_users, 2),
    "acls": _Check(_check_acls, 2),
}
