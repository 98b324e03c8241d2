"""What is sent: the body, the headers and the signature of each kind of request."""

import re
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.sessions import session_with
from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import AMZ_JSON, REQUEST_ID, Request, ScriptedServer, failed, http, refuse, reply, sent
from wikibot_store import RequestFailedError, StoreConfig, WikibotStore
from wikibot_store._dynamo.items import timestamp


async def test_get_item(server: ScriptedServer, store: WikibotStore) -> None:
    """A read is a GetItem with the key, in compact JSON."""
    server.play(reply({"Item": wiki_item()}))

    wiki = await store.wikis.require("u-1", "notes")

    assert wiki.display_name == "Notes"
    assert server.operations == ["GetItem"]
    assert server.requests[0].body == (
        b'{"TableName":"wikis","Key":{"owner_id":{"S":"u-1"},"wiki_slug":{"S":"notes"}},"ConsistentRead":false}'
    )


async def test_query(server: ScriptedServer, store: WikibotStore) -> None:
    """A page is a Query for one item more than the page holds; the next one starts after the last item of the page."""
    server.play(reply({"Items": [wiki_item("na"), wiki_item("nb")]}), reply({"Items": []}))

    page = await store.wikis.list_by_owner("u-1", limit=1, prefix="n", descending=True, consistent=True)
    await store.wikis.list_by_owner("u-1", limit=1, prefix="n", descending=True, cursor=page.cursor)

    request = {
        "TableName": "wikis",
        "KeyConditionExpression": "(#0 = :0) AND (begins_with(#1, :1))",
        "ExpressionAttributeNames": {"#0": "owner_id", "#1": "wiki_slug"},
        "ExpressionAttributeValues": {":0": {"S": "u-1"}, ":1": {"S": "n"}},
        "ScanIndexForward": False,
        "Limit": 2,
    }
    assert server.operations == ["Query", "Query"]
    assert server.requests[0].json == request | {"ConsistentRead": True}
    assert server.requests[1].json == request | {"ConsistentRead": False, "ExclusiveStartKey": wiki_key("na")}


async def test_a_wiki_and_its_count(server: ScriptedServer, store: WikibotStore) -> None:
    """A create writes wiki and count in one transaction; its id is on both items, and is its idempotency token."""
    server.play(reply({}))

    wiki = await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git", limit=3)

    (request,) = server.requests
    assert request.operation == "TransactWriteItems"
    write_id = {"S": request.json["ClientRequestToken"]}
    count, create = request.json["TransactItems"]
    assert count == {
        "Update": {
            "TableName": "users",
            "Key": {"id": {"S": "u-1"}},
            "UpdateExpression": "SET #0 = :0 ADD #1 :1",
            "ConditionExpression": (
                "(attribute_exists(#2)) AND (((attribute_not_exists(#3)) OR (#3 = :2)) AND (#1 < :3))"
            ),
            "ExpressionAttributeNames": {"#0": "write_id", "#1": "wiki_count", "#2": "id", "#3": "status"},
            "ExpressionAttributeValues": {":0": write_id, ":1": {"N": "1"}, ":2": {"S": "active"}, ":3": {"N": "3"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    assert create == {
        "Put": {
            "TableName": "wikis",
            "Item": {
                **wiki_item(),
                "uid": {"S": wiki.uid},
                "created_at": {"S": timestamp(wiki.created_at)},
                "updated_at": {"S": timestamp(wiki.created_at)},
                "write_id": write_id,
            },
            "ConditionExpression": "attribute_not_exists(#0)",
            "ExpressionAttributeNames": {"#0": "owner_id"},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    assert re.fullmatch("[0-9a-f]{24}", write_id["S"])


async def test_update_item(server: ScriptedServer, store: WikibotStore) -> None:
    """A versioned update is an UpdateItem on the condition of existence and version; it returns the new item."""
    server.play(reply({"Attributes": wiki_item(version=4)}))

    wiki = await store.wikis.update("u-1", "notes", expected_version=3, display_name="N", mcp_token_hash=None)

    assert wiki.version == 4
    (request,) = server.requests
    assert request.operation == "UpdateItem"
    values = request.json["ExpressionAttributeValues"]
    assert request.json == {
        "TableName": "wikis",
        "Key": wiki_key(),
        "UpdateExpression": "SET #0 = :0, #1 = :1, #2 = :2, #3 = :3 REMOVE #4",
        "ConditionExpression": (
            "(attribute_exists(#5)) AND "
            "(((#1 = :4) AND (attribute_exists(#6))) AND ((attribute_not_exists(#7)) OR (#7 IN (:5, :6))))"
        ),
        "ExpressionAttributeNames": {
            "#0": "display_name",
            "#1": "version",
            "#2": "updated_at",
            "#3": "write_id",
            "#4": "mcp_token_hash",
            "#5": "owner_id",
            "#6": "uid",
            "#7": "status",
        },
        "ExpressionAttributeValues": {
            ":0": {"S": "N"},
            ":1": {"N": "4"},
            ":2": values[":2"],
            ":3": values[":3"],
            ":4": {"N": "3"},
            ":5": {"S": "active"},
            ":6": {"S": "moving"},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnValues": "ALL_NEW",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", values[":2"]["S"])
    assert re.fullmatch("[0-9a-f]{24}", values[":3"]["S"])


async def test_transact_write_items(server: ScriptedServer, store: WikibotStore) -> None:
    """A user and its claims are created in one TransactWriteItems, whose idempotency token is the write_id."""
    server.play(reply({"Items": []}), reply({}))

    user = await store.users.create(id="u-1", oauth_provider="github", oauth_provider_sub="4711", username="ada")

    search, request = server.requests
    assert (search.operation, search.json["IndexName"]) == ("Query", "by-oauth")
    token = request.json["ClientRequestToken"]
    created_at = {"S": timestamp(user.created_at)}
    actions: list[dict[str, Any]] = [
        {
            "Item": {
                "id": {"S": "u-1"},
                "oauth_provider": {"S": "github"},
                "oauth_provider_sub": {"S": "4711"},
                "username": {"S": "ada"},
                "tier": {"S": "free"},
                "status": {"S": "active"},
                "wiki_count": {"N": "0"},
                "created_at": created_at,
                "updated_at": created_at,
                "version": {"N": "1"},
            },
        },
        {"Item": {"id": {"S": "claim#oauth#github#4711"}, "user_id": {"S": "u-1"}}},
        {"Item": {"id": {"S": "claim#username#ada"}, "user_id": {"S": "u-1"}}},
    ]
    for action in actions:
        action["Item"]["write_id"] = {"S": token}
        action |= {"TableName": "users", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        action |= {"ConditionExpression": "attribute_not_exists(#0)", "ExpressionAttributeNames": {"#0": "id"}}
    assert request.operation == "TransactWriteItems"
    assert request.json == {"TransactItems": [{"Put": action} for action in actions], "ClientRequestToken": token}
    assert re.fullmatch("[0-9a-f]{24}", token)


async def test_headers(server: ScriptedServer, store: WikibotStore) -> None:
    """A request has the headers that DynamoDB needs, and asks for no compression."""
    server.play(reply({}))

    await store.wikis.get("u-1", "notes")

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/")
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-length"] == str(len(request.body))


async def test_cookies(server: ScriptedServer, session: AioSession) -> None:
    """The store ignores cookies."""
    server.play(sent(http(200, b"{}", content_type=AMZ_JSON, set_cookie="flavour=oatmeal")), reply({}))

    # A cookie of a bare IP address would be refused in any case.
    config = StoreConfig(endpoint_url=server.url.replace("127.0.0.1", "localhost"))
    async with WikibotStore.open(config, session=session) as store:
        await store.wikis.get("u-1", "notes")
        await store.wikis.get("u-1", "notes")

    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("token", [None, "session-token"])
async def test_signature(server: ScriptedServer, token: str | None) -> None:
    """A request has the signature that botocore computes for it, with and without a session token."""
    session = session_with(token=token, region="eu-central-1")
    server.play(reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        await store.wikis.get("u-1", "notes")

    (request,) = server.requests
    assert request.headers.get("x-amz-security-token") == token
    assert request.headers["authorization"].rpartition("=")[2] == _signature(server, request)


def _signature(server: ScriptedServer, request: Request) -> str:
    signer = SigV4Auth(Credentials("AKID", "secret"), "dynamodb", "eu-central-1")
    signed = re.search("SignedHeaders=([^,]+)", request.headers["authorization"])
    assert signed is not None
    headers = {name: request.headers[name] for name in signed[1].split(";")}
    copy = AWSRequest("POST", server.url + request.target, headers, request.body)
    copy.context["timestamp"] = headers["x-amz-date"]
    signature: str = signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy)
    return signature


async def test_every_attempt_sends_the_same_bytes(server: ScriptedServer, store: WikibotStore) -> None:
    """A call is encoded once: a retry sends the same body, with the same idempotency token."""
    server.play(failed, refuse("TransactionInProgressException"), reply({}))

    await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    first, second, third = server.requests
    assert first.json["ClientRequestToken"]
    assert first.body == second.body == third.body


async def test_two_calls_have_tokens_of_their_own(server: ScriptedServer, store: WikibotStore) -> None:
    """Two calls never share an idempotency token."""
    server.play(reply({}), reply({}))

    await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")
    await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    first, second = server.requests
    assert first.json["ClientRequestToken"] != second.json["ClientRequestToken"]


async def test_a_path_in_the_endpoint_is_kept(server: ScriptedServer, session: AioSession) -> None:
    """The path of an endpoint is kept."""
    server.play(reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=f"{server.url}/below/"), session=session) as store:
        await store.wikis.get("u-1", "notes")

    assert server.requests[0].target == "/below/"


async def test_the_ordinary_client_shares_the_connections(server: ScriptedServer, store: WikibotStore) -> None:
    """The aiobotocore client uses the connections of the store."""
    server.play(reply({}), reply({"TableNames": ["users"]}))

    await store.wikis.get("u-1", "notes")
    client = await store.client()
    tables = await client.list_tables()

    assert tables["TableNames"] == ["users"]
    assert server.connections == 1
    assert await store.client() is client


async def test_the_ordinary_client_leaves_the_connections_open(server: ScriptedServer, store: WikibotStore) -> None:
    """Closing the aiobotocore client does not close the connections of the store."""
    server.play(reply({}), reply({}))

    await store.wikis.get("u-1", "notes")
    client = await store.client()
    await client.close()
    await store.wikis.get("u-1", "notes")

    assert server.connections == 1


async def test_a_refusal_names_the_request(server: ScriptedServer, store: WikibotStore) -> None:
    """An error that DynamoDB answered carries its operation, code, message and request id."""
    server.play(refuse("SomethingNewException", "what it says"))

    with pytest.raises(RequestFailedError) as caught:
        await store.wikis.get("u-1", "notes")

    assert (caught.value.operation, caught.value.code) == ("GetItem", "SomethingNewException")
    assert (caught.value.message, caught.value.request_id) == ("what it says", REQUEST_ID)


async def test_a_refusal_may_spell_its_message_either_way(server: ScriptedServer, store: WikibotStore) -> None:
    """The message of an error is found as `message` and as `Message`, and may be missing."""
    server.play(
        sent(http(400, b'{"__type": "X", "Message": "capital"}')),
        sent(http(400, b'{"__type": "X"}')),
    )

    with pytest.raises(RequestFailedError, match="was refused with X: capital"):
        await store.wikis.get("u-1", "notes")
    with pytest.raises(RequestFailedError, match="was refused with X: no message"):
        await store.wikis.get("u-1", "notes")
