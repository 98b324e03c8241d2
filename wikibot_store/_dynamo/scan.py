"""Scans of whole tables: in parallel segments, at a limited rate, and resumable."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec

from wikibot_store._dynamo.reads import Key, ReadableTable
from wikibot_store._wire import Pace, access_pattern, working_for

T = TypeVar("T")

MAX_SEGMENTS = 64

Read = Callable[[Key | None, int, int], Awaitable[tuple[T, Key | None]]]
"""Reads one page: after a key, in a segment, of that many segments. Returns the key after which the next one starts.

`ReadableTable.scan` is one.
"""


_LastKey = tuple[Annotated[str, msgspec.Meta(min_length=1)], ...]
_Segments = Annotated[tuple[_LastKey | None, ...], msgspec.Meta(min_length=1, max_length=MAX_SEGMENTS)]


class Position(msgspec.Struct, frozen=True):
    """How far a scan has come: the table, and how far in each of its segments.

    `after` holds the last key of each segment that was used: None before the first one, and () at the segment's end. A
    scan can only be resumed with the same number of segments.
    """

    table: str
    after: _Segments

    @property
    def text(self) -> str:
        """The position as text; `parse` reads it."""
        return msgspec.json.encode(self).decode()

    def moved(self, segment: int, key: Key | None) -> "Position":
        """Return the position after a key of a segment, or at the segment's end."""
        return Position(self.table, (*self.after[:segment], key or (), *self.after[segment + 1 :]))


class ScannedPage(NamedTuple, Generic[T]):
    """What was read of a segment of a table.

    `position` is the one after this page and all pages that were given before it; None if nothing follows.
    """

    table: str
    segment: int
    items: T
    position: Position | None


def start(table: str, segments: int = 1) -> Position:
    """Return the position at the start of a table."""
    return Position(table, (None,) * segments)


def parse(text: str, tables: Mapping[str, ReadableTable[Any]]) -> Position:
    """Return the position in one of these tables that `Position.text` has written.

    Raises:
        ValueError: It is not a position in any of these tables.

    """
    try:
        position = msgspec.json.decode(text, type=Position)
        table = tables[position.table]
        for key in filter(None, position.after):
            table.where(key)  # a wrong number of values is a ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("resume must come from an earlier run of the same operation") from error
    return position


def scan(reads: Mapping[str, Read[T]], position: Position, pace: Pace) -> AsyncGenerator[ScannedPage[T], None]:
    """Read tables one after the other, from a position on, each page after page in all its segments at the same time.

    At most one page of each segment is held: the next one is requested when the consumer has used the page before.
    Closing the generator cancels the requests that are under way.
    """
    return _scan(reads, position, pace, access_pattern())


async def _scan(
    reads: Mapping[str, Read[T]], position: Position, pace: Pace, pattern: str
) -> AsyncGenerator[ScannedPage[T], None]:
    names = list(reads)
    for name in names[names.index(position.table) :]:
        following = next((start(later, len(position.after)) for later in names[names.index(name) + 1 :]), None)
        if name != position.table:
            position = start(name, len(position.after))
        async with aclosing(_scan_table(reads[name], position, pace, pattern)) as pages:
            async for page in pages:
                is_last = page.position is not None and not any(key != () for key in page.position.after)
                yield page._replace(position=following) if is_last else page


async def _scan_table(
    read: Read[T], position: Position, pace: Pace, pattern: str
) -> AsyncGenerator[ScannedPage[T], None]:
    pages: dict[int, tuple[T, Key | None]] = {}
    pending: dict[asyncio.Task[None], int] = {}

    async def read_page(segment: int) -> None:
        # The task does not return the page: asyncio's debug mode logs what tasks return.
        async with pace.request():
            pages[segment] = await read(position.after[segment], segment, len(position.after))

    def request(segment: int) -> None:
        with working_for(pattern):  # by now the method that has made the generator is not on the stack
            pending[asyncio.create_task(read_page(segment))] = segment

    try:
        for segment, key in enumerate(position.after):
            if key != ():
                request(segment)
        while pending:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                segment = pending.pop(task)
                task.result()
                items, last = pages.pop(segment)
                position = position.moved(segment, last)
                yield ScannedPage(position.table, segment, items, position)
                if last is not None:
                    request(segment)
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
