"""Opening and closing a store."""

import pytest

from tests.integration.samples import a_user, fresh
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_engine, local_session
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES


async def test_opens_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments a store reads WIKIBOT_* variables and AWS's own variables."""
    environment = {
        "WIKIBOT_USERS_TABLE": "people",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    with local_engine() as url:
        for name, value in (environment | {"AWS_ENDPOINT_URL_DYNAMODB": url}).items():
            monkeypatch.setenv(name, value)

        async with WikibotStore.open() as store:
            tables = await create_tables(store)
            user = await a_user(store)
            assert await store.users.get(user.id) == user

        names = {schema.name: schema.name for schema in TABLES} | {"users": "people"}
        assert [table.name for table in tables] == list(names.values())
        assert store.config == StoreConfig(users_table="people", max_attempts=5)


async def test_client_is_the_stores_to_open_and_close() -> None:
    """A store has one client, and closing it does not close the store's connections."""
    with local_engine() as url:
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=local_session()) as store:
            await create_tables(store)
            async with await store.client() as client:
                await client.list_tables()

            assert await store.client() is client
            assert await store.users.get(fresh()) is None


async def test_closed_store_says_so() -> None:
    """A call after the block raises RuntimeError."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:1")
    async with WikibotStore.open(config, session=local_session()) as store:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        await store.users.get(fresh())
