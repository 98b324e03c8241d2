"""The explorer's model of DynamoDB answers as DynamoDB Local does."""

import http.client
import random
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.engines import dynamodb_local, missing_for_dynamodb_local
from tests.exploration import model
from tests.exploration.clients import LOST, surroundings
from tests.exploration.explorer import Node
from tests.exploration.model import Database, Reply
from tests.exploration.service import USER_SIDE, WIKI_SIDE, starts, user_starts
from wikibot_store._dynamo.expressions import (
    Condition,
    Update,
    absent_or,
    absent_or_before,
    begins_with,
    compare,
    conditional,
    equals,
    exists,
    not_exists,
    one_of,
    projection,
    query,
    unless_number,
)
from wikibot_store.schema import GRANTEE_INDEX, OAUTH_INDEX, TABLES, create_table_request

_RECORDED, _MADE_UP = 2_000, 2_000
_MOST_CLIENTS = 3
_SEQUENCE = 100

pytestmark = pytest.mark.skipif(
    missing_for_dynamodb_local() is not None, reason=missing_for_dynamodb_local() or "it is there"
)


class Local:
    """DynamoDB Local, which keeps the tables of each access key apart."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._number = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def begin(self) -> None:
        """Make empty tables."""
        self._number += 1
        for schema in TABLES:
            names = [index.name for index in schema.indexes]
            self.send("CreateTable", create_table_request(schema, schema.name, optional=names))

    def send(self, operation: str, request: Mapping[str, Any]) -> Reply:
        """Send one request and return the answer."""
        credential = f"Credential=key{self._number}/20260101/us-east-1/dynamodb/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00",
        }
        self._connection.request("POST", "/", msgspec.json.encode(request), headers)
        answer = self._connection.getresponse()
        return Reply(answer.status, msgspec.json.decode(answer.read()))


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    """Run DynamoDB Local."""
    with dynamodb_local() as url, closing(Local(url)) as local:
        yield local


def compared(reply: Reply, operation: str, index: str | None) -> object:
    """Return what the library goes by in an answer: no texts, and no order where DynamoDB promises none."""
    body = reply.body
    if reply.status != 200:
        reasons = [(reason["Code"], reason.get("Item")) for reason in body.get("CancellationReasons", [])]
        return body["__type"].rpartition("#")[2], body.get("Item"), reasons
    if operation == "BatchGetItem":
        found = {table: sorted(map(model.canonical, items)) for table, items in body["Responses"].items()}
        return found, body["UnprocessedKeys"]
    if operation == "Scan":
        return sorted(map(model.canonical, body["Items"]))
    told = {name: body[name] for name in ("Item", "Items", "Attributes", "LastEvaluatedKey") if name in body}
    if operation == "Query" and index == OAUTH_INDEX:  # two items with one key of an index come in no order
        told["Items"] = sorted(map(model.canonical, told["Items"]))
    return told


def play_both(local: Local, database: Database, operation: str, request: Mapping[str, Any]) -> tuple[Reply, Database]:
    """Execute a request on both; fail if they answer differently. Only the model knows its segments of a table."""
    if "TotalSegments" in request:
        return model.execute(database, operation, request)
    index = request.get("IndexName")
    expected = local.send(operation, request)
    reply, database = model.execute(database, operation, request)
    assert compared(reply, operation, index) == compared(expected, operation, index), (operation, request)
    return reply, database


def test_recorded_requests(local: Local) -> None:
    """Whatever the library's own calls send, from any start, with repeated attempts, is answered alike by both."""
    rng = random.Random(1)  # noqa: S311 - the same requests each time
    played = 0
    with surroundings():
        sides = [(WIKI_SIDE, list(starts().values())), (USER_SIDE, list(user_starts().values()))]
        while played < _RECORDED:
            actions, states = rng.choice(sides)
            database = rng.choice(states)
            local.begin()
            for (table, _), text in database.items.items():
                local.send("PutItem", {"TableName": table, "Item": model.parsed(text)})
            nodes = [Node(rng.choice(actions).call, client) for client in range(_MOST_CLIENTS)]
            while waiting := [client for client, node in enumerate(nodes) if node.request is not None]:
                client = rng.choice(waiting)
                node = nodes[client]
                assert node.request is not None
                reply, database = play_both(local, database, node.request.operation, node.members)
                played += 1
                nodes[client] = node.after(LOST if rng.random() < 0.05 else reply)


def test_made_up_requests(local: Local) -> None:
    """So are requests at random, of all the forms that the library can send, and again with the same token."""
    rng = random.Random(2)  # noqa: S311 - the same requests each time
    for start in range(0, _MADE_UP, _SEQUENCE):
        local.begin()
        database = Database()
        made = Maker(rng, start)
        for _ in range(_SEQUENCE):
            operation, request = made.request()
            _, database = play_both(local, database, operation, request)


class Maker:
    """Makes up requests for a handful of keys."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self._rng = rng
        self._number = number
        self._sent: list[tuple[str, dict[str, Any]]] = []

    def request(self) -> tuple[str, dict[str, Any]]:
        """Return a request, sometimes one that was sent before."""
        if self._sent and self._rng.random() < 0.1:
            return self._rng.choice(self._sent)
        made = self._rng.choice([self._get, self._batch, self._write, self._write, self._transact, self._read])()
        self._sent.append(made)
        return made

    def _key(self, table: str) -> dict[str, Any]:
        choices = {
            "users": {"id": ["ada", "bob", "claim#x"]},
            "wikis": {"owner_id": ["ada", "bob"], "wiki_slug": ["a", "ab", "b"]},
            "acls": {"wiki_id": ["ada:a", "ada:b"], "grantee_id": ["bob", "cyd", "dé"]},
        }
        return {name: {"S": self._rng.choice(values)} for name, values in choices[table].items()}

    def _value(self) -> dict[str, Any]:
        return self._rng.choice(
            [{"S": "x"}, {"S": "y"}, {"S": "é"}, {"N": "1"}, {"N": "10"}, {"N": "9"}, {"BOOL": True}]
        )

    def _attribute(self) -> str:
        return self._rng.choice(["status", "count", "role"])

    def _item(self, table: str) -> dict[str, Any]:
        item = self._key(table) | {self._attribute(): self._value() for _ in range(2)}
        if table == "users" and self._rng.random() < 0.7:
            item |= {"oauth_provider": {"S": "gh"}, "oauth_provider_sub": {"S": self._rng.choice("12")}}
        return item

    def _condition(self, table: str) -> Condition:
        key = next(iter(self._key(table)))
        name, value = self._attribute(), self._value()
        operator = self._rng.choice(["=", "<>"] if "BOOL" in value else ["=", "<>", "<", "<=", ">", ">="])
        condition = self._rng.choice(
            [
                exists(key),
                not_exists(key),
                not_exists(name),
                equals(name, value),
                compare(name, operator, value),
                begins_with(name, {"S": "x"}),
                one_of(name, value, self._value()),
                absent_or(name, operator, value),
                absent_or_before(name, {"S": "y"}),
                unless_number(name, compare(name, "<", {"N": "10"})),
            ]
        )
        match self._rng.randrange(4):
            case 0:
                return condition & self._condition(table)
            case 1:
                return condition | self._condition(table)
            case _:
                return condition

    def _table(self) -> str:
        return self._rng.choice(TABLES).name

    def _get(self) -> tuple[str, dict[str, Any]]:
        table = self._table()
        return "GetItem", {"TableName": table, "Key": self._key(table), "ConsistentRead": True}

    def _batch(self) -> tuple[str, dict[str, Any]]:
        wanted: dict[str, Any] = {}
        for table in {self._table(), self._table()}:
            keys = [self._key(table) for _ in range(2)]
            wanted[table] = {"Keys": keys[: 1 if keys[0] == keys[1] else 2], "ConsistentRead": True}
            if self._rng.random() < 0.5:
                wanted[table] |= projection([*keys[0], self._attribute()])
        return "BatchGetItem", {"RequestItems": wanted}

    def _action(self, kind: str) -> dict[str, Any]:
        table = self._table()
        action: dict[str, Any] = {"TableName": table}
        update = None
        if kind == "Put":
            action["Item"] = self._item(table)
        else:
            action["Key"] = self._key(table)
        if kind == "Update":
            update = Update(set={"status": self._value()}, remove=("role",), add={"total": {"N": "-1"}})
        members = conditional(self._condition(table), update)
        if self._rng.random() < 0.2:
            del members["ReturnValuesOnConditionCheckFailure"]
        return action | members

    def _write(self) -> tuple[str, dict[str, Any]]:
        kind = self._rng.choice(["Put", "Put", "Update", "Delete"])
        action = self._action(kind)
        if kind == "Update":
            action["ReturnValues"] = "ALL_NEW"
        return f"{kind}Item", action

    def _transact(self) -> tuple[str, dict[str, Any]]:
        kinds = self._rng.choices(["Put", "Update", "Delete", "ConditionCheck"], k=self._rng.randint(1, 4))
        token = f"{self._number}-{self._rng.randrange(40)}"
        actions = [(kind, self._action(kind)) for kind in kinds]
        # The library never has two actions for one item.
        of_items = {
            model.place_of(each["TableName"], each.get("Key") or each["Item"]): {kind: each} for kind, each in actions
        }
        return "TransactWriteItems", {"TransactItems": list(of_items.values()), "ClientRequestToken": token}

    def _read(self) -> tuple[str, dict[str, Any]]:
        name, value = self._attribute(), {"N": "5"}
        where = self._rng.choice([None, absent_or(name, ">", value)])
        match self._rng.randrange(4):
            case 0:
                return "Scan", {"TableName": self._table(), "Limit": 100}
            case 1:
                index = equals("oauth_provider", {"S": "gh"}) & equals(
                    "oauth_provider_sub", {"S": self._rng.choice("12")}
                )
                return "Query", {"TableName": "users", "IndexName": OAUTH_INDEX, **query(index)}
            case 2:
                index = equals("grantee_id", {"S": self._rng.choice(["bob", "cyd"])})
                request = {"TableName": "acls", "IndexName": GRANTEE_INDEX, **query(index, where)}
                if self._rng.random() < 0.5:
                    request["Limit"] = self._rng.randint(1, 3)
                return "Query", request
            case _:
                key = equals("owner_id", {"S": "ada"})
                if self._rng.random() < 0.5:
                    key &= begins_with("wiki_slug", {"S": "a"})
                request = {"TableName": "wikis", **query(key, where), "ScanIndexForward": self._rng.random() < 0.5}
                if self._rng.random() < 0.5:
                    request["Limit"] = self._rng.randint(1, 3)
                if self._rng.random() < 0.3:
                    request["ExclusiveStartKey"] = {"owner_id": {"S": "ada"}, "wiki_slug": {"S": "ab"}}
                return "Query", request
