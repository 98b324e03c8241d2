"""How commands print: tables for people, one JSON document for programs, notes and errors on stderr."""

import io
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from wikibot_store.models import Acl, User, Wiki


def accept_any_text() -> None:
    """Escape what stdout cannot encode, as Python does on stderr: an ASCII terminal shows every name."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a test may have put another object there
        sys.stdout.reconfigure(errors="backslashreplace")


def note(text: str) -> None:
    """Print on stderr what is for people and not part of the result."""
    print(text, file=sys.stderr)


def console() -> Console:
    """Return a console; if stdout is not a terminal, it prints plain text and does not wrap lines."""
    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=terminal, width=None if terminal else 10_000, markup=False, emoji=False, highlight=False
    )


def shows_progress(*, json: bool) -> bool:
    """Return whether a command shows a progress bar: on a terminal, unless it prints JSON."""
    return console().is_terminal and not json


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their headings; if stdout is not a terminal, each row is one line."""
    output = console()
    table = Table(box=SIMPLE if output.is_terminal else None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an id that does not fit is wrapped, not cut off
    for row in rows:
        table.add_row(*map(cell, row))
    output.print(table)


def print_json(document: object) -> None:
    """Print the one document of a command; text that stdout cannot encode is escaped as JSON does it."""
    builtins = msgspec.to_builtins(document)
    text = json.dumps(builtins, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(builtins, indent=2)
    print(text, flush=True)


def cell(value: object) -> str:
    """Return a value as text without control characters for the terminal."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else repr(text)


def view(item: User | Wiki | Acl) -> dict[str, Any]:
    """Return an item's attributes for output; of a secret only whether it is set."""
    fields = {name: value for name, value in msgspec.structs.asdict(item).items() if not name.startswith("_")}
    view: dict[str, Any] = msgspec.to_builtins(fields)
    if isinstance(item, Wiki):
        view["mcp_token_set"] = view.pop("mcp_token_hash") is not None
    return view
