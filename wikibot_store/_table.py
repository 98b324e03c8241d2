"""One table's writes, which settle what became of a lost answer; its reads are inherited.

A write that is sent again because its answer was lost finds its own effect: the condition fails although it was this
write that made it fail. Every write therefore leaves a random `write_id` on the item and asks for the item that it
collided with; where that is its own, it had succeeded. What cannot be told is WriteOutcomeUnknownError.

So that there is always something to tell by, every write is pinned to what it replaces: absence, a version, or the
`write_id` that was read. One that the caller does not pin reads the item first.
"""

import secrets
from typing import Any, TypeVar

import msgspec

from wikibot_store._expressions import Condition, Update, conditional, equals, exists, not_exists
from wikibot_store._items import WRITE_ID, Item, ItemCodec, string
from wikibot_store._reads import KeyValues, ReadableTable
from wikibot_store._replies import Acknowledgement, UpdateReply
from wikibot_store._wire import Contention, ExhaustedError, Refusal, Wire
from wikibot_store.errors import AlreadyExistsError, WriteOutcomeUnknownError

M = TypeVar("M", bound=msgspec.Struct)

_CONDITION_FAILED = "ConditionalCheckFailedException"
_CONDITIONAL = frozenset({"PutItem", "UpdateItem", "DeleteItem"})  # a table's every write has a condition
acknowledge = msgspec.json.Decoder(Acknowledgement).decode


class ConditionFailedError(Exception):
    """A write's condition failed; `item` is what it collided with, None if there is no such item."""

    def __init__(self, item: Item | None, *, maybe_applied: bool) -> None:
        super().__init__()
        self.item = item
        self.maybe_applied = maybe_applied

    def was(self, write_id: str) -> bool:
        """Tell whether the item carries this very write, which had succeeded then."""
        return self.item is not None and self.item.get(WRITE_ID) == string(write_id)


def new_write_id() -> str:
    """Return a random id of 96 bits."""
    return secrets.token_hex(12)


class Table(ReadableTable[M]):
    """One table of one model, read and written.

    `identity` names an attribute that is set at random when an item is created and never again: it tells an item from
    a later one under the same key.
    """

    def __init__(self, wire: Wire, name: str, codec: ItemCodec[M], *, identity: str | None = None) -> None:
        super().__init__(wire, name, codec)
        self.exists = exists(codec.schema.partition_key)
        self.absent = not_exists(codec.schema.partition_key)
        self._identity = identity
        self._decode_update = codec.reader(UpdateReply, name)

    def _error(self, failure: Refusal | ExhaustedError, operation: str, key: KeyValues) -> Exception:
        if isinstance(failure, Refusal) and failure.code == _CONDITION_FAILED and operation in _CONDITIONAL:
            return ConditionFailedError(failure.item, maybe_applied=failure.maybe_applied)
        return super()._error(failure, operation, key)

    async def insert(self, model: M) -> M:
        """PutItem on condition that there is no such item.

        Raises:
            AlreadyExistsError: There is one; `field` is the last attribute of the key.

        """
        write_id = new_write_id()
        item = self.codec.encode(model, write_id)
        key = self.key_values(model)
        request = {"TableName": self.name, "Item": item, **conditional(self.absent)}
        try:
            await self.call("PutItem", request, acknowledge, key)
        except ConditionFailedError as failed:
            if failed.maybe_applied and (failed.was(write_id) or self._same_identity(failed.item, item)):
                return model
            raise AlreadyExistsError(self.name, self.key(key), self._schema.key[-1]) from failed
        return model

    def _same_identity(self, one: Item | None, other: Item) -> bool:
        return one is not None and self._identity is not None and one.get(self._identity) == other[self._identity]

    async def upsert(self, model: M) -> M:
        """PutItem over whatever a consistent GetItem found.

        Raises:
            WriteOutcomeUnknownError: The answer was lost and another writer came between.

        """
        write_id = new_write_id()
        item = self.codec.encode(model, write_id)
        key = self.key_values(model)
        deadline = self.wire.deadline()
        seen = await self.get_item(key, deadline)
        contention = Contention()
        while True:
            condition = self.absent if seen is None else self.unchanged(seen, WRITE_ID)
            request = {"TableName": self.name, "Item": item, **conditional(condition)}
            try:
                await self.call("PutItem", request, acknowledge, key, deadline=deadline)
            except ConditionFailedError as failed:
                if failed.was(write_id):
                    return model
                if failed.maybe_applied:
                    raise WriteOutcomeUnknownError(self.name, self.key(key), "PutItem") from failed
                seen = failed.item
                await contention.pause()
            else:
                return model

    async def delete(self, *key: str) -> bool:
        """DeleteItem of the very item that a consistent GetItem found; False if there is none.

        Raises:
            WriteOutcomeUnknownError: The answer was lost and another writer put an item there.

        """
        deadline = self.wire.deadline()
        seen = await self.get_item(key, deadline)
        while seen is not None:
            condition = self.unchanged(seen, self._identity or WRITE_ID)
            request = {"TableName": self.name, "Key": self.key_item(key), **conditional(condition)}
            try:
                await self.call("DeleteItem", request, acknowledge, key, deadline=deadline)
            except ConditionFailedError as failed:
                # With an identity the item that is there now is a later one; without, it may be the one that was seen,
                # changed before this delete arrived.
                if failed.maybe_applied and failed.item is not None and self._identity is None:
                    raise WriteOutcomeUnknownError(self.name, self.key(key), "DeleteItem") from failed
                if failed.maybe_applied:
                    return True
                seen = failed.item
            else:
                return True
        return False

    async def patch(
        self, key: KeyValues, update: Update, condition: Condition | None = None, *, deadline: float | None = None
    ) -> M:
        """UpdateItem of an item that exists; return it as it is afterwards.

        Raises:
            ConditionFailedError: There is no such item, or the condition does not hold.

        """
        write_id = new_write_id()
        request = {
            "TableName": self.name,
            "Key": self.key_item(key),
            **conditional(self.exists if condition is None else self.exists & condition, update.stamped(write_id)),
            "ReturnValues": "ALL_NEW",
        }
        try:
            reply: UpdateReply[Any] = await self.call(
                "UpdateItem", request, self._decode_update, key, deadline=deadline
            )
        except ConditionFailedError as failed:
            if failed.item is not None and failed.was(write_id):
                return self.decode(failed.item)
            raise
        return self.codec.from_wire(reply.attributes)

    def unchanged(self, seen: Item, attribute: str) -> Condition:
        """Hold while the item has the attribute as it was seen."""
        unchanged = equals(attribute, seen[attribute]) if attribute in seen else not_exists(attribute)
        return self.exists & unchanged
