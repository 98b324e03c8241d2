"""The units on the page of costs are those of the requests that the store sends."""

import re

import pytest

from tests.access_patterns import PATTERNS
from tests.docs.pages import ROOT

ROWS = re.findall(
    r"^\| `([\w.]+)`(?:, (\w+))? \| \d+ \| ([\d.]+) \| (\d+) \|$",
    (ROOT / "docs" / "costs.md").read_text(),
    re.MULTILINE,
)
_UNITS = {"GetItem": 0.5, "GetItem (consistent)": 1, "Query": 0.5, "Query (by-oauth)": 0.5}
_ITEMS_OF_BATCHES = {"authorize": 4, "authorize_token": 2, "acls.create": 4}  # each read consistently
_WRITES_A_USER = ("users.", "wikis.create")  # which is in an index


def test_the_page_has_rows() -> None:
    """The rows are found, and the page has those that a service calls most."""
    assert {"authorize", "users.get_or_create_by_oauth", "wikis.create", "acls.create"} <= {row[0] for row in ROWS}


@pytest.mark.parametrize(("method", "variant", "rru", "wru"), ROWS)
def test_units_are_those_of_the_requests(method: str, variant: str, rru: str, wru: str) -> None:
    """A consistent read costs one unit, another one half, a write one, in a transaction two, and an index one more."""
    (pattern,) = [pattern for pattern in PATTERNS if (pattern.method, pattern.variant) == (method, variant)]
    reads, writes = 0.0, 0
    for request in pattern.requests:
        if request.startswith("TransactWriteItems"):
            writes += 2 * (request.count(",") + 1)
        elif request == "UpdateItem":
            writes += 1
        elif request == "BatchGetItem":
            reads += _ITEMS_OF_BATCHES[method]
        else:
            reads += _UNITS[request]
    if writes and method.startswith(_WRITES_A_USER):
        writes += 1

    assert (reads, writes) == (float(rru), int(wru))
