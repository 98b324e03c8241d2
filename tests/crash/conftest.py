"""A store on one engine, and the server that processes are forked from."""

import multiprocessing
from collections.abc import AsyncIterator, Iterator
from multiprocessing.context import ForkServerContext

import pytest
from aiobotocore.session import get_session

from tests.engines import most_like_aws, on_aws, throw_away_store
from tests.integration.clean_tables import check_and_wipe
from wikibot_store import WikibotStore
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str | None]:
    """Run the engine that is most like AWS: what a crash leaves does not depend on it."""
    with most_like_aws().start() as url:
        yield url


@pytest.fixture(scope="session")
async def tables(endpoint: str | None) -> AsyncIterator[WikibotStore]:
    """Give a store with tables of its own."""
    session = get_session() if on_aws() else local_session()
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
async def store(tables: WikibotStore) -> AsyncIterator[WikibotStore]:
    """Give the store with empty tables, and check in the end that nothing is wrong in them."""
    yield tables
    await check_and_wipe(tables)


@pytest.fixture(scope="session")
def forks() -> ForkServerContext:
    """Give what makes processes in milliseconds: they are forked from one that has imported all they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.child"])
    return context
