"""The command `wikibot-store`: tables, look-ups and sweeps for operators, the embedded engine and the demo."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

try:
    for _needed in ("typer", "rich.console"):
        import_module(_needed)
    from wikibot_store.cli import adoptions, backups, engine, lookups, seeds, sweeps, tables
    from wikibot_store.cli._app import Options, app, fail, with_options
    from wikibot_store.cli._output import accept_any_text
except ModuleNotFoundError as missing:
    sys.exit(f"error: this command needs {missing.name}: pip install 'wikibot-store[cli]'")

from typer import TyperException

__all__ = [
    "Options",
    "adoptions",
    "app",
    "backups",
    "engine",
    "lookups",
    "main",
    "seeds",
    "sweeps",
    "tables",
    "with_options",
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    accept_any_text()
    arguments = list(map(_decoded, sys.argv[1:] if arguments is None else arguments))
    try:
        status: int | None = app(arguments, prog_name="wikibot-store", standalone_mode=False)
    except TyperException as error:
        message = error.format_message().removesuffix(".")
        message += " See --help" if message.endswith("?") else ": see --help"
        return fail(message, error.exit_code, as_json="--json" in arguments, kind="UsageError")
    return status or 0


def _decoded(argument: str) -> str:
    """Return an argument that is UTF-8 although the locale is ASCII; Python then decodes it to lone surrogates."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        with suppress(UnicodeError):
            return os.fsencode(argument).decode()
    return argument
