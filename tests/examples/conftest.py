"""The example backend on the embedded engine, and people who use it."""

import secrets
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from playwright.async_api import Browser

from examples.wiki_api.__main__ import open_store
from tests.examples.browsing import chromium
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


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Run one browser for all tests of the page."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
def name() -> str:
    """Give the name of somebody new, which is the username too."""
    return f"p-{secrets.token_hex(6)}"


@pytest.fixture
def other() -> str:
    """Give the name of somebody else."""
    return f"q-{secrets.token_hex(6)}"
