"""The walk through an access pattern shows what is in the repository."""

import re

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "add-an-access-pattern.md"
PIECES = {
    "wikibot_store/daos/wikis.py": r"    async def list_public_by_owner\(.*?(?=\n\n    (?:async )?def )",
    "tests/access_patterns.py": r'    AccessPattern\(\n        "wikis.list_public_by_owner",\n.*?\n    \),\n',
    "tests/integration/test_wikis.py": r"async def test_list_public_by_owner\(.*?(?=\n\n\n)",
    "README.md": r"\| `wikis.list_public_by_owner` .*?\n",
}


@pytest.mark.parametrize("file", PIECES)
def test_the_piece_is_shown_as_it_is(file: str) -> None:
    """Method, entry, test and row stand on the page as they stand in their files, and the page counts each file."""
    page = PAGE.read_text()
    (piece,) = re.findall(PIECES[file], (ROOT / file).read_text(), re.DOTALL)

    assert piece in page
    assert re.search(rf"^ {file} +\|", page, re.MULTILINE)
