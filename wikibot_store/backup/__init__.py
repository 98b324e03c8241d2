"""Export the tables into a folder, import them, and copy them, in the format of DynamoDB's export to S3.

    async with WikibotStore.open() as store:
        await backup.export_tables(store, "backup")

All items are moved as they are stored, whatever their attributes, and never decoded into models. These functions need
the IAM policy of the operator. An export is not a snapshot: it reads the tables while others write. After an import,
`store.admin.sweep(apply=True)` repairs what was exported in the middle of an operation.
"""

from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from wikibot_store._dynamo.checks import check_choice, check_integer, check_rate, check_several
from wikibot_store._dynamo.raw import scan_raw, write_raw
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.scan import MAX_SEGMENTS, Read, parse, scan, start
from wikibot_store._dynamo.table import Table
from wikibot_store._wire import Pace, client_errors, working_for
from wikibot_store.backup._checks import Fit
from wikibot_store.backup._format import Backup, DataFile, find_backup, read_lines
from wikibot_store.backup._job import ExportJob
from wikibot_store.errors import BackupError, WikibotStoreError
from wikibot_store.schema import TABLES, TableSchema
from wikibot_store.store import WikibotStore

__all__ = [
    "ExportedTable",
    "ImportMode",
    "Progress",
    "WrittenTable",
    "copy_tables",
    "export_tables",
    "import_tables",
]

_SCHEMAS = {schema.name: schema for schema in TABLES}
_SEGMENTS = 4


class ImportMode(StrEnum):
    """What an import or a copy does with the items that the tables already hold."""

    EMPTY = "empty"
    """The tables must be empty."""
    IF_ABSENT = "if_absent"
    """Items that are there are kept."""
    OVERWRITE = "overwrite"
    """Items that are there are replaced."""


ModeName = Literal["empty", "if_absent", "overwrite"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a call has come with one table.

    `total` is exact for an import. For an export or a copy it is DynamoDB's own count, which may be six hours old.
    `resume` continues an import or a copy after this point; it is None while nothing was written, and at the end.
    """

    step: Literal["export", "check", "import", "copy"]
    table: str
    items: int
    total: int
    resume: str | None = None


class ExportedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A finished export of one table; `folder` holds its manifests."""

    table: str
    items: int
    files: int
    folder: str


class WrittenTable(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of an import or a copy has done with one table.

    `kept` counts those of the `items` that `if_absent` has not written, because an item with their key was there.
    """

    table: str
    items: int
    kept: int


Report = Callable[[Progress], object]


def _ignore(_progress: Progress) -> None:
    """Report to nobody."""


# ---- export


async def export_tables(
    store: WikibotStore,
    folder: str | Path,
    *,
    tables: Iterable[str] | None = None,
    segments: int = _SEGMENTS,
    max_rcu: float | None = None,
    report: Report = _ignore,
) -> list[ExportedTable]:
    """Export tables, each into the folder of its name in `folder`, in the format of DynamoDB's export to S3.

    A folder that holds an export that was cut off is continued; nothing that is complete is read again. `segments` is
    the number of parallel Scans per table. `max_rcu` limits the read units per second approximately. `report` is called
    after every page.

    Requests: DescribeTable, and Scan (consistent) of each table in segments.

    Raises:
        BackupError: The folder holds a finished export, or the export was cut off: call again to continue it.
        ValueError: A table is not in the schema, or a number is out of its range.

    """
    schemas, pace = _schemas(tables), Pace(check_rate("max_rcu", max_rcu))
    _check_segments(segments)
    with working_for("backup.export_tables"):
        return [
            await _export(store, schema, Path(folder) / schema.name, segments=segments, pace=pace, report=report)
            # Users last: a wiki whose owner is missing was then deleted with its owner, and a sweep may delete it.
            for schema in reversed(schemas)
        ]


async def _export(
    store: WikibotStore, schema: TableSchema, folder: Path, *, segments: int, pace: Pace, report: Report
) -> ExportedTable:
    table = _table(store, schema)
    description = await _described(store, schema)
    async with _export_job(folder, schema, description, segments) as job:
        read_items = _reader(table, pace)

        async def read(after: Key | None, segment: int, segments: int) -> tuple[int, Key | None]:
            items, last = await read_items(after, segment, segments)
            await to_thread(job.add, segment, items, last)
            return len(items), last

        items = job.items
        async with aclosing(scan({schema.name: read}, job.position, pace)) as pages:
            async for page in pages:
                items += page.items
                report(Progress(step="export", table=schema.name, items=items, total=description["ItemCount"]))
        await to_thread(job.finish)
    return ExportedTable(table=schema.name, items=job.items, files=job.files, folder=str(job.folder))


@asynccontextmanager
async def _export_job(
    folder: Path,
    schema: TableSchema,
    description: Any,  # noqa: ANN401 - a TypedDict
    segments: int,
) -> AsyncIterator[ExportJob]:
    """Open a job, and remove its incomplete files if the block fails."""
    job: ExportJob | None = None
    try:
        job = await to_thread(ExportJob.open, folder, schema.name, description, segments)
        yield job
    except OSError as error:
        raise BackupError(f"{folder} cannot be written: {error.strerror}. {_left(job)}") from error
    except BackupError:
        raise
    except WikibotStoreError as error:
        raise BackupError(f"the export of {schema.name} was cut off: {error}. {_left(job)}") from error
    finally:
        if job is not None:
            await to_thread(job.abandon)


def _left(job: ExportJob | None) -> str:
    if job is None:
        return "Nothing was written"
    return f"{job.files} files with {job.items} items are complete: export into the same folder to continue"


# ---- import


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an import continues: after these lines of this file of this export."""

    table: str
    export: str
    file: int = 0
    line: int = 0

    @property
    def text(self) -> str:
        """The place as text, which `resume` takes."""
        return msgspec.json.encode(self).decode()


async def import_tables(
    store: WikibotStore,
    folder: str | Path,
    *,
    mode: ImportMode | ModeName = ImportMode.EMPTY,
    tables: Iterable[str] | None = None,
    max_wcu: float | None = None,
    resume: str | None = None,
    report: Report = _ignore,
) -> list[WrittenTable]:
    """Import exports into tables that exist. `folder` holds one folder per table, of the table's name in the schema.

    Exports that DynamoDB has made to S3 can be imported as well: copy each into the folder of its table.

    Before anything is written, all manifests, checksums and counts are checked, and whether each item has the table's
    key and is not too large. `mode` says what happens to the items that are there. `max_wcu` limits the write units per
    second approximately. `resume` comes from a BackupError or from `report`, and continues an import of the same folder
    with the same arguments. `report` is called after every few hundred items.

    Requests: DescribeTable and Scan of one item per table, then BatchWriteItem; with `if_absent`, PutItem per item.

    Raises:
        BackupError: The backup is damaged or does not fit, a table is missing or not empty, or the import was cut off.
        ValueError: A table is not in the schema, `mode` or `resume` is not one, or `max_wcu` is not positive.

    """
    schemas, mode = _schemas(tables), check_choice("mode", ImportMode, mode)
    pace = Pace(check_rate("max_wcu", max_wcu))
    place = None if resume is None else _place(resume)
    if place is not None:
        schemas = _from(place.table, schemas)
    with working_for("backup.import_tables"):
        backups = {schema: await to_thread(find_backup, Path(folder) / schema.name) for schema in schemas}
        if place is not None and not _is_in(place, backups[schemas[0]]):
            raise ValueError("resume must come from an earlier import of the same folder")
        resumed = set() if place is None else {place.table}
        for schema in schemas:
            await _check_target(store, schema, mode=ImportMode.OVERWRITE if schema.name in resumed else mode)
        for schema, found in backups.items():
            await _check(schema, found, report)
        tally = _Tally("import", schemas, report)
        with tally.explained():
            for schema, found in backups.items():
                at = place if place is not None and place.table == schema.name else _start_of(schema, found)
                await _import(_table(store, schema), found, at, tally, mode=mode, pace=pace)
    return tally.done


def _start_of(schema: TableSchema, backup: Backup) -> _Place:
    return _Place(table=schema.name, export=backup.id)


def _place(resume: str) -> _Place:
    try:
        return msgspec.json.decode(resume, type=_Place)
    except msgspec.DecodeError as error:
        raise ValueError("resume must come from an earlier import of the same folder") from error


def _from(table: str, schemas: list[TableSchema]) -> list[TableSchema]:
    """Return the tables from this one on."""
    names = [schema.name for schema in schemas]
    if table not in names:
        raise ValueError("resume is of a table that is not among the tables of this call")
    return schemas[names.index(table) :]


def _is_in(place: _Place, backup: Backup) -> bool:
    return place.export == backup.id and 0 <= place.file <= len(backup.files) and place.line >= 0


async def _check(schema: TableSchema, backup: Backup, report: Report) -> None:
    fit, items = Fit(schema), 0
    for file in backup.files:
        await to_thread(fit.check, backup, file)
        items += file.item_count
        report(Progress(step="check", table=schema.name, items=items, total=backup.summary.item_count))


async def _import(
    table: Table[Any], backup: Backup, place: _Place, tally: "_Tally", *, mode: ImportMode, pace: Pace
) -> None:
    fit, total = Fit(_SCHEMAS[place.table]), backup.summary.item_count
    before = sum(file.item_count for file in backup.files[: place.file])
    tally.reached(place.table, before + place.line, total, place.text)
    for number, file in enumerate(backup.files[place.file :], place.file):
        done_lines = place.line if number == place.file else 0
        line = 0
        async for chunk in _chunks(backup, file):
            items, lines = await to_thread(fit.keyed, chunk)
            line += lines
            if line <= done_lines:
                continue
            written = await write_raw(table, list(items.values()), pace, if_absent=mode is ImportMode.IF_ABSENT)
            place = msgspec.structs.replace(place, file=number, line=line)
            tally.count(place.table, lines, len(items) - written)
            tally.reached(place.table, before + line, total, place.text)
        before += file.item_count


async def _chunks(backup: Backup, file: DataFile) -> AsyncIterator[bytes]:
    """Yield the chunks of a file that was checked before."""
    chunks = read_lines(backup.path(file))
    while (chunk := await to_thread(next, chunks, None)) is not None:
        yield chunk


class _Tally:
    """What an import or a copy has done so far: for its result, its reports and its errors."""

    def __init__(self, step: Literal["import", "copy"], schemas: Iterable[TableSchema], report: Report) -> None:
        self._step: Literal["import", "copy"] = step
        self._report = report
        self._items = {schema.name: 0 for schema in schemas}
        self._kept = dict(self._items)
        self._resume: str | None = None

    def count(self, table: str, items: int, kept: int) -> None:
        """Count items that are done."""
        self._items[table] += items
        self._kept[table] += kept

    def reached(self, table: str, items: int, total: int, resume: str | None) -> None:
        """Report the place that was reached."""
        self._resume = resume
        self._report(Progress(step=self._step, table=table, items=items, total=total, resume=resume))

    @property
    def done(self) -> list[WrittenTable]:
        """The result so far."""
        return [WrittenTable(table=table, items=items, kept=self._kept[table]) for table, items in self._items.items()]

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an error after the first write into a BackupError that says what was written."""
        try:
            yield
        except WikibotStoreError as error:
            written = ", ".join(f"{items} of {table}" for table, items in self._items.items())
            raise BackupError(
                f"the {self._step} was cut off: {error}. Items written by this call: {written}; "
                "some of those that follow may have been written too. Continue with resume, which writes them again",
                self._resume,
            ) from error


# ---- copy


async def copy_tables(
    source: WikibotStore,
    target: WikibotStore,
    *,
    mode: ImportMode | ModeName = ImportMode.EMPTY,
    tables: Iterable[str] | None = None,
    segments: int = _SEGMENTS,
    max_rcu: float | None = None,
    max_wcu: float | None = None,
    resume: str | None = None,
    report: Report = _ignore,
) -> list[WrittenTable]:
    """Copy the items of one store's tables into those of another: in another region, at another endpoint or prefix.

    The arguments are those of `export_tables` and `import_tables`. A copy that is resumed keeps its segments.

    Requests: DescribeTable of each table, Scan (consistent) of the source in segments, Scan of one item per table of
    the target, then BatchWriteItem; with `if_absent`, PutItem per item.

    Raises:
        BackupError: A table is missing, has other keys or is not empty, or the copy was cut off.
        ValueError: Both stores have the same table, an argument is out of its range, or `resume` is not of a copy.

    """
    schemas, mode = _schemas(tables), check_choice("mode", ImportMode, mode)
    reading, writing = Pace(check_rate("max_rcu", max_rcu)), Pace(check_rate("max_wcu", max_wcu))
    every = {schema.name: _table(source, schema) for schema in schemas}
    position = start(schemas[0].name, _check_segments(segments)) if resume is None else parse(resume, every)
    schemas = _from(position.table, schemas)
    with working_for("backup.copy_tables"):
        totals = {}
        for schema in schemas:
            _check_different(source, target, schema)
            totals[schema.name] = (await _described(source, schema))["ItemCount"]
            is_resumed = resume is not None and schema is schemas[0]
            await _check_target(target, schema, mode=ImportMode.OVERWRITE if is_resumed else mode)
        tally, items = _Tally("copy", schemas, report), dict.fromkeys(totals, 0)
        tally.reached(position.table, 0, totals[position.table], position.text)
        reads = {schema.name: _reader(_table(source, schema), reading) for schema in schemas}
        with tally.explained():
            async with aclosing(scan(reads, position, reading)) as pages:
                async for page in pages:
                    table = _table(target, _SCHEMAS[page.table])
                    written = await write_raw(table, page.items, writing, if_absent=mode is ImportMode.IF_ABSENT)
                    tally.count(page.table, len(page.items), len(page.items) - written)
                    items[page.table] += len(page.items)
                    resume = None if page.position is None else page.position.text
                    tally.reached(page.table, items[page.table], totals[page.table], resume)
    return tally.done


def _check_different(source: WikibotStore, target: WikibotStore, schema: TableSchema) -> None:
    one, other = _table(source, schema), _table(target, schema)
    if (one.wire.endpoint_url, one.name) == (other.wire.endpoint_url, other.name):
        raise ValueError(f"both stores have the same table, {one.name!r}")


# ---- what they share


def _schemas(tables: Iterable[str] | None) -> list[TableSchema]:
    """Return the tables that are named, or all; always in the schema's order."""
    if tables is None:
        return list(TABLES)
    wanted = set(check_several("tables", tables, '["users"]'))
    if unknown := wanted - _SCHEMAS.keys():
        raise ValueError(f"tables must be of {', '.join(_SCHEMAS)}, not {', '.join(sorted(map(repr, unknown)))}")
    if not wanted:
        raise ValueError("tables must name a table")
    return [schema for schema in TABLES if schema.name in wanted]


def _check_segments(segments: int) -> int:
    if not 1 <= check_integer("segments", segments) <= MAX_SEGMENTS:
        raise ValueError(f"segments must be 1 to {MAX_SEGMENTS}")
    return segments


def _table(store: WikibotStore, schema: TableSchema) -> Table[Any]:
    table: Table[Any] = getattr(store._tables, schema.name)  # noqa: SLF001 - the library's own
    return table


def _reader(table: Table[Any], pace: Pace) -> Read[list[msgspec.Raw]]:
    # A page uses its units at once and waits for them afterwards: about a second's worth of items of 4 KB.
    return partial(scan_raw, table, limit=None if pace.rate is None else max(1, int(pace.rate)))


async def _described(store: WikibotStore, schema: TableSchema) -> Any:  # noqa: ANN401 - a TypedDict
    """Return DynamoDB's description of a table that has the schema's key."""
    name, client = store.config.table_name(schema.name), await store.client()
    with client_errors():
        try:
            table: Any = (await client.describe_table(TableName=name))["Table"]
        except client.exceptions.ResourceNotFoundException as error:
            raise BackupError(f"there is no table {name!r}: `wikibot-store tables create` makes it") from error
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    if [(key["AttributeName"], types[key["AttributeName"]]) for key in table["KeySchema"]] != [
        (attribute, "S") for attribute in schema.key
    ]:
        raise BackupError(f"the table {name!r} has another key: compare it with `wikibot-store tables verify`")
    return table


async def _check_target(store: WikibotStore, schema: TableSchema, *, mode: ImportMode) -> None:
    """Check that a table can be written to."""
    await _described(store, schema)
    table = _table(store, schema)
    if mode is ImportMode.EMPTY and (await scan_raw(table, None, 0, 1, limit=1))[0]:
        raise BackupError(
            f"the table {table.name!r} is not empty, so nothing was written: choose if_absent to keep its items, or "
            "overwrite to replace them"
        )
