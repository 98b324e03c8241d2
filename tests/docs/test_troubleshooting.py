"""Each error has a section that its `help` leads to."""

import inspect
import re

import pytest

from tests.docs.pages import ROOT
from wikibot_store import WikibotStoreError, errors

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
ERRORS = [
    error
    for name, error in vars(errors).items()
    if inspect.isclass(error) and issubclass(error, WikibotStoreError) and not name.startswith("_")
]
SECTIONS = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=\n## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_error_has_a_section() -> None:
    """The sections are those of the errors, in their order, each once, and there is no other."""
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == [error.__name__ for error in ERRORS]


@pytest.mark.parametrize("error", ERRORS)
def test_section_answers_three_questions(error: type[WikibotStoreError]) -> None:
    """What happened, why, and what to do; the anchor is the one that `help` names."""
    assert re.findall(r"\*\*(.+?):\*\*", SECTIONS[error.__name__]) in (
        ["What happened", "Why", "What to do"],
        ["What happened", "Why and what to do"],
    )
    assert error.__new__(error).help == f"docs/troubleshooting.md#{error.__name__.lower()}"
