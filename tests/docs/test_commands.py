"""The commands on the pages exist."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from tests.docs.pages import PAGES, ROOT, blocks, name
from wikibot_store import cli

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _texts(page: Path) -> list[str]:
    return [block.code for block in blocks(page) if block.language != "python"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_targets_of_make_exist(page: Path) -> None:
    """Whatever the page says after `make` is a target."""
    named = {target for text in _texts(page) for target in re.findall(r"(?<![\w-])make ([a-z][a-z-]*)", text)}

    assert named <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_subcommands_exist(page: Path) -> None:
    """Whatever the page says after `wikibot-store` is a subcommand, with its own subcommands behind it."""
    named = {
        tuple(words.split())
        for text in _texts(page)
        for words in re.findall(r"(?<![\w-])wikibot-store((?: [a-z][a-z-]*)+)", text)
    }

    assert [words for words in named if not _exists(words)] == []


def _exists(words: tuple[str, ...]) -> bool:
    command = get_command(cli.app)
    for word in words:
        commands = getattr(command, "commands", None)
        if commands is None:  # the rest are arguments
            return True
        if word not in commands:
            return False
        command = commands[word]
    return True


def test_reference_lists_every_command() -> None:
    """The page about the command line names all commands."""
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    commands = {
        " ".join([name, *inner])
        for name, command in get_command(cli.app).commands.items()  # type: ignore[attr-defined]  # a group
        for inner in [[inner] for inner in getattr(command, "commands", {})] or [[]]
    }

    assert {command for command in commands if not re.search(rf"`(?:wikibot-store )?{command}`", page)} == set()
