"""The store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from benchmarks.contenders import Endpoint, timestamp
from wikibot_store import PublicUser, PublicWiki, StoreConfig, User, Wiki, WikibotStore

_ITEMS_PER_PERSON = 5  # a user, two claims, a wiki and a grant


class StoreClient:
    """Calls the DAOs."""

    def __init__(self, store: WikibotStore) -> None:
        self._store = store

    async def get(self, owner_id: str, slug: str) -> Wiki | None:
        return await self._store.wikis.get(owner_id, slug)

    async def create(self, owner_id: str, slug: str) -> None:
        # The PutItem that the other libraries send. `wikis.create` also counts the wiki, in a transaction of two items.
        now = datetime.now(UTC)
        wiki = Wiki(
            owner_id=owner_id,
            wiki_slug=slug,
            uid=uuid4().hex,
            display_name="Field notes",
            repo_path="/srv/wikis/9f/1c/9f1c5a0e.git",
            created_at=now,
            updated_at=now,
        )
        await self._store._tables.wikis.insert(wiki)

    async def update(self, wiki: Wiki) -> Wiki:
        return await self._store.wikis.update(
            wiki.owner_id, wiki.wiki_slug, expected_version=wiki.version, display_name="Field notes"
        )

    async def page(self, owner_id: str, limit: int) -> Sequence[Wiki]:
        return (await self._store.wikis.list_by_owner(owner_id, limit=limit)).items

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Wiki]:
        return self._store.wikis.iter_by_owner(owner_id, page_size=page_size)

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Any]:
        access = await self._store.authorize(user_id, owner_id, slug)
        return [access.user, access.wiki, access]

    async def login(self, sub: str) -> User:
        user, _ = await self._store.users.get_or_create_by_oauth("github", sub)
        return user

    async def sweep(self, items: int) -> None:
        """Sweep tables of about so many items, of which none is broken. The other libraries have nothing like it."""
        people = items // _ITEMS_PER_PERSON
        config = replace(
            self._store.config,
            users_table=f"users-{people}",
            wikis_table=f"wikis-{people}",
            acls_table=f"acls-{people}",
        )
        async with WikibotStore.open(config) as store:
            async for page in store.admin.sweep():
                if page.findings:
                    raise RuntimeError(f"a sweep of canned answers found {page.findings[0]}")

    def plain(self, item: User | Wiki) -> PublicUser | PublicWiki:
        return item.public()

    def values(self, item: msgspec.Struct) -> dict[str, Any]:
        return {
            name: timestamp(value) if isinstance(value, datetime) else value
            for name, value in msgspec.structs.asdict(item).items()
            if value is not None
        }


def connect(endpoint: Endpoint) -> AbstractAsyncContextManager[StoreClient]:
    """Open a store with default settings."""
    return _connect(endpoint, coalesce_reads=True)


def connect_apart(endpoint: Endpoint) -> AbstractAsyncContextManager[StoreClient]:
    """Open a store that sends one GetItem per point read."""
    return _connect(endpoint, coalesce_reads=False)


@asynccontextmanager
async def _connect(endpoint: Endpoint, *, coalesce_reads: bool) -> AsyncIterator[StoreClient]:
    config = StoreConfig(
        endpoint_url=endpoint.url, max_pool_connections=endpoint.connections, coalesce_reads=coalesce_reads
    )
    async with WikibotStore.open(config) as store:
        yield StoreClient(store)
