"""Find what crashes and restores left behind, and finish or remove it.

A sweep reads the tables from end to end. It repairs with the very calls that were cut off, or with transactions that
check again. It is therefore safe beside a running service: an operation that is still under way is found too, and may
be finished twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec

from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.table import Table
from wikibot_store.schema import TABLES
from wikibot_store.usage import collect
from wikibot_store.workflows.sweep.findings import Finding, FindingKind, Suspect, SweepPage
from wikibot_store.workflows.sweep.inspection import inspect_acls, inspect_items, inspect_users, inspect_wikis
from wikibot_store.workflows.tables import Tables

__all__ = ["Finding", "FindingKind", "SweepPage", "sweep"]

_PAGE = 100


class _Inspection(NamedTuple):
    """How to inspect the items of a table, and about how many RRU that takes per item besides the Scan."""

    find: Callable[[Tables, Sequence[Item]], Awaitable[list[Suspect]]]
    cost: int


# In this order, because each repair makes the later counts and grants right.
_OWN_INSPECTIONS = {
    "wikis": _Inspection(inspect_wikis, 0),
    "users": _Inspection(inspect_users, 2),
    "acls": _Inspection(inspect_acls, 2),
}
# In every other table the items must decode.
_INSPECTIONS = _OWN_INSPECTIONS | {
    schema.name: _Inspection(partial(inspect_items, schema.name), 0)
    for schema in TABLES
    if schema.name not in _OWN_INSPECTIONS
}


class _Position(msgspec.Struct):
    """The position of a sweep: a table, and the primary key after which to continue."""

    table: str
    after: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] | None = None


async def sweep(
    tables: Tables, *, apply: bool, max_rcu: float | None, resume: str | None
) -> AsyncGenerator[SweepPage, None]:
    """Read table after table, page after page; repair what is found if `apply`."""
    if max_rcu is not None and not max_rcu > 0:
        raise ValueError("max_rcu must be more than 0")
    position = _parse(tables, resume)
    while True:
        inspection = _INSPECTIONS[position.table]
        # A page uses its units at once and waits for them afterwards: about a second's worth.
        limit = _PAGE if max_rcu is None else max(1, min(_PAGE, int(max_rcu / (1 + inspection.cost))))
        with collect() as usage:
            items, last_key = await _table(tables, position.table).scan(position.after, limit)
        findings = [await suspect.finding(apply=apply) for suspect in await inspection.find(tables, items)]
        following = _Position(position.table, last_key) if last_key is not None else _next_table(position.table)
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
            await asyncio.sleep((usage.read_units + len(items) * inspection.cost) / max_rcu)


def _parse(tables: Tables, resume: str | None) -> _Position:
    if resume is None:
        return _Position(next(iter(_INSPECTIONS)))
    try:
        position = msgspec.json.decode(resume, type=_Position)
        table = _table(tables, position.table)
        if position.after is not None:  # a wrong number of values is a ValueError
            table.where(position.after)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("resume must come from an earlier sweep") from error
    return position


def _next_table(table: str) -> _Position | None:
    """Return the start of the next table, None after the last one."""
    names = list(_INSPECTIONS)
    later = names[names.index(table) + 1 :]
    return _Position(later[0]) if later else None


def _table(tables: Tables, name: str) -> Table[Any]:
    """Return a table by its name in the schema; an unknown name is a KeyError."""
    if name not in _INSPECTIONS:
        raise KeyError(name)
    table: Table[Any] = getattr(tables, name)
    return table
