"""The walk through an access pattern shows what is in the repository."""

from tests.docs.walk_through import PAGE, updated

UPDATE = "the access pattern has changed: run `python -m tests.docs.walk_through`"


def test_the_page_shows_the_pieces_as_they_are() -> None:
    """The page shows method, entry, test and row as they are in their files, and counts their lines."""
    page = PAGE.read_text()

    assert page == updated(page), UPDATE
