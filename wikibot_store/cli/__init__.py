"""The command `wikibot-store`: tables, look-ups and sweeps for operators, the embedded engine and the demo."""

import sys
from collections.abc import Sequence
from importlib import import_module

try:
    for _needed in ("typer", "rich.console"):
        import_module(_needed)
    from wikibot_store.cli import engine, lookups, sweeps, tables
    from wikibot_store.cli._app import Options, app, fail, with_options
except ModuleNotFoundError as missing:
    sys.exit(f"error: this command needs {missing.name}: pip install 'wikibot-store[cli]'")

from typer import TyperException

__all__ = ["Options", "app", "engine", "lookups", "main", "sweeps", "tables", "with_options"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        status: int | None = app(arguments, prog_name="wikibot-store", standalone_mode=False)
    except TyperException as error:
        return fail(f"{error.format_message().removesuffix('.')}: see --help", error.exit_code)
    return status or 0
