"""The baseline: bare aiohttp requests. They are unsigned, and the bodies are read and not parsed."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.contenders import Endpoint

_KEY = '"Key":{"owner_id":{"S":"%s"},"wiki_slug":{"S":"%s"}}'
_GET = '{"TableName":"wikis",' + _KEY + ',"ConsistentRead":false}'
_GET_USER = '{"TableName":"users","Key":{"id":{"S":"%s"}},"ConsistentRead":true}'
_PUT = (
    '{"TableName":"wikis","Item":{"owner_id":{"S":"%s"},"wiki_slug":{"S":"%s"},'
    '"uid":{"S":"9f1c5a0e7b6d4c2f8a3e1d0b9c8f7a6e"},"display_name":{"S":"Field notes"},'
    '"repo_path":{"S":"/srv/wikis/9f/1c/9f1c5a0e.git"},"is_public":{"BOOL":false},"status":{"S":"active"},'
    '"page_count":{"N":"0"},"disk_usage_bytes":{"N":"0"},"created_at":{"S":"2026-01-02T03:04:05.000006Z"},'
    '"updated_at":{"S":"2026-01-02T03:04:05.000006Z"},"version":{"N":"1"}},'
    '"ConditionExpression":"attribute_not_exists(owner_id)"}'
)
_UPDATE = (
    '{"TableName":"wikis",' + _KEY + ',"UpdateExpression":"SET #0 = :0, #1 = :1, #2 = :2","ConditionExpression":'
    '"#1 = :3","ExpressionAttributeNames":{"#0":"display_name","#1":"version","#2":"updated_at"},'
    '"ExpressionAttributeValues":{":0":{"S":"Field notes"},":1":{"N":"8"},":2":{"S":"2026-01-02T03:04:05.000006Z"},'
    '":3":{"N":"7"}},"ReturnValues":"ALL_NEW"}'
)
_QUERY = (
    '{"TableName":"wikis","KeyConditionExpression":"#0 = :0","ExpressionAttributeNames":{"#0":"owner_id"},'
    '"ExpressionAttributeValues":{":0":{"S":"%s"}},"Limit":%d%s}'
)
_AFTER = ',"ExclusiveStartKey":{"owner_id":{"S":"%s"},"wiki_slug":{"S":"wiki-%06d"}}'
_BATCH = (
    '{"RequestItems":{"users":{"Keys":[{"id":{"S":"%s"}}],"ConsistentRead":true},'
    '"wikis":{"Keys":[{"owner_id":{"S":"%s"},"wiki_slug":{"S":"%s"}}],"ConsistentRead":true},'
    '"acls":{"Keys":[{"wiki_id":{"S":"%s:%s"},"grantee_id":{"S":"%s"}}],"ConsistentRead":true}}}'
)


class BareClient(ABC):
    """Sends the same requests as the other clients, but unsigned."""

    @abstractmethod
    async def _post(self, operation: str, body: str) -> bytes:
        """Send a request; return the body of the answer."""

    async def get(self, owner_id: str, slug: str) -> bytes:
        return await self._post("GetItem", _GET % (owner_id, slug))

    async def create(self, owner_id: str, slug: str) -> None:
        await self._post("PutItem", _PUT % (owner_id, slug))

    async def update(self, wiki: bytes) -> bytes:  # noqa: ARG002 - the wiki is not parsed
        return await self._post("UpdateItem", _UPDATE % ("owner-1000", "wiki-000000"))

    async def page(self, owner_id: str, limit: int) -> Sequence[bytes]:
        return [await self._post("Query", _QUERY % (owner_id, limit, ""))]

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[bytes]:
        """Yield the bodies. The owner's id holds the number of wikis to read."""
        for start in range(0, int(owner_id.removeprefix("owner-")), page_size):
            after = _AFTER % (owner_id, start - 1) if start else ""
            yield await self._post("Query", _QUERY % (owner_id, page_size, after))

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[bytes]:
        batch = _BATCH % (user_id, owner_id, slug, owner_id, slug, user_id)
        return [await self._post("BatchGetItem", batch)]

    async def login(self, sub: str) -> bytes:
        await self._post("GetItem", _GET_USER % f"claim#oauth#github#{sub}")
        return await self._post("GetItem", _GET_USER % f"user-{sub}")

    def plain(self, item: bytes) -> bytes:
        return item

    def values(self, item: bytes) -> dict[str, Any]:
        raise NotImplementedError("bare clients parse nothing")


class BaselineClient(BareClient):
    """Sends by aiohttp's session."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def _post(self, operation: str, body: str) -> bytes:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        async with self._session.post(self._url, data=body.encode(), headers=headers) as response:
            return await response.read()


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[BaselineClient]:
    """Open a session as aiohttp's documentation recommends."""
    tls = True if endpoint.authority is None else ssl.create_default_context(cafile=endpoint.authority)
    connector = aiohttp.TCPConnector(limit=endpoint.connections, ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield BaselineClient(session, endpoint.url)
