"""What an operator runs from time to time: find what crashes have left, and finish or remove it.

Everything is found by reading the tables from end to end, and mended by the very calls that were cut off or by
transactions that check again. So it is safe beside a running service; what is still under way is found too, and
finishing it twice does no harm.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from wikibot_store._items import Item
from wikibot_store._reads import KeyValues
from wikibot_store._replies import StoredPage
from wikibot_store._table import Table
from wikibot_store._tables import Tables
from wikibot_store.usage import collect
from wikibot_store.workflows.findings import Suspect, SweepPage, TableName, key_in
from wikibot_store.workflows.inspection import inspect_acls, inspect_users, inspect_wikis

_PAGE = 100


class _Inspection(NamedTuple):
    """How the items of a table are inspected, and about how many RRU that takes per item besides the scan."""

    find: Callable[[Tables, Sequence[Item]], Awaitable[list[Suspect]]]
    cost: int


# In this order: what is mended first makes the later counts and grants right.
_TABLES: dict[TableName, _Inspection] = {
    "wikis": _Inspection(inspect_wikis, 0),
    "users": _Inspection(inspect_users, 2),
    "acls": _Inspection(inspect_acls, 2),
}


class _Position(msgspec.Struct):
    """Where a sweep is: a table, and the primary key behind which to go on."""

    table: TableName
    after: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] | None = None


async def sweep(
    tables: Tables, *, apply: bool, max_rcu: float | None, resume: str | None
) -> AsyncGenerator[SweepPage, None]:
    """Read wikis, users and acls page after page, and mend what is found if `apply` says so."""
    if max_rcu is not None and not max_rcu > 0:
        raise ValueError("max_rcu must be more than 0")
    position = _parse(tables, resume)
    while True:
        inspection = _TABLES[position.table]
        # What a page takes is spent at once and waited for afterwards: about a second's worth of it.
        limit = _PAGE if max_rcu is None else max(1, min(_PAGE, int(max_rcu / (1 + inspection.cost))))
        items, last_key, units = await _scan(tables, position, limit)
        findings = [await suspect.finding(apply=apply) for suspect in await inspection.find(tables, items)]
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
            await asyncio.sleep((units + len(items) * inspection.cost) / max_rcu)


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
    later = list(_TABLES)[list(_TABLES).index(table) + 1 :]
    return _Position(later[0]) if later else None


def _table(tables: Tables, name: TableName) -> Table[Any]:
    table: Table[Any] = getattr(tables, name)
    return table


async def _scan(tables: Tables, position: _Position, limit: int) -> tuple[list[Item], KeyValues | None, float]:
    """Scan one page; return its items, the key behind which the next one begins, and the RRU that it took."""
    table = _table(tables, position.table)
    request: Item = {"TableName": table.name, "Limit": limit}
    if position.after is not None:
        request["ExclusiveStartKey"] = table.key_item(position.after)
    with collect() as usage:
        reply: StoredPage = await table.call("Scan", request, table.decode_stored_page, ())
    last_key = None if reply.last_key is None else key_in(table, reply.last_key)
    return reply.items, last_key, usage.read_units
