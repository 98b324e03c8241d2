"""`wikibot-store export`, `import` and `copy`: the tables out, in again, and from one place to another."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from wikibot_store.backup import (
    ImportMode,
    Progress,
    WrittenTable,
    copy_tables,
    export_tables,
    import_tables,
)
from wikibot_store.cli._app import Options, UsageError, app, run, with_options
from wikibot_store.cli._output import console, note, print_json, print_table, shows_progress
from wikibot_store.config import StoreConfig
from wikibot_store.schema import TABLES

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder; each table has one of its name in it.")]
_Table = Annotated[
    list[str] | None, typer.Option("--table", metavar="NAME", help="Only this table; may be given several times.")
]
_Segments = Annotated[int, typer.Option(metavar="NUMBER", help="How many parallel Scans to read a table with.")]
_MaxRcu = Annotated[float | None, typer.Option(metavar="NUMBER", help="The most read units per second, approximately.")]
_MaxWcu = Annotated[
    float | None, typer.Option(metavar="NUMBER", help="The most write units per second, approximately.")
]
_IfAbsent = Annotated[bool, typer.Option("--if-absent", help="Keep the items that are there.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the items that are there.")]
_Resume = Annotated[
    str | None, typer.Option(metavar="POSITION", help="The position that was printed when the command was cut off.")
]
_PLACE = "endpoint=URL,region=NAME,profile=NAME,prefix=NAME"


@app.command("export", epilog="Example: wikibot-store export backup --max-rcu 100")
@with_options
def export(
    options: Options,
    folder: _Folder,
    *,
    table: _Table = None,
    segments: _Segments = 4,
    max_rcu: _MaxRcu = None,
) -> None:
    """Export the tables in the format of DynamoDB's export to S3.

    If an export was cut off, the same command continues it. It is safe beside a running service, but not a snapshot.
    """
    with _report(options) as report:
        done = options.run(
            lambda store: export_tables(
                store, folder, tables=table or None, segments=segments, max_rcu=max_rcu, report=report
            )
        )
    if options.json:
        print_json({"tables": msgspec.to_builtins(done)})
        return
    print_table(
        ("table", "items", "files", "folder"), [(each.table, each.items, each.files, each.folder) for each in done]
    )


@app.command("import", epilog="Example: wikibot-store import backup --if-absent")
@with_options
def import_(
    options: Options,
    folder: _Folder,
    *,
    table: _Table = None,
    if_absent: _IfAbsent = False,
    overwrite: _Overwrite = False,
    max_wcu: _MaxWcu = None,
    resume: _Resume = None,
) -> None:
    """Import exports, also those that DynamoDB made to S3, into tables that exist and are empty.

    Everything is checked before anything is written. Run `sweep --apply` afterwards, which repairs what was exported in
    the middle of an operation.
    """
    mode = _mode(if_absent=if_absent, overwrite=overwrite)
    with _report(options) as report:
        done = options.run(
            lambda store: import_tables(
                store, folder, mode=mode, tables=table or None, max_wcu=max_wcu, resume=resume, report=report
            )
        )
    _print_written(options, done)


@app.command("copy", epilog="Example: wikibot-store copy --from region=eu-west-1 --to endpoint=http://127.0.0.1:8000")
@with_options
def copy(
    options: Options,
    *,
    source: Annotated[str, typer.Option("--from", metavar=_PLACE, help="Where the items are read.")] = "",
    target: Annotated[str, typer.Option("--to", metavar=_PLACE, help="Where the items are written.")] = "",
    table: _Table = None,
    if_absent: _IfAbsent = False,
    overwrite: _Overwrite = False,
    segments: _Segments = 4,
    max_rcu: _MaxRcu = None,
    max_wcu: _MaxWcu = None,
    resume: _Resume = None,
) -> None:
    """Copy the items of the tables to another region, endpoint or prefix, where empty tables exist.

    What --from and --to leave out is taken from the other options and the environment.
    """
    mode, (reads, read_config), (writes, write_config) = (
        _mode(if_absent=if_absent, overwrite=overwrite),
        _place(options, "--from", source),
        _place(options, "--to", target),
    )

    async def work(report: Callable[[Progress], object]) -> list[WrittenTable]:
        async with reads.open(read_config) as one, writes.open(write_config) as other:
            return await copy_tables(
                one,
                other,
                mode=mode,
                tables=table or None,
                segments=segments,
                max_rcu=max_rcu,
                max_wcu=max_wcu,
                resume=resume,
                report=report,
            )

    with _report(options) as report:
        done = run(work(report))
    _print_written(options, done)


def _mode(*, if_absent: bool, overwrite: bool) -> ImportMode:
    if if_absent and overwrite:
        raise UsageError("--if-absent and --overwrite cannot be given together")
    return ImportMode.IF_ABSENT if if_absent else ImportMode.OVERWRITE if overwrite else ImportMode.EMPTY


def _place(options: Options, name: str, text: str) -> tuple[Options, StoreConfig]:
    """Return the options and settings of one side of a copy."""
    known = {"endpoint": "endpoint_url", "region": "region", "profile": "profile"}
    values: dict[str, Any] = dict(part.partition("=")[::2] for part in text.split(",") if part)
    if unknown := values.keys() - known.keys() - {"prefix"}:
        raise UsageError(f"{name} takes {_PLACE}, each of them optional; not {', '.join(sorted(unknown))}")
    options = replace(options, **{field: values[key] for key, field in known.items() if key in values})
    config = options.config()
    if "prefix" in values:
        names: dict[str, Any] = {f"{schema.name}_table": schema.name for schema in TABLES}
        config = replace(config, table_prefix=values["prefix"], **names)
    return options, config


@contextmanager
def _report(options: Options) -> Iterator[Callable[[Progress], None]]:
    """Show a bar for each step of each table; if the block fails, print how to continue."""
    latest: str | None = None
    tasks: dict[tuple[str, str], TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console(), transient=True, disable=not shows_progress(json=options.json)) as bars:

        def show(progress: Progress) -> None:
            nonlocal latest
            latest = progress.resume
            key = progress.step, progress.table
            if key not in tasks:
                tasks[key] = bars.add_task(" ".join(key))
            # DynamoDB's own count may be old.
            bars.update(tasks[key], completed=progress.items, total=max(progress.items, progress.total))

        try:
            yield show
        except BaseException:  # Ctrl-C too
            if latest is not None and options.json:
                print_json({"resume": latest})
            if latest is not None:
                note(f"cut off: continue with --resume {shlex.quote(latest)}")
            raise


def _print_written(options: Options, done: list[WrittenTable]) -> None:
    if options.json:
        print_json({"tables": msgspec.to_builtins(done), "resume": None})
        return
    print_table(("table", "items", "kept"), [(each.table, each.items, each.kept) for each in done])
