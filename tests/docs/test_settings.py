"""The page of the settings lists every field with its unit, default and variable; one row stands for all tables."""

import re
from dataclasses import fields

import pytest

from tests.docs.pages import ROOT
from wikibot_store import StoreConfig

PAGE = ROOT / "docs" / "reference" / "config.md"
ROWS = [
    [cell.strip() for cell in row.strip("|").split(" | ")]
    for row in re.findall(r"^\| `\w+` \|.*\|$", PAGE.read_text(), re.MULTILINE)
]
FIELDS = {field.name: field for field in fields(StoreConfig) if not re.fullmatch("(?!users).*_table", field.name)}
_NAMED_DEFAULTS = {"session's", "session's, else 5", "none", "no limit"}


def test_every_field_is_a_row() -> None:
    """The rows are the fields, in their order, each with a meaning and a unit."""
    assert [row[0].strip("`") for row in map(_stripped, ROWS)] == list(FIELDS)
    assert all(meaning and unit for _, meaning, unit, _, _ in map(_stripped, ROWS))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_default_and_variable_are_right(row: list[str]) -> None:
    """The default is the field's, and the variable is the one that `from_env` reads."""
    name, _, _, default, variable = _stripped(row)
    field = FIELDS[name.strip("`")]

    assert variable.split(",")[0] == f"`WIKIBOT_{field.name.upper()}`"
    if field.default is None:
        assert default in _NAMED_DEFAULTS
    else:
        assert default.strip("`") == str(field.default).lower()


def _stripped(row: list[str]) -> list[str]:
    return [cell.strip("| ") for cell in row]
