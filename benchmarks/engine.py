"""Runs DynamoDB Local with the items of the benchmark, to measure with a server that does real work."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.answers import Values, acl, owner, slug, user, wiki, wire
from benchmarks.contenders.wikibot_store import StoreClient
from benchmarks.processes import Server
from benchmarks.works import OWNER, USER, WIKIS, WORKS
from tests.engines import dynamodb_local
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables

_BATCH = 25
_AT_ONCE = 8
_WARM_UP = 300


@contextmanager
def engine(wikis: int) -> Iterator[Server]:
    """Run DynamoDB Local with filled tables; one owner has `wikis` wikis for the stream."""
    with dynamodb_local(optimized=True) as url:
        asyncio.run(_fill(url, wikis))
        yield Server(url)


async def _fill(url: str, wikis: int) -> None:
    slugs = [slug(number) for number in range(WIKIS)]
    async with WikibotStore.open(StoreConfig(endpoint_url=url), session=local_session()) as store:
        await create_tables(store)
        await _put(store, "users", [user(USER)])
        await _put(store, "acls", [acl(f"{OWNER}:{wiki_slug}", USER) for wiki_slug in slugs])
        for count in {100, WIKIS, wikis}:
            await _put(store, "wikis", [wiki(owner(count), slug(number)) for number in range(count)])
        for work in WORKS:  # Java compiles hot code: do this before the first library is measured
            await work.run(StoreClient(store), _WARM_UP)


async def _put(store: WikibotStore, table: str, items: list[Values]) -> None:
    client = await store.client()
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def put(batch: list[Values]) -> None:
        requests: Any = {table: [{"PutRequest": {"Item": wire(item)}} for item in batch]}
        async with at_once:
            await client.batch_write_item(RequestItems=requests)

    async with asyncio.TaskGroup() as group:
        for start in range(0, len(items), _BATCH):
            group.create_task(put(items[start : start + _BATCH]))
