"""Listings of any table: the Query of a page, and where the next one starts."""

from types import SimpleNamespace
from typing import Any

import pytest

from wikibot_store import InvalidCursorError, InvalidKeyError
from wikibot_store._dynamo.expressions import not_exists
from wikibot_store._dynamo.items import string
from wikibot_store._dynamo.listing import Listing

SECRETS = ("correct horse battery",)


def check(sort_key: str) -> None:
    """Reject a sort key that is not in lower case."""
    if not sort_key.islower():
        raise InvalidKeyError("name", "must be lower case")


def listing(**options: Any) -> Listing:  # noqa: ANN401 - those of Listing
    """Return the listing of one shelf."""
    return Listing(name="things.by_shelf", partition=("shelf", "top"), sort_key="name", check=check, **options)


def test_the_request_of_a_partition() -> None:
    """A listing is a Query of its partition, in ascending order."""
    assert listing().request() == {
        "KeyConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "shelf"},
        "ExpressionAttributeValues": {":0": string("top")},
        "ScanIndexForward": True,
    }


def test_the_request_of_a_part() -> None:
    """Index, prefix, direction and filter are members of the same Query."""
    part = listing(index="by-shelf", prefix="l", descending=True, where=not_exists("sold"))

    assert part.request() == {
        "IndexName": "by-shelf",
        "KeyConditionExpression": "(#0 = :0) AND (begins_with(#1, :1))",
        "FilterExpression": "attribute_not_exists(#2)",
        "ExpressionAttributeNames": {"#0": "shelf", "#1": "name", "#2": "sold"},
        "ExpressionAttributeValues": {":0": string("top"), ":1": string("l")},
        "ScanIndexForward": False,
    }


@pytest.mark.parametrize("secrets", [(), SECRETS], ids=["no secret", "secret"])
def test_a_cursor_leads_to_the_next_page(secrets: tuple[str, ...]) -> None:
    """The cursor of the last item is the key after which the next page starts."""
    part = listing(prefix="l")
    cursor = part.cursor(SimpleNamespace(name="lamp"), secrets)

    assert part.start(cursor, secrets) == {"shelf": string("top"), "name": string("lamp")}


@pytest.mark.parametrize("sort_key", ["LAMP", "vase"], ids=["invalid", "without the prefix"])
def test_a_cursor_that_somebody_made_up(sort_key: str) -> None:
    """Without a secret anybody can make a cursor, so its sort key is checked, and must have the prefix."""
    part = listing(prefix="l")
    cursor = part.cursor(SimpleNamespace(name=sort_key), ())

    with pytest.raises(InvalidCursorError, match="start again without one"):
        part.start(cursor, ())


@pytest.mark.parametrize("other", [{"prefix": "l"}, {"descending": True}], ids=["prefix", "direction"])
def test_a_cursor_of_another_listing(other: dict[str, Any]) -> None:
    """A cursor belongs to one prefix and one direction."""
    cursor = listing().cursor(SimpleNamespace(name="lamp"), ())

    with pytest.raises(InvalidCursorError, match="of another listing"):
        listing(**other).start(cursor, ())
