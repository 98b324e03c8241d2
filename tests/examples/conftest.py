"""The example backend on the embedded engine, and people who use it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.examples.serving import Person, client, serve
from wikibot_store.local import local_store


@pytest.fixture(scope="session")
def api_url() -> Iterator[str]:
    """Run the API."""
    with serve(local_store) as url:
        yield url


@pytest.fixture(scope="session")
async def http(api_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the API."""
    async with client(api_url) as http:
        yield http


@pytest.fixture
async def ada(http: httpx.AsyncClient) -> Person:
    """Give somebody new."""
    return await Person.log_in(http)


@pytest.fixture
async def bob(http: httpx.AsyncClient) -> Person:
    """Give somebody else."""
    return await Person.log_in(http)
