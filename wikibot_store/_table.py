"""One table's requests: reads, pages, and writes that settle what became of a lost answer.

A write that is sent again because its answer was lost finds its own effect: the condition fails although it was this
write that made it fail. Every write therefore leaves a random `write_id` on the item and asks for the item that it
collided with; where that is its own, it had succeeded. What cannot be told is WriteOutcomeUnknownError.

So that there is always something to tell by, every write is pinned to what it replaces: absence, a version, or the
`write_id` that was read. One that the caller does not pin reads the item first.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET

from wikibot_store import _cursor
from wikibot_store._coalescer import Coalescer
from wikibot_store._expressions import (
    Condition,
    Update,
    absent_or,
    begins_with,
    conditional,
    equals,
    exists,
    not_exists,
    query,
)
from wikibot_store._items import (
    WRITE_ID,
    Acknowledgement,
    BatchReply,
    GetReply,
    Item,
    ItemCodec,
    QueryReply,
    StoredPage,
    StoredReply,
    UpdateReply,
    string,
)
from wikibot_store._wire import (
    Contention,
    ExhaustedError,
    Refusal,
    Wire,
    library_error,
)
from wikibot_store.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptItemError,
    InvalidCursorError,
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    ThrottledError,
    WriteOutcomeUnknownError,
)
from wikibot_store.models import Page, User, Wiki

M = TypeVar("M", bound=msgspec.Struct)
V = TypeVar("V", User, Wiki)

KeyValues = tuple[str, ...]
"""The values of a primary key, partition key first."""

_MAX_LIMIT = 10_000
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_MAX_BATCH_GET = 100
_CONDITION_FAILED = "ConditionalCheckFailedException"
_decode_batch = msgspec.json.Decoder(BatchReply).decode
_decode_stored = msgspec.json.Decoder(StoredReply).decode
acknowledge = msgspec.json.Decoder(Acknowledgement).decode
_NO_ITEMS = msgspec.Raw(b"[]")


class ConditionFailedError(Exception):
    """A write's condition failed; `item` is what it collided with, None if there is no such item."""

    def __init__(self, item: Item | None, *, maybe_applied: bool) -> None:
        super().__init__()
        self.item = item
        self.maybe_applied = maybe_applied

    def was(self, write_id: str) -> bool:
        """Tell whether the item carries this very write, which had succeeded then."""
        return self.item is not None and self.item.get(WRITE_ID) == string(write_id)


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

    @property
    def identity(self) -> tuple[str, ...]:
        """What a cursor is bound to."""
        return (self.name, self.partition[1], self.prefix or "", "descending" if self.descending else "ascending")

    def request(self) -> dict[str, Any]:
        """Return the members of a Query that all its pages share."""
        attribute, value = self.partition
        condition = equals(attribute, string(value))
        if self.prefix is not None:
            condition &= begins_with(self.sort_key, string(self.prefix))
        request = query(condition, self.where) | {"ScanIndexForward": not self.descending}
        return request if self.index is None else request | {"IndexName": self.index}

    def position(self, sort_key: str) -> Item:
        """Return the key behind which to go on; every listing's two attributes are a whole primary key."""
        attribute, value = self.partition
        return {attribute: string(value), self.sort_key: string(sort_key)}


def new_write_id() -> str:
    """Return a random id of 96 bits."""
    return secrets.token_hex(12)


def check_whole(name: str, value: int) -> int:
    """Return `value` if it is a whole number; True is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be int, not {type(value).__name__}")
    return value


def check_limit(name: str, limit: int) -> int:
    """Return `limit` if it is a whole number from 1 to 10,000."""
    check_whole(name, limit)
    if not 1 <= limit <= _MAX_LIMIT:
        raise ValueError(f"{name} must be 1 to {_MAX_LIMIT}")
    return limit


class Table(Generic[M]):
    """One table of one model.

    `identity` names an attribute that is set at random when an item is created and never again: it tells an item from
    a later one under the same key. Items for which `writable` does not hold are not updated.
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
        self.name = name
        self.codec = codec
        self.wire = wire
        self._schema = codec.schema
        self.exists = exists(codec.schema.partition_key)
        self.absent = not_exists(codec.schema.partition_key)
        self._identity = identity
        self._writable = writable
        self._decode_get = self.codec.reader(GetReply, name)
        self._decode_update = self.codec.reader(UpdateReply, name)
        self._decode_query = self.codec.reader(QueryReply, name)
        self._decode_list = self.codec.reader(list, name)
        self._decode_stored_page = self.codec.stored_reader()
        self._eventual = self._coalescer(consistent=False)
        self._strong = self._coalescer(consistent=True)

    def _coalescer(self, *, consistent: bool) -> Coalescer[KeyValues, M]:
        return Coalescer(
            lambda key: self._get_one(key, consistent=consistent),
            lambda keys: self._get_batch_or_each(keys, consistent=consistent),
            batch_size=_MAX_BATCH_GET,
            spawn=self.wire.spawn,
        )

    def key(self, values: KeyValues) -> dict[str, str]:
        """Return a key with the names of its attributes, for messages."""
        return dict(zip(self._schema.key, values, strict=True))

    def key_item(self, values: KeyValues) -> Item:
        """Return a key as DynamoDB writes it."""
        return {name: string(value) for name, value in zip(self._schema.key, values, strict=True)}

    def key_values(self, model: M) -> KeyValues:
        """Return the values of a model's primary key."""
        return tuple([getattr(model, name) for name in self._schema.key])

    async def call(
        self,
        operation: str,
        request: Mapping[str, Any],
        decode: Callable[[bytes], Any],
        key: KeyValues,
        *,
        deadline: float | None = None,
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        """Send a request; raise ConditionFailedError, or the library's error with this table and key."""
        if deadline is None:
            deadline = self.wire.deadline()
        try:
            return await self.wire.call(operation, request, decode, deadline=deadline)
        except Refusal as refusal:
            if refusal.code == _CONDITION_FAILED and "ConditionExpression" in request:
                raise ConditionFailedError(refusal.item, maybe_applied=refusal.maybe_applied) from refusal
            raise self._library_error(refusal, operation, key) from refusal
        except ExhaustedError as exhausted:
            raise self._library_error(exhausted, operation, key) from exhausted.__cause__

    def _library_error(self, failure: Refusal | ExhaustedError, operation: str, key: KeyValues) -> Exception:
        # A Query has only the partition key.
        return library_error(failure, operation, self.name, dict(zip(self._schema.key, key, strict=False)))

    # ---- reads

    async def get(self, *key: str, consistent: bool = False) -> M | None:
        """GetItem, or a share of a BatchGetItem with the other reads of this turn of the event loop."""
        if not self.wire.config.coalesce_reads:
            return await self._get_one(key, consistent=consistent)
        return await (self._strong if consistent else self._eventual).load(key)

    async def get_many(self, keys: Iterable[KeyValues]) -> dict[KeyValues, M]:
        """BatchGetItem, 100 keys per request, all requests at once; what does not exist is left out."""
        wanted = list(dict.fromkeys(keys))
        batches = [wanted[start : start + _MAX_BATCH_GET] for start in range(0, len(wanted), _MAX_BATCH_GET)]
        reads = [asyncio.create_task(self._get_batch(batch, consistent=False)) for batch in batches]
        try:
            return {key: item for found in await asyncio.gather(*reads) for key, item in found.items()}
        finally:
            for read in reads:  # where one failed, the others are of no use
                read.cancel()

    async def _get_one(self, key: KeyValues, *, consistent: bool) -> M | None:
        request = {"TableName": self.name, "Key": self.key_item(key), "ConsistentRead": consistent}
        reply: GetReply[Any] = await self.call("GetItem", request, self._decode_get, key)
        return None if reply.item is None else self.codec.from_wire(reply.item)

    async def _get_batch(self, keys: list[KeyValues], *, consistent: bool) -> dict[KeyValues, M]:
        """BatchGetItem of at most 100 keys."""
        return (await batch_get(self.wire, {self: keys}, consistent=consistent))[self]

    def decode_items(self, items: msgspec.Raw) -> dict[KeyValues, M]:
        """Return a list of items, as DynamoDB wrote it, by key."""
        found = map(self.codec.from_wire, self._decode_list(items))
        return {self.key_values(item): item for item in found}

    async def _get_batch_or_each(self, keys: list[KeyValues], *, consistent: bool) -> Mapping[KeyValues, M | Exception]:
        """Read for readers that do not know of each other: a corrupt item is the trouble of its own readers only."""
        self.wire.coalesced(len(keys))
        try:
            return await self._get_batch(keys, consistent=consistent)
        except CorruptItemError:
            reads = [self._get_one(key, consistent=consistent) for key in keys]
            results = await asyncio.gather(*reads, return_exceptions=True)
            return dict(zip(keys, results, strict=True))  # type: ignore[arg-type]  # no BaseException but cancellation

    async def find(self, index: str, condition: Condition) -> M | None:
        """Query an index for the one item that its whole key names."""
        request = {"TableName": self.name, "IndexName": index, **query(condition), "Limit": 1}
        reply: QueryReply[Any] = await self.call("Query", request, self._decode_query, ())
        return self.codec.from_wire(reply.items[0]) if reply.items else None

    async def page(self, listing: Listing, *, limit: int, cursor: str | None, consistent: bool = False) -> Page[M]:
        """Query for exactly `limit` items, or for as many as are left.

        One item more is asked for than the page holds: that tells whether another page follows.
        """
        check_limit("limit", limit)
        start = None if cursor is None else listing.position(self._sort_key_in(cursor, listing))
        deadline = self.wire.deadline()
        items: list[M] = []
        size = limit + 1
        while True:
            reply = await self._query(listing, start, size, consistent=consistent, deadline=deadline)
            items += map(self.codec.from_wire, reply.items)
            start = reply.last_key
            if len(items) > limit:
                sort_key = getattr(items[limit - 1], listing.sort_key)
                return Page(items[:limit], _cursor.encode(listing.identity, sort_key, self.wire.config.cursor_secrets))
            if start is None:
                return Page(items)
            if listing.where is not None:  # which has left items out: look at more of them each time
                size = min(2 * size, _MAX_LIMIT)

    async def stream(self, listing: Listing, *, page_size: int) -> AsyncGenerator[M, None]:
        """Query page after page, each only when the consumer has used up the one before."""
        start: Item | None = None
        while True:
            reply = await self._query(listing, start, page_size, consistent=False, deadline=self.wire.deadline())
            for wire_item in reply.items:
                yield self.codec.from_wire(wire_item)
            start = reply.last_key
            if start is None:
                return

    async def partition(self, value: str, *, keys_only: bool = False) -> AsyncGenerator[list[Item], None]:
        """Query consistently for a whole partition, page after page, as it is stored: items need not decode."""
        condition = query(equals(self._schema.partition_key, string(value)))
        request = {"TableName": self.name, **condition, "ConsistentRead": True}
        if keys_only:
            names = {f"#k{position}": name for position, name in enumerate(self._schema.key)}
            request["ProjectionExpression"] = ", ".join(names)
            request["ExpressionAttributeNames"] |= names
        while True:
            reply: StoredPage = await self.call("Query", request, self._decode_stored_page, (value,))
            yield reply.items
            request["ExclusiveStartKey"] = reply.last_key
            if reply.last_key is None:
                return

    async def _query(
        self, listing: Listing, start: Item | None, limit: int, *, consistent: bool, deadline: float
    ) -> QueryReply[Any]:
        request = {"TableName": self.name, **listing.request(), "Limit": limit, "ConsistentRead": consistent}
        if start is not None:
            request["ExclusiveStartKey"] = start
        key = (listing.partition[1],)
        reply: QueryReply[Any] = await self.call("Query", request, self._decode_query, key, deadline=deadline)
        return reply

    def _sort_key_in(self, cursor: str, listing: Listing) -> str:
        sort_key = _cursor.decode(listing.identity, cursor, self.wire.config.cursor_secrets)
        try:
            # Without a secret anybody can make a cursor, so what it holds is checked like any other input.
            listing.check(sort_key)
        except InvalidKeyError as error:
            raise InvalidCursorError("the cursor is damaged: start again without one") from error
        if listing.prefix is not None and not sort_key.startswith(listing.prefix):
            raise InvalidCursorError("the cursor is damaged: start again without one")
        return sort_key

    # ---- writes

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
                return self.codec.from_item(failed.item, self.name)
            raise
        return self.codec.from_wire(reply.attributes)

    def unchanged(self, seen: Item, attribute: str) -> Condition:
        """Hold while the item has the attribute as it was seen."""
        unchanged = equals(attribute, seen[attribute]) if attribute in seen else not_exists(attribute)
        return self.exists & unchanged

    async def get_item(self, key: KeyValues, deadline: float | None = None) -> Item | None:
        """GetItem, consistent, of the item as it is stored: a write must reach one that does not decode too."""
        request = {"TableName": self.name, "Key": self.key_item(key), "ConsistentRead": True}
        reply: StoredReply = await self.call("GetItem", request, _decode_stored, key, deadline=deadline)
        return reply.item


class VersionedTable(Table[V]):
    """A table whose items count their versions."""

    async def update(self, key: KeyValues, changes: Mapping[str, Any], *, expected_version: int | None) -> V:
        """UpdateItem on condition of the version. None removes an attribute, UNSET keeps it.

        Without `expected_version` the item is read first, and again for as long as others are faster.

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
            remove=tuple(self.codec.removable(name) for name, value in changes.items() if value is None),
        )
        deadline = self.wire.deadline()
        if expected_version is not None:
            return await self._update(key, update, expected_version, deadline)
        current = await self.get(*key, consistent=True)
        if current is None:
            raise NotFoundError(self.name, self.key(key))
        contention = Contention()
        while True:
            try:
                return await self._update(key, update, current.version, deadline)
            except ConflictError as conflict:
                current = conflict.current
                await contention.pause()

    async def _update(self, key: KeyValues, update: Update, expected: int, deadline: float) -> V:
        now = datetime.now(UTC)
        versioned = Update(set={**update.set, **self.next_version(expected, now)}, remove=update.remove)
        condition = self.version_is(expected)
        if self._writable is not None:
            condition &= self._writable
        try:
            return await self.patch(key, versioned, condition, deadline=deadline)
        except ConditionFailedError as failed:
            current = None if failed.item is None else self.codec.from_item(failed.item, self.name)
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


async def batch_get(
    wire: Wire,
    wanted: Mapping[Table[Any], Sequence[KeyValues]],
    *,
    consistent: bool,
    deadline: float | None = None,
) -> dict[Table[Any], dict[KeyValues, Any]]:
    """BatchGetItem over any tables, at most 100 keys in all; return what exists, by table and key.

    What DynamoDB leaves unprocessed is asked for again, ever more slowly.

    Raises:
        ThrottledError: Some keys were left unprocessed every time.

    """

    def decode(body: bytes) -> tuple[dict[Table[Any], dict[KeyValues, Any]], dict[str, Any]]:
        reply = _decode_batch(body)
        items = {table: table.decode_items(reply.responses.get(table.name, _NO_ITEMS)) for table in wanted}
        return items, reply.unprocessed

    pending: Any = {
        table.name: {"Keys": [table.key_item(key) for key in keys], "ConsistentRead": consistent}
        for table, keys in wanted.items()
    }
    found: dict[Table[Any], dict[KeyValues, Any]] = {table: {} for table in wanted}
    first = next(iter(wanted))
    if deadline is None:
        deadline = wire.deadline()
    attempt = 0
    while True:
        attempt += 1
        responses, pending = await first.call(
            "BatchGetItem", {"RequestItems": pending}, decode, wanted[first][0], deadline=deadline
        )
        for table, items in responses.items():
            found[table] |= items
        if not pending:
            return found
        if not await wire.pause(attempt, deadline):
            raise ThrottledError("BatchGetItem", attempt, "keys were left unprocessed")
