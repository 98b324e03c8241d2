"""The fault proxy: what each fault does to a request, which requests it hits, and how it is injected."""

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiobotocore.session import AioSession

from wikibot_store import RequestFailedError, StoreConfig, WikibotStore
from wikibot_store.local import local_engine, local_session
from wikibot_store.provision import create_tables
from wikibot_store.testing import Fault, FaultProxy, InjectedFault, SeenRequest, _exchange

Item = dict[str, Any]

BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class Reply(NamedTuple):
    """An answer that came through the proxy."""

    status: int
    headers: Any
    body: bytes

    @property
    def members(self) -> Any:  # noqa: ANN401 - any JSON
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.members["__type"]).rpartition("#")[2]


class Caller:
    """Sends requests through a proxy, without retries."""

    def __init__(self, proxy: FaultProxy, http: aiohttp.ClientSession) -> None:
        self._proxy = proxy
        self._http = http
        self.token: str | None = None
        self.signed_at = datetime.now(UTC)

    async def ask(self, operation: str, **members: Any) -> Reply:  # noqa: ANN401 - any JSON
        """Return the answer to one request."""
        async with self.send(operation, **members) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    def send(self, operation: str, **members: Any) -> Any:  # noqa: ANN401 - any JSON, and aiohttp's own context
        """Send one request; the caller reads the answer."""
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": f"{self.signed_at:%Y%m%dT%H%M%SZ}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request",
        }
        if self.token is not None:
            headers["X-Amz-Security-Token"] = self.token
        return self._http.post(self._proxy.url, headers=headers, data=io.BytesIO(json.dumps(members).encode()))

    async def put(self, user_id: str = "ada", **attributes: str) -> Reply:
        """Put a user's item."""
        item = {name: {"S": value} for name, value in {"id": user_id, **attributes}.items()}
        return await self.ask("PutItem", TableName="users", Item=item)

    async def get(self, user_id: str = "ada") -> Item | None:
        """Return a user's item."""
        item: Item | None = (await self.ask("GetItem", TableName="users", Key={"id": {"S": user_id}})).members.get(
            "Item"
        )
        return item

    async def find(self, provider: str) -> list[Item]:
        """Return the items of the index."""
        reply = await self.ask(
            "Query",
            TableName="users",
            IndexName="by-oauth",
            KeyConditionExpression="oauth_provider = :p",
            ExpressionAttributeValues={":p": {"S": provider}},
        )
        items: list[Item] = reply.members["Items"]
        return items


@pytest.fixture(scope="module")
def session() -> AioSession:
    """Return a session with credentials."""
    return local_session()


@pytest.fixture(scope="module")
async def direct(session: AioSession) -> AsyncIterator[WikibotStore]:
    """Yield a store on an engine of its own, with tables."""
    with local_engine() as url:
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=session) as direct:
            await create_tables(direct)
            yield direct


@pytest.fixture
async def engine(direct: WikibotStore) -> AsyncIterator[str]:
    """Yield the URL of the engine, and delete the users that a test leaves."""
    assert direct.config.endpoint_url is not None
    yield direct.config.endpoint_url
    client = await direct.client()
    async for page in client.get_paginator("scan").paginate(TableName="users", ProjectionExpression="id"):
        for item in page["Items"]:
            await client.delete_item(TableName="users", Key=item)


@pytest.fixture
async def proxy(engine: str) -> AsyncIterator[FaultProxy]:
    """Yield a proxy in front of the engine."""
    async with FaultProxy(engine, seed=1) as proxy:
        yield proxy


@pytest.fixture
async def caller(proxy: FaultProxy) -> AsyncIterator[Caller]:
    """Yield a caller of the proxy."""
    async with aiohttp.ClientSession() as http:
        yield Caller(proxy, http)


# ---- what is forwarded


async def test_requests_and_answers_are_forwarded_unchanged(proxy: FaultProxy, caller: Caller) -> None:
    """Without a fault, requests and answers are forwarded unchanged."""
    await caller.put(tier="free")

    assert await caller.get() == {"id": {"S": "ada"}, "tier": {"S": "free"}}
    assert proxy.requests == [SeenRequest("PutItem", None), SeenRequest("GetItem", None)]


async def test_a_request_that_is_not_for_dynamodb(proxy: FaultProxy, engine: str, caller: Caller) -> None:
    """Any other request is forwarded too, with its method and path."""
    async with (
        caller._http.get(f"{engine}/health?deep") as direct,
        caller._http.get(f"{proxy.url}/health?deep") as answer,
    ):
        assert (answer.status, await answer.read()) == (direct.status, await direct.read())

    assert proxy.requests == [SeenRequest("GET", None)]


async def test_a_whole_batch_passes(caller: Caller) -> None:
    """A request may have the 16 MB that DynamoDB allows."""
    puts = [{"PutRequest": {"Item": {"id": {"S": f"{n}"}, "avatar_url": {"S": "x" * 380_000}}}} for n in range(25)]

    reply = await caller.ask("BatchWriteItem", RequestItems={"users": puts})

    assert reply.status == 200


async def test_an_engine_that_is_gone() -> None:
    """If the engine cannot be reached, the proxy resets the connection."""
    async with FaultProxy("http://127.0.0.1:1") as proxy, aiohttp.ClientSession() as http:
        with pytest.raises(BROKEN):
            await Caller(proxy, http).put()


# ---- every fault


@pytest.mark.parametrize(("fault", "is_applied"), [(Fault.LOSE_ANSWER, True), (Fault.RESET_BEFORE, False)], ids=str)
async def test_a_broken_connection(fault: Fault, is_applied: bool, proxy: FaultProxy, caller: Caller) -> None:  # noqa: FBT001 - a parameter
    """The connection is reset, after the request was applied or before it."""
    proxy.inject(fault, "PutItem")

    with pytest.raises(BROKEN):
        await caller.put()

    assert (await caller.get() is not None) is is_applied
    assert proxy.requests[0] == SeenRequest("PutItem", fault)


async def test_an_answer_that_breaks_off(proxy: FaultProxy, caller: Caller) -> None:
    """The request is applied, and the answer ends before it is complete."""
    proxy.inject(Fault.RESET_MIDWAY, "PutItem")

    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.put()

    assert await caller.get() is not None


async def test_an_answer_that_drips(proxy: FaultProxy, caller: Caller) -> None:
    """A slow answer is complete at the end."""
    await caller.put()
    proxy.inject(Fault.DRIP, "GetItem", seconds=0.01)

    assert await caller.get() == {"id": {"S": "ada"}}


async def test_a_small_answer_drips_as_long(proxy: FaultProxy, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses in an answer of a few bytes also add up to `seconds`."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    proxy.inject(Fault.DRIP, "GetItem", seconds=8)
    monkeypatch.setattr(_exchange, "asyncio", SimpleNamespace(sleep=sleep))
    answers = [await caller.get(), await caller.put() and await caller.get()]

    assert answers == [None, {"id": {"S": "ada"}}]
    assert sum(pauses) == pytest.approx(16)


async def test_a_drip_whose_client_disconnects(proxy: FaultProxy, caller: Caller) -> None:
    """The proxy goes on if the client disconnects during a slow answer."""
    proxy.inject(Fault.DRIP, "GetItem", seconds=3600)
    async with caller.send("GetItem", TableName="users", Key={"id": {"S": "ada"}}) as answer:
        answer.close()

    assert (await caller.put()).status == 200


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(("fault", "is_applied"), [(Fault.FAIL_BEFORE, False), (Fault.FAIL_AFTER, True)], ids=str)
async def test_a_failure_of_the_server(
    fault: Fault,
    is_applied: bool,  # noqa: FBT001 - a parameter
    status: int,
    proxy: FaultProxy,
    caller: Caller,
) -> None:
    """The server answers that it failed, after it applied the request or instead."""
    proxy.inject(fault, "PutItem", status=status)

    reply = await caller.put()

    assert (reply.status, reply.code) == (
        status,
        {500: "InternalServerError", 503: "ServiceUnavailable"}[status],
    )
    assert (await caller.get() is not None) is is_applied


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.THROTTLE, "ProvisionedThroughputExceededException"),
        (Fault.EXPIRE_CREDENTIALS, "ExpiredTokenException"),
        (Fault.TRANSACTION_CONFLICT, "TransactionConflictException"),
    ],
    ids=str,
)
async def test_a_refusal(fault: Fault, code: str, proxy: FaultProxy, caller: Caller) -> None:
    """The request is refused in the form of DynamoDB, with a checksum, and not applied."""
    proxy.inject(fault, "PutItem")

    reply = await caller.put()

    assert (reply.status, reply.code) == (400, code)
    assert int(reply.headers["x-amz-crc32"]) == zlib.crc32(reply.body)
    assert await caller.get() is None


async def test_a_transaction_in_conflict(proxy: FaultProxy, caller: Caller) -> None:
    """A transaction is cancelled because of one of its actions, which the reasons name."""
    proxy.inject(Fault.TRANSACTION_CONFLICT)
    puts = [{"Put": {"TableName": "users", "Item": {"id": {"S": user}}}} for user in ("ada", "bob", "eve")]

    reply = await caller.ask("TransactWriteItems", TransactItems=puts)

    assert reply.code == "TransactionCanceledException"
    assert sorted(reason["Code"] for reason in reply.members["CancellationReasons"]) == [
        "None",
        "None",
        "TransactionConflict",
    ]
    assert await caller.get() is None


async def test_a_damaged_answer(proxy: FaultProxy, caller: Caller) -> None:
    """The request is applied, and the checksum of the answer does not match its body."""
    proxy.inject(Fault.CORRUPT, "PutItem")

    reply = await caller.put()

    assert int(reply.headers["x-amz-crc32"]) != zlib.crc32(reply.body)
    assert await caller.get() is not None


async def test_keys_that_are_left_unprocessed(proxy: FaultProxy, caller: Caller) -> None:
    """Half of a batch of keys is read; the other half is returned with its read options."""
    for user in ("a", "b", "c"):
        await caller.put(user)
    keys = [{"id": {"S": user}} for user in ("a", "b", "c")]
    proxy.inject(Fault.UNPROCESSED)

    members = (await caller.ask("BatchGetItem", RequestItems={"users": {"Keys": keys, "ConsistentRead": True}})).members

    left = members["UnprocessedKeys"]["users"]
    assert left["ConsistentRead"] is True
    assert len(left["Keys"]) == 2
    found = members["Responses"]["users"]
    assert sorted(key["id"]["S"] for key in left["Keys"] + found) == ["a", "b", "c"]


async def test_writes_that_are_left_unprocessed(proxy: FaultProxy, caller: Caller) -> None:
    """Half of a batch of writes is applied; the other half is returned."""
    puts = [{"PutRequest": {"Item": {"id": {"S": user}}}} for user in ("a", "b")]
    proxy.inject(Fault.UNPROCESSED)

    members = (await caller.ask("BatchWriteItem", RequestItems={"users": puts})).members

    (left,) = members["UnprocessedItems"]["users"]
    assert [await caller.get(user) is None for user in ("a", "b")].count(True) == 1
    assert await caller.get(left["PutRequest"]["Item"]["id"]["S"]) is None


async def test_a_batch_of_one_is_throttled(proxy: FaultProxy, caller: Caller) -> None:
    """A batch of one is throttled, because DynamoDB never leaves a whole batch unprocessed."""
    proxy.inject(Fault.UNPROCESSED, "BatchGetItem")

    reply = await caller.ask("BatchGetItem", RequestItems={"users": {"Keys": [{"id": {"S": "ada"}}]}})

    assert reply.code == "ProvisionedThroughputExceededException"


async def test_a_batch_that_the_engine_refuses(proxy: FaultProxy, caller: Caller) -> None:
    """An error of the engine itself is forwarded."""
    proxy.inject(Fault.UNPROCESSED)
    keys = [{"id": {"S": "ada"}}, {"id": {"S": "bob"}}]

    reply = await caller.ask("BatchGetItem", RequestItems={"missing": {"Keys": keys}})

    assert reply.code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("ahead", "message"),
    [(3600, "Signature expired: "), (-3600, "Signature not yet current: ")],
    ids=["ahead", "behind"],
)
async def test_a_skewed_clock(ahead: int, message: str, proxy: FaultProxy, caller: Caller) -> None:
    """A server with a wrong clock refuses signatures, shows its time, and accepts signatures of that time."""
    proxy.skew_clock(ahead)

    reply = await caller.put()

    assert reply.code == "InvalidSignatureException"
    assert reply.members["message"].startswith(message)
    caller.signed_at = parsedate_to_datetime(reply.headers["Date"])
    assert abs(caller.signed_at - datetime.now(UTC) - timedelta(seconds=ahead)) < timedelta(minutes=1)
    assert (await caller.put()).status == 200
    assert [request.fault for request in proxy.requests] == ["skew_clock", None]


async def test_a_token_that_expires(proxy: FaultProxy, caller: Caller) -> None:
    """Only requests with the session token that has expired are refused."""
    proxy.inject(Fault.EXPIRE_CREDENTIALS, session_token="old")

    codes = []
    for token in (None, "old", "new"):
        caller.token = token
        codes.append((await caller.put()).status)

    assert codes == [200, 400, 200]


# ---- stale indexes


async def test_a_stale_index(proxy: FaultProxy, caller: Caller) -> None:
    """Queries of a stale index return the items as they were: without new ones, with changed and deleted ones."""
    for number in range(30):
        await caller.put(f"u-{number:02}", oauth_provider="github", oauth_provider_sub=str(number))
    before = await caller.find("github")
    stale = proxy.stale_index("users")

    await caller.put("new", oauth_provider="github", oauth_provider_sub="new")
    await caller.put("u-00", oauth_provider="gitlab", oauth_provider_sub="0")
    await caller.ask("DeleteItem", TableName="users", Key={"id": {"S": "u-01"}})

    assert await caller.find("github") == before
    assert await caller.get("new") is not None
    assert proxy.requests[-2] == SeenRequest("Query", "stale_index")
    stale.release()
    assert {item["id"]["S"] for item in await caller.find("github")} == {
        item["id"]["S"] for item in before if item["id"]["S"] not in {"u-00", "u-01"}
    } | {"new"}


async def test_an_index_that_is_stale_for_a_time(proxy: FaultProxy, caller: Caller) -> None:
    """After the time that was given, the index is up to date."""
    proxy.stale_index("users", seconds=0.05)
    await caller.put("ada", oauth_provider="github", oauth_provider_sub="1")
    await asyncio.sleep(0.06)

    assert len(await caller.find("github")) == 1
    assert proxy.requests[-1] == SeenRequest("Query", None)


async def test_other_reads_are_not_stale(proxy: FaultProxy, caller: Caller) -> None:
    """A read of the table itself or of another table returns the present items."""
    proxy.stale_index("users")
    await caller.put()

    own = await caller.ask("Scan", TableName="users")
    others = await caller.ask("Scan", TableName="acls")

    assert (own.members["Count"], others.members["Count"]) == (1, 0)
    assert {request.fault for request in proxy.requests} == {None}


async def test_a_stale_index_and_another_fault(proxy: FaultProxy, caller: Caller) -> None:
    """A Query of a stale index can also be hit by another fault."""
    proxy.stale_index("users")
    proxy.inject(Fault.THROTTLE, "Query", times=1)
    await caller.put("ada", oauth_provider="github", oauth_provider_sub="1")
    with pytest.raises(KeyError):
        await caller.find("github")

    assert await caller.find("github") == []


async def test_a_copy_that_cannot_be_made(proxy: FaultProxy, caller: Caller) -> None:
    """If the table does not exist, the next request fails with a message that names it."""
    proxy.stale_index("missing")

    reply = await caller.put()

    assert reply.code == "FaultProxyError"
    assert "missing" in reply.members["message"]


async def test_copies_are_deleted(direct: WikibotStore, engine: str) -> None:
    """A proxy deletes its copies when it closes."""
    async with FaultProxy(engine) as proxy, aiohttp.ClientSession() as http:
        proxy.stale_index("users")
        await Caller(proxy, http).put()

    assert sorted((await (await direct.client()).list_tables())["TableNames"]) == ["acls", "users", "wikis"]


async def test_a_copy_whose_engine_is_gone(session: AioSession) -> None:
    """A proxy closes without an error if its engine was stopped first."""
    engine = local_engine()
    url = engine.__enter__()
    async with FaultProxy(url) as proxy, aiohttp.ClientSession() as http:
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=session) as store:
            await create_tables(store)
        proxy.stale_index("users")
        await Caller(proxy, http).put()
        engine.__exit__(None, None, None)


# ---- which requests are hit


async def test_an_operation_times_and_skip(proxy: FaultProxy, caller: Caller) -> None:
    """A fault hits only its operation, after the requests that it skips, and not more often than `times`."""
    proxy.inject(Fault.THROTTLE, "PutItem", times=2, skip=1)

    for _ in range(4):
        await caller.put()
        await caller.get()

    assert [request.fault for request in proxy.requests if request.operation == "PutItem"] == [
        None,
        "throttle",
        "throttle",
        None,
    ]
    assert {request.fault for request in proxy.requests if request.operation == "GetItem"} == {None}


async def test_the_first_of_two_faults_hits(proxy: FaultProxy, caller: Caller) -> None:
    """Of two faults that match a request, the one that was injected first hits it."""
    proxy.inject(Fault.THROTTLE, times=1)
    proxy.inject(Fault.FAIL_BEFORE, times=1)

    codes = [(await caller.put()).status for _ in range(3)]

    assert codes == [400, 500, 200]


@pytest.mark.parametrize("seed", [7, 8])
async def test_the_seed_decides(seed: int, engine: str) -> None:
    """With the same seed the same requests are hit, about as many as the probability says."""

    async def hits() -> list[str | None]:
        async with FaultProxy(engine, seed=seed) as proxy, aiohttp.ClientSession() as http:
            proxy.inject(Fault.FAIL_BEFORE, probability=0.5)
            for _ in range(40):
                await Caller(proxy, http).put()
            return [request.fault for request in proxy.requests]

    first = await hits()

    assert first == await hits()
    assert 8 <= first.count("fail_before") <= 32


async def test_released_and_cleared(proxy: FaultProxy, caller: Caller) -> None:
    """A fault that was released or cleared hits no further request."""
    proxy.inject(Fault.THROTTLE).release()
    assert (await caller.put()).status == 200

    proxy.inject(Fault.THROTTLE)
    proxy.skew_clock(3600)
    proxy.stale_index("users")
    proxy.clear()
    await caller.put("ada", oauth_provider="github", oauth_provider_sub="1")

    assert len(await caller.find("github")) == 1


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (
            lambda proxy: proxy.inject(Fault.THROTTLE, "PutItm"),
            ValueError,
            "operation must be one of BatchGetItem, .*'PutItm'",
        ),
        (
            lambda proxy: proxy.inject(Fault.UNPROCESSED, "PutItem"),
            ValueError,
            "operation must be one of BatchGetItem, BatchWri",
        ),
        (lambda proxy: proxy.inject(Fault.TRANSACTION_CONFLICT, "Query"), ValueError, "operation must be one of "),
        (lambda proxy: proxy.inject(Fault.THROTTLE, times=0), ValueError, "times must be at least 1"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, times=True), TypeError, "times must be int"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, skip=-1), ValueError, "skip must be at least 0"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, probability=0), ValueError, "probability must be more than 0"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, probability=10), ValueError, "probability must be more than 0"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, probability="1"), TypeError, "probability must be int or float"),
        (lambda proxy: proxy.inject(Fault.FAIL_BEFORE, status=404), ValueError, "status must be one of 500, 503"),
        (lambda proxy: proxy.inject(Fault.FAIL_AFTER, status=404), ValueError, "status must be one of 500, 503"),
        (lambda proxy: proxy.inject(Fault.DRIP, seconds=0), ValueError, "seconds must be more than 0"),
        (lambda proxy: proxy.inject(Fault.DRIP, seconds="1"), TypeError, "seconds must be int or float"),
        (lambda proxy: proxy.inject(Fault.DRIP), TypeError, "^Fault.DRIP needs the option 'seconds'$"),
        (lambda proxy: proxy.inject(Fault.DRIP, status=500), TypeError, "^Fault.DRIP has no option 'status'$"),
        (lambda proxy: proxy.inject(Fault.THROTTLE, seconds=1), TypeError, "^Fault.THROTTLE has no option 'seconds'$"),
        (
            lambda proxy: proxy.inject(Fault.FAIL_AFTER, session_token="old"),
            TypeError,
            "^Fault.FAIL_AFTER has no option 'session_token'$",
        ),
        (lambda proxy: proxy.inject(Fault.EXPIRE_CREDENTIALS, session_token=5), TypeError, "session_token must be str"),
        (lambda proxy: proxy.inject("lose_anser"), ValueError, "^fault must be one of lose_answer, reset_before, "),
        (lambda proxy: proxy.stale_index("users", seconds=float("inf")), ValueError, "seconds must be more than 0"),
        (lambda proxy: proxy.skew_clock(None), TypeError, "seconds must be int or float"),
    ],
)
async def test_a_fault_that_cannot_be_injected(
    script: Callable[[FaultProxy], object], error: type[Exception], message: str, proxy: FaultProxy
) -> None:
    """A fault that could never hit a request is rejected, and so is an option that it does not have."""
    with pytest.raises(error, match=message):
        script(proxy)


# ---- the proxy itself


@pytest.mark.parametrize("target", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_a_target_that_is_not_a_url(target: str) -> None:
    """The target must be an http or https URL."""
    with pytest.raises(ValueError, match="target_url must be"):
        FaultProxy(target)


async def test_a_proxy_that_is_not_open(engine: str) -> None:
    """The proxy has a URL only while it listens."""
    proxy = FaultProxy(engine)
    with pytest.raises(RuntimeError, match="not open"):
        _ = proxy.url
    async with proxy:
        assert proxy.url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="not open"):
        _ = proxy.url


async def test_closing_cancels_the_requests_in_progress(engine: str) -> None:
    """A proxy that closes does not wait for its faults to end, and leaves no task behind."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        async with FaultProxy(engine) as proxy:
            proxy.inject(Fault.DRIP, seconds=3600)
            answer = await Caller(proxy, http).send("Scan", TableName="users")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()

    assert asyncio.all_tasks() == before


async def test_the_handle_of_a_fault(proxy: FaultProxy, caller: Caller) -> None:
    """The handle shows what was injected, the hits so far and those that are left, but no session token."""
    injected = proxy.inject(Fault.EXPIRE_CREDENTIALS, times=3, session_token="old")
    await caller.put()
    assert injected.hit_count == 0
    caller.token = "old"

    await caller.put()
    assert injected.hit_count == 1

    assert type(injected) is InjectedFault
    assert (injected.fault, injected.operation, injected.times) == (Fault.EXPIRE_CREDENTIALS, None, 2)
    assert "old" not in repr(injected)


async def test_a_store_behind_the_proxy(proxy: FaultProxy, session: AioSession) -> None:
    """A store behind the proxy succeeds in spite of a lost answer, and reports expired credentials."""
    async with WikibotStore.open(StoreConfig(endpoint_url=proxy.url), session=session) as store:
        proxy.inject(Fault.LOSE_ANSWER, "TransactWriteItems", times=1)
        user, _ = await store.users.get_or_create_by_oauth("github", "1")
        assert await store.users.get(user.id) == user
        proxy.inject(Fault.EXPIRE_CREDENTIALS)
        with pytest.raises(RequestFailedError) as caught:
            await store.users.require(user.id)

    assert caught.value.code == "ExpiredTokenException"
    assert proxy.requests == [
        SeenRequest("GetItem", None),
        SeenRequest("Query", None),
        SeenRequest("TransactWriteItems", "lose_answer"),
        SeenRequest("TransactWriteItems", None),
        SeenRequest("GetItem", None),
        SeenRequest("GetItem", "expire_credentials"),
    ]
