"""The engines, tables and stores that the integration tests share."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from tests.engines import Engine, engines, on_aws, throw_away_store
from tests.permissions import Permission, allowed, permissions
from tests.recording import described, recording
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store._wire import Wire
from wikibot_store.local import local_session
from wikibot_store.policies import backend_policy, operator_policy
from wikibot_store.provision import create_tables
from wikibot_store.schema import GRANTEE_INDEX, TABLES


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
def sent(store: WikibotStore) -> Iterator[list[str]]:
    """Give the list that grows with every request of the test's store, such as "GetItem (consistent)"."""
    requests: list[str] = []
    with recording(store, lambda operation, request: requests.append(described(operation, request))):
        yield requests


# ---- what the suite asks of IAM

_left_out: list[pytest.Item] = []


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember that not all tests are run."""
    _left_out.extend(items)


@pytest.fixture(scope="session")
def asked(request: pytest.FixtureRequest) -> Iterator[set[Permission]]:
    """Give the set of what IAM would be asked for by the whole suite; in the end compare it with the policies.

    Nothing may have been sent that neither the backend nor the operator is allowed; and where all of the suite has run,
    all that the backend is allowed must have been sent.

    moto can enforce IAM, but not for DynamoDB in earnest: it knows no resource but "*", and asks for
    dynamodb:TransactWriteItems, an action that IAM does not have. So the policies are compared and not enforced.
    """
    permissions_asked: set[Permission] = set()
    yield permissions_asked
    names = {schema.name: schema.name for schema in TABLES}
    backend = allowed(backend_policy(names, optional_indexes={GRANTEE_INDEX}))
    assert permissions_asked <= backend | allowed(operator_policy(names))
    if _ran_whole(request.session):
        assert backend <= permissions_asked


def _ran_whole(session: pytest.Session) -> bool:
    """Tell whether every test of this folder has run to its end."""
    files = {item.path for item in session.items}
    chosen = _left_out or any("::" in argument for argument in session.config.args)
    return not chosen and not session.testsfailed and files >= set(Path(__file__).parent.glob("test_*.py"))


@pytest.fixture(autouse=True)
def _asks(asked: set[Permission], monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what every store sends during a test, with the tables by their names in the schema."""
    call = Wire.call

    async def note(
        wire: Wire, operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        asked.update(
            permissions(operation, request, {wire.config.table_name(table.name): table.name for table in TABLES})
        )
        return await call(wire, operation, request, decode, deadline=deadline)

    monkeypatch.setattr(Wire, "call", note)
