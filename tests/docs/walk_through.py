"""Copies the pieces of a real access pattern from the repository to the page: `python -m tests.docs.walk_through`."""

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "add-an-access-pattern.md"
# Each expression matches the piece both in its file and on the page.
_PIECES = {
    "wikibot_store/daos/wikis.py": r"    async def list_public_by_owner\(.*?\n(?=\n    (?:async )?def |```)",
    "tests/access_patterns.py": r'    AccessPattern\(\n        "wikis.list_public_by_owner",\n.*?    \),\n',
    "tests/integration/test_wikis.py": r"async def test_list_public_by_owner\(.*?\n(?=\n\n)",
    "docs/reference/access-patterns.md": r"\| `wikis.list_public_by_owner` .*?\n",
}


def updated(page: str) -> str:
    """Return the page with the pieces as they are in their files, and with the number of lines of each."""
    for file, expression in _PIECES.items():
        (piece,) = re.findall(expression, (ROOT / file).read_text(), re.DOTALL)
        shown = re.findall(expression, page, re.DOTALL)
        if len(shown) != 1:
            raise ValueError(f"the page must show the piece of {file} once")
        page = page.replace(shown[0], piece)
        lines = piece.count("\n")
        page = re.sub(rf"^(\| `{file}` \|) \d+ \|$", rf"\g<1> {lines} |", page, flags=re.MULTILINE)
    return page


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
