"""DynamoDB's expressions as values; attribute names and values always go through placeholders.

Many of the tables' attributes are reserved words (role, status, token, …), so every name gets a placeholder:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec

Value = Mapping[str, Any]
"""An attribute value as DynamoDB writes it, such as {"S": "abc"}."""


class Placeholders:
    """Hands out `#0` for names and `:0` for values, the same name always the same placeholder."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def name(self, attribute: str) -> str:
        """Return the placeholder of an attribute name."""
        return self._names.setdefault(attribute, f"#{len(self._names)}")

    def value(self, value: Value) -> str:
        """Return a new placeholder for a value."""
        placeholder = f":{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def request(self) -> dict[str, Any]:
        """Return the request members that explain the placeholders; DynamoDB refuses empty ones."""
        members: dict[str, Any] = {}
        if self._names:
            members["ExpressionAttributeNames"] = {
                placeholder: attribute for attribute, placeholder in self._names.items()
            }
        if self._values:
            members["ExpressionAttributeValues"] = self._values
        return members


class Condition(msgspec.Struct, frozen=True):
    """A condition, key condition or filter; combine with `&` and `|`."""

    render: Callable[[Placeholders], str]

    def __and__(self, other: Self) -> "Condition":
        """Both hold."""
        return Condition(lambda p: f"({self.render(p)}) AND ({other.render(p)})")

    def __or__(self, other: Self) -> "Condition":
        """At least one holds."""
        return Condition(lambda p: f"({self.render(p)}) OR ({other.render(p)})")


def exists(attribute: str) -> Condition:
    """Hold if the item has the attribute; on a key attribute: if the item exists."""
    return Condition(lambda p: f"attribute_exists({p.name(attribute)})")


def not_exists(attribute: str) -> Condition:
    """Hold if the item lacks the attribute; on a key attribute: if there is no item."""
    return Condition(lambda p: f"attribute_not_exists({p.name(attribute)})")


def compare(attribute: str, operator: str, value: Value) -> Condition:
    """Compare the attribute with a value; `operator` is one of = <> < <= > >=."""
    return Condition(lambda p: f"{p.name(attribute)} {operator} {p.value(value)}")


def equals(attribute: str, value: Value) -> Condition:
    """Hold if the attribute has this value."""
    return compare(attribute, "=", value)


def begins_with(attribute: str, value: Value) -> Condition:
    """Hold if the string attribute starts with this value."""
    return Condition(lambda p: f"begins_with({p.name(attribute)}, {p.value(value)})")


def one_of(attribute: str, *values: Value) -> Condition:
    """Hold if the attribute has one of these values."""
    return Condition(lambda p: f"{p.name(attribute)} IN ({', '.join(map(p.value, values))})")


def absent_or(attribute: str, operator: str, value: Value) -> Condition:
    """Hold if the attribute is missing or compares so with the value."""
    return not_exists(attribute) | compare(attribute, operator, value)


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """An update: attributes to set, to remove, and counters to add to."""

    set: Mapping[str, Value] = {}
    remove: tuple[str, ...] = ()
    add: Mapping[str, Value] = {}

    def stamped(self, write_id: str) -> "Update":
        """Return the update with the id of the write that applies it."""
        return Update(set={**self.set, "write_id": {"S": write_id}}, remove=self.remove, add=self.add)

    def render(self, p: Placeholders) -> str:
        """Return the update expression."""
        clauses = {
            "SET": [f"{p.name(attribute)} = {p.value(value)}" for attribute, value in self.set.items()],
            "REMOVE": [p.name(attribute) for attribute in self.remove],
            "ADD": [f"{p.name(attribute)} {p.value(value)}" for attribute, value in self.add.items()],
        }
        return " ".join(f"{keyword} {', '.join(terms)}" for keyword, terms in clauses.items() if terms)


def conditional(condition: Condition, update: Update | None = None) -> dict[str, Any]:
    """Return the request members of a conditional write that reports what it collided with."""
    p = Placeholders()
    members: dict[str, Any] = {} if update is None else {"UpdateExpression": update.render(p)}
    members["ConditionExpression"] = condition.render(p)
    return members | p.request() | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def query(key_condition: Condition, filter_condition: Condition | None = None) -> dict[str, Any]:
    """Return the request members of a Query."""
    p = Placeholders()
    members = {"KeyConditionExpression": key_condition.render(p)}
    if filter_condition is not None:
        members["FilterExpression"] = filter_condition.render(p)
    return members | p.request()
