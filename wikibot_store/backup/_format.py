"""The folder of an export of one table, in the format of DynamoDB's export to S3. All functions here block.

    <folder>/AWSDynamoDB/<ExportId>/
      manifest-summary.json   written last: without it, the export is not finished
      manifest-files.json     one line per data file: items, checksum, key
      data/*.json.gz          one line per item: {"Item": {…}}

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html. AWS's documentation calls the
checksums of the manifests `.checksum`; the exports that it makes have `.md5`.
"""

import base64
import binascii
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

import msgspec

from wikibot_store.errors import BackupError

S = TypeVar("S", bound=msgspec.Struct)

ROOT = "AWSDynamoDB"
DATA = "data"
SUMMARY = "manifest-summary"
FILES = "manifest-files"
PROGRESS = "progress.json"
PARTIAL = ".partial"
"""The end of a file's name while it is being written."""

_READ = 2**16
_CHUNK = 2**19
# An item of 400 KB whose numbers have one digit each. A line that does not end is none of an export.
_LONGEST_LINE = 16 * 2**20
_GZIP = 16 + zlib.MAX_WBITS


class DataFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of manifest-files.json. The checksum is the MD5 of the compressed file, in base64."""

    item_count: int
    md5_checksum: str
    etag: str = ""
    data_file_s3_key: str = msgspec.field(name="dataFileS3Key")

    @property
    def name(self) -> str:
        """The name of the file in the folder `data`."""
        return PurePosixPath(self.data_file_s3_key).name


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """manifest-summary.json. Only the members without a default must be there to read an export."""

    version: str = "2020-06-30"
    export_arn: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    table_arn: str | None = None
    table_id: str | None = None
    export_time: str | None = None
    s3_bucket: str | None = msgspec.field(default=None, name="s3Bucket")
    s3_prefix: str | None = msgspec.field(default=None, name="s3Prefix")
    s3_sse_algorithm: str | None = msgspec.field(default=None, name="s3SseAlgorithm")
    s3_sse_kms_key_id: str | None = msgspec.field(default=None, name="s3SseKmsKeyId")
    manifest_files_s3_key: str | None = msgspec.field(default=None, name="manifestFilesS3Key")
    billed_size_bytes: int = 0
    item_count: int
    output_format: str = "DYNAMODB_JSON"
    export_type: str | None = "FULL_EXPORT"


class Backup(NamedTuple):
    """A finished export of one table."""

    folder: Path
    summary: Summary
    files: list[DataFile]

    @property
    def id(self) -> str:
        """The ExportId."""
        return self.folder.name

    def path(self, file: DataFile) -> Path:
        """Return where a data file is. Its S3 key may begin with a prefix that the local copy does not have."""
        return self.folder / DATA / file.name


def exports_in(folder: Path) -> list[Path]:
    """Return the folders of the exports of one table, finished or not, oldest first."""
    return sorted(path for path in (folder / ROOT).glob("*-*") if path.is_dir())


def find_backup(folder: Path) -> Backup:
    """Return the one export in a table's folder, after checking its manifests.

    Raises:
        BackupError: There is none or more than one, it is not finished, or a manifest is damaged.

    """
    exports = exports_in(folder)
    if not exports:
        raise BackupError(f"{folder} holds no export: there is no folder {ROOT}/<ExportId> in it")
    if len(exports) > 1:
        names = ", ".join(path.name for path in exports)
        raise BackupError(f"{folder / ROOT} holds several exports: {names}. Leave the one that is to be imported")
    (export,) = exports
    if not (export / f"{SUMMARY}.json").exists():
        raise BackupError(f"{export} is not finished: there is no {SUMMARY}.json. Run the export again to continue it")
    summary = _read_manifest(export, SUMMARY, Summary, 1)[0]
    if summary.output_format != "DYNAMODB_JSON" or summary.export_type not in (None, "FULL_EXPORT"):
        raise BackupError(
            f"{export} cannot be imported: it must be a full export in the format DYNAMODB_JSON, "
            f"not {summary.export_type} in {summary.output_format}"
        )
    files = _read_manifest(export, FILES, DataFile)
    if (items := sum(file.item_count for file in files)) != summary.item_count:
        raise BackupError(
            f"{export} is damaged: {SUMMARY}.json counts {summary.item_count} items, {FILES}.json {items}"
        )
    return Backup(export, summary, files)


def _read_manifest(export: Path, name: str, kind: type[S], lines: int | None = None) -> list[S]:
    """Return the lines of a manifest, after comparing it with its checksum."""
    path = export / f"{name}.json"
    try:
        content = path.read_bytes()
        for checksum in filter(Path.exists, (export / f"{name}.md5", export / f"{name}.checksum")):
            if not _is_md5(checksum.read_text().strip(), hashlib.md5(content, usedforsecurity=False).digest()):
                raise BackupError(f"{path} is damaged: its MD5 is not the one in {checksum.name}")
        decoder = msgspec.json.Decoder(kind)
        return decoder.decode_lines(content) if lines is None else [decoder.decode(content)]
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{path} is not a manifest of an export: {error}") from error


def _is_md5(text: str, digest: bytes) -> bool:
    """Return whether a checksum is this digest, in base64 or in hex."""
    return text in (base64.b64encode(digest).decode(), digest.hex())


def write_manifest(export: Path, name: str, content: bytes) -> None:
    """Write a manifest after its checksum."""
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    write_whole(export / f"{name}.md5", base64.b64encode(digest))
    write_whole(export / f"{name}.json", content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is never there in part."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


class DataWriter:
    """Writes one data file under a temporary name, and renames it when it is complete."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._partial = path.with_name(path.name + PARTIAL)
        self._file = self._partial.open("wb")
        # The fastest level: it takes a quarter of the time of the best one, and the files are a sixth larger.
        self._gzip = zlib.compressobj(1, wbits=_GZIP)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._items = 0
        self.size = 0

    def add(self, items: list[msgspec.Raw]) -> None:
        """Append items, one per line."""
        lines: Any = b'{"Item":' + b'}\n{"Item":'.join(items) + b"}\n"
        self._write(self._gzip.compress(lines))
        self._items += len(items)
        self.size += len(lines)

    def finish(self, key: str) -> DataFile:
        """Complete the file and return its line in the manifest."""
        self._write(self._gzip.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)
        digest = self._md5.digest()
        # As S3 computes it for an upload in one part, which is how AWS's exports are written.
        etag = hashlib.md5(digest, usedforsecurity=False).hexdigest() + "-1"
        checksum = base64.b64encode(digest).decode()
        return DataFile(item_count=self._items, md5_checksum=checksum, etag=etag, data_file_s3_key=key)

    def abandon(self) -> None:
        """Remove the file."""
        self._file.close()
        self._partial.unlink()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._md5.update(data)


def read_lines(path: Path, file: DataFile | None = None) -> Iterator[bytes]:
    """Yield a data file in chunks of whole lines; at the end compare its checksum with that of `file`, if given.

    Raises:
        BackupError: The file is missing, cut off, or damaged.

    """
    md5 = hashlib.md5(usedforsecurity=False)
    gzip = None
    rest = b""
    try:
        with path.open("rb") as opened:
            while block := opened.read(_READ):
                md5.update(block)
                while block:
                    if gzip is None or gzip.eof:  # a file may consist of several parts
                        gzip = zlib.decompressobj(_GZIP)
                    rest += gzip.decompress(block, _CHUNK)
                    block = gzip.unused_data if gzip.eof else gzip.unconsumed_tail
                    if len(rest) >= _CHUNK:
                        lines, rest = _whole_lines(path, rest)
                        yield lines
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error
    except zlib.error as error:
        raise BackupError(f"{path} is damaged: {error}") from error
    if gzip is not None:
        rest += gzip.flush()
        if not gzip.eof:
            raise BackupError(f"{path} is torn: it ends in the middle of its data. Copy it again")
    if file is not None and not _is_checksum(file.md5_checksum, md5.digest()):
        raise BackupError(f"{path} is damaged: its MD5 is not the one in {FILES}.json. Copy it again")
    yield rest


def _is_checksum(text: str, digest: bytes) -> bool:
    try:
        return base64.b64decode(text, validate=True) == digest
    except binascii.Error:
        return False


def _whole_lines(path: Path, text: bytes) -> tuple[bytes, bytes]:
    """Split a text after its last line break."""
    end = text.rfind(b"\n") + 1
    if len(text) - end > _LONGEST_LINE:
        raise BackupError(f"{path} is not a file of an export: a line has more than {_LONGEST_LINE} bytes")
    return text[:end], text[end:]
