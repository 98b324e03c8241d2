"""DynamoDB's expressions as values. Attribute names and values are always replaced by placeholders.

Many attribute names are reserved words (role, status, token, …), so every name gets a placeholder:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

import msgspec

Value = Mapping[str, Any]
"""An attribute value as DynamoDB writes it, such as {"S": "abc"}."""

_MARK = re.compile(r"#(\w+)|:")


class Condition(msgspec.Struct, frozen=True):
    """A condition, key condition or filter; combine with `&` and `|`.

    In `text`, `#name` stands for an attribute and a colon for each value.
    """

    text: str
    values: tuple[Value, ...] = ()

    def __and__(self, other: Self) -> "Condition":
        """Return the condition that both hold."""
        return Condition(f"({self.text}) AND ({other.text})", self.values + other.values)

    def __or__(self, other: Self) -> "Condition":
        """Return the condition that at least one of them holds."""
        return Condition(f"({self.text}) OR ({other.text})", self.values + other.values)


def exists(attribute: str) -> Condition:
    """Hold if the item has the attribute. For a key attribute: hold if the item exists."""
    return Condition(f"attribute_exists(#{attribute})")


def not_exists(attribute: str) -> Condition:
    """Hold if the item lacks the attribute. For a key attribute: hold if there is no item."""
    return Condition(f"attribute_not_exists(#{attribute})")


def compare(attribute: str, operator: str, value: Value) -> Condition:
    """Compare the attribute with a value; `operator` is one of = <> < <= > >=."""
    return Condition(f"#{attribute} {operator} :", (value,))


def equals(attribute: str, value: Value) -> Condition:
    """Hold if the attribute has this value."""
    return compare(attribute, "=", value)


def all_equal(values: Mapping[str, Value]) -> Condition:
    """Hold if each attribute has its value."""
    return Condition(" AND ".join(f"#{attribute} = :" for attribute in values), tuple(values.values()))


def begins_with(attribute: str, value: Value) -> Condition:
    """Hold if the string attribute starts with this value."""
    return Condition(f"begins_with(#{attribute}, :)", (value,))


def one_of(attribute: str, *values: Value) -> Condition:
    """Hold if the attribute has one of these values."""
    return Condition(f"#{attribute} IN ({', '.join(':' * len(values))})", values)


def absent_or(attribute: str, operator: str, value: Value) -> Condition:
    """Hold if the attribute is missing or the comparison holds."""
    return not_exists(attribute) | compare(attribute, operator, value)


def absent_or_before(attribute: str, text: Value) -> Condition:
    """Hold if the attribute is missing, or is a text that sorts before this one."""
    is_text = Condition(f"attribute_type(#{attribute}, :)", ({"S": "S"},))  # moto fails to compare two types
    return not_exists(attribute) | (is_text & compare(attribute, "<", text))


def unless_number(attribute: str, condition: Condition) -> Condition:
    """Hold if the attribute is missing or no number, or the condition holds."""
    return Condition(f"NOT attribute_type(#{attribute}, :)", ({"S": "N"},)) | condition


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """An update: attributes to set, to remove, and counters to add to."""

    set: Mapping[str, Value] = {}
    remove: tuple[str, ...] = ()
    add: Mapping[str, Value] = {}

    def stamped(self, write_id: str) -> "Update":
        """Return the update with the id of the write that applies it."""
        return Update(set={**self.set, "write_id": {"S": write_id}}, remove=self.remove, add=self.add)

    @property
    def text(self) -> str:
        """The update expression, in the notation of `Condition.text`."""
        return _update_text(tuple(self.set), self.remove, tuple(self.add))

    @property
    def values(self) -> tuple[Value, ...]:
        """The values in the order of the text."""
        return (*self.set.values(), *self.add.values())


def conditional(condition: Condition, update: Update | None = None) -> dict[str, Any]:
    """Return the request members of a conditional write. If it fails, DynamoDB returns the item that is stored."""
    members = _members(("UpdateExpression", update), ("ConditionExpression", condition))
    members["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return members


def query(key_condition: Condition, filter_condition: Condition | None = None) -> dict[str, Any]:
    """Return the request members of a Query."""
    return _members(("KeyConditionExpression", key_condition), ("FilterExpression", filter_condition))


def projection(attributes: Sequence[str]) -> dict[str, Any]:
    """Return the request members of a read that returns only these attributes."""
    names = {f"#k{position}": name for position, name in enumerate(attributes)}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _members(*expressions: tuple[str, Condition | Update | None]) -> dict[str, Any]:
    """Return the request members of expressions and their placeholders; DynamoDB rejects an empty member."""
    texts: list[tuple[str, str]] = []
    values: tuple[Value, ...] = ()
    for member, expression in expressions:
        if expression is not None:
            texts.append((member, expression.text))
            values += expression.values
    rendered, placeholders = _number(tuple(texts))
    members = rendered.copy()
    members["ExpressionAttributeNames"] = members["ExpressionAttributeNames"].copy()
    if placeholders:
        members["ExpressionAttributeValues"] = dict(zip(placeholders, values, strict=True))
    return members


@lru_cache(maxsize=1024)
def _update_text(assigned: tuple[str, ...], removed: tuple[str, ...], added: tuple[str, ...]) -> str:
    clauses = {
        "SET": [f"#{attribute} = :" for attribute in assigned],
        "REMOVE": [f"#{attribute}" for attribute in removed],
        "ADD": [f"#{attribute} :" for attribute in added],
    }
    return " ".join(f"{keyword} {', '.join(terms)}" for keyword, terms in clauses.items() if terms)


@lru_cache(maxsize=1024)  # most requests differ in their values only
def _number(texts: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], list[str]]:
    """Return the members with the texts in DynamoDB's notation and their names, and the placeholders of the values.

    Equal names share a placeholder, such as `#0`. Every value has its own, such as `:0`.
    """
    names: dict[str, str] = {}
    values: list[str] = []

    def number(mark: re.Match[str]) -> str:
        if mark[1] is not None:
            return names.setdefault(mark[1], f"#{len(names)}")
        values.append(f":{len(values)}")
        return values[-1]

    members: dict[str, Any] = {member: _MARK.sub(number, text) for member, text in texts}
    members["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in names.items()}
    return members, values
