"""Fill in what the items of other programs lack (workflows/legacy.py), so that they look as this library writes them.

Each item is stored with the values with which it is read already, so readers notice nothing. Every write has the
condition that the item is still as it was read. So other programs may go on writing. A second adoption finds nothing to
do.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from wikibot_store._dynamo.expressions import Condition, Update, all_equal, equals, not_exists
from wikibot_store._dynamo.items import WRITE_ID, Item, number, string
from wikibot_store._dynamo.reads import Key, batch_get_items
from wikibot_store._dynamo.scan import Position, parse, scan, start
from wikibot_store._dynamo.table import ConditionFailedError, Table
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention, Pace, access_pattern, working_for
from wikibot_store.errors import CorruptItemError, InvalidKeyError
from wikibot_store.keys import CLAIM, WikiKey, check_grantee, check_id, oauth_claim, username_claim
from wikibot_store.models import Identity, UserStatus
from wikibot_store.schema import OAUTH_INDEX
from wikibot_store.workflows.claims import identities_of, own_or_free
from wikibot_store.workflows.identities import find_unclaimed
from wikibot_store.workflows.people import wikis_of
from wikibot_store.workflows.tables import Claim, Tables

_PAGE = 500
_BATCH = 100
_AT_ONCE = 32
_ATTEMPTS = 10
_NULL = {"NULL": True}
_DELETING = string(UserStatus.DELETING.value)


class UndecidedKind(StrEnum):
    """What a person has to decide, because an adoption cannot."""

    CORRUPT = "item does not decode"
    INVALID_KEY = "key that the library does not accept"
    IDENTITY_TAKEN = "identity of two users"
    USERNAME_TAKEN = "username of two users"
    USERNAME_INVALID = "username that cannot be claimed"
    WIKI_WITHOUT_OWNER = "wiki without its owner"
    GRANT_WITHOUT_WIKI = "grant without its wiki"
    GRANT_BEFORE_WIKI = "grant that is older than its wiki"
    CHANGING = "item that other programs keep changing"


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """One item about which a person has to decide."""

    kind: UndecidedKind
    table: str
    key: dict[str, str]
    problem: str


class AdoptPage(msgspec.Struct, frozen=True, kw_only=True):
    """What an adoption has found on one page of a table, by the table's name in the schema.

    `incomplete` items lacked something, and `completed` items were written; in a dry run none is. `resume` is the
    position after this page, None at the end of the last table.
    """

    table: str
    scanned: int
    incomplete: int
    completed: int
    undecided: list[Undecided]
    resume: str | None


@dataclass(kw_only=True)
class _Plan:
    """What an item lacks: attributes, attributes in another form, nulls to remove, and claims."""

    table: Table[Any]
    item: Item
    model: Any = None
    set: dict[str, Item] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    claims: list[str] = field(default_factory=list)
    undecided: list[tuple[UndecidedKind, str]] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.table.key_in(self.item)

    @property
    def is_complete(self) -> bool:
        lacks = self.set or self.remove or self.claims or WRITE_ID not in self.item
        return self.model is None or not lacks

    @property
    def update(self) -> Update:
        return Update(set=self.set, remove=self.remove)

    @property
    def as_read(self) -> Condition:
        """Hold while everything that the plan was made from is as it was read."""
        names = [name for name in (*self.model.__struct_fields__, WRITE_ID) if not name.startswith("_")]
        condition = self.table.exists & all_equal({name: self.item[name] for name in names if name in self.item})
        for name in names:
            if name not in self.item:
                condition &= not_exists(name)
        return condition

    def leave(self, kind: UndecidedKind, problem: object) -> None:
        """Leave a decision to a person."""
        self.undecided.append((kind, str(problem)))

    def give_up(self, kind: UndecidedKind, problem: object) -> None:
        """Leave the whole item to a person."""
        self.model = None
        self.leave(kind, problem)


class _Run:
    """One adoption: its tables, the pace of its reads and writes, and a limit on the requests at the same time.

    The limit keeps connections free, and keeps calls from waiting for one until their deadline.
    """

    def __init__(self, tables: Tables, max_rcu: float | None, max_wcu: float | None) -> None:
        self.tables = tables
        self.reading = Pace(max_rcu)
        self._writing = Pace(max_wcu)
        self._turns = asyncio.Semaphore(max(1, min(_AT_ONCE, tables.wire.config.max_pool_connections // 2)))

    @asynccontextmanager
    async def read_request(self) -> AsyncIterator[None]:
        """Wait until one more request may read."""
        async with self._turns, self.reading.request():
            yield

    @asynccontextmanager
    async def write_request(self) -> AsyncIterator[None]:
        """Wait until one more request may write."""
        async with self._turns, self._writing.request():
            yield

    async def read(self, table: Table[Any], keys: Iterable[Key]) -> Mapping[Key, Item]:
        """Read items consistently, as they are stored."""
        wanted, found = list(dict.fromkeys(keys)), dict[Key, Item]()

        async def read(batch: list[Key]) -> None:
            async with self.read_request():
                found.update((await batch_get_items(self.tables.wire, {table: batch}, consistent=True))[table])

        await asyncio.gather(*[read(wanted[begin : begin + _BATCH]) for begin in range(0, len(wanted), _BATCH)])
        return found


def adopt(
    tables: Tables, *, apply: bool, max_rcu: float | None, max_wcu: float | None, resume: str | None
) -> AsyncGenerator[AdoptPage, None]:
    """Read table after table, page after page; complete what lacks something if `apply`."""
    adopted: dict[str, Table[Any]] = {name: getattr(tables, name) for name in _PLANNERS}
    position = start(next(iter(adopted))) if resume is None else parse(resume, adopted)
    limit = max(1, min([_PAGE, *(int(rate) for rate in (max_rcu, max_wcu) if rate is not None)]))
    return _adopt(_Run(tables, max_rcu, max_wcu), position, limit, apply=apply)


async def _adopt(run: _Run, position: Position, limit: int, *, apply: bool) -> AsyncGenerator[AdoptPage, None]:
    reads = {name: partial(getattr(run.tables, name).scan, limit=limit) for name in _PLANNERS}
    async with aclosing(scan(reads, position, run.reading)) as pages:
        async for page in pages:
            with working_for(access_pattern()):
                plans = await _PLANNERS[page.table](run, page.items)
                incomplete = [number for number, plan in enumerate(plans) if not plan.is_complete]
                completed = 0
                if apply:
                    written = await asyncio.gather(
                        *[_complete(run, page.table, plans, number) for number in incomplete]
                    )
                    completed = sum(written)
            yield AdoptPage(
                table=page.table,
                scanned=len(page.items),
                incomplete=len(incomplete),
                completed=completed,
                undecided=[undecided for plan in plans for undecided in _undecided(plan)],
                resume=None if page.position is None else page.position.text,
            )


def _undecided(plan: _Plan) -> Iterable[Undecided]:
    table, key = plan.table.where(plan.key)
    for kind, problem in plan.undecided:
        yield Undecided(kind=kind, table=table, key=key, problem=problem)


# ---- writing


async def _complete(run: _Run, name: str, plans: list[_Plan], place: int) -> bool:
    """Store what an item lacks; return whether this call has stored something.

    If the item has changed, it is read and planned again, and the new plan takes the place of the old one.
    """
    contention = Contention()
    for _ in range(_ATTEMPTS):
        plan = plans[place]
        if plan.is_complete:
            return False
        try:
            await _write(run, plan)
        except (ConditionFailedError, TransactionRefusedError):
            await contention.pause()
        else:
            return True
        async with run.read_request():
            item = await plan.table.get_item(plan.key)
        if item is None:
            plan.undecided.clear()
            return False
        plans[place] = next(iter(await _PLANNERS[name](run, [item])), _Plan(table=plan.table, item=item))
    plans[place].leave(UndecidedKind.CHANGING, f"it has changed {_ATTEMPTS} times: adopt again")
    return False


async def _write(run: _Run, plan: _Plan) -> None:
    if plan.table is run.tables.users and plan.item.get("wiki_count", _NULL) == _NULL:
        async with run.read_request():
            plan.set["wiki_count"] = number(await wikis_of(run.tables, plan.model.id))
    async with run.write_request():
        if not plan.claims:
            await plan.table.patch(plan.key, plan.update, plan.as_read)
            return
        transaction = Transaction(run.tables.wire)
        transaction.update("user", plan.table, plan.key, plan.update, plan.as_read)
        for claim_id in plan.claims:
            claim = Claim(id=claim_id, user_id=plan.model.id)
            transaction.put(claim_id, run.tables.claims, claim, own_or_free(plan.model.id))
        await transaction.commit(plan.table, plan.key)


# ---- planning


def _plan(table: Table[Any], item: Item) -> _Plan:
    """Return how the item differs from what this library would have written."""
    plan = _Plan(table=table, item=item)
    try:
        plan.model = table.decode(item)
        written = table.codec.encode(plan.model, "")
    except (CorruptItemError, ValueError) as error:
        plan.give_up(UndecidedKind.CORRUPT, getattr(error, "reason", error))
        return plan
    del written[WRITE_ID]
    plan.set = {name: value for name, value in written.items() if item.get(name) != value}
    nulls = [name for name in plan.model.__struct_fields__ if item.get(name) == _NULL and name not in written]
    plan.remove = tuple(nulls)
    return plan


async def _plan_users(run: _Run, items: Sequence[Item]) -> list[_Plan]:
    users = run.tables.users
    plans = [_plan(users, item) for item in items if not users.key_in(item)[0].startswith(CLAIM) and not _leaves(item)]
    claims = [(plan, claim_id, kind) for plan in plans for claim_id, kind in _claims(users, plan)]
    held = await run.read(run.tables.claims, [(claim_id,) for _, claim_id, _ in claims])

    async def look(plan: _Plan, claim_id: str, kind: UndecidedKind) -> None:
        claim = held.get((claim_id,))
        holder = plan.key[0] if claim is None else claim.get("user_id", {}).get("S")
        if claim is None and kind is UndecidedKind.IDENTITY_TAKEN:
            holder = await _oldest(run, plan)
        if holder != plan.key[0]:
            plan.leave(kind, f"user {holder} has it: take it from one of them, or delete one")
        elif claim is None:
            plan.claims.append(claim_id)

    await asyncio.gather(*[look(*claim) for claim in claims])
    return plans


def _claims(users: Table[Any], plan: _Plan) -> Iterable[tuple[str, UndecidedKind]]:
    """Yield the ids of the claims that belong to a user, and what it means if somebody else holds one."""
    if plan.model is None:
        return
    try:
        check_id("id", plan.model.id)
        for identity in identities_of(users, plan.model, plan.item):
            yield oauth_claim(*identity), UndecidedKind.IDENTITY_TAKEN
    except (CorruptItemError, InvalidKeyError) as error:
        plan.give_up(UndecidedKind.INVALID_KEY, getattr(error, "reason", error))
        return
    try:
        if plan.model.username is not None:
            yield username_claim(plan.model.username), UndecidedKind.USERNAME_TAKEN
    except InvalidKeyError as error:
        plan.leave(UndecidedKind.USERNAME_INVALID, error)


async def _oldest(run: _Run, plan: _Plan) -> str:
    """Return the user who gets the claim on an identity that nobody has claimed: of several, the oldest."""
    identity = Identity(plan.model.oauth_provider, plan.model.oauth_provider_sub)
    is_first = equals("oauth_provider", string(identity.provider)) & equals("oauth_provider_sub", string(identity.sub))
    async with run.read_request():
        if len(await run.tables.users.find_keys(OAUTH_INDEX, is_first)) <= 1:
            return plan.key[0]
        oldest = await find_unclaimed(run.tables, identity)
    return plan.key[0] if oldest is None else run.tables.users.key_in(oldest)[0]


async def _plan_wikis(run: _Run, items: Sequence[Item]) -> list[_Plan]:
    plans = [_plan(run.tables.wikis, item) for item in items if not _leaves(item)]
    for plan in plans:
        try:
            WikiKey(*plan.key)
        except InvalidKeyError as error:
            plan.give_up(UndecidedKind.INVALID_KEY, error)
    sound = [plan for plan in plans if plan.model is not None]
    owners = await run.read(run.tables.users, [(plan.model.owner_id,) for plan in sound])
    for plan in sound:
        if (plan.model.owner_id,) not in owners:
            # Left as it is: a sweep deletes wikis without an owner only if this library wrote them.
            plan.give_up(UndecidedKind.WIKI_WITHOUT_OWNER, "nobody can open it: create its owner, or delete it")
    return plans


async def _plan_acls(run: _Run, items: Sequence[Item]) -> list[_Plan]:
    plans = [_plan(run.tables.acls, item) for item in items]
    keys: dict[int, Key] = {}
    for place, plan in enumerate(plans):
        try:
            wiki = WikiKey.parse(plan.key[0])
            check_grantee(plan.key[1])
        except InvalidKeyError as error:
            plan.give_up(UndecidedKind.INVALID_KEY, error)
        else:
            if plan.model is not None and plan.model.wiki_uid is None:
                keys[place] = (wiki.owner_id, wiki.wiki_slug)
    wikis = await run.read(run.tables.wikis, keys.values())
    for place, key in keys.items():
        _tie(run.tables, plans[place], wikis.get(key))
    return plans


def _tie(tables: Tables, plan: _Plan, item: Item | None) -> None:
    """Give a grant the `uid` of its wiki, unless it was given for an earlier one."""
    if item is None:
        plan.give_up(UndecidedKind.GRANT_WITHOUT_WIKI, "it opens nothing: `sweep --apply` deletes it")
        return
    try:
        wiki = tables.wikis.decode(item)
    except CorruptItemError:  # reported in its table
        return
    if not wiki.is_live:
        return
    if plan.model.is_for(wiki):
        plan.set["wiki_uid"] = string(wiki.uid)
    else:
        plan.leave(UndecidedKind.GRANT_BEFORE_WIKI, "it opens nothing: give it again, or delete it")


def _leaves(item: Item) -> bool:
    """Return whether an item is being deleted."""
    return item.get("status") == _DELETING


# Users first, so that the counts and claims of owners are there early; grants need the `uid` of wikis.
_PLANNERS: dict[str, Callable[[_Run, Sequence[Item]], Awaitable[list[_Plan]]]] = {
    "users": _plan_users,
    "wikis": _plan_wikis,
    "acls": _plan_acls,
}
