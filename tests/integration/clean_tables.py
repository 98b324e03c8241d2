"""Tables that hold only the items of one test, and are checked as a whole after it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.invariants import read_all, violations_among
from wikibot_store import WikibotStore
from wikibot_store.schema import TABLES

_BATCH_WRITE = 25
_WRITES_AT_A_TIME = 8


async def check_and_wipe(store: WikibotStore) -> None:
    """Check that all items are consistent, then delete them."""
    stored = await read_all(store)
    await wipe(store, stored.tables)
    assert violations_among(stored) == []


async def wipe(store: WikibotStore, items: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Delete these items, by table."""
    turns = asyncio.Semaphore(_WRITES_AT_A_TIME)

    async def delete(table: str, keys: Sequence[Mapping[str, Any]]) -> None:
        pending: Any = {store.config.table_name(table): [{"DeleteRequest": {"Key": key}} for key in keys]}
        while pending:
            async with turns:
                pending = (await (await store.client()).batch_write_item(RequestItems=pending))["UnprocessedItems"]

    keys = {
        schema.name: [{name: item[name] for name in schema.key} for item in items[schema.name]] for schema in TABLES
    }
    await asyncio.gather(
        *[
            delete(table, of_table[start : start + _BATCH_WRITE])
            for table, of_table in keys.items()
            for start in range(0, len(of_table), _BATCH_WRITE)
        ]
    )
