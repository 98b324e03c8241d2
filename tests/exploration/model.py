"""An exact in-memory model of DynamoDB, for the requests that the library sends and for no others.

A database is a value: a write returns another one, so that thousands of them share what they have in common and equal
ones are found by comparing them. Items are kept as canonical JSON text for the same reason.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec

from wikibot_store.schema import TABLES, IndexSchema, TableSchema

Item = Mapping[str, Any]
Place = tuple[str, tuple[str, ...]]
"""A table and the values of a primary key."""

_SCHEMAS: dict[str, TableSchema] = {schema.name: schema for schema in TABLES}
_INDEXES: dict[str, IndexSchema] = {index.name: index for schema in TABLES for index in schema.indexes}
_PREFIX = "com.amazonaws.dynamodb.v20120810#"
_MOST_ACTIONS = 100


class Reply(NamedTuple):
    """What DynamoDB answers: an HTTP status and the members of the body."""

    status: int
    body: dict[str, Any]


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, code: str, message: str, **members: Any) -> None:  # noqa: ANN401 - any JSON
        super().__init__(code)
        self.reply = Reply(400, {"__type": _PREFIX + code, "message": message, **members})


def canonical(item: Item) -> str:
    """Return an item as text; equal items have equal texts."""
    return msgspec.json.encode(item, order="sorted").decode()


@lru_cache(maxsize=1 << 16)
def parsed(text: str) -> Item:
    """Return the item of a text; nobody may change it."""
    item: Item = msgspec.json.decode(text)
    return item


class Database:
    """All items of all tables, and the tokens of the transactions that have been applied."""

    __slots__ = ("_hash", "items", "tokens")

    def __init__(self, items: dict[Place, str] | None = None, tokens: dict[str, str] | None = None) -> None:
        self.items = {} if items is None else items
        self.tokens = {} if tokens is None else tokens
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Database) and self.items == other.items and self.tokens == other.tokens

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((frozenset(self.items.items()), frozenset(self.tokens.items())))
        return self._hash

    def get(self, place: Place) -> Item | None:
        """Return an item, or None."""
        text = self.items.get(place)
        return None if text is None else parsed(text)

    def table(self, name: str) -> list[Item]:
        """Return all items of a table in the order of their keys."""
        places = sorted((place for place in self.items if place[0] == name), key=_order)
        return [parsed(self.items[place]) for place in places]

    def changed(self, changes: Mapping[Place, Item | None], tokens: Mapping[str, str] | None = None) -> "Database":
        """Return the database after some writes; None deletes."""
        items = dict(self.items)
        for place, item in changes.items():
            if item is None:
                items.pop(place, None)
            else:
                items[place] = canonical(item)
        return Database(items, self.tokens if tokens is None else dict(tokens))

    def without_token(self, token: str) -> "Database":
        """Return the database without the memory of a transaction that nobody sends again."""
        if token not in self.tokens:
            return self
        return Database(self.items, {name: body for name, body in self.tokens.items() if name != token})


def _order(place: Place) -> tuple[str, tuple[bytes, ...]]:
    return place[0], tuple(value.encode() for value in place[1])


# ---- requests


def execute(database: Database, operation: str, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    """Execute one request at one moment; return the answer and the database afterwards."""
    try:
        return _OPERATIONS[operation](database, request)
    except RefusedError as refused:
        return refused.reply, database


def place_of(table: str, key: Item) -> Place:
    """Return the place of an item, or of a key as DynamoDB writes it."""
    return table, tuple([key[name]["S"] for name in _SCHEMAS[table].key])


def _get(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    item = database.get(place_of(request["TableName"], request["Key"]))
    return Reply(200, {} if item is None else {"Item": item}), database


def _batch_get(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    responses: dict[str, list[Item]] = {table: [] for table in request["RequestItems"]}
    for place in batch_places(request):
        item = database.get(place)
        if item is not None:
            responses[place[0]].append(_projected(item, request["RequestItems"][place[0]]))
    return Reply(200, {"Responses": responses, "UnprocessedKeys": {}}), database


def batch_places(request: Mapping[str, Any]) -> list[Place]:
    """Return what a BatchGetItem asks for, in its order."""
    return [place_of(table, key) for table, wanted in request["RequestItems"].items() for key in wanted["Keys"]]


def _put(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    place, item = _written(database, "Put", request)
    return Reply(200, {}), database.changed({place: item})


def _update(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    place, item = _written(database, "Update", request)
    attributes = {"Attributes": item} if request.get("ReturnValues") == "ALL_NEW" else {}
    return Reply(200, attributes), database.changed({place: item})


def _delete(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    place, _ = _written(database, "Delete", request)
    return Reply(200, {}), database.changed({place: None})


def _written(database: Database, kind: str, action: Mapping[str, Any]) -> tuple[Place, Item | None]:
    """Return what a write makes of an item, or raise what a failed condition answers."""
    place = place_of(action["TableName"], action["Item" if kind == "Put" else "Key"])
    old = database.get(place)
    condition = action.get("ConditionExpression")
    if condition is not None and not _holds(condition, action, old):
        shown = {"Item": old} if old is not None and _shows_old(action) else {}
        raise RefusedError("ConditionalCheckFailedException", "The conditional request failed", **shown)
    match kind:
        case "Put":
            return place, action["Item"]
        case "Delete":
            return place, None
        case "ConditionCheck":
            return place, old
        case _:
            return place, _updated(action, {} if old is None else old)


def _shows_old(action: Mapping[str, Any]) -> bool:
    return action.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"


def _transact(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    actions = [next(iter(action.items())) for action in request["TransactItems"]]
    token, payload = request["ClientRequestToken"], canonical(request)
    places = [place_of(action["TableName"], action["Item" if kind == "Put" else "Key"]) for kind, action in actions]
    if len(actions) > _MOST_ACTIONS or len(set(places)) < len(places):
        raise RefusedError("ValidationException", "Transaction request cannot include multiple operations on one item")
    if token in database.tokens:
        if database.tokens[token] != payload:
            raise RefusedError("IdempotentParameterMismatchException", "The token was used with other parameters")
        return Reply(200, {}), database
    changes: dict[Place, Item | None] = {}
    reasons: list[dict[str, Any]] = []
    for kind, action in actions:
        try:
            place, item = _written(database, kind, action)
        except RefusedError as refused:
            shown = {name: value for name, value in refused.reply.body.items() if name == "Item"}
            reasons.append({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", **shown})
        else:
            reasons.append({"Code": "None"})
            if kind != "ConditionCheck":
                changes[place] = item
    if len(changes) + sum(kind == "ConditionCheck" for kind, _ in actions) < len(actions) or any(
        reason["Code"] != "None" for reason in reasons
    ):
        codes = ", ".join(reason["Code"] for reason in reasons)
        message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
        raise RefusedError("TransactionCanceledException", message, CancellationReasons=reasons)
    return Reply(200, {}), database.changed(changes, {**database.tokens, token: payload})


# ---- what a request touches


class Touched(NamedTuple):
    """What a request reads besides the items that it writes, and what it may write.

    A read of a whole partition, or of a whole table, is named by what all its places begin with.
    """

    reads: frozenset[Place]
    writes: frozenset[Place]
    disturbs: frozenset[Place]
    """What reads of the writes' places may be named by."""


def are_independent(one: Touched, other: Touched) -> bool:
    """Return whether two requests give the same answers and the same database in either order."""
    return (
        one.reads.isdisjoint(other.disturbs)
        and other.reads.isdisjoint(one.disturbs)
        and one.writes.isdisjoint(other.writes)
    )


def touched(operation: str, request: Mapping[str, Any]) -> Touched:
    """Return what a request reads and writes, at most."""
    match operation:
        case "GetItem":
            return _touched([place_of(request["TableName"], request["Key"])])
        case "BatchGetItem":
            return _touched(batch_places(request))
        case "Query" | "Scan":
            return _touched([(request["TableName"], _partition(request))])
        case "TransactWriteItems":
            actions = [next(iter(action.items())) for action in request["TransactItems"]]
        case _:
            actions = [(operation.removesuffix("Item"), request)]
    places = [(kind, place_of(each["TableName"], each["Item" if kind == "Put" else "Key"])) for kind, each in actions]
    return _touched(
        [place for kind, place in places if kind == "ConditionCheck"],
        [place for kind, place in places if kind != "ConditionCheck"],
    )


def _touched(reads: Sequence[Place], writes: Sequence[Place] = ()) -> Touched:
    disturbed = [(table, key[:length]) for table, key in writes for length in range(len(key) + 1)]
    return Touched(frozenset(reads), frozenset(writes), frozenset(disturbed))


def _partition(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the partition key that a Query reads, or nothing if it reads an index, as a Scan reads the whole table."""
    names, key = request.get("ExpressionAttributeNames", {}), _SCHEMAS[request["TableName"]].key[0]
    if "IndexName" not in request:
        for name, value in _EQUALS.findall(request.get("KeyConditionExpression", "")):
            if names[name] == key:
                return (request["ExpressionAttributeValues"][value]["S"],)
    return ()


_EQUALS = re.compile(r"(#\w+) *= *(:\w+)")


# ---- queries and scans


@dataclass(frozen=True)
class _Range:
    """What a Query or Scan walks over: the names of the keys that order it, and those that lead on behind an item."""

    order: tuple[str, ...]
    key: tuple[str, ...]


def _range(request: Mapping[str, Any]) -> _Range:
    schema = _SCHEMAS[request["TableName"]]
    index = request.get("IndexName")
    if index is None:
        return _Range(schema.key, schema.key)
    names = (_INDEXES[index].partition_key, _INDEXES[index].sort_key)
    return _Range((*names, *schema.key), tuple(dict.fromkeys((*schema.key, *names))))


def _position(item: Item, names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(item[name]["S"].encode() for name in names if name in item)


def walked(database: Database, request: Mapping[str, Any]) -> Iterator[tuple[Place, Item]]:
    """Yield the items that a Query or Scan reads, in its order, before filter and limit."""
    walk, condition = _range(request), request.get("KeyConditionExpression")
    candidates = [(place, parsed(text)) for place, text in database.items.items() if place[0] == request["TableName"]]
    found = [
        (place, item)
        for place, item in candidates
        if all(name in item for name in walk.order)
        and (condition is None or _holds(condition, request, item))
        and _segment(item, request) == request.get("Segment", 0)
    ]
    found.sort(key=lambda each: _position(each[1], walk.order), reverse=not request.get("ScanIndexForward", True))
    start = request.get("ExclusiveStartKey")
    for place, item in found:
        if start is None or _is_behind(item, start, walk, forward=request.get("ScanIndexForward", True)):
            yield place, item


def _segment(item: Item, request: Mapping[str, Any]) -> int:
    """Return the segment of a Scan that an item is in. DynamoDB divides the items in another way that nobody knows."""
    partition = item[_SCHEMAS[request["TableName"]].key[0]]["S"].encode()
    return zlib.crc32(partition) % request.get("TotalSegments", 1)  # type: ignore[no-any-return]  # a number


def _is_behind(item: Item, start: Item, walk: _Range, *, forward: bool) -> bool:
    names = tuple(name for name in walk.order if name in start)
    here, there = _position(item, names), _position(start, names)
    return here > there if forward else here < there


def _read(database: Database, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    """Query or Scan."""
    walk, limit = _range(request), request.get("Limit")
    read: list[Item] = []
    last: Item | None = None
    for _, item in walked(database, request):
        read.append(item)
        if limit is not None and len(read) == limit:
            last = {name: item[name] for name in walk.key}
            break
    chosen = request.get("FilterExpression")
    items = [_projected(item, request) for item in read if chosen is None or _holds(chosen, request, item)]
    following = {} if last is None else {"LastEvaluatedKey": last}
    return Reply(200, {"Items": items, "Count": len(items), "ScannedCount": len(read), **following}), database


def _projected(item: Item, request: Mapping[str, Any]) -> Item:
    projection = request.get("ProjectionExpression")
    if projection is None:
        return item
    wanted = [request["ExpressionAttributeNames"][name.strip()] for name in projection.split(",")]
    return {name: item[name] for name in wanted if name in item}


_OPERATIONS: dict[str, Callable[[Database, Mapping[str, Any]], tuple[Reply, Database]]] = {
    "BatchGetItem": _batch_get,
    "DeleteItem": _delete,
    "GetItem": _get,
    "PutItem": _put,
    "Query": _read,
    "Scan": _read,
    "TransactWriteItems": _transact,
    "UpdateItem": _update,
}

# ---- expressions

_Values = Callable[[str], Any]
_Test = Callable[[Item, Mapping[str, str], Mapping[str, Any]], bool]
_TOKEN = re.compile(
    r"\s*(AND\b|OR\b|NOT\b|IN\b|attribute_exists|attribute_not_exists|attribute_type|begins_with"
    r"|<>|<=|>=|[=<>(),]|[#:]\w+)"
)


def _holds(condition: str, members: Mapping[str, Any], item: Item | None) -> bool:
    test = _compiled(condition)
    return test({} if item is None else item, members["ExpressionAttributeNames"], _values_of(members))


def _values_of(members: Mapping[str, Any]) -> Mapping[str, Any]:
    values: Mapping[str, Any] = members.get("ExpressionAttributeValues", {})
    return values


@cache
def _compiled(condition: str) -> _Test:
    return _Parser(condition).parse()


class _Parser:
    """A recursive descent over the conditions that the library writes."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise NotImplementedError(f"a condition that the model does not know: {text[position:]}")
            self._tokens.append(match[1])
            position = match.end()
        self._tokens.append("")

    def parse(self) -> _Test:
        test = self._any()
        if self._tokens != [""]:
            raise NotImplementedError(f"a condition that the model does not know: {self._tokens}")
        return test

    def _take(self, expected: str | None = None) -> str:
        token = self._tokens.pop(0)
        if expected is not None and token != expected:
            raise NotImplementedError(f"{expected} was expected, not {token}")
        return token

    def _any(self) -> _Test:
        tests = [self._all()]
        while self._tokens[0] == "OR":
            self._take()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda *each: any(test(*each) for test in tests)

    def _all(self) -> _Test:
        tests = [self._one()]
        while self._tokens[0] == "AND":
            self._take()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda *each: all(test(*each) for test in tests)

    def _one(self) -> _Test:
        token = self._take()
        if token == "NOT":  # binds closer than AND
            negated = self._one()
            return lambda *each: not negated(*each)
        if token == "(":
            test = self._any()
            self._take(")")
            return test
        if token in _FUNCTIONS:
            self._take("(")
            name = self._take()
            value = ""
            if token in {"attribute_type", "begins_with"}:
                self._take(",")
                value = self._take()
            self._take(")")
            function = _FUNCTIONS[token]
            return lambda item, names, values: function(item.get(names[name]), values.get(value))
        operator = self._take()
        if operator == "IN":
            self._take("(")
            options = [self._take()]
            while self._take() == ",":
                options.append(self._take())
            return lambda item, names, values: any(
                _compare("=", item.get(names[token]), values[option]) for option in options
            )
        right = self._take()
        return lambda item, names, values: _compare(operator, item.get(names[token]), values[right])


def _is_of_type(attribute: Any, value: Any) -> bool:  # noqa: ANN401 - any attribute
    return attribute is not None and value["S"] in attribute


def _begins_with(attribute: Any, value: Any) -> bool:  # noqa: ANN401 - any attribute
    return attribute is not None and "S" in attribute and attribute["S"].startswith(value["S"])


_FUNCTIONS: dict[str, Callable[[Any, Any], bool]] = {
    "attribute_exists": lambda attribute, _: attribute is not None,
    "attribute_not_exists": lambda attribute, _: attribute is None,
    "attribute_type": _is_of_type,
    "begins_with": _begins_with,
}


def _compare(operator: str, attribute: Any, value: Any) -> bool:  # noqa: ANN401 - any attribute
    """Compare as DynamoDB does: an absent attribute equals nothing, and other types have no order."""
    if attribute is None:
        return operator == "<>"
    ((tag, one),) = attribute.items()
    ((other_tag, other),) = value.items()
    if tag == other_tag == "N":
        one, other = Decimal(one), Decimal(other)
    equal = tag == other_tag and one == other
    if operator in {"=", "<>"}:
        return equal is (operator == "=")
    if tag != other_tag:
        return False
    if tag == "S":
        one, other = one.encode(), other.encode()
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator])


_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD)\b")


@cache
def _clauses(update: str) -> dict[str, list[list[str]]]:
    """Return the terms of an update expression by keyword, each as its placeholders."""
    parts = _CLAUSE.split(update)[1:]
    return {
        keyword: [re.findall(r"[#:]\w+", term) for term in terms.split(",")]
        for keyword, terms in zip(parts[::2], parts[1::2], strict=True)
    }


def _updated(action: Mapping[str, Any], old: Item) -> Item:
    names, values, clauses = (
        action["ExpressionAttributeNames"],
        _values_of(action),
        _clauses(action["UpdateExpression"]),
    )
    item = {**action["Key"], **old}
    for name, value in clauses.get("SET", []):
        item[names[name]] = values[value]
    for (name,) in clauses.get("REMOVE", []):
        item.pop(names[name], None)
    for name, value in clauses.get("ADD", []):
        before = Decimal(item.get(names[name], {"N": "0"})["N"])
        item[names[name]] = {"N": str(before + Decimal(values[value]["N"]))}
    return item
