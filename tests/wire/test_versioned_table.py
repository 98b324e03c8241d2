"""A versioned table of any model: which updates are rejected, before anything is sent or by the item."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.wire.items import MOMENT
from tests.wire.scripted_server import ScriptedServer, Step, refuse, reply
from wikibot_store import ConflictError, NotActiveError, NotFoundError, WikibotStore
from wikibot_store._dynamo.expressions import equals
from wikibot_store._dynamo.items import ItemCodec, string
from wikibot_store._dynamo.versioned import VersionedTable

KEY = ("top", "lamp")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A model with a version, and without an optional attribute but `note`."""

    shelf: str
    name: str
    uid: str
    note: str | None = None
    status: str = "active"
    updated_at: datetime
    version: int = 1


CODEC = ItemCodec(Thing, ("shelf", "name"))


@pytest.fixture
def things(store: WikibotStore) -> VersionedTable[Thing]:
    """Return the table of things, of which only active ones can be changed."""
    return VersionedTable(store._wire, "things", CODEC, identity="uid", writable=equals("status", string("active")))


def item(**attributes: dict[str, str]) -> dict[str, Any]:
    """Return a thing as it is stored."""
    key = {"shelf": string("top"), "name": string("lamp")}
    return {**key, "uid": string("0f"), "updated_at": string(MOMENT), "version": {"N": "3"}, **attributes}


def collide(found: dict[str, Any] | None) -> Step:
    """Refuse an update because of the item that is there."""
    members: dict[str, Any] = {} if found is None else {"Item": found}
    return refuse("ConditionalCheckFailedException", **members)


async def test_an_update_of_nothing(server: ScriptedServer, things: VersionedTable[Thing]) -> None:
    """An update without a change is a TypeError, and nothing is sent."""
    with pytest.raises(TypeError, match="nothing to update"):
        await things.update(KEY, {"note": msgspec.UNSET}, expected_version=None)

    assert server.requests == []


@pytest.mark.parametrize(
    ("changes", "expected_version", "message"),
    [
        ({"note": 5}, None, "note must be str"),
        ({"status": None}, None, "status cannot be None"),
        ({"note": "new"}, True, "expected_version must be int"),
        ({"note": "new"}, "3", "expected_version must be int"),
    ],
)
async def test_an_update_with_a_wrong_type(
    changes: dict[str, Any],
    expected_version: Any,  # noqa: ANN401 - wrong on purpose
    message: str,
    server: ScriptedServer,
    things: VersionedTable[Thing],
) -> None:
    """A value of another type is a TypeError that names the argument, and nothing is sent."""
    with pytest.raises(TypeError, match=f"^{message}"):
        await things.update(KEY, changes, expected_version=expected_version)

    assert server.requests == []


async def test_an_item_that_is_not_writable(server: ScriptedServer, things: VersionedTable[Thing]) -> None:
    """An item of the expected version that is not writable is rejected with its status."""
    server.play(collide(item(status=string("sold"))))

    with pytest.raises(NotActiveError) as caught:
        await things.update(KEY, {"note": "new"}, expected_version=3)

    assert (caught.value.table, caught.value.status) == ("things", "sold")


async def test_an_item_of_another_version(server: ScriptedServer, things: VersionedTable[Thing]) -> None:
    """An item of another version is a conflict, which holds the item."""
    server.play(collide(item()))

    with pytest.raises(ConflictError) as caught:
        await things.update(KEY, {"note": "new"}, expected_version=2)

    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert caught.value.current == Thing(shelf="top", name="lamp", uid="0f", updated_at=moment, version=3)


@pytest.mark.parametrize("found", [None, item(uid=string("another"))], ids=["none", "another"])
async def test_an_item_of_another_identity(
    found: dict[str, Any] | None, server: ScriptedServer, things: VersionedTable[Thing]
) -> None:
    """An item of another identity counts as missing."""
    server.play(collide(found))

    with pytest.raises(NotFoundError):
        await things.update(KEY, {"note": "new"}, expected_version=3, identity="0f")


async def test_attributes_that_the_model_does_not_show(server: ScriptedServer, things: VersionedTable[Thing]) -> None:
    """An update can remove attributes that the model does not have."""
    server.play(reply({"Attributes": item(note=string("new"))}))

    await things.update(KEY, {"note": "new"}, expected_version=2, forget=["seal"])

    request = server.requests[0].json
    assert "REMOVE" in request["UpdateExpression"]
    assert "seal" in request["ExpressionAttributeNames"].values()
