"""The engines, tables and stores that the integration tests share."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import aioboto3
import pytest

from tests.engines import Engine, engines, on_aws, throw_away_store
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables


@pytest.fixture(scope="session", params=[engine for engine in engines() if engine.missing is None], ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Give one engine after the other; test_engines.py speaks for those that are missing."""
    engine: Engine = request.param
    return engine


@pytest.fixture(scope="session")
def endpoint(engine: Engine) -> Iterator[str | None]:
    """Run the engine and give its URL, None for AWS itself."""
    with engine.start() as url:
        yield url


@pytest.fixture(scope="session")
def session() -> aioboto3.Session:
    """Give the AWS session that all stores share."""
    return aioboto3.Session() if on_aws() else local_session()


@pytest.fixture(scope="session")
async def store(endpoint: str | None, session: aioboto3.Session) -> AsyncIterator[WikibotStore]:
    """Give the store that an engine's tests share."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
async def bare_store(endpoint: str | None, session: aioboto3.Session) -> AsyncIterator[WikibotStore]:
    """Give a store whose tables are yet to be made."""
    async with throw_away_store(endpoint, session) as store:
        yield store


@pytest.fixture(scope="session")
async def unreachable_store() -> AsyncIterator[WikibotStore]:
    """Give a store for which every request ends in UnavailableError."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:1", max_attempts=1, grantee_index=True)
    async with WikibotStore.open(config, session=local_session()) as store:
        yield store


@pytest.fixture
def sent(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list that grows with every request of the shared store, such as "GetItem (consistent)"."""
    requests: list[str] = []
    call = store._wire.call

    async def record(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        requests.append(_describe(operation, request))
        return await call(operation, request, decode, deadline=deadline)

    monkeypatch.setattr(store._wire, "call", record)
    return requests


def _describe(operation: str, request: Mapping[str, Any]) -> str:
    if "TransactItems" in request:
        return f"{operation} ({', '.join(kind for action in request['TransactItems'] for kind in action)})"
    if "IndexName" in request:
        return f"{operation} ({request['IndexName']})"
    return f"{operation} (consistent)" if request.get("ConsistentRead") else operation
