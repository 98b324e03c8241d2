"""Find what crashes and restores left behind, and finish or remove it.

A sweep reads the tables from end to end. It repairs with the very calls that were cut off, or with transactions that
check again. It is therefore safe beside a running service: an operation that is still under way is found too, and may
be finished twice.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.scan import Position, Read, parse, scan, start
from wikibot_store._dynamo.table import Table
from wikibot_store._wire import Pace
from wikibot_store.schema import TABLES
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
    "wikis": _Inspection(inspect_wikis, 1),
    "users": _Inspection(inspect_users, 2),
    "acls": _Inspection(inspect_acls, 2),
}
# In every other table the items must decode.
_INSPECTIONS = _OWN_INSPECTIONS | {
    schema.name: _Inspection(partial(inspect_items, schema.name), 0)
    for schema in TABLES
    if schema.name not in _OWN_INSPECTIONS
}


def sweep(tables: Tables, *, apply: bool, max_rcu: float | None, resume: str | None) -> AsyncGenerator[SweepPage, None]:
    """Read table after table, page after page; repair what is found if `apply`."""
    swept: dict[str, Table[Any]] = {name: getattr(tables, name) for name in _INSPECTIONS}
    position = start(next(iter(swept))) if resume is None else parse(resume, swept)
    return _sweep(tables, position, Pace(max_rcu), apply=apply)


async def _sweep(tables: Tables, position: Position, pace: Pace, *, apply: bool) -> AsyncGenerator[SweepPage, None]:
    reads = {name: _reader(getattr(tables, name), inspection.cost, pace) for name, inspection in _INSPECTIONS.items()}
    async with aclosing(scan(reads, position, pace)) as pages:
        async for page in pages:
            inspection = _INSPECTIONS[page.table]
            pace.charge(len(page.items) * inspection.cost)
            findings = [await suspect.finding(apply=apply) for suspect in await inspection.find(tables, page.items)]
            yield SweepPage(
                table=page.table,
                scanned=len(page.items),
                findings=findings,
                resume=None if page.position is None else page.position.text,
            )


def _reader(table: Table[Any], cost: int, pace: Pace) -> Read[list[Item]]:
    # A page uses its units at once and waits for them afterwards: about a second's worth.
    limit = _PAGE if pace.rate is None else max(1, min(_PAGE, int(pace.rate / (1 + cost))))
    return partial(table.scan, limit=limit)
