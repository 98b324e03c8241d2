"""What DynamoDB answers, as far as anybody asks; `M` is an item of a model's own shape, as its codec makes it."""

from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from wikibot_store._items import Item

M = TypeVar("M", bound=msgspec.Struct)


class GetReply(msgspec.Struct, Generic[M], gc=False):
    """What GetItem answers."""

    item: M | None = msgspec.field(default=None, name="Item")


class StoredReply(msgspec.Struct, gc=False):
    """What GetItem answers, with the item as it is stored."""

    item: Item | None = msgspec.field(default=None, name="Item")


class Acknowledgement(msgspec.Struct, gc=False):
    """What a write answers that was asked for nothing; whatever it holds is passed over."""


class UpdateReply(msgspec.Struct, Generic[M], gc=False):
    """What UpdateItem answers if it was asked for the item."""

    attributes: M = msgspec.field(name="Attributes")


class QueryReply(msgspec.Struct, Generic[M], gc=False):
    """What Query answers."""

    items: list[M] = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class StoredPage(msgspec.Struct, gc=False):
    """What Query and Scan answer, with the items as they are stored."""

    items: list[Item] = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class _Text(msgspec.Struct, gc=False):
    """A string attribute."""

    S: str


class BatchReply(msgspec.Struct, gc=False):
    """What BatchGetItem answers; each table's items are left to its own codec."""

    responses: dict[str, msgspec.Raw] = msgspec.field(name="Responses")
    unprocessed: dict[str, Any] = msgspec.field(default_factory=dict, name="UnprocessedKeys")


@cache  # the structs of one key are the same for every store, and take a while to make
def stored_page_reader(key: tuple[str, ...]) -> Callable[[bytes], StoredPage]:
    """Return the function that decodes a page of items as they are stored; each has at least its primary key."""
    decode = msgspec.json.Decoder(StoredPage).decode
    keys: Any = list[msgspec.defstruct("Key", [(name, _Text) for name in key])]  # type: ignore[misc]  # made at runtime

    def read(body: bytes) -> StoredPage:
        reply = decode(body)
        msgspec.convert(reply.items if reply.last_key is None else [*reply.items, reply.last_key], keys)
        return reply

    return read
