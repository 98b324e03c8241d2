"""The files of a backup: what is checked of them, and what is said about each kind of damage."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.backups import ID, a_user, line, md5, write_export
from wikibot_store import BackupError
from wikibot_store.backup import _checks, _format, _job
from wikibot_store.backup._checks import MAX_ITEM_BYTES, Fit
from wikibot_store.backup._format import DataFile, DataWriter, find_backup, read_lines
from wikibot_store.backup._job import ExportJob
from wikibot_store.schema import ACLS, USERS, WIKIS, TableSchema

DESCRIPTION = {"TableArn": "arn:aws:dynamodb:ddblocal:000000000000:table/users", "TableId": "one"}
ITEM = msgspec.Raw(b'{"id":{"S":"ada"}}')


def check(folder: Path, schema: TableSchema = USERS) -> None:
    """Check all that is checked before an import writes."""
    backup = find_backup(folder)
    for file in backup.files:
        Fit(schema).check(backup, file)


# ---- what is right


def test_export_of_aws_is_right(tmp_path: Path) -> None:
    """An export as AWS documents it passes: an empty file, a file without items, a last line without its end."""
    write_export(tmp_path, [line(a_user()), line(a_user("bob"))[:-1]], b"", [])

    check(tmp_path)


def test_checksums_in_hex_and_missing_ones_are_right(tmp_path: Path) -> None:
    """A checksum of a manifest may be in hex, be called .md5, or be missing."""
    export = write_export(tmp_path, [line(a_user())])
    (export / "manifest-files.checksum").unlink()
    (export / "manifest-summary.checksum").rename(export / "manifest-summary.md5")
    check(tmp_path)


def test_file_of_several_parts_is_read(tmp_path: Path) -> None:
    """Compressed files that were joined are one file."""
    write_export(tmp_path, gzip.compress(line(a_user())) + gzip.compress(line(a_user("bob"))), counts=[2])

    check(tmp_path)


def test_chunks_are_whole_lines(tmp_path: Path) -> None:
    """A file of several chunks is read line by line, and nothing is lost, however well it is compressed."""
    numbers = random.Random(1)  # noqa: S311 - made-up data
    lines = [line(a_user(str(number), noise={"S": f"{numbers.getrandbits(2000):x}"})) for number in range(5000)]
    lines += [line(a_user(f"zeros-{number}", zeros={"S": "0" * 300_000})) for number in range(20)]
    write_export(tmp_path, lines)

    chunks = list(read_lines(tmp_path / "AWSDynamoDB" / ID / "data" / "file0.json.gz"))

    assert b"".join(chunks) == b"".join(lines)
    assert len(chunks) > 5
    assert all(chunk.endswith(b"\n") for chunk in chunks if chunk)
    check(tmp_path)


def test_key_that_occurs_twice_in_a_chunk_is_written_once() -> None:
    """Of two lines with one key the later one counts; both are counted as lines."""
    items, lines = Fit(USERS).keyed(line(a_user(name={"S": "old"})) + line(a_user("bob")) + line(a_user()))

    assert lines == 3
    assert {key: json.loads(bytes(item)) for key, item in items.items()} == {
        ("ada",): a_user(),
        ("bob",): a_user("bob"),
    }


# ---- what is wrong with the manifests


def test_folder_without_an_export(tmp_path: Path) -> None:
    """A folder without an export is named."""
    with pytest.raises(BackupError, match="holds no export"):
        check(tmp_path / "users")


def test_several_exports(tmp_path: Path) -> None:
    """If a folder holds several exports, a person must choose."""
    export = write_export(tmp_path)
    (export.parent / "01604474914029-a1b2c3d4").mkdir()
    with pytest.raises(BackupError, match=r"several exports: 01604474914028-a1b2c3d4, 01604474914029-a1b2c3d4"):
        check(tmp_path)


@pytest.mark.parametrize(
    ("summary", "error"),
    [
        ({"outputFormat": "ION"}, "must be a full export in the format DYNAMODB_JSON, not FULL_EXPORT in ION"),
        ({"exportType": "INCREMENTAL_EXPORT"}, "not INCREMENTAL_EXPORT in DYNAMODB_JSON"),
        ({"itemCount": 3}, r"manifest-summary.json counts 3 items, manifest-files.json 1"),
        ({"itemCount": "many"}, "is not a manifest of an export: Expected `int`"),
    ],
)
def test_summaries_that_do_not_fit(tmp_path: Path, summary: dict[str, Any], error: str) -> None:
    """Another format, an incremental export and a wrong count are named."""
    write_export(tmp_path, [line(a_user())], **summary)

    with pytest.raises(BackupError, match=error):
        check(tmp_path)


@pytest.mark.parametrize("name", ["manifest-summary", "manifest-files"])
def test_manifest_that_was_changed(tmp_path: Path, name: str) -> None:
    """A manifest that differs from its checksum is damaged."""
    manifest = write_export(tmp_path, [line(a_user())]) / f"{name}.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")

    with pytest.raises(BackupError, match=rf"{name}\.json is damaged: its MD5 is not the one in {name}\.checksum"):
        check(tmp_path)


def test_missing_manifest(tmp_path: Path) -> None:
    """A manifest that was not copied is named."""
    (write_export(tmp_path) / "manifest-files.json").unlink()

    with pytest.raises(BackupError, match=r"manifest-files\.json cannot be read: No such file"):
        check(tmp_path)


# ---- what is wrong with the data


@pytest.mark.parametrize("cut", [1, 9, 40])
def test_torn_file(tmp_path: Path, cut: int) -> None:
    """A file that ends too early is torn."""
    file = write_export(tmp_path, [line(a_user())]) / "data" / "file0.json.gz"
    file.write_bytes(file.read_bytes()[:-cut])

    with pytest.raises(BackupError, match="is torn: it ends in the middle"):
        check(tmp_path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that was not copied is named."""
    (write_export(tmp_path, [line(a_user())]) / "data" / "file0.json.gz").unlink()

    with pytest.raises(BackupError, match=r"file0\.json\.gz cannot be read: No such file"):
        check(tmp_path)


def test_file_that_is_not_compressed(tmp_path: Path) -> None:
    """A file that does not decompress is damaged."""
    write_export(tmp_path, line(a_user()))

    with pytest.raises(BackupError, match="is damaged: Error -3"):
        check(tmp_path)


@pytest.mark.parametrize("content", [gzip.compress(line(a_user("bob"))), b""], ids=["of another", "empty"])
def test_file_of_another_export(tmp_path: Path, content: bytes) -> None:
    """A whole file with another checksum is damaged."""
    file = write_export(tmp_path, [line(a_user())]) / "data" / "file0.json.gz"
    file.write_bytes(content)

    with pytest.raises(BackupError, match=r"its MD5 is not the one in manifest-files\.json"):
        check(tmp_path)


def test_checksum_that_is_none(tmp_path: Path) -> None:
    """Text that is no base64 is not the checksum of any file."""
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b""))

    with pytest.raises(BackupError, match="its MD5 is not"):
        list(read_lines(path, DataFile(item_count=0, md5_checksum="?", data_file_s3_key="x")))


def test_wrong_count(tmp_path: Path) -> None:
    """A file with another number of items than the manifest says is damaged."""
    write_export(tmp_path, [line(a_user())], counts=[2])

    with pytest.raises(BackupError, match="has 1 items, and the manifest counts 2"):
        check(tmp_path)


def test_line_that_never_ends(tmp_path: Path) -> None:
    """A file whose line is longer than any item is not read into memory."""
    write_export(tmp_path, gzip.compress(b"0" * (_format._LONGEST_LINE + 2 * _format._CHUNK)))

    with pytest.raises(BackupError, match="a line has more than 16777216 bytes"):
        check(tmp_path)


# ---- what is wrong with an item


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"Item":{"id":{"S":1}}}', "not an item of an export: Expected `str | null`, got `int`"),
        (b'{"Item":{"id":{"X":"1"}}}', "not an item of an export: Object contains unknown field `X`"),
        (b'{"id":{"S":"ada"}}', "not an item of an export: Object contains unknown field `id`"),
        (b'{"Item":{"id":{"S":"ada"}', "not an item of an export: Input data was truncated"),
        (b'{"Item":{"id":{"S":"\xff"}}}', "not an item of an export: "),
        (
            line({"owner_id": {"S": "ada"}, "wiki_slug": {"S": "notes"}}),
            "not an item of table users: it has no string id",
        ),
        (line({"id": {"N": "1"}}), "not an item of table users: it has no string id"),
        (line({"id": {"S": ""}}), "its key attribute id must have 1 to 2048 bytes"),
        (line({"id": {"S": "ö" * 1025}}), "its key attribute id must have 1 to 2048 bytes"),
        (line(a_user(oauth_provider={"N": "1"})), "its attribute oauth_provider must be a string that is not empty"),
        (line(a_user(oauth_provider_sub={"S": ""})), "its attribute oauth_provider_sub must be a string"),
        (
            line(a_user(text={"S": "x" * MAX_ITEM_BYTES})),
            "its item has 409648 bytes, and DynamoDB stores 409600 at most",
        ),
    ],
)
def test_items_that_do_not_fit(tmp_path: Path, text: bytes, error: str) -> None:
    """An item that does not decode, is of another table or is too large is named by its file and line."""
    write_export(
        tmp_path, [line(a_user("bob"))], [line(a_user()), b"\n", text.strip(), b"\n", line(a_user())], counts=[1, 3]
    )

    with pytest.raises(BackupError, match=r"file1\.json\.gz, line 2: ") as raised:
        check(tmp_path)
    assert error in str(raised.value)


def test_every_key_attribute_counts(tmp_path: Path) -> None:
    """An item needs the sort key too, which may have 1024 bytes."""
    write_export(tmp_path, [line({"owner_id": {"S": "ada"}, "wiki_slug": {"S": "x" * 1025}})])

    with pytest.raises(BackupError, match="line 1: not an item of table acls: it has no string wiki_id"):
        check(tmp_path, ACLS)
    with pytest.raises(BackupError, match="line 1: its key attribute wiki_slug must have 1 to 1024 bytes"):
        check(tmp_path, WIKIS)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "ö"}, 2),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "-7"}, 3),
        ({"N": "1200"}, 2),
        ({"N": "123.45E+100"}, 4),
        ({"B": "AQID"}, 3),
        ({"B": "?"}, 0),
        ({"B": "A"}, 1),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "2"]}, 4),
        ({"BS": ["AQ==", "AgM="]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "a"}, {"N": "1"}]}, 8),
        ({"M": {"key": {"S": "a"}}}, 8),
    ],
)
def test_sizes_are_counted_as_dynamodb_does(value: dict[str, Any], size: int) -> None:
    """Each type has the size that DynamoDB documents."""
    assert _checks._size(msgspec.convert(value, _checks._Value)) == size


def test_item_whose_json_is_longer_than_the_item(tmp_path: Path) -> None:
    """An item of less than 400 KB passes, however long its JSON is."""
    write_export(tmp_path, [line(a_user(numbers={"NS": [str(number) for number in range(10, 60_000)]}))])

    check(tmp_path)


# ---- exports that are being written


def a_job(folder: Path, description: Any = DESCRIPTION) -> ExportJob:  # noqa: ANN401 - DynamoDB's
    """Begin or continue an export of the users table in two segments."""
    return ExportJob.open(folder, "users", description, 2)


def test_written_files_are_right(tmp_path: Path) -> None:
    """What is written passes all checks; segments without items have no file."""
    job = a_job(tmp_path)
    job.add(0, [ITEM], ("ada",))
    job.add(0, [ITEM, ITEM], None)
    job.add(1, [], None)
    job.finish()

    check(tmp_path)
    (file,) = find_backup(tmp_path).files
    assert (job.items, job.files, file.item_count) == (3, 1, 3)
    assert file.md5_checksum == md5((job.folder / "data" / file.name).read_bytes())


def test_files_end_at_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment begins another file when one is large enough, so that little is lost if the export is cut off."""
    monkeypatch.setattr(_job, "_FILE_BYTES", 50)
    job = a_job(tmp_path)
    for number in range(5):
        job.add(0, [ITEM], (str(number),))

    assert (job.files, job.items, job.position.after) == (2, 4, (("3",), None))
    job.abandon()
    continued = a_job(tmp_path)
    assert (continued.files, continued.items, continued.position) == (2, 4, job.position)


def test_abandoned_job_leaves_only_complete_files(tmp_path: Path) -> None:
    """The file that is not complete is removed, and a page that arrives later is not written."""
    job = a_job(tmp_path)
    job.add(0, [ITEM], ("ada",))
    job.abandon()
    job.add(1, [ITEM], None)

    assert list((job.folder / "data").iterdir()) == []


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    """Files that a killed process left under temporary names are removed when the export continues."""
    writer = DataWriter(a_job(tmp_path).folder / "data" / "000-x.json.gz")
    writer.add([ITEM])
    writer._file.close()

    job = a_job(tmp_path)

    assert list((job.folder / "data").iterdir()) == []


def test_export_of_another_table_is_not_continued(tmp_path: Path) -> None:
    """An unfinished export is continued only from the table that it was begun with."""
    a_job(tmp_path)

    with pytest.raises(BackupError, match="is an unfinished export of another table"):
        a_job(tmp_path, DESCRIPTION | {"TableId": "another"})


@pytest.mark.parametrize("content", [None, b"{"])
def test_export_without_its_progress_is_not_continued(tmp_path: Path, content: bytes | None) -> None:
    """If the file with the progress is missing or damaged, the message says what to delete."""
    progress = a_job(tmp_path).folder / "progress.json"
    progress.unlink()
    if content is not None:
        progress.write_bytes(content)

    with pytest.raises(BackupError, match="cannot be continued: delete this folder and export again"):
        a_job(tmp_path)
