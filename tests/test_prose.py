"""The check of the prose finds what is hard to read, and nothing else."""

import pytest

from scripts.check_prose import findings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tell whether it is open.", [(1, "Tell whether")]),
        ("x = 1\n# A bool is no\n# key.\n", [(2, "is no key")]),
        ("True is none; repair it", [(1, "is none")]),
        ("The page\n    is told to repair.", [(2, "is told to")]),
        ("If the store cannot tell whether it is open, there is no key, or there is none.", []),
        ("if key is None: mending = recommended", []),
    ],
)
def test_phrases_are_found_with_their_lines(text: str, found: list[tuple[int, str]]) -> None:
    """A phrase is found in any case and across lines and comment marks; similar plain phrases are not."""
    assert [(line, phrase) for line, phrase, _ in findings(text)] == found
