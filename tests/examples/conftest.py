"""The example backend on the embedded engine, and people who use it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from examples.wiki_api.__main__ import open_store
from tests.examples.serving import Person, client, serve


@pytest.fixture(scope="session")
def api_url() -> Iterator[str]:
    """Run the API."""
    with serve(open_store) as url:
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
