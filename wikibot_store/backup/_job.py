"""An export of one table while it is being written, and what is needed to continue it. All methods block."""

import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.scan import Position, start
from wikibot_store.backup._format import (
    DATA,
    FILES,
    PARTIAL,
    PROGRESS,
    ROOT,
    SUMMARY,
    DataFile,
    DataWriter,
    Summary,
    exports_in,
    write_manifest,
    write_whole,
)
from wikibot_store.errors import BackupError

# The uncompressed size after which a segment begins its next file. An export that is cut off continues after the last
# complete file of each segment.
_FILE_BYTES = 64 * 2**20


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What is complete: these files, up to these positions."""

    table_arn: str
    table_id: str | None
    started: str
    position: Position
    files: tuple[DataFile, ...] = ()
    size: int = 0


class ExportJob:
    """Writes the items of one table into files. Each segment of the Scan has its own, so they can work in parallel."""

    def __init__(self, export: Path, state: _State, prefix: str) -> None:
        self.folder = export
        self._state = state
        self._prefix = prefix
        self._writers: dict[int, DataWriter] = {}
        self._locks = [threading.Lock() for _ in state.position.after]
        self._state_lock = threading.Lock()
        self._abandoned = False

    @classmethod
    def open(cls, folder: Path, table: str, description: Any, segments: int) -> "ExportJob":  # noqa: ANN401 - a TypedDict
        """Begin an export in a table's folder, or continue the one that is there.

        Raises:
            BackupError: There is a finished export, or an unfinished one of another table.

        """
        exports = exports_in(folder)
        if finished := [export for export in exports if (export / f"{SUMMARY}.json").exists()]:
            raise BackupError(f"{folder} already holds an export: {finished[0].name}. Choose another folder")
        arn, table_id = description["TableArn"], description.get("TableId")
        if not exports:
            now = time.time_ns() // 10**6
            export = folder / ROOT / f"{now:014}-{secrets.token_hex(4)}"
            (export / DATA).mkdir(parents=True)
            position = start(table, segments)
            state = _State(table_arn=arn, table_id=table_id, started=_timestamp(utc_now()), position=position)
            job = cls(export, state, folder.name)
            job._save(state)
            return job
        export = exports[-1]
        try:
            state = msgspec.json.decode((export / PROGRESS).read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError) as error:
            raise BackupError(f"{export} cannot be continued: delete this folder and export again") from error
        if (state.table_arn, state.table_id) != (arn, table_id):
            raise BackupError(f"{export} is an unfinished export of another table, {state.table_arn}: delete it first")
        for partial in (export / DATA).glob(f"*{PARTIAL}"):
            partial.unlink()
        return cls(export, state, folder.name)

    @property
    def position(self) -> Position:
        """Where the Scan continues."""
        return self._state.position

    @property
    def items(self) -> int:
        """How many items the complete files have."""
        return sum(file.item_count for file in self._state.files)

    @property
    def files(self) -> int:
        """How many files are complete."""
        return len(self._state.files)

    def add(self, segment: int, items: list[msgspec.Raw], last: Key | None) -> None:
        """Append a page of a segment; `last` is the key after which the next page starts."""
        with self._locks[segment]:
            if self._abandoned:
                return
            writer = self._writers.get(segment)
            if items:
                if writer is None:
                    writer = self._writers[segment] = DataWriter(self._new_path(segment))
                writer.add(items)
            if last is None or (writer is not None and writer.size >= _FILE_BYTES):
                self._complete(segment, last)

    def _new_path(self, segment: int) -> Path:
        return self.folder / DATA / f"{segment:03}-{secrets.token_hex(8)}.json.gz"

    def _complete(self, segment: int, last: Key | None) -> None:
        writer = self._writers.pop(segment, None)
        with self._state_lock:
            state = self._state
            if writer is not None:
                file = writer.finish(self._key(DATA, writer.name))
                state = msgspec.structs.replace(state, files=(*state.files, file), size=state.size + writer.size)
            self._save(msgspec.structs.replace(state, position=state.position.moved(segment, last)))

    def _save(self, state: _State) -> None:
        write_whole(self.folder / PROGRESS, msgspec.json.encode(state))
        self._state = state

    def _key(self, *names: str) -> str:
        return "/".join((self._prefix, ROOT, self.folder.name, *names))

    def finish(self) -> None:
        """Write the manifests, the summary last, when all segments are at their end."""
        state = self._state
        write_manifest(self.folder, FILES, b"".join(msgspec.json.encode(file) + b"\n" for file in state.files))
        summary = Summary(
            export_arn=f"{state.table_arn}/export/{self.folder.name}",
            start_time=state.started,
            end_time=_timestamp(utc_now()),
            table_arn=state.table_arn,
            table_id=state.table_id,
            export_time=state.started,
            s3_prefix=self._prefix,
            manifest_files_s3_key=self._key(f"{FILES}.json"),
            billed_size_bytes=state.size,
            item_count=self.items,
        )
        write_manifest(self.folder, SUMMARY, msgspec.json.encode(summary))
        (self.folder / PROGRESS).unlink()

    def abandon(self) -> None:
        """Remove the files that are not complete."""
        self._abandoned = True
        for segment, lock in enumerate(self._locks):
            with lock:
                if (writer := self._writers.pop(segment, None)) is not None:
                    writer.abandon()


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
