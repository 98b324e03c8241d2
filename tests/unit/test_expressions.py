"""Conditions, updates and queries as text, names and values."""

import re
from typing import Any

import pytest

from wikibot_store import Acl, User, Wiki
from wikibot_store._dynamo.expressions import (
    Condition,
    Update,
    absent_or,
    begins_with,
    compare,
    conditional,
    equals,
    exists,
    not_exists,
    one_of,
    query,
)
from wikibot_store._dynamo.items import WRITE_ID

ONE, TWO, THREE = {"N": "1"}, {"N": "2"}, {"S": "three"}
# Those of the names in use that DynamoDB reserves, and some that may come to be used.
RESERVED = ["role", "status", "owner", "name", "token", "user", "count", "ttl"]
ATTRIBUTES = sorted({WRITE_ID, *RESERVED, *(field for model in (User, Wiki, Acl) for field in model.__struct_fields__)})
WORDS = {"AND", "OR", "SET", "REMOVE", "ADD", "attribute_exists", "attribute_not_exists", "begins_with"}


@pytest.mark.parametrize(
    ("condition", "expression", "names", "values"),
    [
        (exists("id"), "attribute_exists(#0)", ["id"], []),
        (not_exists("id"), "attribute_not_exists(#0)", ["id"], []),
        (equals("status", THREE), "#0 = :0", ["status"], [THREE]),
        *(
            (compare("ttl", operator, ONE), f"#0 {operator} :0", ["ttl"], [ONE])
            for operator in ["=", "<>", "<", "<=", ">", ">="]
        ),
        (begins_with("wiki_slug", THREE), "begins_with(#0, :0)", ["wiki_slug"], [THREE]),
        (one_of("role", ONE, TWO), "#0 IN (:0, :1)", ["role"], [ONE, TWO]),
        (absent_or("ttl", "<", ONE), "(attribute_not_exists(#0)) OR (#0 < :0)", ["ttl"], [ONE]),
        (
            exists("id") & equals("role", ONE),
            "(attribute_exists(#0)) AND (#1 = :0)",
            ["id", "role"],
            [ONE],
        ),
        (
            equals("role", ONE) | equals("role", TWO),
            "(#0 = :0) OR (#0 = :1)",
            ["role"],
            [ONE, TWO],
        ),
        (
            equals("a", ONE) & equals("b", TWO) & equals("a", THREE),
            "((#0 = :0) AND (#1 = :1)) AND (#0 = :2)",
            ["a", "b"],
            [ONE, TWO, THREE],
        ),
        (
            equals("a", ONE) & (equals("b", TWO) | equals("c", THREE)),
            "(#0 = :0) AND ((#1 = :1) OR (#2 = :2))",
            ["a", "b", "c"],
            [ONE, TWO, THREE],
        ),
        (
            equals("a", ONE) & equals("b", TWO) | equals("c", THREE),
            "((#0 = :0) AND (#1 = :1)) OR (#2 = :2)",
            ["a", "b", "c"],
            [ONE, TWO, THREE],
        ),
        (
            equals("a", ONE) | equals("b", TWO) & equals("c", THREE),
            "(#0 = :0) OR ((#1 = :1) AND (#2 = :2))",
            ["a", "b", "c"],
            [ONE, TWO, THREE],
        ),
    ],
)
def test_conditions(condition: Condition, expression: str, names: list[str], values: list[Any]) -> None:
    """A condition has the composed text, one placeholder per name and one per value."""
    request = query(condition)

    assert request["KeyConditionExpression"] == expression
    assert request["ExpressionAttributeNames"] == {f"#{i}": name for i, name in enumerate(names)}
    assert request.get("ExpressionAttributeValues", {}) == {f":{i}": value for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("update", "expression", "names", "values"),
    [
        (Update(set={"status": ONE}), "SET #0 = :0", ["status"], [ONE]),
        (Update(set={"a": ONE, "b": TWO}), "SET #0 = :0, #1 = :1", ["a", "b"], [ONE, TWO]),
        (Update(remove=("token",)), "REMOVE #0", ["token"], []),
        (Update(remove=("a", "b")), "REMOVE #0, #1", ["a", "b"], []),
        (Update(add={"count": ONE}), "ADD #0 :0", ["count"], [ONE]),
        (
            Update(set={"a": ONE}, remove=("b",), add={"c": TWO, "d": THREE}),
            "SET #0 = :0 REMOVE #1 ADD #2 :1, #3 :2",
            ["a", "b", "c", "d"],
            [ONE, TWO, THREE],
        ),
        (Update(), "", [], []),
    ],
)
def test_updates(update: Update, expression: str, names: list[str], values: list[Any]) -> None:
    """An update has at most one clause of each kind and no empty one."""
    request = conditional(exists("key"), update)

    assert request["UpdateExpression"] == expression
    assert request["ExpressionAttributeNames"] == {f"#{i}": name for i, name in enumerate([*names, "key"])}
    assert request.get("ExpressionAttributeValues", {}) == {f":{i}": value for i, value in enumerate(values)}


def test_a_conditional_write() -> None:
    """A conditional write asks for the stored item and sends no empty member."""
    assert conditional(not_exists("id")) == {
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": "id"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_a_conditional_update() -> None:
    """Update and condition share their placeholders."""
    update = Update(set={"status": ONE}, remove=("token",))

    assert conditional(exists("id") & equals("status", TWO), update) == {
        "UpdateExpression": "SET #0 = :0 REMOVE #1",
        "ConditionExpression": "(attribute_exists(#2)) AND (#0 = :1)",
        "ExpressionAttributeNames": {"#0": "status", "#1": "token", "#2": "id"},
        "ExpressionAttributeValues": {":0": ONE, ":1": TWO},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def test_a_query() -> None:
    """A query has a key condition."""
    assert query(equals("owner_id", ONE) & begins_with("wiki_slug", TWO)) == {
        "KeyConditionExpression": "(#0 = :0) AND (begins_with(#1, :1))",
        "ExpressionAttributeNames": {"#0": "owner_id", "#1": "wiki_slug"},
        "ExpressionAttributeValues": {":0": ONE, ":1": TWO},
    }


def test_a_query_with_a_filter() -> None:
    """Key condition and filter share their placeholders."""
    assert query(equals("wiki_id", ONE), absent_or("expires_at", ">", TWO)) == {
        "KeyConditionExpression": "#0 = :0",
        "FilterExpression": "(attribute_not_exists(#1)) OR (#1 > :1)",
        "ExpressionAttributeNames": {"#0": "wiki_id", "#1": "expires_at"},
        "ExpressionAttributeValues": {":0": ONE, ":1": TWO},
    }


def test_a_request_is_made_anew() -> None:
    """Changing one rendered request does not change the next one."""
    condition = equals("role", ONE)
    first = query(condition)
    first["ExpressionAttributeNames"]["#k"] = "id"
    first["ExpressionAttributeValues"][":k"] = TWO

    assert query(condition) == {
        "KeyConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "role"},
        "ExpressionAttributeValues": {":0": ONE},
    }


def test_the_same_text_with_other_values() -> None:
    """Each request has its own values although the text is cached."""
    requests = [conditional(equals("role", value), Update(set={"role": value})) for value in (ONE, TWO)]

    assert [request["ExpressionAttributeValues"] for request in requests] == [
        {":0": ONE, ":1": ONE},
        {":0": TWO, ":1": TWO},
    ]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_names_never_stand_in_an_expression(attribute: str) -> None:
    """Every attribute name is a placeholder, so reserved words do no harm."""
    terms = exists(attribute) & not_exists(attribute) & absent_or(attribute, "<", ONE) & begins_with(attribute, ONE)
    write = conditional(terms, Update(set={attribute: ONE}, remove=(attribute,), add={attribute: ONE}))
    read = query(terms, terms)

    expressions = " ".join(
        text
        for request in (write, read)
        for member, text in request.items()
        if "Expression" in member and isinstance(text, str)
    )
    assert set(re.findall(r"[A-Za-z_]\w*", expressions)) == WORDS
    assert write["ExpressionAttributeNames"] == read["ExpressionAttributeNames"] == {"#0": attribute}
