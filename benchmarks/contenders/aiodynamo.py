"""aiodynamo on aiohttp: plain values, numbers as float."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials
from aiodynamo.expressions import F, HashKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import BatchGetRequest, ReturnValues
from yarl import URL

from benchmarks.contenders import Endpoint, new_wiki, timestamp

Item = dict[str, Any]


class DynamoClient:
    """Calls the client and its table."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wikis = client.table("wikis")
        self._users = client.table("users")

    async def get(self, owner_id: str, slug: str) -> Item:
        item: Item = await self._wikis.get_item({"owner_id": owner_id, "wiki_slug": slug})
        return item

    async def create(self, owner_id: str, slug: str) -> None:
        await self._wikis.put_item(new_wiki(owner_id, slug), condition=F("owner_id").does_not_exist())

    async def update(self, wiki: Item) -> Item:
        updated: Item = await self._wikis.update_item(
            {"owner_id": wiki["owner_id"], "wiki_slug": wiki["wiki_slug"]},
            F("display_name").set("Field notes")
            & F("updated_at").set(timestamp(datetime.now(UTC)))
            & F("version").set(wiki["version"] + 1),
            condition=F("version").equals(wiki["version"]),
            return_values=ReturnValues.all_new,
        )
        return updated

    async def page(self, owner_id: str, limit: int) -> Sequence[Item]:
        page = await self._wikis.query_single_page(HashKey("owner_id", owner_id), limit=limit)
        items: list[Item] = page.items
        return items

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Item]:  # noqa: ARG002 - it has no page size
        items: AsyncIterator[Item] = self._wikis.query(HashKey("owner_id", owner_id))
        return items

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Item]:
        reply = await self._client.batch_get(
            {
                "users": BatchGetRequest([{"id": user_id}], consistent_read=True),
                "wikis": BatchGetRequest([{"owner_id": owner_id, "wiki_slug": slug}], consistent_read=True),
                "acls": BatchGetRequest(
                    [{"wiki_id": f"{owner_id}:{slug}", "grantee_id": user_id}], consistent_read=True
                ),
            }
        )
        return [reply.items[table][0] for table in ("users", "wikis", "acls")]

    async def login(self, sub: str) -> Item:
        claim = await self._users.get_item({"id": f"claim#oauth#github#{sub}"}, consistent_read=True)
        item: Item = await self._users.get_item({"id": claim["user_id"]}, consistent_read=True)
        return item

    def plain(self, item: Item) -> Item:
        return item

    def values(self, item: Item) -> dict[str, Any]:
        return item


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[DynamoClient]:
    """Open a client on an aiohttp session, which is configured with the CA."""
    tls = True if endpoint.authority is None else ssl.create_default_context(cafile=endpoint.authority)
    connector = aiohttp.TCPConnector(limit=endpoint.connections, ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield DynamoClient(Client(AIOHTTP(session), Credentials.auto(), endpoint.region, URL(endpoint.url)))
