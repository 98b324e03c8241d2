"""Find what crashes and restores left behind, and finish or remove it.

A sweep reads the tables from end to end. Batch reads clear the items that are sound. Each of the others is inspected
by reads of its own. A sweep repairs with the very calls that were cut off, or with transactions that
check again. It is therefore safe beside a running service: an operation that is still under way is found too, and may
be finished twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.scan import Position, Read, parse, scan, start
from wikibot_store._dynamo.table import Table
from wikibot_store._wire import Pace
from wikibot_store.schema import TABLES
from wikibot_store.workflows.sweep.findings import Finding, FindingKind, Suspect, SweepPage
from wikibot_store.workflows.sweep.inspection import (
    existing,
    inspect_acls,
    inspect_items,
    inspect_users,
    inspect_wikis,
)
from wikibot_store.workflows.sweep.screening import Screening
from wikibot_store.workflows.tables import Tables

__all__ = ["Finding", "FindingKind", "SweepPage", "sweep"]

_PAGE = 500
_AT_ONCE = 100
# Repairs move and delete wikis, and delete users with their claims.
_CHANGED_BY_REPAIRS = frozenset({"wikis", "users"})


class _Inspection(NamedTuple):
    """How to inspect a table: which items need it, what is wrong with them, and about how many RRU an item takes.

    The Scan is not in this number.
    """

    screen: Callable[[Screening, Sequence[Item]], Awaitable[list[Item]]]
    find: Callable[[Tables, Sequence[Item]], Awaitable[list[Suspect]]]
    cost: int


# In this order, because each repair makes the later counts and grants right.
_OWN_INSPECTIONS = {
    "wikis": _Inspection(Screening.wikis, inspect_wikis, 1),
    "users": _Inspection(Screening.users, inspect_users, 2),
    "acls": _Inspection(Screening.acls, inspect_acls, 2),
}
# In every other table the items must decode.
_INSPECTIONS = _OWN_INSPECTIONS | {
    schema.name: _Inspection(Screening.others, partial(inspect_items, schema.name), 0)
    for schema in TABLES
    if schema.name not in _OWN_INSPECTIONS
}


class _Screened(NamedTuple):
    """What is left of a page: its number of items, and those that have to be inspected."""

    scanned: int
    doubtful: list[Item]


def sweep(
    tables: Tables, *, apply: bool, segments: int, max_rcu: float | None, resume: str | None
) -> AsyncGenerator[SweepPage, None]:
    """Read table after table, page after page; repair what is found if `apply`."""
    swept: dict[str, Table[Any]] = {name: getattr(tables, name) for name in _INSPECTIONS}
    position = start(next(iter(swept)), segments) if resume is None else parse(resume, swept)
    return _sweep(tables, position, Pace(max_rcu), apply=apply)


async def _sweep(tables: Tables, position: Position, pace: Pace, *, apply: bool) -> AsyncGenerator[SweepPage, None]:
    screening = Screening(tables, len(position.after))
    reads = {name: _reader(name, tables, screening, pace.rate) for name in _INSPECTIONS}
    async with aclosing(scan(reads, position, pace)) as pages:
        async for page in pages:
            scanned, doubtful = page.items
            findings: list[Finding] = []
            for begin in range(0, len(doubtful), _AT_ONCE):
                async with pace.request():
                    suspects = await _inspect(tables, page.table, doubtful[begin : begin + _AT_ONCE])
                findings += [await suspect.finding(apply=apply) for suspect in suspects]
            yield SweepPage(
                table=page.table,
                scanned=scanned,
                findings=findings,
                resume=None if page.position is None else page.position.text,
            )


async def _inspect(tables: Tables, name: str, items: Sequence[Item]) -> list[Suspect]:
    """Inspect items; those that repairs of others change are read again, since the page was scanned a while ago."""
    if name in _CHANGED_BY_REPAIRS:
        table: Table[Any] = getattr(tables, name)
        found = await existing(table, map(table.key_in, items))
        items = [item for item in found.values() if item is not None]
    return await _INSPECTIONS[name].find(tables, items)


def _reader(name: str, tables: Tables, screening: Screening, rate: float | None) -> Read[_Screened]:
    """Return what reads a page and screens it, for several segments at the same time."""
    table: Table[Any] = getattr(tables, name)
    inspection = _INSPECTIONS[name]

    async def read(after: Key | None, segment: int, segments: int) -> tuple[_Screened, Key | None]:
        # The pages use their units at once and wait for them afterwards: about a second's worth for all segments.
        limit = _PAGE if rate is None else max(1, min(_PAGE, int(rate / (1 + inspection.cost) / segments)))
        items, last = await table.scan(after, segment, segments, limit=limit)
        return _Screened(len(items), await inspection.screen(screening, items)), last

    return read
