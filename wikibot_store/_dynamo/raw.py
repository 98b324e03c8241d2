"""Items that are moved without being parsed: pages of a Scan as JSON, and their writes in batches."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from wikibot_store._dynamo.expressions import conditional
from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import ConditionFailedError, Table, acknowledge
from wikibot_store._wire import Pace
from wikibot_store.errors import ThrottledError

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
_MAX_BATCH_WRITE = 25
# Far below the limit of 16 MB, which counts the items by other rules than the length of their JSON.
_MAX_BATCH_BYTES = 4 * 2**20
_REQUESTS_AT_A_TIME = 16


class _RawPage(msgspec.Struct, gc=False):
    """The answer of Scan; `items` may be null in JSON, which means an empty list."""

    items: list[msgspec.Raw] | None = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class _Unprocessed(msgspec.Struct, gc=False):
    """The answer of BatchWriteItem."""

    items: dict[str, list[msgspec.Raw]] | None = msgspec.field(default=None, name="UnprocessedItems")


_decode_page = msgspec.json.Decoder(_RawPage).decode
_decode_unprocessed = msgspec.json.Decoder(_Unprocessed).decode


def _one_line_each(body: bytes) -> _RawPage:
    """Decode a page so that no item contains a line break. DynamoDB sends none; a gateway may reformat the JSON."""
    return _decode_page(msgspec.json.format(body, indent=-1) if b"\n" in body else body)


async def scan_raw(
    table: Table[Any], start: Key | None, segment: int, segments: int, *, limit: int | None = None
) -> tuple[list[msgspec.Raw], Key | None]:
    """Scan one page of a segment consistently; return its items as JSON, and the key where the next page starts."""
    request: Item = {
        "TableName": table.name,
        "Segment": segment,
        "TotalSegments": segments,
        "ConsistentRead": True,
    }
    if limit is not None:
        request["Limit"] = limit
    if start is not None:
        request["ExclusiveStartKey"] = table.key_item(start)
    page: _RawPage = await table.call("Scan", request, _one_line_each, ())
    return page.items or [], None if page.last_key is None else table.key_in(page.last_key)


async def write_raw(table: Table[Any], items: Sequence[msgspec.Raw], pace: Pace, *, if_absent: bool) -> int:
    """Write items, several requests at a time; return how many were written. No two items may have the same key.

    With `if_absent` each item is a conditional PutItem, and items whose key is taken are kept. Otherwise BatchWriteItem
    replaces what is there.
    """
    # A request uses its units at once and waits for them afterwards: about a second's worth.
    most = _MAX_BATCH_WRITE if pace.rate is None else max(1, min(_MAX_BATCH_WRITE, int(pace.rate)))
    batches = iter([[item] for item in items] if if_absent else _batches(items, most))
    written = 0

    async def work() -> None:
        nonlocal written
        for batch in batches:  # shared by all workers: each takes the next one
            count = await (_put_absent(table, batch[0], pace) if if_absent else _put_all(table, batch, pace))
            written += count  # read after the wait: other workers have added theirs meanwhile

    width = _REQUESTS_AT_A_TIME if pace.rate is None else 1
    workers = [asyncio.create_task(work()) for _ in range(width)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return written


def _batches(items: Sequence[msgspec.Raw], most: int) -> Iterator[list[msgspec.Raw]]:
    batch: list[msgspec.Raw] = []
    size = 0
    for item in items:
        length = memoryview(item).nbytes
        if batch and (len(batch) == most or size + length > _MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


async def _put_absent(table: Table[Any], item: msgspec.Raw, pace: Pace) -> int:
    request = {"TableName": table.name, "Item": item, **conditional(table.absent)}
    try:
        async with pace.request():
            await table.call("PutItem", request, acknowledge, ())
    except ConditionFailedError:
        return 0
    return 1


async def _put_all(table: Table[Any], items: list[msgspec.Raw], pace: Pace) -> int:
    """Send BatchWriteItem until nothing is left unprocessed. The pauses grow while nothing is processed."""
    pending: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    attempt = 0
    while pending:
        request = {"RequestItems": {table.name: pending}}
        async with pace.request():
            reply: _Unprocessed = await table.call("BatchWriteItem", request, _decode_unprocessed, ())
        left = [put for puts in (reply.items or {}).values() for put in puts]
        attempt = 0 if len(left) < len(pending) else attempt + 1
        pending = left
        if pending and not await table.wire.pause("BatchWriteItem", request, attempt, table.wire.deadline()):
            raise ThrottledError("BatchWriteItem", attempt, "items were left unprocessed")
    return len(items)
