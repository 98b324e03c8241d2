"""Valid answers of DynamoDB, and what a broken or hostile endpoint may send instead."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.stores import HEADERS
from wikibot_store._dynamo.items import ItemCodec
from wikibot_store._wire._protocol import Answer
from wikibot_store.models import Acl, Role, User, Wiki
from wikibot_store.schema import ACLS, USERS, WIKIS

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
_USER = User(id="ada", oauth_provider="github", oauth_provider_sub="1", username="ada", created_at=NOW, updated_at=NOW)
_WIKI = Wiki(
    owner_id="ada", wiki_slug="notes", uid="0f", display_name="N", repo_path="/n", created_at=NOW, updated_at=NOW
)
_ACL = Acl(wiki_id="ada:notes", grantee_id="bob", role=Role.EDITOR, granted_by="ada", granted_at=NOW, expires_at=NOW)
ITEMS = {
    "users": ItemCodec(User, USERS.key).encode(_USER, "w-1"),
    "wikis": ItemCodec(Wiki, WIKIS.key).encode(_WIKI, "w-1"),
    "acls": ItemCodec(Acl, ACLS.key).encode(_ACL, "w-1"),
}
CLAIM = {"id": {"S": "claim#oauth#github#1"}, "user_id": {"S": "ada"}, "write_id": {"S": "w-1"}}

ERRORS = (
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "ThrottlingException",
    "InternalServerError",
    "InvalidSignatureException",
    "ValidationException",
    "",
)
REASONS = ("None", "ConditionalCheckFailed", "TransactionConflict", "ValidationError", "")

# Deeper than any JSON parser goes, and than Python's own stack.
_DEPTHS = (10, 33, 900, 1_100, 20_000)
_SPLINTERS = (b"{", b"}", b"[", b'"', b",", b"\x00", b"\xff", b"\xc3", b"\\ud800", b"1e999", b"-", b'"Item":5,')

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_numbers = st.sampled_from([0, -1, 1.5, 2**63, -(2**64), 10**40, 1e308, 10**4_000])
_scalars = st.none() | st.booleans() | _numbers | _text
_number_texts = st.sampled_from(
    [
        "",
        "1",
        "-1",
        "1.5",
        "1e3",
        "1e400",
        "9" * 38,
        "9" * 5_000,
        "nan",
        "inf",
        "-0",
        "0x1",
        "\u0661",
        "99999999999999999",
    ]
)
attributes = st.one_of(
    st.fixed_dictionaries({"N": _number_texts}),
    st.fixed_dictionaries({"S": _text | st.sampled_from(["9999-12-31T23:59:60Z", "0000-00-00T00:00:00Z", "owner"])}),
    st.fixed_dictionaries({"BOOL": _scalars}),
    st.just({"NULL": True}),
    st.just({"M": {"a": {"L": [{"B": "AA=="}]}}}),
    st.just({}),
)
_values = st.recursive(
    _scalars | attributes,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_items = st.sampled_from([*ITEMS.values(), CLAIM])


def genuine_replies(operation: str) -> st.SearchStrategy[Any]:
    """Return valid replies to an operation."""
    replies: dict[str, st.SearchStrategy[Any]] = {
        "GetItem": st.fixed_dictionaries({}, optional={"Item": _items}),
        "UpdateItem": st.fixed_dictionaries({"Attributes": _items}),
        "Query": st.fixed_dictionaries(
            {"Items": st.lists(_items, max_size=3)}, optional={"LastEvaluatedKey": st.just({"a": {"S": "b"}})}
        ),
        "BatchGetItem": st.fixed_dictionaries(
            {"Responses": st.fixed_dictionaries({}, optional={name: st.just([item]) for name, item in ITEMS.items()})},
            optional={"UnprocessedKeys": st.just({"users": {"Keys": [{"id": {"S": "ada"}}]}})},
        ),
        "BatchWriteItem": st.just({"UnprocessedItems": {}}),
    }
    return replies.get(operation, st.just({}))


def _errors() -> st.SearchStrategy[Any]:
    reasons = st.fixed_dictionaries({"Code": st.sampled_from(REASONS)}, optional={"Item": _items})
    return st.fixed_dictionaries(
        {"__type": st.sampled_from(ERRORS).map("com.amazonaws.dynamodb.v20120810#{}".format)},
        optional={
            "message": _text,
            "Message": _text,
            "Item": _items,
            "CancellationReasons": st.lists(reasons, max_size=4),
        },
    )


@st.composite
def _mutated(draw: st.DrawFn, trees: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with one part replaced, removed or renamed."""
    tree = deepcopy(draw(trees))
    place = tree
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            match draw(st.sampled_from(["replace", "remove", "rename"])):
                case "replace":
                    place[key] = draw(_values)
                case "rename" if isinstance(place, dict):
                    place[draw(_text)] = place.pop(key)
                case _:
                    del place[key]
            return tree
        place = place[key]
    return draw(_values)


@st.composite
def _damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Return the bytes of a body: cut off, with inserted bytes, repeated, or deeply nested."""
    body = draw(bodies)
    at = draw(st.integers(0, len(body)))
    match draw(st.sampled_from(["truncate", "insert", "overwrite", "repeat", "nest"])):
        case "truncate":
            return body[:at]
        case "insert":
            return body[:at] + draw(st.sampled_from(_SPLINTERS)) + body[at:]
        case "overwrite":
            return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        case "repeat":
            return body[:-1] + b"," + body[1:]
        case _:
            depth = draw(st.sampled_from(_DEPTHS))
            opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"M":', b"}")]))
            member = draw(
                st.sampled_from([b'"x":', b'"Item":', b'"Items":', b'"CancellationReasons":', b'"Responses":'])
            )
            nested = opening * depth + b"1" + closing * draw(st.sampled_from([0, depth]))
            return b"{" + member + nested + b"," + body[1:]


def _bodies(trees: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    whole = (trees | _mutated(trees) | _mutated(_mutated(trees))).map(lambda tree: json.dumps(tree).encode())
    return whole | _damaged(whole)


@cache  # what Hypothesis has found out about a strategy is kept with it
def answers_to(operation: str) -> st.SearchStrategy[Answer]:
    """Return answers to an operation, from valid ones to garbage."""
    headers = st.just(HEADERS) | st.fixed_dictionaries(
        {name: st.just(value) for name, value in HEADERS.items()}, optional={"retry-after": st.just("0"), "date": _text}
    )
    foreign: st.SearchStrategy[dict[str, str]] = st.just({})
    ok = st.builds(Answer, st.just(200), headers, _bodies(genuine_replies(operation)))
    refused = st.builds(Answer, st.sampled_from([400, 500, 200, 429]), headers, _bodies(_errors()))
    garbage = st.builds(
        Answer, st.integers(100, 599), headers | foreign, st.binary(max_size=64) | _values.map(repr).map(str.encode)
    )
    right = st.builds(
        Answer, st.just(200), headers, genuine_replies(operation).map(lambda tree: json.dumps(tree).encode())
    )
    return right | ok | refused | garbage
