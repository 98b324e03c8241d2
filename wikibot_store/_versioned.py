"""A table whose items count their versions: an update replaces the one version that its writer has seen."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import UNSET

from wikibot_store._checks import check_whole
from wikibot_store._expressions import Condition, Update, absent_or, equals
from wikibot_store._items import Item, ItemCodec
from wikibot_store._reads import KeyValues
from wikibot_store._table import ConditionFailedError, Table
from wikibot_store._wire import Contention, Wire
from wikibot_store.errors import ConflictError, NotActiveError, NotFoundError, WriteOutcomeUnknownError
from wikibot_store.models import User, Wiki

V = TypeVar("V", bound=User | Wiki)


class VersionedTable(Table[V]):
    """A table whose items count their versions. Items for which `writable` does not hold are not updated."""

    def __init__(
        self,
        wire: Wire,
        name: str,
        codec: ItemCodec[V],
        *,
        identity: str | None = None,
        writable: Condition | None = None,
    ) -> None:
        super().__init__(wire, name, codec, identity=identity)
        self._writable = writable

    async def update(
        self,
        key: KeyValues,
        changes: Mapping[str, Any],
        *,
        expected_version: int | None,
        identity: str | None = None,
        forget: Sequence[str] = (),
    ) -> V:
        """UpdateItem on condition of the version. None removes an attribute, UNSET keeps it.

        What to `forget` is removed too: attributes that the model does not show.

        Without `expected_version` the item is read first, and again for as long as others are faster. One of another
        `identity` is as good as none; an update never reaches another item than the one that was read for it.

        Raises:
            NotFoundError: There is no such item.
            ConflictError: The item has another version than expected.
            NotActiveError: The item is not writable.
            WriteOutcomeUnknownError: The answer was lost and what is stored now does not tell.
            TypeError: Nothing is to be changed, or a value is of a wrong type.

        """
        if expected_version is not None:
            check_whole("expected_version", expected_version)
        changes = {name: value for name, value in changes.items() if value is not UNSET}
        if not changes:
            raise TypeError("nothing to update: give at least one attribute")
        update = Update(
            set={name: self.codec.value(name, value) for name, value in changes.items() if value is not None},
            remove=(*(self.codec.removable(name) for name, value in changes.items() if value is None), *forget),
        )
        same = self._identified(identity)
        deadline = self.wire.deadline()
        if expected_version is not None:
            return await self._update(key, update, expected_version, same, deadline)
        contention = Contention()
        current = await self.get(*key, consistent=True)
        while True:
            if current is None or identity not in {None, self._identity_of(current)}:
                raise NotFoundError(self.name, self.key(key))
            seen = self._identified(self._identity_of(current))
            try:
                return await self._update(key, update, current.version, seen, deadline)
            except ConflictError as conflict:
                current = conflict.current
            except NotFoundError:  # it is another item, or none, by now
                current = await self.get(*key, consistent=True)
            await contention.pause()

    def _identity_of(self, model: V) -> str | None:
        return None if self._identity is None else getattr(model, self._identity)

    def _identified(self, identity: str | None) -> Item:
        """Return the attributes that tell this item from a later one under its key."""
        if identity is None or self._identity is None:
            return {}
        return {self._identity: self.codec.value(self._identity, identity)}

    async def _update(self, key: KeyValues, update: Update, expected: int, same: Item, deadline: float) -> V:
        now = datetime.now(UTC)
        versioned = Update(set={**update.set, **self.next_version(expected, now)}, remove=update.remove)
        condition = self.version_is(expected)
        for attribute, value in same.items():
            condition &= equals(attribute, value)
        if self._writable is not None:
            condition &= self._writable
        try:
            return await self.patch(key, versioned, condition, deadline=deadline)
        except ConditionFailedError as failed:
            item = failed.item
            current = self.decode(item) if item is not None and same.items() <= item.items() else None
            if failed.maybe_applied:
                # One version further: either this update, touched since by a writer that leaves version and
                # updated_at alone, or somebody else's. Anything else may hide this update behind later ones.
                if current is None or current.version != expected + 1:
                    raise WriteOutcomeUnknownError(self.name, self.key(key), "UpdateItem") from failed
                if current.updated_at == now:
                    return current
            if current is None:
                raise NotFoundError(self.name, self.key(key)) from failed
            if current.version == expected:
                raise NotActiveError(self.name, self.key(key), current.status) from failed
            raise ConflictError(self.name, self.key(key), current) from failed

    def version_is(self, version: int) -> Condition:
        """Hold if the item has this version; one without the attribute has version 1."""
        value = self.codec.value("version", version)
        return absent_or("version", "=", value) if version == 1 else equals("version", value)

    def next_version(self, version: int, now: datetime) -> Item:
        """Return the attributes that make this version the next one."""
        return {"version": self.codec.value("version", version + 1), "updated_at": self.codec.value("updated_at", now)}
