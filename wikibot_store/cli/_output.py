"""How commands print: tables for people, one JSON document for programs, notes and errors on stderr."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from wikibot_store.models import Acl, User, Wiki


def note(text: str) -> None:
    """Print what is for people and not part of the result."""
    print(text, file=sys.stderr)


def console() -> Console:
    """Return a console that is plain, and as wide as its lines, where stdout is no terminal."""
    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=terminal, width=None if terminal else 10_000, markup=False, emoji=False, highlight=False
    )


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their headings; an item is one line where stdout is no terminal."""
    output = console()
    table = Table(*columns, box=SIMPLE if output.is_terminal else None, pad_edge=False)
    for row in rows:
        table.add_row(*map(cell, row))
    output.print(table)


def print_json(document: object) -> None:
    """Print the one document of a command."""
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), flush=True)


def cell(value: object) -> str:
    """Return a value as text that cannot command a terminal."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else repr(text)


def view(item: User | Wiki | Acl) -> dict[str, Any]:
    """Return an item's attributes for output; a secret is replaced by whether it is set."""
    fields = {name: value for name, value in msgspec.structs.asdict(item).items() if not name.startswith("_")}
    view: dict[str, Any] = msgspec.to_builtins(fields)
    if isinstance(item, Wiki):
        view["mcp_token_set"] = view.pop("mcp_token_hash") is not None
    return view
