"""What is checked of a backup's items before any of them is written. All functions here block."""

import binascii
from typing import Any, NamedTuple

import msgspec

from wikibot_store._dynamo.reads import Key
from wikibot_store.backup._format import Backup, DataFile, read_lines
from wikibot_store.errors import BackupError
from wikibot_store.schema import TableSchema

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_ITEM_BYTES = 400 * 1024
_MAX_KEY_BYTES = (2048, 1024)


class _Value(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An attribute value; the members are DynamoDB's types."""

    S: str | None = None
    N: str | None = None
    B: str | None = None
    BOOL: bool | None = None
    NULL: bool | None = None
    SS: list[str] | None = None
    NS: list[str] | None = None
    BS: list[str] | None = None
    L: "list[_Value] | None" = None
    M: "dict[str, _Value] | None" = None


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of a data file."""

    item: dict[str, _Value] = msgspec.field(name="Item")


class RawLine(msgspec.Struct, gc=False):
    """A line of a data file whose item is not parsed."""

    item: msgspec.Raw = msgspec.field(name="Item")


class _Text(msgspec.Struct, gc=False):
    """A string attribute."""

    S: str


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_lines = msgspec.json.Decoder(_Line).decode_lines
_decode_raw_lines = msgspec.json.Decoder(RawLine).decode_lines


class KeyedItems(NamedTuple):
    """Items as JSON by their keys, and of how many lines."""

    items: dict[Key, msgspec.Raw]
    lines: int


class Fit:
    """Checks whether items belong to a table."""

    def __init__(self, schema: TableSchema) -> None:
        self._schema = schema
        self._limits = tuple(zip(schema.key, _MAX_KEY_BYTES, strict=False))
        self._index_keys = {name for index in schema.indexes for name in (index.partition_key, index.sort_key)}
        self._index_keys -= {*schema.key}
        key: Any = msgspec.defstruct("Key", [(name, _Text) for name in schema.key])
        line: Any = msgspec.defstruct("Line", [("Item", key)])
        self._decode_keys = msgspec.json.Decoder(line).decode_lines

    def check(self, backup: Backup, file: DataFile) -> None:
        """Read a data file to its end.

        Raises:
            BackupError: The file is torn or damaged, or an item does not belong to the table or is too large.

        """
        path = backup.path(file)
        count = 0
        for chunk in read_lines(path, file):
            try:
                lines = _decode_lines(chunk)
                problems = [problem for line in lines if (problem := self._problem(line.item)) is not None]
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                lines, problems = [], ["it does not decode"]
            if problems or max(map(len, chunk.split(b"\n"))) > MAX_ITEM_BYTES:
                self._check_each(f"{path}, line", count, chunk)
            count += len(lines)
        if count != file.item_count:
            raise BackupError(f"{path} is damaged: it has {count} items, and the manifest counts {file.item_count}")

    def _check_each(self, place: str, count: int, chunk: bytes) -> None:
        """Check line by line, to name the first one that is wrong."""
        for number, text in enumerate(filter(None, chunk.split(b"\n")), count + 1):
            try:
                item = _decode_line(text).item
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BackupError(f"{place} {number}: not an item of an export: {error}") from error
            problem = self._problem(item)
            if problem is None and len(text) > MAX_ITEM_BYTES:  # an item is never larger than its JSON
                problem = _too_large(item)
            if problem is not None:
                raise BackupError(f"{place} {number}: {problem}")

    def _problem(self, item: dict[str, _Value]) -> str | None:
        """Return why an item does not belong to the table; None if it does."""
        for name, most in self._limits:
            value = item.get(name)
            if value is None or value.S is None:
                return f"not an item of table {self._schema.name}: it has no string {name}"
            if not value.S or len(value.S.encode()) > most:
                return f"its key attribute {name} must have 1 to {most} bytes"
        for name in self._index_keys & item.keys():
            if not item[name].S:
                return f"its attribute {name} must be a string that is not empty, because it is the key of an index"
        return None

    def keyed(self, chunk: bytes) -> KeyedItems:
        """Return the items of a chunk by their keys. If a key occurs twice, the later item counts."""
        keys = self._decode_keys(chunk)
        names = self._schema.key
        items = {
            tuple([getattr(key.Item, name).S for name in names]): line.item
            for key, line in zip(keys, _decode_raw_lines(chunk), strict=True)
        }
        return KeyedItems(items, len(keys))


def _too_large(item: dict[str, _Value]) -> str | None:
    size = sum(len(name.encode()) + _size(value) for name, value in item.items())
    return (
        None if size <= MAX_ITEM_BYTES else f"its item has {size} bytes, and DynamoDB stores {MAX_ITEM_BYTES} at most"
    )


def _size(value: _Value) -> int:
    """Return the size of an attribute value as DynamoDB counts it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    if value.M is not None:
        return 3 + sum(1 + len(name.encode()) + _size(member) for name, member in value.M.items())
    if value.L is not None:
        return 3 + sum(1 + _size(member) for member in value.L)
    texts = (value.S, *(value.SS or ()))
    numbers = (value.N, *(value.NS or ()))
    binaries = (value.B, *(value.BS or ()))
    return (
        sum(len(text.encode()) for text in texts if text is not None)
        + sum(_number_size(number) for number in numbers if number is not None)
        + sum(_binary_size(binary) for binary in binaries if binary is not None)
        + (value.BOOL is not None)
        + (value.NULL is not None)
    )


def _number_size(number: str) -> int:
    """Return about the size of a number: a byte for two significant digits, and one more; negative: another one."""
    digits = number.lower().partition("e")[0].lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + number.startswith("-")


def _binary_size(text: str) -> int:
    try:
        return len(binascii.a2b_base64(text))
    except binascii.Error:  # DynamoDB will reject it
        return len(text)
