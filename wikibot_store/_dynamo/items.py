"""Encodes models as DynamoDB items and decodes them.

Decoding is the library's hot path. msgspec parses a reply directly into structs that have the shape of the item
(`{"page_count": {"N": "3"}}` becomes `wire.page_count.N`) and checks every type. One generated expression per model
turns such a struct into the model. This avoids dicts of dicts.

An item of another program may lack attributes, or have times in another form. If an answer does not parse, its items
are brought into this library's form and parsed again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from wikibot_store._dynamo.checks import in_utc, plain_datetime
from wikibot_store.errors import CorruptItemError

M = TypeVar("M", bound=msgspec.Struct)

EPOCH: Final = "epoch"
"""Marks a datetime that is stored as whole epoch seconds, the only form that DynamoDB's TTL accepts."""

Item = dict[str, Any]
"""An item as DynamoDB writes it: attribute name to {"S": …}, {"N": …}, …"""

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TOO_LARGE: Final = 10**38
# DynamoDB accepts items of up to 400 KB. A model has up to four long texts, and later updates need room: an item of the
# full size could not even be marked as being deleted.
_MOST_TEXT: Final = 65_536

WRITE_ID: Final = "write_id"
"""The attribute with the random id of the write that last touched the item."""

_EPOCH = plain_datetime()(1970, 1, 1, tzinfo=UTC)
# JavaScript counts milliseconds. As seconds, the last second of the year 9999; as milliseconds, in January 1978.
_LAST_SECOND: Final = 253_402_300_799
NULL: Final = {"NULL": True}
"""What boto3 stores for None. It is read like a missing attribute."""


def timestamp(moment: datetime) -> str:
    """Return fixed-width ISO 8601 in UTC, such as 2026-01-02T03:04:05.000006Z. As text, earlier times sort first.

    Raises:
        ValueError: The datetime is naive.

    """
    return f"{in_utc(moment).isoformat(timespec='microseconds')[:26]}Z"


def epoch(moment: datetime) -> int:
    """Return whole seconds since 1970, rounded down, as DynamoDB's TTL expects.

    Raises:
        ValueError: The datetime is naive.

    """
    return (in_utc(moment) - _EPOCH) // timedelta(seconds=1)


def string(value: str) -> Item:
    """Return a string attribute. A subclass of str becomes a plain str, which JSON can encode."""
    return {"S": str.__str__(value)}


def number(value: int) -> Item:
    """Return a number attribute. A subclass of int is written as a plain int."""
    return {"N": int.__repr__(value)}


def time(value: datetime) -> Item:
    """Return a time as a string attribute."""
    return {"S": timestamp(value)}


def read_time(value: Any) -> datetime | None:  # noqa: ANN401 - any attribute
    """Return the time of an attribute in UTC, in whatever form a program has written it; None if it is no time.

    The forms are ISO 8601, where a time without a zone is in UTC, and seconds or milliseconds since 1970.
    """
    match value:
        case {"S": str(text)}:
            try:
                moment = plain_datetime().fromisoformat(text)
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else in_utc(moment)
            except OverflowError:  # it cannot be expressed in UTC
                return None
            except ValueError:
                return _counted(text)
        case {"N": str(text)}:
            return _counted(text)
        case _:
            return None


def is_foreign(value: Item | None, *, before: datetime) -> bool:
    """Return whether an attribute has a time before `before` in the form of another program, or null."""
    moment = read_time(value)
    return value == NULL or (moment is not None and moment < before and value != time(moment))


def _counted(text: str) -> datetime | None:
    try:
        count = float(text)
        return _EPOCH + timedelta(seconds=count if abs(count) <= _LAST_SECOND else count / 1000)
    except (OverflowError, ValueError):  # it is no number, or after the year 9999
        return None


def _text(value: str) -> Item:
    if value.isascii() and len(value) <= _MOST_TEXT:
        return string(value)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("must not hold half a surrogate pair") from None  # the original error shows the text
    if size > _MOST_TEXT:
        raise ValueError(f"must have at most {_MOST_TEXT} bytes in UTF-8")
    return string(value)


def _whole_number(value: int) -> Item:
    if abs(value) >= _TOO_LARGE:
        raise ValueError("must have at most 38 digits")
    return number(value)


_TYPES = {
    "S": "a string",
    "N": "a number",
    "BOOL": "a boolean",
    "B": "binary",
    "M": "a map",
    "L": "a list",
    "SS": "a set of strings",
    "NS": "a set of numbers",
    "BS": "a set of binaries",
}
# In msgspec's messages: Expected `int`, got `str` - at `$.page_count.N`
_PLACE = re.compile(r"`\$\.(\w+)")


class _Form(NamedTuple):
    """How one Python type is stored.

    DynamoDB's type, the type to parse, the type to accept, the encoder, and what the attribute must be, in words.
    """

    tag: str
    parse_as: Any
    accepts: type
    encode: Callable[[Any], Item]
    expected: str


def _form(python_type: Any) -> _Form:  # noqa: ANN401 - annotations are of any type
    plain = plain_datetime()
    if get_origin(python_type) is Annotated and EPOCH in get_args(python_type):
        return _Form("N", plain, plain, lambda value: number(epoch(value)), "seconds since 1970")
    if issubclass(python_type, datetime):  # a subclass if the models were imported while the time was frozen
        return _Form("S", Annotated[plain, msgspec.Meta(tz=True)], plain, time, "a time in ISO 8601")
    if issubclass(python_type, Enum):
        return _Form(
            "S", python_type, python_type, lambda value: string(value.value), f"one of {', '.join(python_type)}"
        )
    return _FORMS[python_type]


_FORMS = {
    str: _Form("S", str, str, _text, "a string"),
    int: _Form("N", int, int, _whole_number, "a whole number"),
    bool: _Form("BOOL", bool, bool, lambda value: {"BOOL": value}, "a boolean"),
}


def _read(value: str, form: _Form, default: Any) -> str:  # noqa: ANN401 - of any type
    """Return the expression for an attribute of a model. This library stores times in UTC; others may not."""
    if form.encode is not time:
        return value
    if default is msgspec.NODEFAULT:
        return f"(t if (t := {value}).tzinfo is UTC else stored_in_utc(t))"
    return f"(t if (t := {value}) is None or t.tzinfo is UTC else stored_in_utc(t))"


def _stored_in_utc(moment: datetime) -> datetime:
    try:
        return in_utc(moment)
    except OverflowError:  # it cannot be expressed in UTC
        return moment


class ItemCodec(Generic[M]):
    """Encodes and decodes the items of one model.

    `key` names the attributes of the primary key, partition key first. `redact` hides parts of a key value in messages.
    `missing` makes the values with which items that lack a required attribute are read.
    """

    def __init__(
        self,
        model: type[M],
        key: tuple[str, ...],
        *,
        redact: Callable[[str], str] = str,
        missing: Mapping[str, Callable[[Item], Item]] | None = None,
    ) -> None:
        self.key = key
        self.missing = missing or {}
        self._redact = redact
        self._forms: dict[str, _Form] = {}
        self._optional: set[str] = set()
        fields: list[tuple[str, Any, Any]] = []
        hints = get_type_hints(model, include_extras=True)
        for info in msgspec.structs.fields(model):
            if info.name.startswith("_"):  # not stored
                continue
            required = info.default is msgspec.NODEFAULT
            hint = hints[info.name]
            if type(None) in get_args(hint):
                self._optional.add(info.name)
                (hint,) = (option for option in get_args(hint) if option is not type(None))
            form = self._forms[info.name] = _form(hint)
            attribute = msgspec.defstruct(f"{form.tag}_{info.name}", [(form.tag, form.parse_as)], frozen=True, gc=False)
            fields.append((info.name, attribute, msgspec.NODEFAULT if required else attribute(info.default)))
        self._wire: type[Any] = msgspec.defstruct(f"Wire{model.__name__}", fields, frozen=True, gc=False, kw_only=True)
        arguments = ", ".join(
            f"{name}={_read(f'wire.{name}.{self._forms[name].tag}', self._forms[name], default)}"
            for name, _, default in fields
        )
        # One expression without a loop takes about half the time of getattr calls or of building a dict. Its text
        # holds only the model's own field names.
        self.from_wire: Callable[[Any], M] = eval(  # noqa: S307
            f"lambda wire: model({arguments})", {"model": model, "UTC": UTC, "stored_in_utc": _stored_in_utc}
        )
        values = ", ".join(f"model.{name}" for name in key)
        self.key_of: Callable[[M], tuple[str, ...]] = eval(f"lambda model: ({values},)")  # noqa: S307 - the same
        parts = ", ".join(f"{name!r}: {{'S': text({name})}}" for name in key)
        self.key_item: Callable[..., Item] = eval(  # noqa: S307 - the same
            f"lambda {', '.join(key)}: {{{parts}}}", {"text": str.__str__}
        )
        several: Any = list[self._wire]  # type: ignore[name-defined]  # made at runtime
        self.decode_list: Callable[[msgspec.Raw], list[Any]] = msgspec.json.Decoder(several, strict=False).decode

    def reader(self, reply: Any, table: str) -> Callable[[bytes], Any]:  # noqa: ANN401 - a generic class
        """Return the function that decodes the bytes of a reply from `table`; `reply` is one of the reply classes.

        A single item that does not decode raises CorruptItemError. A list of items is then a MixedReply.
        """
        # Not strict, because DynamoDB writes numbers as strings.
        decode = msgspec.json.Decoder(reply[self._wire], strict=False).decode
        member = msgspec.structs.fields(reply)[0].encode_name  # Item, Attributes or Items

        def read(body: bytes) -> Any:  # noqa: ANN401 - the reply with this model's wire type
            try:
                return decode(body)
            except msgspec.ValidationError:
                answer = msgspec.json.decode(body)
                match answer.get(member) if isinstance(answer, dict) else None:
                    case dict() as item if member != "Items":
                        return reply(self._parse(item, table))
                    case list() as items if member == "Items" and all(isinstance(item, dict) for item in items):
                        rest = msgspec.convert(answer | {"Items": []}, reply[self._wire])
                        return self._parse_each(items, table, rest.last_key)
                    case _:
                        raise

        return read

    def _parse_each(self, items: list[Item], table: str, last_key: Item | None) -> "MixedReply":
        sound: list[Any] = []
        corrupt: list[tuple[int, Item, CorruptItemError]] = []
        for position, item in enumerate(items):
            try:
                sound.append(self._parse(item, table))
            except CorruptItemError as error:
                corrupt.append((position, item, error))
        return MixedReply(sound, last_key, corrupt)

    def _parse(self, item: Item, table: str) -> Any:  # noqa: ANN401 - this model's wire type
        """Return the wire struct of a parsed item, which may be in the form of another program.

        Raises:
            CorruptItemError: It does not decode.

        """
        try:
            return msgspec.convert(item, self._wire, strict=False)
        except msgspec.ValidationError:
            pass
        completed = self._completed(item)
        try:
            return msgspec.convert(completed, self._wire, strict=False)
        except msgspec.ValidationError as error:
            raise CorruptItemError(table, self.shown_key(item), self._reason(error, completed)) from error

    def _reason(self, error: msgspec.ValidationError, item: Item) -> str:
        """Return what is wrong with the attribute that msgspec's error names, without the value, which it may quote."""
        place = _PLACE.search(str(error))
        if place is None:
            return f"{str(error).split('`')[1]} is missing"  # Object missing required field `…`
        name = place[1]
        form, stored = self._forms[name], item[name]
        found = next(iter(stored), "") if isinstance(stored, dict) else ""
        but = f", but is {_TYPES[found]} ({found})" if found in _TYPES.keys() - {form.tag} else ""
        return f"{name} must be {form.expected}{but}"

    def _completed(self, item: Item) -> Item:
        """Return an item of another program as this library would have written it, as far as that can be known."""
        completed = {name: value for name, value in item.items() if value != NULL}
        for name, form in self._forms.items():
            moment = read_time(completed.get(name)) if form.accepts is plain_datetime() else None
            if moment is not None:
                completed[name] = form.encode(moment)
        for name, make in self.missing.items():
            if name not in completed:
                completed[name] = make(completed)
        return completed

    def encode(self, model: M, write_id: str) -> Item:
        """Return the item; an attribute that is None is left out."""
        item = {
            name: self.value(name, value)
            for name in self._forms
            if (value := getattr(model, name)) is not None or name not in self._optional
        }
        item[WRITE_ID] = string(write_id)
        return item

    def value(self, attribute: str, value: Any) -> Item:  # noqa: ANN401 - whatever the attribute holds
        """Return the value of one attribute as DynamoDB writes it.

        Raises:
            TypeError: The value does not have the type of the attribute; no attribute accepts a float.
            ValueError: A datetime is naive, or DynamoDB cannot store the value.

        """
        form = self._forms[attribute]
        if type(value) is not form.accepts and (not isinstance(value, form.accepts) or isinstance(value, bool)):
            raise TypeError(f"{attribute} must be {form.accepts.__name__}, not {type(value).__name__}")
        try:
            return form.encode(value)
        except ValueError as error:
            raise ValueError(f"{attribute}: {error}") from error

    def removable(self, attribute: str) -> str:
        """Return the attribute's name if the attribute is optional.

        Raises:
            TypeError: The attribute is required.

        """
        if attribute not in self._optional:
            raise TypeError(f"{attribute} cannot be None")
        return attribute

    def shown_key(self, item: Mapping[str, Any]) -> dict[str, str]:
        """Return the primary key of an item for a message, with `?` for a missing or invalid value."""
        return {name: self._shown(item.get(name)) for name in self.key}

    def _shown(self, attribute: Any) -> str:  # noqa: ANN401 - any JSON
        match attribute:
            case {"S": str(text)}:
                return self._redact(text)
            case _:
                return "?"

    def from_item(self, item: Item, table: str) -> M:
        """Return the model of an item that was parsed as JSON.

        Raises:
            CorruptItemError: It does not decode.

        """
        return self.from_wire(self._parse(item, table))


class MixedReply(NamedTuple):
    """The items of an answer of which some are in the form of another program, or do not decode.

    `corrupt` holds those that do not decode, with their positions in the answer.
    """

    items: list[Any]
    last_key: Item | None
    corrupt: Sequence[tuple[int, Item, CorruptItemError]]
