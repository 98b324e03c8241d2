"""The requests that each access pattern sends, as the reference documents them."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import AioSession

from tests.access_patterns import PATTERNS, AccessPattern, public_methods
from tests.engines import throw_away_store
from tests.integration.samples import collect, eventually
from tests.recording import described, recording
from tests.world import WORLD, reset
from wikibot_store import WikibotStore
from wikibot_store.provision import create_tables
from wikibot_store.schema import GRANTEE_INDEX, OAUTH_INDEX, TABLES


@pytest.fixture(scope="module")
async def tables(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store whose tables hold only the small world."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
async def world(tables: WikibotStore) -> WikibotStore:
    """A store with the small world, after its indexes are up to date."""
    await reset(tables)
    await eventually(lambda: _indexed(tables, "users", OAUTH_INDEX), len(WORLD.people))
    await eventually(lambda: _indexed(tables, "acls", GRANTEE_INDEX), len(WORLD.acls))
    return tables


async def _indexed(store: WikibotStore, table: str, index: str) -> int:
    reply = await (await store.client()).scan(TableName=store.config.table_name(table), IndexName=index)
    return reply["Count"]


def test_every_public_method_has_an_entry() -> None:
    """Every public method is among the access patterns, each under its own name."""
    methods = {pattern.method for pattern in PATTERNS}
    assert set(public_methods()) - methods == set(), "add an AccessPattern to tests/access_patterns.py"
    assert methods == set(public_methods())
    assert len({str(pattern) for pattern in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
async def test_access_pattern(world: WikibotStore, pattern: AccessPattern) -> None:
    """The access pattern sends these requests and no others."""
    sent: list[str] = []

    with recording(world, lambda operation, request: sent.append(described(operation, request))):
        await pattern.call(world)

    arranged = list if pattern.in_order else sorted
    assert arranged(sent) == arranged(pattern.requests)


async def test_sweep_reads_what_items_name_in_batches(world: WikibotStore) -> None:
    """A sweep scans each table and reads in one batch what the items of a page name, and the wikis of each user.

    A user whose count seems wrong is inspected alone: user, claims, wikis, and user and wikis until two passes agree.
    """
    sent: list[str] = []

    with recording(world, lambda operation, request: sent.append(described(operation, request))):
        pages = await collect(world.admin.sweep(segments=1))

    scanned = {page.table: page.scanned for page in pages}
    assert scanned == {schema.name: len(WORLD.tables[schema.name]) for schema in TABLES}
    claims = sum(user_id == "max" for user_id in WORLD.claims.values())
    assert Counter(sent) == {
        "Scan": len(TABLES),
        "BatchGetItem": 3,  # what wikis, users with their claims, and grants name
        "GetItem (consistent)": 1 + claims + 2,
        "Query (consistent)": len(WORLD.people) + 1 + 2,
    }
