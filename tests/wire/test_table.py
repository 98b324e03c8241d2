"""A table of any model: what its writes send, and what they make of a lost answer."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.wire.scripted_server import ScriptedServer, Step, failed, reply, reset
from tests.wire.stage import Stage
from wikibot_store import AlreadyExistsError, WikibotStore, WriteOutcomeUnknownError
from wikibot_store._dynamo.expressions import Update
from wikibot_store._dynamo.items import ItemCodec, number, string
from wikibot_store._dynamo.table import Table


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A model that this library knows nothing about."""

    shelf: str
    name: str
    uid: str
    size: int = 1


KEY = ("shelf", "name")
CODEC = ItemCodec(Thing, KEY)

each_identity = pytest.mark.parametrize("identity", [None, "uid"], ids=["no identity", "identity"])


def things(store: WikibotStore, identity: str | None = None) -> Table[Thing]:
    """Return the table of things, on the connections of a store."""
    return Table(store._wire, "things", CODEC, identity=identity)


@pytest.fixture(scope="session")
async def _table(direct: WikibotStore) -> AsyncIterator[None]:
    """Create the table on the engine."""
    await (await direct.client()).create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "shelf", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
        BillingMode="PAY_PER_REQUEST",
    )
    yield
    await (await direct.client()).delete_table(TableName="things")


@pytest.fixture
def thing() -> Thing:
    """A thing that no other test has."""
    return Thing(shelf=uuid4().hex, name="lamp", uid=uuid4().hex)


async def stored(stage: Stage, thing: Thing) -> Thing | None:
    """Return what is stored under the key of a thing."""
    return await things(stage.direct).get(thing.shelf, thing.name, consistent=True)


# ---- what is sent


async def test_insert_sends_one_put_item(server: ScriptedServer, store: WikibotStore) -> None:
    """An insert is a PutItem on condition that the key is free; it asks for the item that it may collide with."""
    server.play(reply({}))
    thing = Thing(shelf="top", name="lamp", uid="0f")

    assert await things(store).insert(thing) == thing

    (request,) = server.requests
    write_id = request.json["Item"]["write_id"]
    assert request.operation == "PutItem"
    assert request.json == {
        "TableName": "things",
        "Item": {
            "shelf": string("top"),
            "name": string("lamp"),
            "uid": string("0f"),
            "size": number(1),
            "write_id": write_id,
        },
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": "shelf"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    assert re.fullmatch("[0-9a-f]{24}", write_id["S"])


@pytest.mark.parametrize(
    ("identity", "attribute", "value"), [(None, "write_id", "w-1"), ("uid", "uid", "0f")], ids=["write_id", "identity"]
)
async def test_delete_sends_a_read_and_a_delete_item(
    identity: str | None, attribute: str, value: str, server: ScriptedServer, store: WikibotStore
) -> None:
    """A delete reads the item, and deletes it on condition that it is still that item."""
    key = {"shelf": string("top"), "name": string("lamp")}
    server.play(reply({"Item": {**key, "uid": string("0f"), "write_id": string("w-1")}}), reply({}))

    assert await things(store, identity).delete("top", "lamp") is True

    read, delete = server.requests
    assert (read.operation, read.json["ConsistentRead"]) == ("GetItem", True)
    assert delete.operation == "DeleteItem"
    assert delete.json == {
        "TableName": "things",
        "Key": key,
        "ConditionExpression": "(attribute_exists(#0)) AND (#1 = :0)",
        "ExpressionAttributeNames": {"#0": "shelf", "#1": attribute},
        "ExpressionAttributeValues": {":0": string(value)},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


async def test_delete_of_nothing_writes_nothing(server: ScriptedServer, store: WikibotStore) -> None:
    """A delete of an item that is not there is a read alone."""
    server.play(reply({}))

    assert await things(store).delete("top", "lamp") is False

    assert server.operations == ["GetItem"]


def _keys(*names: str) -> list[dict[str, Any]]:
    return [{"shelf": string("top"), "name": string(name)} for name in names]


async def test_scan_goes_on_where_a_page_ends(server: ScriptedServer, store: WikibotStore) -> None:
    """A scan reads one page of items as they are stored, and returns the key after which the next one starts."""
    first, second = _keys("a", "b"), _keys("c")
    server.play(reply({"Items": first, "LastEvaluatedKey": first[-1]}), reply({"Items": second}))

    items, last_key = await things(store).scan(None, limit=2)
    assert (items, last_key) == (first, ("top", "b"))
    assert await things(store).scan(last_key, limit=2) == (second, None)

    assert [request.json for request in server.requests] == [
        {"TableName": "things", "Limit": 2},
        {"TableName": "things", "Limit": 2, "ExclusiveStartKey": first[-1]},
    ]


# ---- what becomes of a write whose answer is lost


@pytest.mark.usefixtures("_table")
@each_identity
@pytest.mark.parametrize("ending", [reset, failed], ids=["reset", "failed"])
async def test_an_insert_whose_answer_is_lost(ending: Step, identity: str | None, stage: Stage, thing: Thing) -> None:
    """An insert that was applied although its answer was lost succeeds, and the same request is sent again."""
    stage.lose_answer(ending=ending)

    assert await things(stage.store, identity).insert(thing) == thing

    first, second = stage.server.writes
    assert first.body == second.body
    assert await stored(stage, thing) == thing


@pytest.mark.usefixtures("_table")
async def test_an_insert_whose_request_is_lost(stage: Stage, thing: Thing) -> None:
    """An insert that did not arrive is applied by the retry."""
    stage.lose_request()

    assert await things(stage.store).insert(thing) == thing

    assert await stored(stage, thing) == thing


@pytest.mark.usefixtures("_table")
@each_identity
async def test_an_insert_of_what_is_there(identity: str | None, stage: Stage, thing: Thing) -> None:
    """A duplicate is rejected, and names the last attribute of the key."""
    stage.server.default = stage.engine.forward
    await things(stage.direct).insert(thing)

    with pytest.raises(AlreadyExistsError) as caught:
        await things(stage.store, identity).insert(msgspec.structs.replace(thing, uid="another", size=2))

    assert (caught.value.table, caught.value.field) == ("things", "name")
    assert caught.value.key == {"shelf": thing.shelf, "name": thing.name}
    assert await stored(stage, thing) == thing


async def _resize(stage: Stage, thing: Thing) -> None:
    await things(stage.direct).patch((thing.shelf, thing.name), Update(set={"size": number(9)}))


@pytest.mark.usefixtures("_table")
async def test_an_insert_that_is_changed_since_is_known_by_its_identity(stage: Stage, thing: Thing) -> None:
    """An item with an identity is recognised although another writer has changed it after the lost answer."""
    stage.lose_answer(lambda: _resize(stage, thing))

    assert await things(stage.store, "uid").insert(thing) == thing

    assert await stored(stage, thing) == msgspec.structs.replace(thing, size=9)


@pytest.mark.usefixtures("_table")
async def test_an_insert_that_is_changed_since_is_of_unknown_outcome_without_one(stage: Stage, thing: Thing) -> None:
    """Without an identity nothing shows whether the item that is there is the one that was inserted."""
    stage.lose_answer(lambda: _resize(stage, thing))

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await things(stage.store).insert(thing)

    assert caught.value.operation == "PutItem"


@pytest.mark.usefixtures("_table")
async def test_an_insert_that_another_one_overtakes(stage: Stage, thing: Thing) -> None:
    """With an identity, an item that another writer inserted before the retry is certainly another one."""
    other = msgspec.structs.replace(thing, uid="another")
    stage.lose_request(lambda: things(stage.direct).insert(other))

    with pytest.raises(AlreadyExistsError):
        await things(stage.store, "uid").insert(thing)

    assert await stored(stage, thing) == other


@pytest.mark.usefixtures("_table")
@each_identity
async def test_a_delete_whose_answer_is_lost(identity: str | None, stage: Stage, thing: Thing) -> None:
    """A delete that was applied although its answer was lost reports that there was an item."""
    await things(stage.direct).insert(thing)
    stage.lose_answer()

    assert await things(stage.store, identity).delete(thing.shelf, thing.name) is True

    assert await stored(stage, thing) is None


async def _replace(stage: Stage, thing: Thing) -> None:
    await things(stage.direct).delete(thing.shelf, thing.name)
    await things(stage.direct).insert(msgspec.structs.replace(thing, uid="later"))


@pytest.mark.usefixtures("_table")
async def test_a_delete_never_reaches_a_later_item(stage: Stage, thing: Thing) -> None:
    """With an identity, an item that came after the lost answer is left alone: the one before it is gone."""
    await things(stage.direct).insert(thing)
    stage.lose_answer(lambda: things(stage.direct).insert(msgspec.structs.replace(thing, uid="later")))

    assert await things(stage.store, "uid").delete(thing.shelf, thing.name) is True

    assert await stored(stage, thing) == msgspec.structs.replace(thing, uid="later")


@pytest.mark.usefixtures("_table")
async def test_a_delete_before_a_later_item_is_of_unknown_outcome(stage: Stage, thing: Thing) -> None:
    """Without an identity, the item that is there may be the one that was read, changed before the delete arrived."""
    await things(stage.direct).insert(thing)
    stage.lose_answer(lambda: things(stage.direct).insert(thing))

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await things(stage.store).delete(thing.shelf, thing.name)

    assert caught.value.operation == "DeleteItem"
    assert await stored(stage, thing) == thing


@pytest.mark.usefixtures("_table")
@each_identity
async def test_a_delete_that_a_change_overtakes(identity: str | None, stage: Stage, thing: Thing) -> None:
    """A delete deletes the item that is there, also one that replaced the item that was read."""
    await things(stage.direct).insert(thing)
    stage.overtake(lambda: _replace(stage, thing))

    assert await things(stage.store, identity).delete(thing.shelf, thing.name) is True

    assert await stored(stage, thing) is None


@pytest.mark.usefixtures("_table")
async def test_a_delete_that_another_one_overtakes(stage: Stage, thing: Thing) -> None:
    """Of two deletes one reports that there was an item."""
    await things(stage.direct).insert(thing)
    stage.overtake(lambda: things(stage.direct).delete(thing.shelf, thing.name))

    assert await things(stage.store).delete(thing.shelf, thing.name) is False


@pytest.mark.usefixtures("_table")
@each_identity
async def test_an_item_of_another_writer_can_be_deleted(identity: str | None, stage: Stage, thing: Thing) -> None:
    """An item without the attribute that distinguishes it is deleted while it still lacks the attribute."""
    stage.server.default = stage.engine.forward
    key = {"shelf": string(thing.shelf), "name": string(thing.name)}
    await (await stage.direct.client()).put_item(TableName="things", Item=key)

    assert await things(stage.store, identity).delete(thing.shelf, thing.name) is True

    assert (await (await stage.direct.client()).get_item(TableName="things", Key=key)).get("Item") is None
