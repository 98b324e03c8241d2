"""Models to DynamoDB items and back.

Decoding is the library's hot path. msgspec parses a reply straight into structs of the item's own shape
(`{"page_count": {"N": "3"}}` is `wire.page_count.N`), checking every type on the way, and one generated expression per
model turns such a struct into the model. No dict of dicts is built in between.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from wikibot_store._dynamo.checks import check_aware
from wikibot_store.errors import CorruptItemError

M = TypeVar("M", bound=msgspec.Struct)

EPOCH: Final = "epoch"
"""Marks a datetime that is stored as whole epoch seconds, the only form that DynamoDB's TTL reads."""

Item = dict[str, Any]
"""An item as DynamoDB writes it: attribute name to {"S": …}, {"N": …}, …"""

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TOO_LARGE: Final = 10**38
# DynamoDB takes items of up to 400 KB. A model has up to four long texts, and an item needs room for what is written to
# it later: one that is filled to the brim could not even be marked as being deleted.
_MOST_TEXT: Final = 65_536

WRITE_ID: Final = "write_id"
"""The attribute with the random id of the write that last touched the item."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(moment: datetime) -> str:
    """Return fixed-width ISO 8601 in UTC, such as 2026-01-02T03:04:05.000006Z; it sorts as text.

    Raises:
        ValueError: The datetime is naive.

    """
    if moment.tzinfo is not UTC:
        moment = check_aware(moment).astimezone(UTC)
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def epoch(moment: datetime) -> int:
    """Return whole seconds since 1970, rounded down, as DynamoDB's TTL wants them.

    Raises:
        ValueError: The datetime is naive.

    """
    return (check_aware(moment) - _EPOCH) // timedelta(seconds=1)


def string(value: str) -> Item:
    """Return a string attribute, also of a subclass of str, of which JSON knows nothing."""
    return {"S": str.__str__(value)}


def number(value: int) -> Item:
    """Return a number attribute, also of a subclass of int, which may be written otherwise."""
    return {"N": int.__repr__(value)}


def time(value: datetime) -> Item:
    """Return a time as a string attribute."""
    return {"S": timestamp(value)}


def _text(value: str) -> Item:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("must not hold half a surrogate pair") from None  # the original one shows the text
    if size > _MOST_TEXT:
        raise ValueError(f"must have at most {_MOST_TEXT} bytes in UTF-8")
    return string(value)


def _whole_number(value: int) -> Item:
    if abs(value) >= _TOO_LARGE:
        raise ValueError("must have at most 38 digits")
    return number(value)


class _Form(NamedTuple):
    """How one Python type is stored: DynamoDB's type, what to parse it as, the type it must have, and the encoder."""

    tag: str
    parse_as: Any
    accepts: type
    encode: Callable[[Any], Item]


def _form(python_type: Any) -> _Form:  # noqa: ANN401 - annotations are of any type
    if get_origin(python_type) is Annotated and EPOCH in get_args(python_type):
        return _Form("N", datetime, datetime, lambda value: number(epoch(value)))
    if isinstance(python_type, type) and issubclass(python_type, Enum):
        return _Form("S", python_type, python_type, lambda value: string(value.value))
    return _FORMS[python_type]


_FORMS = {
    str: _Form("S", str, str, _text),
    int: _Form("N", int, int, _whole_number),
    bool: _Form("BOOL", bool, bool, lambda value: {"BOOL": value}),
    datetime: _Form("S", Annotated[datetime, msgspec.Meta(tz=True)], datetime, time),
}


class ItemCodec(Generic[M]):
    """Encodes and decodes the items of one model.

    `key` names the attributes of the primary key, partition key first. `redact` shortens a key value for messages.
    """

    def __init__(self, model: type[M], key: tuple[str, ...], *, redact: Callable[[str], str] = str) -> None:
        self.key = key
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
        arguments = ", ".join(f"{name}=wire.{name}.{form.tag}" for name, form in self._forms.items())
        # One expression without a loop: about half the time of getattr calls or of building a dict. Its text is made
        # of the model's own field names only.
        self.from_wire: Callable[[Any], M] = eval(f"lambda wire: model({arguments})", {"model": model})  # noqa: S307

    def reader(self, reply: Any, table: str) -> Callable[[bytes], Any]:  # noqa: ANN401 - a generic class
        """Return the function that decodes the bytes of such a reply from `table`; it may raise CorruptItemError.

        `reply` is one of the reply classes, or `list` for a bare list of items.
        """
        # Not strict: DynamoDB writes numbers as strings.
        decode = msgspec.json.Decoder(reply[self._wire], strict=False).decode

        def read(body: bytes) -> Any:  # noqa: ANN401 - the reply with this model's wire type
            try:
                return decode(body)
            except msgspec.ValidationError:
                self._name_corrupt_item(body, table)
                raise

        return read

    def encode(self, model: M, write_id: str) -> Item:
        """Return the whole item; None is an absent attribute."""
        item = {
            name: self.value(name, value)
            for name in self._forms
            if (value := getattr(model, name)) is not None or name not in self._optional
        }
        item[WRITE_ID] = string(write_id)
        return item

    def value(self, attribute: str, value: Any) -> Item:  # noqa: ANN401 - whatever the attribute holds
        """Return one attribute's value.

        Raises:
            TypeError: The value is not of the attribute's type; floats never are.
            ValueError: A datetime is naive.

        """
        form = self._forms[attribute]
        if type(value) is not form.accepts and (not isinstance(value, form.accepts) or isinstance(value, bool)):
            raise TypeError(f"{attribute} must be {form.accepts.__name__}, not {type(value).__name__}")
        try:
            return form.encode(value)
        except ValueError as error:
            raise ValueError(f"{attribute}: {error}") from error

    def removable(self, attribute: str) -> str:
        """Return the attribute's name if the model can be without it.

        Raises:
            TypeError: It cannot.

        """
        if attribute not in self._optional:
            raise TypeError(f"{attribute} cannot be None")
        return attribute

    def shown_key(self, item: Mapping[str, Any]) -> dict[str, str]:
        """Return the primary key of an item for a message; a question mark replaces a missing or invalid value."""
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
        try:
            return self.from_wire(msgspec.convert(item, self._wire, strict=False))
        except msgspec.ValidationError as error:
            raise CorruptItemError(table, self.shown_key(item), _reason(error)) from error

    def _name_corrupt_item(self, body: bytes, table: str) -> None:
        """Raise CorruptItemError for the first item of a reply that does not decode, if it is an item's fault."""
        for item in _items_in(msgspec.json.decode(body)):
            self.from_item(item, table)


def _items_in(reply: Any) -> list[Item]:  # noqa: ANN401 - any JSON
    """Return the items of any kind of reply, as far as it has a reply's shape."""
    match reply:
        case {"Item": dict(item)} | {"Attributes": dict(item)}:
            return [item]
        case {"Items": list(items)}:
            return [item for item in items if isinstance(item, dict)]
        case list(items):
            return _items_in({"Items": items})
        case _:
            return []


def _reason(error: msgspec.ValidationError) -> str:
    """Return msgspec's message without a value: it quotes an unknown enum member."""
    message = str(error)
    if message.startswith("Invalid enum value"):
        return f"unknown value - at {message.rpartition(' - at ')[2]}"
    return message
