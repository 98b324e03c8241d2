"""The cost of calls, collected for one handler and counted for the store."""

import asyncio

from tests.integration.samples import a_user, a_wiki, fresh
from tests.waiting import together
from wikibot_store import Usage, WikibotStore, collect


async def test_a_handler_learns_what_its_calls_cost(store: WikibotStore) -> None:
    """A block collects its requests and its read and write capacity units."""
    wiki = await a_wiki(store)

    with collect() as usage:
        await store.wikis.get(wiki.owner_id, wiki.wiki_slug)
        await store.wikis.update(wiki.owner_id, wiki.wiki_slug, expected_version=1, display_name="Another")
    await store.wikis.get(wiki.owner_id, wiki.wiki_slug)

    assert (usage.requests, usage.retries, usage.throttles) == (2, 0, 0)
    assert usage.read_units > 0
    assert usage.write_units > 0


async def test_blocks_are_nested(store: WikibotStore) -> None:
    """An outer block counts its own calls and those of an inner block."""
    user = await a_user(store)

    with collect() as outer:
        await store.users.record_login(user.id)
        with collect() as inner:
            await store.users.record_login(user.id)

    assert (inner.requests, outer.requests) == (1, 2)


async def test_tasks_count_for_the_block_that_starts_them(store: WikibotStore) -> None:
    """Handlers at the same time are counted apart, each with its own tasks."""
    wiki = await a_wiki(store)

    async def handler(calls: int) -> Usage:
        with collect() as usage:
            await asyncio.gather(*[store.wikis.list_by_owner(wiki.owner_id) for _ in range(calls)])
        return usage

    usages = await asyncio.gather(handler(1), handler(3))

    assert [usage.requests for usage in usages] == [1, 3]


async def test_operations_over_several_tables(store: WikibotStore) -> None:
    """A batch and a transaction report the capacity of all their tables."""
    user = await a_user(store)

    with collect() as usage:
        await store.wikis.create(user.id, "notes", display_name="Notes", repo_path="/srv/notes")
        await store.authorize(user.id, user.id, "notes")

    assert usage.requests == 2
    assert usage.read_units > 0  # moto reports no write units of a transaction


async def test_a_store_counts(store: WikibotStore) -> None:
    """The store counts requests by operation, and coalesced reads."""
    before = store.stats()

    await together(store, *[store.users.get(fresh()) for _ in range(5)])

    after = store.stats()
    assert after.requests["BatchGetItem"] == before.requests.get("BatchGetItem", 0) + 1
    assert after.coalesced_reads - before.coalesced_reads == 5
    assert after.coalesced_requests - before.coalesced_requests == 1
    assert (after.in_flight, after.pool_size) == (0, store.config.max_pool_connections)
