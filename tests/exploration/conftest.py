"""Clients that are driven by hand, for the tests of the exploration."""

from collections.abc import Iterator

import pytest

from tests.exploration.clients import surroundings


@pytest.fixture
def by_hand() -> Iterator[None]:
    """Take clock and chance from the library."""
    with surroundings():
        yield
