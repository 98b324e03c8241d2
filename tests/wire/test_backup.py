"""What DynamoDB may answer to a backup, and local engines never do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import AioSession

from tests.backups import a_user, line, write_export
from tests.wire.scripted_server import ScriptedServer, failed, http, refuse, reply, sent
from wikibot_store import BackupError, StoreConfig, WikibotStore
from wikibot_store.backup import Progress, copy_tables, export_tables, import_tables

TABLE = {
    "Table": {
        "TableName": "users",
        "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/users",
        "ItemCount": 0,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
}
EMPTY: dict[str, Any] = {"Items": [], "Count": 0}
DONE: dict[str, Any] = {"UnprocessedItems": {}}


def puts(server: ScriptedServer) -> list[list[str]]:
    """Return the ids of the items of each BatchWriteItem, in order."""
    return [
        sorted(put["PutRequest"]["Item"]["id"]["S"] for put in request.json["RequestItems"]["users"])
        for request in server.requests
        if request.operation == "BatchWriteItem"
    ]


def unprocessed(*ids: str) -> dict[str, Any]:
    """Return the answer that leaves these items unprocessed."""
    return {"UnprocessedItems": {"users": [{"PutRequest": {"Item": a_user(user_id)}} for user_id in ids]}}


async def test_unprocessed_items_are_sent_again(server: ScriptedServer, store: WikibotStore, tmp_path: Path) -> None:
    """Items that DynamoDB leaves unprocessed are sent again alone, also after an answer that processed none."""
    write_export(tmp_path / "users", [line(a_user(name)) for name in ("ada", "bob", "eve")])
    server.play(reply(TABLE), reply(EMPTY), reply(unprocessed("bob", "eve")), reply(unprocessed("bob", "eve")))
    server.play(reply(unprocessed("eve")), reply({"UnprocessedItems": None}))

    (imported,) = await import_tables(store, tmp_path, tables=["users"])

    assert imported.items == 3
    assert puts(server) == [["ada", "bob", "eve"], ["bob", "eve"], ["bob", "eve"], ["eve"]]


async def test_import_that_stays_unprocessed_says_how_to_continue(
    server: ScriptedServer, store: WikibotStore, tmp_path: Path
) -> None:
    """After the last attempt the error says what was written, and its `resume` continues there."""
    write_export(tmp_path / "users", [line(a_user("ada"))], [line(a_user("bob"))])
    assert store.config.max_attempts is not None
    attempts = store.config.max_attempts
    server.play(reply(TABLE), reply(EMPTY), reply(DONE), *[reply(unprocessed("bob"))] * attempts)
    with pytest.raises(
        BackupError, match=r"BatchWriteItem failed .* unprocessed.*written by this call: 1 of users"
    ) as cut:
        await import_tables(store, tmp_path, tables=["users"])
    server.play(reply(TABLE), reply(DONE))  # it does not ask whether the table is empty

    (imported,) = await import_tables(store, tmp_path, tables=["users"], resume=cut.value.resume)

    assert imported.items == 1
    assert puts(server)[-1] == ["bob"]


async def test_failed_batches_are_sent_again(server: ScriptedServer, store: WikibotStore, tmp_path: Path) -> None:
    """A batch whose answer is lost is sent again, because it writes the same items."""
    write_export(tmp_path / "users", [line(a_user("ada"))])
    server.play(reply(TABLE), reply(EMPTY), failed, reply(DONE))

    await import_tables(store, tmp_path, tables=["users"])

    assert puts(server) == [["ada"], ["ada"]]


async def test_batches_are_small_enough(server: ScriptedServer, store: WikibotStore, tmp_path: Path) -> None:
    """A batch has 25 items at most, and far less than 16 MB."""
    write_export(tmp_path / "users", [line(a_user(f"{number:02}")) for number in range(60)])
    write_export(tmp_path / "large" / "users", [line(a_user(f"{n}", text={"S": "x" * 390_000})) for n in range(20)])
    server.default = reply(DONE)

    server.play(reply(TABLE), reply(EMPTY))
    await import_tables(store, tmp_path, tables=["users"])
    small, server.requests[:] = puts(server), []
    server.play(reply(TABLE), reply(EMPTY))
    await import_tables(store, tmp_path / "large", tables=["users"])

    assert sorted(map(len, small)) == [10, 25, 25]
    assert sum(map(len, puts(server))) == 20
    assert max(len(request.body) for request in server.requests) < 5 * 2**20
    server.default = refuse("UnscriptedRequest")


async def test_max_wcu_makes_small_batches_one_after_the_other(
    server: ScriptedServer, store: WikibotStore, tmp_path: Path
) -> None:
    """With `max_wcu` a batch has about a second's worth of units."""
    write_export(tmp_path / "users", [line(a_user(str(number))) for number in range(5)])
    done = DONE | {"ConsumedCapacity": [{"TableName": "users", "CapacityUnits": 0.01}]}
    server.play(reply(TABLE), reply(EMPTY), reply(done), reply(done), reply(done))

    await import_tables(store, tmp_path, tables=["users"], max_wcu=2)

    assert list(map(len, puts(server))) == [2, 2, 1]


async def test_items_that_an_answer_breaks_into_lines_are_one_line_each(
    server: ScriptedServer, store: WikibotStore, tmp_path: Path
) -> None:
    """JSON that a gateway has indented is exported as one line per item; a page may have no items."""
    indented = json.dumps({"Items": [a_user(), a_user("bob")], "LastEvaluatedKey": {"id": {"S": "bob"}}}, indent=1)
    headers = {"content_type": "application/x-amz-json-1.0"}
    server.play(reply(TABLE), sent(http(200, indented.encode(), **headers)), reply({"Items": None}))

    await export_tables(store, tmp_path / "out", tables=["users"], segments=1)

    server.play(reply(TABLE), reply(EMPTY), reply(DONE))
    await import_tables(store, tmp_path / "out", tables=["users"])
    assert puts(server) == [["ada", "bob"]]


@pytest.fixture
async def other(server: ScriptedServer, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store with other tables on the same server."""
    config = StoreConfig(endpoint_url=server.url, table_prefix="other")
    async with WikibotStore.open(config, session=session) as store:
        yield store


async def test_refused_copy_says_how_to_continue(
    server: ScriptedServer, store: WikibotStore, other: WikibotStore
) -> None:
    """A copy that is refused has a `resume`, and nothing is lost if it is refused before its first write."""
    server.play(reply(TABLE), reply(TABLE), reply(EMPTY), refuse("AccessDeniedException"))
    seen: list[Progress] = []
    with pytest.raises(BackupError, match=r"the copy was cut off: Scan was refused.*0 of users") as cut:
        await copy_tables(store, other, tables=["users"], segments=1, report=seen.append)

    assert cut.value.resume == seen[-1].resume == '{"table":"users","after":[null]}'


@pytest.mark.parametrize(
    ("resume", "error"),
    [
        ("x", "resume must come from an earlier import of the same folder"),
        ('{"table":"users","export":"another"}', "resume must come from an earlier import of the same folder"),
        ('{"table":"wikis","export":"another"}', "resume is of a table that is not among the tables of this call"),
    ],
)
async def test_resume_of_another_import(store: WikibotStore, tmp_path: Path, resume: str, error: str) -> None:
    """Text that does not come from an import of this folder is rejected, and nothing is sent."""
    write_export(tmp_path / "users")

    with pytest.raises(ValueError, match=error):
        await import_tables(store, tmp_path, tables=["users"], resume=resume)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tables": ["tables"]}, "tables must be of users, wikis, acls, not 'tables'"),
        ({"tables": []}, "tables must name a table"),
        ({"segments": 0}, "segments must be 1 to 64"),
        ({"segments": 65}, "segments must be 1 to 64"),
        ({"max_rcu": 0}, "max_rcu must be more than 0"),
    ],
)
async def test_bad_arguments(
    server: ScriptedServer, store: WikibotStore, tmp_path: Path, arguments: dict[str, Any], error: str
) -> None:
    """Arguments that are out of their range are rejected, and nothing is sent."""
    with pytest.raises(ValueError, match=error):
        await export_tables(store, tmp_path, **arguments)

    assert server.requests == []


async def test_folder_that_cannot_be_written(server: ScriptedServer, store: WikibotStore, tmp_path: Path) -> None:
    """An error of the file system says what is complete."""
    (tmp_path / "users").write_text("not a folder")
    server.play(reply(TABLE))

    with pytest.raises(BackupError, match=r"users cannot be written: Not a directory\. Nothing was written"):
        await export_tables(store, tmp_path, tables=["users"])
