"""The members of DynamoDB's answers that the store uses. `M` is the wire type that a codec makes for its model."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from wikibot_store._dynamo.items import Item
from wikibot_store.errors import CorruptItemError

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
    """The answer of Query; `items` is None if it is null in JSON, which means the same as an empty list."""

    items: list[M] | None = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")
    corrupt: ClassVar[Sequence[tuple[int, Item, CorruptItemError]]] = ()
    """Empty: an answer with corrupt items is a MixedReply."""


class StoredPage(NamedTuple):
    """The answer of Query and Scan, with the items as they are stored."""

    items: list[Item]
    last_key: Item | None


class _StoredPage(msgspec.Struct, gc=False):
    """The same as JSON, where null means an empty list."""

    items: list[Item] | None = msgspec.field(name="Items")
    last_key: Item | None = msgspec.field(default=None, name="LastEvaluatedKey")


class _Text(msgspec.Struct, gc=False):
    """A string attribute."""

    S: str


class BatchReply(msgspec.Struct, gc=False):
    """The answer of BatchGetItem; each table's codec decodes its own items."""

    responses: dict[str, msgspec.Raw] | None = msgspec.field(name="Responses")
    unprocessed: dict[str, Any] | None = msgspec.field(default_factory=dict, name="UnprocessedKeys")


@cache  # making the structs takes a while, and every store needs the same ones
def stored_page_reader(key: tuple[str, ...]) -> Callable[[bytes], StoredPage]:
    """Return the function that decodes a page of items without models and checks that each has its primary key."""
    decode = msgspec.json.Decoder(_StoredPage).decode
    keys: Any = list[msgspec.defstruct("Key", [(name, _Text) for name in key])]  # type: ignore[misc]  # made at runtime

    def read(body: bytes) -> StoredPage:
        reply = decode(body)
        items = reply.items or []
        msgspec.convert(items if reply.last_key is None else [*items, reply.last_key], keys)
        return StoredPage(items, reply.last_key)

    return read
