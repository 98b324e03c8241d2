"""Tables are exported, imported and copied as they are, what is cut off is continued, and all is checked before."""

import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from aiobotocore.session import AioSession

from tests.backups import a_user as a_user_item
from tests.backups import line, write_export
from tests.engines import throw_away_store
from tests.faults.invariants import violations
from tests.half_done import make_faults, snapshot
from tests.integration.samples import a_user, a_wiki, an_item, fresh, put
from tests.recording import recording
from wikibot_store import BackupError, RequestFailedError, WikibotStore, backup
from wikibot_store._dynamo.raw import scan_raw
from wikibot_store.backup import ImportMode, Progress, _job
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES
from wikibot_store.workflows.sweep import FindingKind

DIGITS = "12345678901234567890123456789012345678"
EVERY_TYPE: dict[str, Any] = {
    "integer": {"N": DIGITS},
    "fraction": {"N": "-0.000012345678901234567890123456789"},
    "text": {"S": 'ö \u2028 line\nbreak "quoted" 😀'},
    "nothing": {"S": ""},
    "bytes": {"B": base64.b64encode(bytes(range(256))).decode()},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.5"]},
    "binaries": {"BS": ["AQ==", "Ag=="]},
    "null": {"NULL": True},
    "truth": {"BOOL": False},
    "nested": {"M": {"list": {"L": [{"M": {"n": {"N": "7"}}}, {"L": []}, {"S": "x"}]}, "empty": {"M": {}}}},
}


@pytest.fixture
async def store(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store with its own tables, because a backup reads all items."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
async def target(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A second store, with empty tables."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
def writes(target: WikibotStore) -> Any:  # noqa: ANN401 - a generator
    """Give the list of the writes that the second store sends."""
    sent: list[str] = []
    with recording(target, lambda operation, _: sent.append(operation) if operation != "Scan" else None):
        yield sent


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each page of a Scan have two items, and each file one page."""
    monkeypatch.setattr(backup, "_reader", lambda table, _pace: partial(scan_raw, table, limit=2))
    monkeypatch.setattr(_job, "_FILE_BYTES", 1)


class CutOffError(Exception):
    """A test cuts a call off."""


def cut_off_after(reports: int) -> Callable[[Progress], None]:
    """Return a report that fails after this number of calls, and remembers them."""
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == reports:
            raise CutOffError(progress.resume)

    return report


async def fill(store: WikibotStore, users: int = 9) -> None:
    """Create users, each with a wiki, and a grant."""
    for _ in range(users):
        wiki = await a_wiki(store)
        await store.acls.create(wiki.key, (await a_user(store)).id, "viewer", granted_by=wiki.owner_id)


def files_of(folder: Path, table: str) -> list[Path]:
    """Return the data files of a table."""
    return sorted((folder / table).glob("AWSDynamoDB/*/data/*"))


def manifest(folder: Path, table: str, name: str) -> Path:
    """Return the path of a manifest."""
    (path,) = (folder / table).glob(f"AWSDynamoDB/*/{name}")
    return path


# ---- out and in


async def test_items_come_back_as_they_were(store: WikibotStore, target: WikibotStore, tmp_path: Path) -> None:
    """Items of every type, with numbers of 38 digits, are the same in the tables that they were imported into."""
    await fill(store, 3)
    await put(store, "users", an_item(id=fresh(), **EVERY_TYPE))
    await put(store, "wikis", an_item(owner_id=fresh(), wiki_slug="odd slug", **EVERY_TYPE))
    await put(store, "acls", an_item(wiki_id="ö" * 400, grantee_id="x" * 1000, **EVERY_TYPE))

    exported = await backup.export_tables(store, tmp_path)
    imported = await backup.import_tables(target, str(tmp_path))

    before = await snapshot(store)
    assert await snapshot(target) == before
    counts = {name: len(items) for name, items in before.items()}
    assert {table.table: table.items for table in exported} == counts
    assert {table.table: (table.items, table.kept) for table in imported} == {
        name: (count, 0) for name, count in counts.items()
    }


async def test_empty_tables_are_exported_and_imported(
    store: WikibotStore, target: WikibotStore, tmp_path: Path
) -> None:
    """An export of empty tables is one that can be imported."""
    exported = await backup.export_tables(store, tmp_path)
    imported = await backup.import_tables(target, tmp_path)

    assert [(table.items, table.files) for table in exported] == [(0, 0)] * len(TABLES)
    assert [table.items for table in imported] == [0] * len(TABLES)


async def test_segments_are_read_and_written_in_parallel_without_loss(
    store: WikibotStore, target: WikibotStore, tmp_path: Path
) -> None:
    """Every item is in one file, whatever the number of segments."""
    await fill(store)

    exported = await backup.export_tables(store, tmp_path, segments=7, tables=["users"])
    await backup.import_tables(target, tmp_path, tables=("users",))

    assert len(files_of(tmp_path, "users")) == exported[0].files
    assert (await snapshot(target))["users"] == (await snapshot(store))["users"]


@pytest.mark.usefixtures("small_pages")
async def test_what_was_cut_in_the_middle_of_operations_is_repaired(
    store: WikibotStore, target: WikibotStore, tmp_path: Path
) -> None:
    """Tables that were exported before, during and after many operations are sound again after a sweep.

    A sweep does not delete the wikis whose owners are missing: the operator does.
    """
    await make_faults(store)
    await fill(store, 3)
    first = await a_wiki(store)
    await backup.export_tables(store, tmp_path, tables=["users"])
    await fill(store, 3)  # these owners and their claims are missing from the backup
    await a_wiki(store, first.owner_id)  # this owner has another count in the backup
    await store.wikis.rename(first.owner_id, first.wiki_slug, fresh())
    await backup.export_tables(store, tmp_path, tables=["wikis", "acls"])

    await backup.import_tables(target, tmp_path)
    broken = await violations(target)
    swept = [finding async for page in target.admin.sweep(apply=True) for finding in page.findings]

    assert broken != []
    left = [finding for finding in swept if not finding.repaired]
    assert {finding.kind for finding in left} == {FindingKind.WIKI_WITHOUT_OWNER}
    for finding in left:
        assert await target.wikis.delete(**finding.key)
    assert await violations(target) == []


# ---- the format of AWS


async def test_export_has_the_format_of_aws(store: WikibotStore, tmp_path: Path) -> None:
    """The manifests have the members and checksums that DynamoDB documents, and each line is an item."""
    await fill(store, 2)
    await backup.export_tables(store, tmp_path, segments=1)

    summary = json.loads(manifest(tmp_path, "wikis", "manifest-summary.json").read_bytes())
    (file,) = map(json.loads, manifest(tmp_path, "wikis", "manifest-files.json").read_text().splitlines())
    (data,) = files_of(tmp_path, "wikis")
    lines = [json.loads(line)["Item"] for line in gzip.decompress(data.read_bytes()).splitlines()]
    export = data.parents[1].name
    described = (await (await store.client()).describe_table(TableName=store.config.wikis_table))["Table"]
    assert sorted(lines, key=str) == sorted((await snapshot(store))["wikis"], key=str)
    assert summary["itemCount"] == file["itemCount"] == len(lines)
    assert summary["manifestFilesS3Key"] == f"wikis/AWSDynamoDB/{export}/manifest-files.json"
    assert file["dataFileS3Key"] == f"wikis/AWSDynamoDB/{export}/data/{data.name}"
    assert summary["tableArn"] == described["TableArn"]
    assert summary["outputFormat"] == "DYNAMODB_JSON"
    assert {path.name for path in data.parents[1].iterdir()} == {
        "data",
        "manifest-files.json",
        "manifest-files.md5",
        "manifest-summary.json",
        "manifest-summary.md5",
    }


async def test_export_that_aws_made_is_imported(target: WikibotStore, tmp_path: Path) -> None:
    """An export of DynamoDB to S3, copied down without its prefix, is imported like ours."""
    items = [a_user_item(f"u-{number:03}", **EVERY_TYPE) for number in range(100)]
    write_export(tmp_path / "users", [line(item) for item in items[:70]], [], [line(item) for item in items[70:]])

    (imported,) = await backup.import_tables(target, tmp_path, tables=["users"])

    assert imported.items == len(items)
    assert [item["id"] for item in (await snapshot(target))["users"]] == [item["id"] for item in items]


# ---- exports that were cut off


@pytest.mark.usefixtures("small_pages")
async def test_cut_off_export_is_continued(store: WikibotStore, target: WikibotStore, tmp_path: Path) -> None:
    """An export that was cut off says so, cannot be imported, and continues after what is complete."""
    await fill(store)
    with pytest.raises(CutOffError):
        await backup.export_tables(store, tmp_path, tables=["users"], segments=2, report=cut_off_after(3))
    kept = files_of(tmp_path, "users")
    with pytest.raises(BackupError, match=r"is not finished: there is no manifest-summary\.json"):
        await backup.import_tables(target, tmp_path, tables=["users"])

    seen: list[Progress] = []
    await backup.export_tables(store, tmp_path, tables=["users"], segments=2, report=seen.append)
    await backup.export_tables(store, tmp_path, tables=["wikis", "acls"])
    await backup.import_tables(target, tmp_path)

    assert len(kept) >= 3
    assert set(kept) < set(files_of(tmp_path, "users"))
    assert seen[0].items > 3
    assert await snapshot(target) == await snapshot(store)
    with pytest.raises(BackupError, match="already holds an export"):
        await backup.export_tables(store, tmp_path)


async def test_export_whose_scan_fails_says_what_is_complete(
    store: WikibotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If DynamoDB refuses a page, the error names what is complete; incomplete files are removed."""

    async def refuse(*_: object) -> Any:  # noqa: ANN401 - never returns
        raise RequestFailedError("Scan", "AccessDeniedException", "no", None)

    monkeypatch.setattr(backup, "_reader", lambda *_: refuse)
    with pytest.raises(BackupError, match=r"users was cut off: Scan was refused.* 0 files with 0 items are"):
        await backup.export_tables(store, tmp_path, tables=["users"])

    assert files_of(tmp_path, "users") == []


# ---- modes


async def test_table_with_items_is_refused(store: WikibotStore, target: WikibotStore, tmp_path: Path) -> None:
    """Without a mode, no item is written if any of the tables has an item."""
    await fill(store, 1)
    await backup.export_tables(store, tmp_path)
    await put(target, "acls", an_item(wiki_id="a:b", grantee_id="c"))
    before = await snapshot(target)

    with pytest.raises(BackupError, match="is not empty, so nothing was written"):
        await backup.import_tables(target, tmp_path)

    assert await snapshot(target) == before


@pytest.mark.parametrize(("mode", "left", "kept"), [("if_absent", "new", 1), ("overwrite", "old", 0)])
async def test_items_that_are_there_are_kept_or_replaced(
    store: WikibotStore, tmp_path: Path, mode: Literal["if_absent", "overwrite"], left: str, kept: int
) -> None:
    """`if_absent` keeps the items that are there, `overwrite` replaces them; both write those that are missing."""
    key, lost = fresh(), fresh()
    await put(store, "users", an_item(id=key, name="old"))
    await put(store, "users", an_item(id=lost, name="old"))
    await backup.export_tables(store, tmp_path, tables=["users"])
    await put(store, "users", an_item(id=key, name="new"))
    await (await store.client()).delete_item(TableName=store.config.users_table, Key=an_item(id=lost))

    imported = await backup.import_tables(store, tmp_path, tables=["users"], mode=mode)

    assert [(table.items, table.kept) for table in imported] == [(2, kept)]
    names = {item["id"]["S"]: item["name"]["S"] for item in (await snapshot(store))["users"]}
    assert names == {key: left, lost: "old"}


@pytest.mark.parametrize("mode", ["if_absent", "overwrite"])
async def test_every_item_is_counted(
    store: WikibotStore, target: WikibotStore, tmp_path: Path, mode: Literal["if_absent", "overwrite"]
) -> None:
    """An import counts each item that it writes, although it sends several requests at a time."""
    for _ in range(60):
        await put(store, "users", an_item(id=fresh()))
    await backup.export_tables(store, tmp_path, tables=["users"])

    imported = await backup.import_tables(target, tmp_path, tables=["users"], mode=mode)

    assert [(table.items, table.kept) for table in imported] == [(60, 0)]


# ---- imports that were cut off


@pytest.mark.usefixtures("small_pages")
async def test_cut_off_import_is_continued(store: WikibotStore, target: WikibotStore, tmp_path: Path) -> None:
    """An import that was cut off continues at the file and table that it had reached, into tables that have items."""
    await fill(store, 6)
    await backup.export_tables(store, tmp_path, segments=2)
    checks = sum(len(files_of(tmp_path, schema.name)) for schema in TABLES)
    for reports in (checks + 1, checks + 3, checks + len(files_of(tmp_path, "users")) + 3):
        with pytest.raises(CutOffError) as cut:
            await backup.import_tables(target, tmp_path, report=cut_off_after(reports))
        seen: list[Progress] = []
        await backup.import_tables(target, tmp_path, resume=str(cut.value), report=seen.append)

        assert await snapshot(target) == await snapshot(store)
        imports = [progress for progress in seen if progress.step == "import"]
        assert all(progress.items == progress.total for progress in {each.table: each for each in imports}.values())
        await _wipe(target)


async def _wipe(store: WikibotStore) -> None:
    client = await store.client()
    for schema in TABLES:
        for item in (await snapshot(store))[schema.name]:
            key = {name: item[name] for name in schema.key}
            await client.delete_item(TableName=store.config.table_name(schema.name), Key=key)


# ---- copies


@pytest.mark.usefixtures("small_pages")
async def test_tables_are_copied_and_a_cut_off_copy_is_continued(store: WikibotStore, target: WikibotStore) -> None:
    """A copy of all tables has the same items, also if it was cut off within a table and continued."""
    await fill(store, 6)
    with pytest.raises(CutOffError) as cut:
        await backup.copy_tables(store, target, segments=2, report=cut_off_after(4))

    seen: list[Progress] = []
    copied = await backup.copy_tables(store, target, segments=2, resume=str(cut.value), report=seen.append)
    again = await backup.copy_tables(store, target, mode="if_absent", max_rcu=100_000, max_wcu=100_000)

    assert await snapshot(target) == await snapshot(store)
    assert seen[-1].resume is None
    assert sum(table.items for table in copied) < sum(table.items for table in again)
    assert all(table.kept == table.items for table in again)


async def test_copy_refuses_the_table_itself_and_items_that_are_there(
    store: WikibotStore, target: WikibotStore
) -> None:
    """A table is not copied onto itself, nor into one with items."""
    await fill(store, 1)
    with pytest.raises(ValueError, match="both stores have the same table"):
        await backup.copy_tables(store, store, mode=ImportMode.OVERWRITE)
    await fill(target, 1)
    with pytest.raises(BackupError, match="is not empty"):
        await backup.copy_tables(store, target)


# ---- tables


async def test_missing_table_is_named(bare_store: WikibotStore, tmp_path: Path) -> None:
    """A table that is missing is an error that says how to make it."""
    with pytest.raises(BackupError, match=r"there is no table .*`wikibot-store tables create` makes it"):
        await backup.export_tables(bare_store, tmp_path)


async def test_table_with_another_key_is_named(store: WikibotStore, bare_store: WikibotStore, tmp_path: Path) -> None:
    """A table that has another key than the schema cannot be imported into."""
    await backup.export_tables(store, tmp_path)
    await (await bare_store.client()).create_table(
        TableName=bare_store.config.users_table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(BackupError, match="has another key"):
        await backup.import_tables(bare_store, tmp_path)


async def test_damage_is_found_before_anything_is_written(
    store: WikibotStore, target: WikibotStore, writes: list[str], tmp_path: Path
) -> None:
    """A torn file of the last table keeps the items of the first from being written."""
    await fill(store, 1)
    await backup.export_tables(store, tmp_path)
    file = files_of(tmp_path, "acls")[0]
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(BackupError, match="is torn"):
        await backup.import_tables(target, tmp_path)

    assert writes == []
    assert not any((await snapshot(target)).values())
