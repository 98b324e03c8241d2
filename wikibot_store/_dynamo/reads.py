"""The reads of one table: single items, batches, listings, whole partitions and scans."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar, cast

import msgspec

from wikibot_store._dynamo.checks import MAX_LIMIT, check_limit, check_switch
from wikibot_store._dynamo.coalescer import Coalescer
from wikibot_store._dynamo.expressions import Condition, equals, projection, query
from wikibot_store._dynamo.items import Item, ItemCodec, MixedReply, string
from wikibot_store._dynamo.listing import Listing, Page
from wikibot_store._dynamo.replies import BatchReply, GetReply, QueryReply, StoredPage, StoredReply, stored_page_reader
from wikibot_store._wire import (
    ExhaustedError,
    Refusal,
    Wire,
    access_pattern,
    library_error,
    log_skipped,
    working_for,
)
from wikibot_store.errors import CorruptItemError, ThrottledError

M = TypeVar("M", bound=msgspec.Struct)

Key = tuple[str, ...]
"""The values of a primary key, partition key first."""

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_MAX_BATCH_GET = 100
# A shared request is as slow as its slowest item, and costs hardly less per item with more of them.
_COALESCED = 16
_COALESCED_GROUPS = 8
_decode_batch = msgspec.json.Decoder(BatchReply).decode
_decode_stored = msgspec.json.Decoder(StoredReply).decode
_NO_ITEMS = msgspec.Raw(b"[]")


def sound(entry: M | CorruptItemError) -> M:
    """Return an item that was read, or raise the error if it does not decode."""
    if isinstance(entry, CorruptItemError):
        raise entry from entry.__cause__
    return entry


def corrupt_among(entries: Iterable[object]) -> tuple[CorruptItemError, ...]:
    """Return the errors among the items that were read."""
    return tuple([entry for entry in entries if isinstance(entry, CorruptItemError)])


def _as_page(items: msgspec.Raw) -> bytes:
    """Return the items of a BatchGetItem's answer as an answer of Query."""
    return b'{"Items":%b}' % bytes(items)


class ReadableTable(Generic[M]):
    """Reads one table of one model."""

    def __init__(self, wire: Wire, name: str, codec: ItemCodec[M]) -> None:
        self.name = name
        self.codec = codec
        self.key_of = codec.key_of
        self.wire = wire
        self._decode_get = codec.reader(GetReply, name)
        self._decode_query = codec.reader(QueryReply, name)
        self._decode_stored_page = stored_page_reader(codec.key)
        self._eventual = self._coalescer(consistent=False)
        self._strong = self._coalescer(consistent=True)

    def _coalescer(self, *, consistent: bool) -> Coalescer[Key, M]:
        return Coalescer(
            lambda key: self._get_one(key, consistent=consistent),
            lambda close: self._get_coalesced(close, consistent=consistent),
            is_light=self.wire.is_light,
            batch_size=_COALESCED,
            spawn=self.wire.spawn,
        )

    def where(self, key: Key) -> tuple[str, dict[str, str]]:
        """Return the table's name and the key by attribute name: the first arguments of an error about an item."""
        return self.name, dict(zip(self.codec.key, key, strict=True))

    def key_item(self, key: Key) -> Item:
        """Return a key as DynamoDB writes it."""
        return self.codec.key_item(*key)

    def key_in(self, item: Item) -> Key:
        """Return the primary key of an item as it is stored.

        Raises:
            CorruptItemError: The item has no such key.

        """
        try:
            return tuple([item[name]["S"] for name in self.codec.key])
        except (KeyError, TypeError) as error:
            raise CorruptItemError(self.name, self.codec.shown_key(item), "the item has no primary key") from error

    async def call(
        self,
        operation: str,
        request: Mapping[str, Any],
        decode: Callable[[bytes], Any],
        key: Key,
        *,
        deadline: float | None = None,
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        """Send a request. If it fails, the error names this table and key."""
        if deadline is None:
            deadline = self.wire.deadline()
        try:
            return await self.wire.call(operation, request, decode, deadline=deadline)
        except Refusal as refusal:
            raise self.error(refusal, operation, key) from refusal
        except ExhaustedError as exhausted:
            raise self.error(exhausted, operation, key) from exhausted.__cause__

    def error(self, failure: Refusal | ExhaustedError, operation: str, key: Key) -> Exception:
        """Return the library's error for a request that failed, which names this table and key."""
        # A Query has only the partition key.
        return library_error(failure, operation, self.name, dict(zip(self.codec.key, key, strict=False)))

    async def get(self, *key: str, consistent: bool = False) -> M | None:
        """Send GetItem, or share a BatchGetItem with other reads if it has to wait anyway."""
        check_switch("consistent", consistent)
        self.wire.check_loop()
        if not self.wire.config.coalesce_reads:
            return await self._get_one(key, consistent=consistent)
        return await (self._strong if consistent else self._eventual).load(key)

    async def get_many(self, keys: Iterable[Key]) -> dict[Key, M]:
        """Do as `get_each`, but raise the error of an item that does not decode."""
        return {key: sound(entry) for key, entry in (await self.get_each(keys)).items()}

    async def get_each(self, keys: Iterable[Key]) -> dict[Key, M | CorruptItemError]:
        """Send one BatchGetItem per 100 keys, all at the same time. Keys without an item are left out."""
        wanted = list(dict.fromkeys(keys))
        if len(wanted) <= _MAX_BATCH_GET:
            return await self._get_batch(wanted, consistent=False) if wanted else {}
        batches = [wanted[start : start + _MAX_BATCH_GET] for start in range(0, len(wanted), _MAX_BATCH_GET)]
        with working_for(access_pattern()):
            reads = [asyncio.create_task(self._get_batch(batch, consistent=False)) for batch in batches]
        try:
            return {key: item for found in await asyncio.gather(*reads) for key, item in found.items()}
        finally:
            for read in reads:  # if one failed, the results of the others are not needed
                read.cancel()

    async def _get_one(self, key: Key, *, consistent: bool) -> M | None:
        request = {"TableName": self.name, "Key": self.key_item(key), "ConsistentRead": consistent}
        reply: GetReply[Any] = await self.call("GetItem", request, self._decode_get, key)
        return None if reply.item is None else self.codec.from_wire(reply.item)

    async def _get_coalesced(self, close: Callable[[], list[Key]], *, consistent: bool) -> Mapping[Key, M | Exception]:
        """Read for independent callers: a corrupt item fails only the calls that asked for it."""

        def wanted() -> Wanted:
            keys = close()
            self.wire.coalesced(len(keys))
            return {self: keys}

        return (await batch_get(self.wire, wanted, consistent=consistent))[self]

    async def _get_batch(self, keys: list[Key], *, consistent: bool) -> dict[Key, M | CorruptItemError]:
        """Send one BatchGetItem of at most 100 keys."""
        return (await batch_get(self.wire, {self: keys}, consistent=consistent))[self]

    def decode(self, item: Item) -> M:
        """Return the model of an item as it is stored.

        Raises:
            CorruptItemError: The item does not decode.

        """
        return self.codec.from_item(item, self.name)

    def decode_items(self, items: msgspec.Raw) -> dict[Key, M | CorruptItemError]:
        """Return the models by key of a list of items that is still JSON; for an item that does not decode, the error.

        Raises:
            CorruptItemError: The key of an item does not decode.

        """
        try:
            sound_items = self.codec.decode_list(items)
        except msgspec.ValidationError:
            return self._decode_mixed(items)
        return {self.key_of(item): item for item in map(self.codec.from_wire, sound_items)}

    def _decode_mixed(self, items: msgspec.Raw) -> dict[Key, M | CorruptItemError]:
        reply = self._decode_query(_as_page(items))
        found = {self.key_of(item): item for item in map(self.codec.from_wire, reply.items or ())}
        return found | {self.key_in(item): error for _, item, error in reply.corrupt}

    def items_by_key(self, items: msgspec.Raw) -> dict[Key, Item]:
        """Return the items by key, as they are stored, of a list of items that is still JSON."""
        return {self.key_in(item): item for item in self._decode_stored_page(_as_page(items)).items}

    async def get_item(self, key: Key, deadline: float | None = None) -> Item | None:
        """Read an item consistently and return it without decoding, so that corrupt items can be written too."""
        request = {"TableName": self.name, "Key": self.key_item(key), "ConsistentRead": True}
        reply: StoredReply = await self.call("GetItem", request, _decode_stored, key, deadline=deadline)
        return reply.item

    async def find(self, index: str, condition: Condition) -> list[M]:
        """Query an index for the items with this index key: usually one or none."""
        request = {"TableName": self.name, "IndexName": index, **query(condition)}
        reply: QueryReply[Any] = await self.call("Query", request, self._decode_query, ())
        return [sound(entry) for entry in self._entries(reply)]

    async def find_keys(self, index: str, condition: Condition) -> list[Key]:
        """Query an index for the keys of the items with this index key, whether they decode or not."""
        request = {"TableName": self.name, "IndexName": index, **query(condition)}
        reply: StoredPage = await self.call("Query", request, self._decode_stored_page, ())
        return [self.key_in(item) for item in reply.items]

    def _entries(self, reply: QueryReply[Any] | MixedReply) -> list[M | CorruptItemError]:
        """Return the models of an answer, and the error of each item that does not decode, in order."""
        entries: list[M | CorruptItemError] = list(map(self.codec.from_wire, reply.items or ()))
        for position, _, error in reply.corrupt:
            entries.insert(position, error)
        return entries

    def _split(
        self, reply: QueryReply[Any] | MixedReply, listing: Listing
    ) -> tuple[list[M], Sequence[tuple[int, CorruptItemError]]]:
        """Return the models of an answer that the listing keeps, and each error with the number of models before it."""
        entries = self._entries(reply)
        if not reply.corrupt and listing.keep is None:
            return cast("list[M]", entries), ()
        kept: list[M] = []
        broken: list[tuple[int, CorruptItemError]] = []
        for entry in entries:
            if isinstance(entry, CorruptItemError):
                broken.append((len(kept), entry))
            elif listing.keep is None or listing.keep(entry):
                kept.append(entry)
        return kept, broken

    async def page(self, listing: Listing, *, limit: int, cursor: str | None, consistent: bool = False) -> Page[M]:
        """Query for exactly `limit` items, or for as many as are left.

        The Query asks for one item more than the page holds. That item shows whether another page follows.
        """
        check_limit("limit", limit)
        check_switch("consistent", consistent)
        secrets = self.wire.config.cursor_secrets
        start = None if cursor is None else listing.start(cursor, secrets)
        deadline = self.wire.deadline()
        items: list[M] = []
        corrupt: list[tuple[int, CorruptItemError]] = []
        size = limit + 1
        while True:
            reply = await self._query(listing, start, size, consistent=consistent, deadline=deadline)
            kept, broken = self._split(reply, listing)
            corrupt += [(len(items) + position, error) for position, error in broken]
            items += kept
            start = reply.last_key
            if len(items) > limit:  # a corrupt item after the last one of this page is read again for the next page
                errors = tuple([error for position, error in corrupt if position < limit])
                return Page(items[:limit], listing.cursor(items[limit - 1], secrets), errors)
            if start is None:
                return Page(items, None, tuple([error for _, error in corrupt]))
            if listing.where is not None:  # the filter dropped items: read more of them each time
                size = min(2 * size, MAX_LIMIT)

    def stream(self, listing: Listing, *, page_size: int) -> AsyncGenerator[M, None]:
        """Query page after page. The next Query is sent only when the consumer has used all items of the page."""
        return self._stream(listing, page_size, access_pattern())

    async def _stream(self, listing: Listing, page_size: int, pattern: str) -> AsyncGenerator[M, None]:
        start: Item | None = None
        while True:
            with working_for(pattern):  # by now the method that has made the generator is not on the stack
                reply = await self._query(listing, start, page_size, consistent=False, deadline=self.wire.deadline())
                kept, broken = self._split(reply, listing)
                for _, error in broken:
                    log_skipped("Query", error)
            for item in kept:
                yield item
            start = reply.last_key
            if start is None:
                return

    async def _query(
        self, listing: Listing, start: Item | None, limit: int, *, consistent: bool, deadline: float
    ) -> QueryReply[Any] | MixedReply:
        request = {"TableName": self.name, **listing.request(), "Limit": limit, "ConsistentRead": consistent}
        if start is not None:
            request["ExclusiveStartKey"] = start
        key = (listing.partition[1],)
        reply: QueryReply[Any] | MixedReply = await self.call(
            "Query", request, self._decode_query, key, deadline=deadline
        )
        return reply

    async def scan(
        self, start: Key | None, segment: int = 0, segments: int = 1, *, limit: int | None = None
    ) -> tuple[list[Item], Key | None]:
        """Scan one page of a segment; return its items as they are stored, and the key where the next page starts."""
        request: Item = {"TableName": self.name}
        if limit is not None:
            request["Limit"] = limit
        if segments > 1:
            request |= {"Segment": segment, "TotalSegments": segments}
        if start is not None:
            request["ExclusiveStartKey"] = self.key_item(start)
        reply: StoredPage = await self.call("Scan", request, self._decode_stored_page, ())
        return reply.items, None if reply.last_key is None else self.key_in(reply.last_key)

    async def partition(self, value: str, *, keys_only: bool = False) -> AsyncGenerator[list[Item], None]:
        """Query a whole partition consistently; yield pages of items as they are stored, corrupt ones too."""
        condition = query(equals(self.codec.key[0], string(value)))
        request = {"TableName": self.name, **condition, "ConsistentRead": True}
        if keys_only:
            keys = projection(self.codec.key)
            keys["ExpressionAttributeNames"] |= request["ExpressionAttributeNames"]
            request |= keys
        while True:
            reply: StoredPage = await self.call("Query", request, self._decode_stored_page, (value,))
            yield reply.items
            request["ExclusiveStartKey"] = reply.last_key
            if reply.last_key is None:
                return


Wanted: TypeAlias = Mapping[ReadableTable[Any], Sequence[Key]]
"""The keys to read, by table."""

Found: TypeAlias = dict[ReadableTable[Any], dict[Key, Any]]
"""The items that exist, by table and key."""


_Group: TypeAlias = tuple[tuple[ReadableTable[Any], Key], ...]


class GroupReader:
    """Reads the keys of one caller together, such as a wiki and its people. Callers that wait share a request."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._eventual = self._coalescer(consistent=False)
        self._strong = self._coalescer(consistent=True)

    def _coalescer(self, *, consistent: bool) -> Coalescer[_Group, Found]:
        return Coalescer(
            lambda group: batch_get(self._wire, _merged([group]), consistent=consistent),
            lambda close: self._get_coalesced(close, consistent=consistent),
            is_light=self._wire.is_light,
            batch_size=_COALESCED_GROUPS,
            spawn=self._wire.spawn,
        )

    async def get(self, group: Iterable[tuple[ReadableTable[Any], Key]], *, consistent: bool) -> Found:
        """Send one BatchGetItem, which others may share: the result may hold more items than this group's.

        For an item that does not decode, the error takes its place.
        """
        group = tuple(group)
        self._wire.check_loop()
        if not self._wire.config.coalesce_reads:
            return await batch_get(self._wire, _merged([group]), consistent=consistent)
        found = await (self._strong if consistent else self._eventual).load(group)
        return found or {}

    async def _get_coalesced(
        self, close: Callable[[], list[_Group]], *, consistent: bool
    ) -> Mapping[_Group, Found | Exception]:
        groups: list[_Group] = []

        def wanted() -> Wanted:
            groups.extend(close())
            self._wire.coalesced(len(groups))
            return _merged(groups)

        found = await batch_get(self._wire, wanted, consistent=consistent)
        return dict.fromkeys(groups, found)


def _merged(groups: Iterable[_Group]) -> Wanted:
    """Return the keys of all groups, each of them once."""
    wanted: dict[ReadableTable[Any], dict[Key, None]] = {}
    for group in groups:
        for table, key in group:
            wanted.setdefault(table, {})[key] = None
    return {table: tuple(keys) for table, keys in wanted.items()}


async def batch_get(
    wire: Wire,
    wanted: Wanted | Callable[[], Wanted],
    *,
    consistent: bool,
    deadline: float | None = None,
) -> Found:
    """Send a BatchGetItem for at most 100 keys of any tables; return the items that exist, by table and key.

    If `wanted` is a function, it is called when a connection is there for the request. For an item that does not
    decode, the error takes its place.

    Keys that DynamoDB leaves unprocessed are requested again until the deadline. The pauses grow while the answers
    hold no items.

    Raises:
        ThrottledError: Some keys were still unprocessed at the deadline.

    """
    return await _batch_get(wire, wanted, ReadableTable.decode_items, consistent=consistent, deadline=deadline)


async def batch_get_items(
    wire: Wire,
    wanted: Mapping[ReadableTable[Any], Sequence[Key]],
    *,
    consistent: bool,
    deadline: float | None = None,
    names: Mapping[ReadableTable[Any], Sequence[str]] = MappingProxyType({}),
) -> dict[ReadableTable[Any], dict[Key, Item]]:
    """Do as `batch_get`, but return the items as they are stored, so that a write can have them as its condition.

    Of the tables in `names`, return only these attributes of the items; the key must be among them.
    """
    return await _batch_get(
        wire, wanted, ReadableTable.items_by_key, consistent=consistent, deadline=deadline, names=names
    )


async def _batch_get(
    wire: Wire,
    wanted: Wanted | Callable[[], Wanted],
    decode_items: Callable[[ReadableTable[Any], msgspec.Raw], dict[Key, Any]],
    *,
    consistent: bool,
    deadline: float | None,
    names: Mapping[ReadableTable[Any], Sequence[str]] = MappingProxyType({}),
) -> Found:
    tables: Wanted = {} if callable(wanted) else wanted

    def decode(body: bytes) -> tuple[Found, dict[str, Any]]:
        reply = _decode_batch(body)
        responses = reply.responses or {}
        items = {table: decode_items(table, responses.get(table.name, _NO_ITEMS)) for table in tables}
        return items, reply.unprocessed or {}

    def first() -> dict[str, Any]:
        nonlocal tables
        tables = wanted() if callable(wanted) else wanted
        return _batch_request(tables, names, consistent=consistent)

    found: Found = {}
    deadline = wire.deadline() if deadline is None else deadline
    attempt = 0
    request: Any = first if callable(wanted) else first()
    while True:
        attempt += 1
        try:
            responses, pending = await wire.call("BatchGetItem", request, decode, deadline=deadline)
        except Refusal as refusal:
            raise _batch_error(refusal, tables) from refusal
        except ExhaustedError as exhausted:
            raise _batch_error(exhausted, tables) from exhausted.__cause__
        for table, items in responses.items():
            found.setdefault(table, {}).update(items)
        if not pending:
            return found
        request = {"RequestItems": pending}
        if any(responses.values()):
            attempt = 0
        if not await wire.pause("BatchGetItem", request, attempt, deadline):
            raise ThrottledError("BatchGetItem", attempt, "keys were left unprocessed")


def _batch_request(
    wanted: Wanted, names: Mapping[ReadableTable[Any], Sequence[str]], *, consistent: bool
) -> dict[str, Any]:
    keys = {
        table.name: {
            "Keys": [table.key_item(key) for key in keys],
            "ConsistentRead": consistent,
            **(projection(names[table]) if table in names else {}),
        }
        for table, keys in wanted.items()
    }
    return {"RequestItems": keys}


def _batch_error(failure: Refusal | ExhaustedError, wanted: Wanted) -> Exception:
    """Return the library's error; it names the first table and key."""
    table, keys = next(iter(wanted.items()))
    return table.error(failure, "BatchGetItem", keys[0])
