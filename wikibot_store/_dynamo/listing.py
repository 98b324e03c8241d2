"""Listings: the items that a Query finds, in order, page by page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from wikibot_store._dynamo import cursor as cursors
from wikibot_store._dynamo.expressions import Condition, begins_with, equals, query
from wikibot_store._dynamo.items import Item, string
from wikibot_store.errors import CorruptItemError, InvalidCursorError, InvalidKeyError

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a listing. `cursor` gets the next page; it is None on the last page and only there.

    `corrupt` has an error for each stored item in this part of the listing that does not decode. It is not in `items`.
    """

    items: list[T]
    cursor: str | None = None
    corrupt: tuple[CorruptItemError, ...] = ()

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the items."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The items of one listing and their order. `check` raises InvalidKeyError for an invalid sort key.

    DynamoDB returns the items for which `where` holds. `keep` drops some of them after they were read.
    """

    name: str
    partition: tuple[str, str]
    sort_key: str
    check: Callable[[str], object]
    index: str | None = None
    prefix: str | None = None
    descending: bool = False
    where: Condition | None = None
    keep: Callable[[Any], bool] | None = None

    def request(self) -> dict[str, Any]:
        """Return the members of the Query, which are the same for all pages."""
        attribute, value = self.partition
        condition = equals(attribute, string(value))
        if self.prefix is not None:
            condition &= begins_with(self.sort_key, string(self.prefix))
        request = query(condition, self.where) | {"ScanIndexForward": not self.descending}
        return request if self.index is None else request | {"IndexName": self.index}

    def cursor(self, last: object, secrets: tuple[str, ...]) -> str:
        """Return the cursor of the page that starts after the `last` model."""
        return cursors.encode(self._identity, getattr(last, self.sort_key), secrets)

    def start(self, cursor: str, secrets: tuple[str, ...]) -> Item:
        """Return the ExclusiveStartKey of a cursor: the two key attributes of the listing, which form the primary key.

        Raises:
            InvalidCursorError: The cursor is damaged or belongs to another listing.

        """
        sort_key = cursors.decode(self._identity, cursor, secrets)
        try:
            # Anybody can make a cursor if there is no secret, so its content is validated like any other input.
            self.check(sort_key)
        except InvalidKeyError as error:
            raise InvalidCursorError("the cursor is damaged: start again without one") from error
        if self.prefix is not None and not sort_key.startswith(self.prefix):
            raise InvalidCursorError("the cursor is damaged: start again without one")
        attribute, value = self.partition
        return {attribute: string(value), self.sort_key: string(sort_key)}

    @property
    def _identity(self) -> tuple[str, ...]:
        """The values that a cursor is bound to."""
        return (self.name, self.partition[1], self.prefix or "", "descending" if self.descending else "ascending")
