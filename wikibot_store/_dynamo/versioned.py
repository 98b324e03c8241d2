"""A table whose items have versions. An update replaces exactly the version that its writer has read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from wikibot_store._dynamo.checks import check_integer, utc_now
from wikibot_store._dynamo.expressions import Condition, Update, absent_or, equals, exists
from wikibot_store._dynamo.items import Item, ItemCodec
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import ConditionFailedError, Table
from wikibot_store._wire import Contention, Wire
from wikibot_store.errors import ConflictError, NotActiveError, NotFoundError, WriteOutcomeUnknownError

M = TypeVar("M", bound=msgspec.Struct)


class VersionedTable(Table[M]):
    """A table of a model with `version`, `updated_at` and `status`.

    An update refuses an item for which `writable` does not hold. The item's `status` gives the reason.
    """

    def __init__(
        self,
        wire: Wire,
        name: str,
        codec: ItemCodec[M],
        *,
        identity: str | None = None,
        writable: Condition | None = None,
    ) -> None:
        super().__init__(wire, name, codec, identity=identity)
        self._writable = writable

    async def update(
        self,
        key: Key,
        changes: Mapping[str, Any],
        *,
        expected_version: int | None,
        identity: str | None = None,
        forget: Sequence[str] = (),
    ) -> M:
        """Send UpdateItem on the condition that the version is unchanged. None removes an attribute, UNSET keeps it.

        The attributes in `forget`, which the model does not have, are removed too.

        Without `expected_version` the item is read first, and the update is retried while other writers win. An item
        with another `identity` counts as missing. If another item takes the key after the read, the update does not
        change it.

        Raises:
            NotFoundError: There is no such item.
            ConflictError: The item has another version than expected.
            NotActiveError: The item is not writable.
            WriteOutcomeUnknownError: The answer was lost, and the stored item does not show whether the update took
                effect.
            TypeError: There is nothing to change, or a value has the wrong type.

        """
        if expected_version is not None:
            check_integer("expected_version", expected_version)
        changes = {name: value for name, value in changes.items() if value is not UNSET}
        if not changes:
            raise TypeError("nothing to update: give at least one attribute")
        update = Update(
            set={name: self.codec.value(name, value) for name, value in changes.items() if value is not None},
            remove=(*(self.codec.removable(name) for name, value in changes.items() if value is None), *forget),
        )
        identified = self._identified(identity)
        deadline = self.wire.deadline()
        if expected_version is not None:
            return await self._update(key, update, expected_version, identified, deadline)
        contention = Contention()
        current: Any = await self.get(*key, consistent=True)
        while True:
            if current is None or identity not in {None, self._identity_of(current)}:
                raise NotFoundError(*self.where(key))
            same = self._identified(self._identity_of(current))
            try:
                return await self._update(key, update, current.version, same, deadline)
            except ConflictError as conflict:
                current = conflict.current
            except NotFoundError:  # there is no item any more, or another one
                current = await self.get(*key, consistent=True)
            await contention.pause()

    def _identity_of(self, model: M) -> str | None:
        return None if self._identity is None else getattr(model, self._identity)

    def _identified(self, identity: str | None) -> Item:
        """Return the attributes that distinguish this item from a later item under its key."""
        if identity is None or self._identity is None:
            return {}
        return {self._identity: self.codec.value(self._identity, identity)}

    async def _update(self, key: Key, update: Update, expected: int, same: Item, deadline: float) -> M:
        now = utc_now()
        versioned = Update(set={**update.set, **self.next_version(expected, now)}, remove=update.remove)
        try:
            return await self.patch(key, versioned, self._updatable(expected, same), deadline=deadline)
        except ConditionFailedError as failed:
            item = failed.item
            if item is not None and not failed.maybe_applied and await self.complete(item, deadline=deadline):
                return await self._update(key, update, expected, same, deadline)
            current: Any = self.decode(item) if item is not None and same.items() <= item.items() else None
            if failed.maybe_applied:
                # If the item has the next version, `updated_at` shows whether this update made it: a background write
                # that followed keeps both. With any other version, later updates may hide this one.
                if current is None or current.version != expected + 1:
                    raise WriteOutcomeUnknownError(*self.where(key), "UpdateItem") from failed
                if current.updated_at == now:
                    found: M = current
                    return found
            if current is None:
                raise NotFoundError(*self.where(key)) from failed
            if current.version == expected:
                raise NotActiveError(*self.where(key), current.status) from failed
            raise ConflictError(*self.where(key), current) from failed

    def _updatable(self, expected: int, same: Item) -> Condition:
        """Hold if the item has this version and these attributes, and is writable."""
        condition = self.version_is(expected)
        for attribute, value in same.items():
            condition &= equals(attribute, value)
        if self._identity is not None and not same:
            condition &= exists(self._identity)
        return condition if self._writable is None else condition & self._writable

    def version_is(self, version: int) -> Condition:
        """Hold if the item has this version; an item without the attribute has version 1."""
        value = self.codec.value("version", version)
        return absent_or("version", "=", value) if version == 1 else equals("version", value)

    def next_version(self, version: int, now: datetime) -> Item:
        """Return the attributes that an update of this version sets: the next version and its time."""
        return {"version": self.codec.value("version", version + 1), "updated_at": self.codec.value("updated_at", now)}
