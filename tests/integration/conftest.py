"""The engines, tables and stores that the integration tests share."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from aiobotocore.session import AioSession, get_session

from tests.engines import Engine, engines, on_aws, throw_away_store
from tests.gathering import Gathering
from tests.permissions import permissions
from tests.recording import described, recording
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store._wire import Wire
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES


@pytest.fixture(scope="session", params=[engine for engine in engines() if engine.missing is None], ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Give one engine after the other. test_engines.py reports the missing ones."""
    engine: Engine = request.param
    return engine


@pytest.fixture(scope="session")
def _running() -> Iterator[Callable[[Engine], str | None]]:
    """Give the function that starts an engine once and returns its URL; all engines run until the end."""
    urls: dict[str, str | None] = {}
    with ExitStack() as stack:

        def url_of(engine: Engine) -> str | None:
            if engine.name not in urls:
                urls[engine.name] = stack.enter_context(engine.start())
            return urls[engine.name]

        yield url_of


@pytest.fixture(scope="session")
def endpoint(engine: Engine, _running: Callable[[Engine], str | None]) -> str | None:
    """Give the engine's URL, or None for AWS."""
    return _running(engine)


@pytest.fixture(scope="session")
def session() -> AioSession:
    """Give the AWS session that all stores share."""
    return get_session() if on_aws() else local_session()


@pytest.fixture(scope="module")
async def store(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """Give the store that a module's tests share: moto is slow if a table holds the items of many tests."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        yield store


@pytest.fixture
async def bare_store(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """Give a store without tables."""
    async with throw_away_store(endpoint, session) as store:
        yield store


@pytest.fixture(scope="session")
async def unreachable_store() -> AsyncIterator[WikibotStore]:
    """Give a store for which every request ends in UnavailableError."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:1", max_attempts=1, grantee_index=True)
    async with WikibotStore.open(config, session=local_session()) as store:
        yield store


@pytest.fixture
def sent(store: WikibotStore) -> Iterator[list[str]]:
    """Give the list that grows with every request of the test's store, such as "GetItem (consistent)"."""
    requests: list[str] = []
    with recording(store, lambda operation, request: requests.append(described(operation, request))):
        yield requests


# ---- what the suite asks of IAM


@pytest.fixture(autouse=True)
def _asks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record what every store sends during a test, with the tables by their names in the schema."""
    gathering = request.config.pluginmanager.get_plugin("gathering")
    assert isinstance(gathering, Gathering)
    asked, call = gathering.asked, Wire.call

    async def note(
        wire: Wire, operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        asked.update(
            permissions(operation, request, {wire.config.table_name(table.name): table.name for table in TABLES})
        )
        return await call(wire, operation, request, decode, deadline=deadline)

    monkeypatch.setattr(Wire, "call", note)
