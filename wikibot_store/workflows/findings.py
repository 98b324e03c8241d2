"""What a sweep finds: faults of single items, and how each is mended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Literal

import msgspec

from wikibot_store._items import WRITE_ID, Item
from wikibot_store._reads import KeyValues
from wikibot_store._table import Table
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store.errors import WikibotStoreError

TableName = Literal["wikis", "users", "acls"]


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


@dataclass(frozen=True, kw_only=True)
class Suspect:
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


def key_in(table: Table[Any], item: Item) -> KeyValues:
    """Return the values of the primary key of an item as it is stored."""
    return tuple(item[name]["S"] for name in table.codec.schema.key)


def corrupt(table: Table[Any], item: Item, error: WikibotStoreError) -> Suspect:
    """Return a suspect that only a person can mend."""
    return Suspect(fault=Fault.CORRUPT, table=table, key=key_in(table, item), problem=str(error))


def to_remove(fault: Fault, table: Table[Any], item: Item, transaction: Transaction) -> Suspect:
    """Return a suspect to be deleted by a transaction that checks first whether the fault is still there."""
    key = key_in(table, item)
    transaction.delete("item", table, key, table.unchanged(item, WRITE_ID))
    return Suspect(fault=fault, table=table, key=key, mend=partial(transaction.commit, table, key))
