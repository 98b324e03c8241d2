"""The writes of one table. After a lost answer, they find out whether the write took effect.

If an answer is lost, the write is sent again. If the first attempt took effect, it has made the condition of the second
one fail. Therefore every write stores a random `write_id` on the item, and a refused write returns the stored item. If
that item has the `write_id` of this write, the write has succeeded. If the store cannot tell, it raises
WriteOutcomeUnknownError.

This requires that every write has a condition on what it replaces: no item, a version, or the `write_id` that was read.
A write for which the caller gives no version reads the item first.
"""

import re
import secrets
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from wikibot_store._dynamo.expressions import (
    Condition,
    Update,
    all_equal,
    conditional,
    equals,
    exists,
    not_exists,
)
from wikibot_store._dynamo.items import WRITE_ID, Item, ItemCodec, string
from wikibot_store._dynamo.reads import Key, ReadableTable
from wikibot_store._dynamo.replies import Acknowledgement, UpdateReply
from wikibot_store._wire import ExhaustedError, Refusal, Wire
from wikibot_store.errors import AlreadyExistsError, WriteOutcomeUnknownError

M = TypeVar("M", bound=msgspec.Struct)

_PLAIN_NAME = re.compile(r"\w+")  # as the placeholders of conditions
# An expression has at most 4 KB and 300 operators.
_MOST_COMPARED = 100

_CONDITION_FAILED = "ConditionalCheckFailedException"
_CONDITIONAL = frozenset({"PutItem", "UpdateItem", "DeleteItem"})  # every write of a table has a condition
acknowledge = msgspec.json.Decoder(Acknowledgement).decode


class ConditionFailedError(Exception):
    """The condition of a write failed. `item` is the stored item, None if there is no item."""

    def __init__(self, item: Item | None, *, maybe_applied: bool) -> None:
        super().__init__()
        self.item = item
        self.maybe_applied = maybe_applied

    def was(self, write_id: str) -> bool:
        """Return whether the stored item has this write id, which means that the write has succeeded."""
        return self.item is not None and self.item.get(WRITE_ID) == string(write_id)


def new_write_id() -> str:
    """Return a random id of 96 bits."""
    return secrets.token_hex(12)


class Table(ReadableTable[M]):
    """Reads and writes one table of one model.

    `identity` names an attribute that gets a random value when an item is created and never changes. It distinguishes
    an item from a later item under the same key.
    """

    def __init__(self, wire: Wire, name: str, codec: ItemCodec[M], *, identity: str | None = None) -> None:
        super().__init__(wire, name, codec)
        self.exists = exists(codec.key[0])
        self.absent = not_exists(codec.key[0])
        self._identity = identity
        self._decode_update = codec.reader(UpdateReply, name)

    def error(self, failure: Refusal | ExhaustedError, operation: str, key: Key) -> Exception:
        if isinstance(failure, Refusal) and failure.code == _CONDITION_FAILED and operation in _CONDITIONAL:
            return ConditionFailedError(failure.item, maybe_applied=failure.maybe_applied)
        return super().error(failure, operation, key)

    async def insert(self, model: M) -> M:
        """Send PutItem on condition that the key is free.

        Raises:
            AlreadyExistsError: There is an item; `field` is the last attribute of the key.
            WriteOutcomeUnknownError: The answer was lost, and the item that is there may be this one, changed since.

        """
        write_id = new_write_id()
        item = self.codec.encode(model, write_id)
        key = self.key_of(model)
        request = {"TableName": self.name, "Item": item, **conditional(self.absent)}
        try:
            await self.call("PutItem", request, acknowledge, key)
        except ConditionFailedError as failed:
            if failed.maybe_applied and (failed.was(write_id) or self._same_identity(failed.item, item)):
                return model
            if failed.maybe_applied and self._identity is None:
                raise WriteOutcomeUnknownError(*self.where(key), "PutItem") from failed
            raise AlreadyExistsError(*self.where(key), self.codec.key[-1]) from failed
        return model

    def _same_identity(self, one: Item | None, other: Item) -> bool:
        return one is not None and self._identity is not None and one.get(self._identity) == other[self._identity]

    async def delete(self, *key: str) -> bool:
        """Read the item consistently and send DeleteItem for exactly this item; return whether there was one.

        Raises:
            WriteOutcomeUnknownError: The answer was lost, and another writer wrote to the key.

        """
        deadline = self.wire.deadline()
        seen = await self.get_item(key, deadline)
        while seen is not None:
            condition = self.unchanged(seen) if self._identity is None else self.has_same(seen, self._identity)
            request = {"TableName": self.name, "Key": self.key_item(key), **conditional(condition)}
            try:
                await self.call("DeleteItem", request, acknowledge, key, deadline=deadline)
            except ConditionFailedError as failed:
                # If items have an identity, the item that is there now is a later one. Without an identity, it may be
                # the item that was read, changed before this delete arrived.
                if failed.maybe_applied and failed.item is not None and self._identity is None:
                    raise WriteOutcomeUnknownError(*self.where(key), "DeleteItem") from failed
                if failed.maybe_applied:
                    return True
                seen = failed.item
            else:
                return True
        return False

    async def patch(
        self, key: Key, update: Update, condition: Condition | None = None, *, deadline: float | None = None
    ) -> M:
        """Send UpdateItem for an existing item; return the item after the update.

        Raises:
            ConditionFailedError: There is no item, or the condition failed.

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

    async def complete(self, seen: Item | None, *, deadline: float | None = None) -> bool:
        """If an item of another program lacks the identity, store the one with which it is read.

        Return whether it lacked the identity. Nothing is stored if the item has changed since it was read.
        """
        if seen is None or self._identity is None or self._identity in seen or self._identity not in self.codec.missing:
            return False
        identity = Update(set={self._identity: self.codec.missing[self._identity](seen)})
        with suppress(ConditionFailedError):
            await self.patch(self.key_in(seen), identity, self.unchanged(seen), deadline=deadline)
        return True

    def unchanged(self, seen: Item) -> Condition:
        """Hold while the item is the one that was read.

        Its `write_id` tells. An item of another program may have none: then all its attributes are compared.
        """
        unchanged = self.has_same(seen, WRITE_ID)
        if WRITE_ID in seen:
            return unchanged
        names = [name for name in sorted(seen) if _PLAIN_NAME.fullmatch(name)]
        return unchanged & all_equal({name: seen[name] for name in names[:_MOST_COMPARED]})

    def has_same(self, seen: Item, attribute: str) -> Condition:
        """Hold while the item exists and the attribute has the value that was read."""
        return self.exists & (equals(attribute, seen[attribute]) if attribute in seen else not_exists(attribute))
