"""The reference of access patterns is complete."""

import inspect
import re

from tests.daos import DAOS
from tests.docs.pages import ROOT
from wikibot_store import WikibotStore

PAGE = ROOT / "docs" / "reference" / "access-patterns.md"


def test_access_pattern_table_names_every_method() -> None:
    """Each public method of each DAO, of admin and of the store has a row, and no row names another method."""
    text = PAGE.read_text()
    owners = {**DAOS, "store": WikibotStore}
    methods = {
        f"{name}.{method}"
        for name, owner in owners.items()
        for method, member in vars(owner).items()
        if inspect.isfunction(member) and not method.startswith("_")
    }
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    rows += re.findall(r"`store\.\w+\(\)`", text)  # those that send nothing
    named = {
        f"{owner}.{method}"
        for row in rows
        for owner in [row.strip("`").partition(".")[0]]
        for method in re.findall(r"`(?:\w+\.)?(\w+)", row)
    }

    assert methods - named == set(), "add a row to docs/reference/access-patterns.md"
    assert named == methods
