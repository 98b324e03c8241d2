"""The members of DynamoDB's answers that the store uses. `M` is the wire type that a codec makes for its model."""

from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from wikibot_store._dynamo.items import Item

M = TypeVar("M", bound=msgspec.Struct)


class GetReply(msgspec.Struct, Generic[M], gc=False):
    """The answer of GetItem."""

    item: M | None = msgspec.field(default=None, name="Item")


class StoredReply(msgspec.Struct, gc=False):
    """The answer of GetItem, with the item as it is stored."""

    item: Item | None = msgspec.field(default=None, name="Item")


class Acknowledgement(msgspec.Struct, gc=False):
    """The answer of a write that returns no attributes; its members are ignored."""


class UpdateReply(msgspec.Struct, Generic[M], gc=False):
    """The answer of UpdateItem that returns the item."""

    attributes: M = msgspec.field(name="Attributes")


class QueryReply(msgspec.Struct, Generic[M], gc=False):
    """The answer of Query."""

    items: list[M] = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class StoredPage(msgspec.Struct, gc=False):
    """The answer of Query and Scan, with the items as they are stored."""

    items: list[Item] = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class _Text(msgspec.Struct, gc=False):
    """A string attribute."""

    S: str


class BatchReply(msgspec.Struct, gc=False):
    """The answer of BatchGetItem; each table's codec decodes its own items."""

    responses: dict[str, msgspec.Raw] = msgspec.field(name="Responses")
    unprocessed: dict[str, Any] = msgspec.field(default_factory=dict, name="UnprocessedKeys")


@cache  # making the structs takes a while, and every store needs the same ones
def stored_page_reader(key: tuple[str, ...]) -> Callable[[bytes], StoredPage]:
    """Return the function that decodes a page of items without models and checks that each has its primary key."""
    decode = msgspec.json.Decoder(StoredPage).decode
    keys: Any = list[msgspec.defstruct("Key", [(name, _Text) for name in key])]  # type: ignore[misc]  # made at runtime

    def read(body: bytes) -> StoredPage:
        reply = decode(body)
        msgspec.convert(reply.items if reply.last_key is None else [*reply.items, reply.last_key], keys)
        return reply

    return read
