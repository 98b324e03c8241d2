"""What a sweep finds: items with something wrong, and how each is repaired."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import Table
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store.errors import WikibotStoreError


class FindingKind(StrEnum):
    """What is wrong with an item."""

    WIKI_DELETING = "wiki is half deleted"
    WIKI_MOVING = "wiki has half moved"
    WIKI_WITHOUT_OWNER = "wiki without its owner"
    USER_DELETING = "user is half deleted"
    CLAIM_WITHOUT_USER = "claim without its user"
    USER_WITHOUT_CLAIM = "user without its claim"
    WRONG_COUNT = "wiki_count is wrong"
    GRANT_WITHOUT_WIKI = "grant without its wiki"
    GRANT_WITHOUT_USER = "grant without its user"
    CORRUPT = "item does not decode"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One item with something wrong. If it was not `repaired`, `problem` may say why."""

    kind: FindingKind
    table: str
    key: dict[str, str]
    repaired: bool = False
    problem: str | None = None


class SweepPage(msgspec.Struct, frozen=True, kw_only=True):
    """The findings on one page of a table, by the table's name in the schema.

    `resume` is the position after this page, None at the end of the last table.
    """

    table: str
    scanned: int
    findings: list[Finding]
    resume: str | None


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """An item with something wrong, and how to repair it; if that is not possible, `problem` says why."""

    kind: FindingKind
    table: Table[Any]
    key: Key
    repair: Callable[[], Awaitable[object]] | None = None
    problem: str | None = None

    async def finding(self, *, apply: bool) -> Finding:
        """Return the finding, after the repair if `apply`."""
        table, key = self.table.where(self.key)
        found = Finding(kind=self.kind, table=table, key=key, problem=self.problem)
        if not apply or self.repair is None:
            return found
        try:
            await self.repair()
        except TransactionRefusedError:
            return msgspec.structs.replace(found, problem="changed meanwhile: sweep again")
        except WikibotStoreError as error:
            return msgspec.structs.replace(found, problem=str(error))
        return msgspec.structs.replace(found, repaired=True)


def corrupt(table: Table[Any], item: Item, error: WikibotStoreError) -> Suspect:
    """Return a suspect that only a person can repair."""
    return Suspect(kind=FindingKind.CORRUPT, table=table, key=table.key_in(item), problem=str(error))


def to_remove(kind: FindingKind, table: Table[Any], item: Item, transaction: Transaction) -> Suspect:
    """Return a suspect that a transaction deletes, after it has checked that the item is still wrong."""
    key = table.key_in(item)
    transaction.delete("item", table, key, table.unchanged(item))
    return Suspect(kind=kind, table=table, key=key, repair=partial(transaction.commit, table, key))
