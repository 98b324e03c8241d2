"""The embedded engine: started by one line, isolated from others, and deleted afterwards."""

import asyncio
from typing import Any

import pytest

from tests.faults.invariants import read_all
from tests.integration.samples import a_user, a_user_id, a_wiki, an_item, fresh
from wikibot_store import StoreConfig, UnavailableError, WikibotStore
from wikibot_store.local import local_engine, local_session, local_store
from wikibot_store.provision import create_tables


async def test_two_blocks_are_separate() -> None:
    """Two stores at the same time, with tables of the same names, do not see each other's items."""
    async with local_store() as one, local_store() as other:
        user = await a_user(one)

        assert one.config.users_table == other.config.users_table
        assert await one.users.get(user.id) == user
        assert await other.users.get(user.id) is None


async def test_state_is_gone_after_the_block() -> None:
    """A new block finds no items of an earlier one, whose engine no longer answers."""
    async with local_store() as first:
        user = await a_user(first)
    async with local_store() as second:
        assert await second.users.get(user.id) is None

    late = StoreConfig(endpoint_url=first.config.endpoint_url, max_attempts=1)
    async with WikibotStore.open(late, session=local_session()) as store:
        with pytest.raises(UnavailableError):
            await store.users.get(user.id)


async def test_engine_ends_with_an_error_in_the_block() -> None:
    """An error in the block is raised unchanged, and the engine stops."""
    with pytest.raises(ZeroDivisionError):
        async with local_store() as store:
            raise ZeroDivisionError

    late = StoreConfig(endpoint_url=store.config.endpoint_url, max_attempts=1)
    async with WikibotStore.open(late, session=local_session()) as reopened:
        with pytest.raises(UnavailableError):
            await reopened.users.get(fresh())


async def test_settings_are_kept() -> None:
    """The caller's settings apply, except region and endpoint."""
    config = StoreConfig(
        users_table="people",
        wikis_table="books",
        acls_table="grants",
        grantee_index=True,
        coalesce_reads=False,
        max_attempts=2,
        cursor_secret="correct horse battery staple",
    )

    async with local_store(config) as store:
        unchanged = {field: getattr(store.config, field) for field in StoreConfig.__dataclass_fields__}
        unchanged |= {"region": None, "endpoint_url": None}
        assert StoreConfig(**unchanged) == config
        assert set((await (await store.client()).list_tables())["TableNames"]) == {"people", "books", "grants"}
        wiki = await a_wiki(store)
        acl = await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=wiki.owner_id)
        assert (await store.acls.list_by_grantee(acl.grantee_id)).items == [acl]


async def test_reads_alone_when_told_not_to_coalesce() -> None:
    """A store without coalescing returns the same results."""
    async with local_store(StoreConfig(coalesce_reads=False)) as store:
        users = [await a_user(store) for _ in range(3)]

        assert await asyncio.gather(*[store.users.get(user.id) for user in users]) == users


async def test_a_cancelled_transaction_changes_nothing() -> None:
    """What the other actions of a cancelled transaction have put, changed and deleted is as it was before."""
    async with local_store() as store:
        wiki, deleted = await a_wiki(store), await a_wiki(store)
        before = await read_all(store)
        users, wikis = store.config.users_table, store.config.wikis_table
        keys = [an_item(owner_id=each.owner_id, wiki_slug=each.wiki_slug) for each in (wiki, deleted)]
        update = {"UpdateExpression": "SET version = :new", "ExpressionAttributeValues": {":new": {"N": "2"}}}
        refused = {"TableName": users, "Key": an_item(id="none"), "ConditionExpression": "attribute_exists(id)"}

        actions: list[Any] = [
            {"Update": {"TableName": users, "Key": an_item(id=wiki.owner_id), **update}},
            {"Update": {"TableName": users, "Key": an_item(id="new"), **update}},
            {"Update": {"TableName": wikis, "Key": keys[0], **update}},
            {"Delete": {"TableName": wikis, "Key": keys[1]}},
            {"Put": {"TableName": wikis, "Item": an_item(owner_id=wiki.owner_id, wiki_slug="new")}},
            {"ConditionCheck": refused},
        ]

        client = await store.client()
        with pytest.raises(client.exceptions.TransactionCanceledException):
            await client.transact_write_items(TransactItems=actions)

        assert await read_all(store) == before


async def test_plain_asyncio_run() -> None:
    """A program can open a local store with asyncio.run, several times."""

    async def program() -> int:
        async with local_store() as store:
            wiki = await a_wiki(store)
            return len(await store.wikis.list_by_owner(wiki.owner_id))

    assert [await asyncio.to_thread(asyncio.run, program()) for _ in range(2)] == [1, 1]


async def test_engine_on_its_own(unused_tcp_port: int) -> None:
    """An engine can be served on a chosen port for several stores."""
    with local_engine(unused_tcp_port) as url:
        assert url == f"http://127.0.0.1:{unused_tcp_port}"
        config = StoreConfig(endpoint_url=url)
        async with WikibotStore.open(config, session=local_session()) as store:
            await create_tables(store)
            user = await a_user(store)
        async with WikibotStore.open(config, session=local_session()) as store:
            assert await store.users.get(user.id) == user
