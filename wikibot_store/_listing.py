"""Listings: the items that one Query finds, in their order, and the cursors between their pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wikibot_store import _cursor
from wikibot_store._expressions import Condition, begins_with, equals, query
from wikibot_store._items import Item, string
from wikibot_store.errors import InvalidCursorError, InvalidKeyError


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Which items a listing holds, and in what order. `check` raises InvalidKeyError for what is no sort key of it."""

    name: str
    partition: tuple[str, str]
    sort_key: str
    check: Callable[[str], object]
    index: str | None = None
    prefix: str | None = None
    descending: bool = False
    where: Condition | None = None

    def request(self) -> dict[str, Any]:
        """Return the members of a Query that all its pages share."""
        attribute, value = self.partition
        condition = equals(attribute, string(value))
        if self.prefix is not None:
            condition &= begins_with(self.sort_key, string(self.prefix))
        request = query(condition, self.where) | {"ScanIndexForward": not self.descending}
        return request if self.index is None else request | {"IndexName": self.index}

    def cursor(self, last: object, secrets: tuple[str, ...]) -> str:
        """Return the cursor that leads on behind the `last` model of a page."""
        return _cursor.encode(self._identity, getattr(last, self.sort_key), secrets)

    def start(self, cursor: str, secrets: tuple[str, ...]) -> Item:
        """Return the key behind which a cursor leads on; every listing's two attributes are a whole primary key.

        Raises:
            InvalidCursorError: The cursor is damaged, or not of this listing.

        """
        sort_key = _cursor.decode(self._identity, cursor, secrets)
        try:
            # Without a secret anybody can make a cursor, so what it holds is checked like any other input.
            self.check(sort_key)
        except InvalidKeyError as error:
            raise InvalidCursorError("the cursor is damaged: start again without one") from error
        if self.prefix is not None and not sort_key.startswith(self.prefix):
            raise InvalidCursorError("the cursor is damaged: start again without one")
        attribute, value = self.partition
        return {attribute: string(value), self.sort_key: string(sort_key)}

    @property
    def _identity(self) -> tuple[str, ...]:
        """What a cursor is bound to."""
        return (self.name, self.partition[1], self.prefix or "", "descending" if self.descending else "ascending")
