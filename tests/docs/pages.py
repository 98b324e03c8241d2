"""The pages of the documentation and the code on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A piece of code and the page's line that it begins on, counted from 0; only fences have a language."""

    language: str
    line: int
    code: str


def blocks(page: Path) -> Iterator[Block]:
    """Return the code of a page: fenced, indented, and in the text."""
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        line = token.map[0] if token.map else 0
        if token.type == "fence":
            yield Block(token.info.strip(), line + 1, token.content)
        elif token.type == "code_block":
            yield Block("", line, token.content)
        for child in token.children or ():
            if child.type == "code_inline":
                yield Block("", line, child.content)


def python(page: Path) -> list[Block]:
    """Return the Python blocks of a page."""
    return [block for block in blocks(page) if block.language == "python"]


def name(page: Path) -> str:
    """Return a page's path in the repository, which names its tests."""
    return str(page.relative_to(ROOT))
