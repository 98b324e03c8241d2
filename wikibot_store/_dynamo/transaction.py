"""TransactWriteItems: writes to any tables that take effect together or not at all."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from wikibot_store._dynamo.expressions import Condition, Update, conditional
from wikibot_store._dynamo.items import WRITE_ID, Item, string
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import Table, acknowledge, new_write_id
from wikibot_store._wire import CancellationReason, ExhaustedError, Refusal, Wire, library_error

M = TypeVar("M", bound=msgspec.Struct)

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MAX_ACTIONS = 100

_CONDITION_FAILED = "ConditionalCheckFailed"


class TransactionRefusedError(Exception):
    """A condition failed, and this attempt wrote nothing.

    If `maybe_applied` is True, an earlier attempt of this transaction may have taken effect.
    """

    def __init__(self, reasons: Mapping[str, CancellationReason], *, maybe_applied: bool) -> None:
        super().__init__()
        self._reasons = reasons
        self.maybe_applied = maybe_applied

    def failed(self, action: str) -> bool:
        """Return whether the condition of this action failed."""
        return self._reasons[action].code == _CONDITION_FAILED

    def first(self) -> str:
        """Return the first action whose condition failed."""
        return next(filter(self.failed, self._reasons))

    def item(self, action: str) -> Item | None:
        """Return the stored item of an action that failed, None if there is no item."""
        return self._reasons[action].item


class Transaction:
    """Writes that take effect together. Each action has a name, which TransactionRefusedError uses to report failures.

    Every item that is put or updated gets the transaction's `write_id`, which is also its idempotency token.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._write_id = new_write_id()
        self._actions: dict[str, Item] = {}

    def put(self, action: str, table: Table[M], model: M, condition: Condition, **attributes: Item) -> None:
        """Put the item of a model, with further attributes that the model does not have."""
        self.put_item(action, table, table.codec.encode(model, self._write_id) | attributes, condition)

    def put_item(self, action: str, table: Table[Any], item: Item, condition: Condition | None = None) -> None:
        """Put an item that is already in DynamoDB's notation."""
        stamped = item | {WRITE_ID: string(self._write_id)}
        members = {} if condition is None else conditional(condition)
        self._actions[action] = {"Put": {"TableName": table.name, "Item": stamped, **members}}

    def update(self, action: str, table: Table[Any], key: Key, update: Update, condition: Condition) -> None:
        """Update an existing item."""
        members = conditional(table.exists & condition, update.stamped(self._write_id))
        self._add(action, "Update", table, key, members)

    def delete(self, action: str, table: Table[Any], key: Key, condition: Condition | None = None) -> None:
        """Delete an item. Without a condition, a missing item does not fail the transaction."""
        self._add(action, "Delete", table, key, {} if condition is None else conditional(condition))

    def check(self, action: str, table: Table[Any], key: Key, condition: Condition) -> None:
        """Write nothing, but fail the transaction unless the condition holds."""
        self._add(action, "ConditionCheck", table, key, conditional(condition))

    def _add(self, action: str, kind: str, table: Table[Any], key: Key, members: Item) -> None:
        self._actions[action] = {kind: {"TableName": table.name, "Key": table.key_item(key), **members}}

    async def commit(self, about: Table[Any], key: Key, *, deadline: float | None = None) -> None:
        """Send the transaction. Errors name the table `about` and `key`.

        Raises:
            TransactionRefusedError: A condition failed.

        """
        request = {"TransactItems": list(self._actions.values()), "ClientRequestToken": self._write_id}
        if deadline is None:
            deadline = self._wire.deadline()
        try:
            await self._wire.call("TransactWriteItems", request, acknowledge, deadline=deadline)
        except Refusal as refusal:
            reasons = refusal.reasons
            conditions = [reason.code == _CONDITION_FAILED for reason in reasons]
            if not any(conditions) or len(conditions) != len(self._actions):
                raise library_error(refusal, "TransactWriteItems", *about.where(key)) from refusal
            # Some engines ignore the token. There, a transaction that is sent again fails because of its own items.
            own = string(self._write_id)
            if any(reason.item is not None and reason.item.get(WRITE_ID) == own for reason in reasons):
                return
            named = dict(zip(self._actions, reasons, strict=True))
            raise TransactionRefusedError(named, maybe_applied=refusal.maybe_applied) from refusal
        except ExhaustedError as exhausted:
            raise library_error(exhausted, "TransactWriteItems", *about.where(key)) from exhausted.__cause__
