"""The diffs that a page shows: read off the page, applied to a copy of the checkout, and counted.

A diff is a block of the language `diff`. Its first line is `+++` and the file; `@@` stands between two places in the
file. A place is found by its lines, not by their numbers, so that a page does not change when other lines do.
"""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import ROOT, blocks

_SECONDS = 600
_NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules", "*.egg-info")
_MYPY_CACHE = ".mypy_cache"


@dataclass(frozen=True)
class Place:
    """One place in a file: the lines with their signs, such as `+new`, `-old` and ` unchanged`."""

    lines: tuple[str, ...]

    @property
    def before(self) -> str:
        """The lines as they were."""
        return "".join(f"{line[1:]}\n" for line in self.lines if not line.startswith("+"))

    @property
    def after(self) -> str:
        """The lines as they will be."""
        return "".join(f"{line[1:]}\n" for line in self.lines if not line.startswith("-"))


@dataclass(frozen=True)
class Diff:
    """What a page changes in one file."""

    file: str
    places: tuple[Place, ...]

    @property
    def is_new(self) -> bool:
        """Whether the file is made, not changed."""
        return not any(place.before for place in self.places)

    def count(self, sign: str) -> int:
        """Return how many lines are added ("+") or removed ("-")."""
        return sum(line.startswith(sign) for place in self.places for line in place.lines)

    def apply(self, folder: Path) -> None:
        """Change or make the file in a copy of the checkout."""
        path = folder / self.file
        text = "" if self.is_new else path.read_text()
        for place in self.places:
            text = _replaced(self.file, text, place.before, place.after)
        path.write_text(text)

    def revert(self, folder: Path) -> None:
        """Take the change back, or delete the new file, in a copy of the checkout that has it."""
        path = folder / self.file
        if self.is_new:
            path.unlink()
            return
        text = path.read_text()
        for place in self.places:
            text = _replaced(self.file, text, place.after, place.before)
        path.write_text(text)


def _replaced(file: str, text: str, old: str, new: str) -> str:
    """Return the text with these whole lines replaced; they must be there once."""
    found = f"\n{text}".count(f"\n{old}")
    assert found == 1, f"{file} has these lines {found} times, and the page shows them as its own:\n{old}"
    return f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]


def diffs(page: Path) -> list[Diff]:
    """Return the diffs of a page."""
    return [_diff(block.code.splitlines()) for block in blocks(page) if block.language == "diff"]


def _diff(lines: list[str]) -> Diff:
    title, *changes = lines
    assert title.startswith("+++ "), f"the first line of a diff names its file: {title}"
    return Diff(title.removeprefix("+++ "), tuple(_places(changes)))


def _places(lines: list[str]) -> Iterator[Place]:
    place: list[str] = []
    for line in [*lines, "@@"]:
        if line == "@@":
            yield Place(tuple(place))
            place = []
        else:
            place.append(line or " ")


def summary(changes: list[Diff]) -> str:
    """Return how many lines change in which files, as `git diff --stat` would."""
    width = max(len(change.file) for change in changes)
    lines = [
        f" {change.file:<{width}} | +{change.count('+')} -{change.count('-')}"
        for change in sorted(changes, key=lambda change: change.file)
    ]
    added, removed = (sum(change.count(sign) for change in changes) for sign in "+-")
    return "\n".join([*lines, f" {len(changes)} files changed, {added} insertions(+), {removed} deletions(-)"]) + "\n"


@dataclass(frozen=True)
class Forgotten:
    """A row of a page's table: without the change of `file`, `test` fails and says `message`."""

    file: str
    test: str
    message: str

    def __str__(self) -> str:
        """Name the file, as the test ids do."""
        return self.file


def forgotten(page: Path) -> list[Forgotten]:
    """Return the rows of the table that says what fails if something is left out."""
    table = page.read_text().partition("| left out |")[2].partition("\n\n")[0]
    rows = [re.findall("`(.+?)`", row) for row in table.splitlines()[2:]]
    return [Forgotten(file, test, message) for file, test, message in rows]


async def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a module of Python in a copy of the checkout; return its exit status and what it printed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "CI": ""}  # CI wants DynamoDB Local, which a copy has not
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def copy_checkout(folder: Path) -> Path:
    """Copy the checkout without what its commands made, except for mypy's cache."""
    copy = Path(shutil.copytree(ROOT, folder / "checkout", ignore=_NOT_COPIED))
    if (ROOT / _MYPY_CACHE).exists():  # half a minute less to check
        shutil.copytree(ROOT / _MYPY_CACHE, copy / _MYPY_CACHE)
    return copy
