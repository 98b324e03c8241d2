"""pytest fixtures for projects that use wikibot_store: a store on an embedded engine, with its own tables per test.

pytest imports this module in every run where the library is installed. The module is therefore outside of the package,
which takes long to import, and imports it only when a test uses a fixture.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from wikibot_store import StoreConfig, WikibotStore
    from wikibot_store.testing import FaultProxy
    from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki

_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")


@pytest.fixture(scope="session")
def wikibot_endpoint() -> Iterator[str]:
    """Run the embedded engine for the session and return its URL. Override it to test on another local engine."""
    from wikibot_store.local import local_engine

    with local_engine() as url:
        yield url


@pytest.fixture(scope="session")
def wikibot_session() -> AioSession:
    """Return the AWS session for local engines, for code that opens a store itself."""
    from wikibot_store.local import local_session

    return local_session()


@pytest.fixture(scope="session")
def wikibot_settings() -> StoreConfig:
    """Return the settings of the stores, except region, endpoint and tables. Override it to change them."""
    from wikibot_store import StoreConfig

    return StoreConfig()


@pytest.fixture
def wikibot_config(wikibot_endpoint: str, wikibot_settings: StoreConfig) -> StoreConfig:
    """Return the settings of a store with new, empty tables that only this test uses.

    The tables are not deleted. They end with the engine, and their names are not used again.
    """
    from wikibot_store.local import REGION
    from wikibot_store.schema import TABLES
    from wikibot_store.testing._tables import create_bare_tables

    prefix = f"test-{secrets.token_hex(6)}"
    names: dict[str, Any] = {f"{schema.name}_table": f"{prefix}-{schema.name}" for schema in TABLES}
    config = replace(wikibot_settings, region=REGION, endpoint_url=wikibot_endpoint, **names)
    create_bare_tables(config, wikibot_endpoint)
    return config


@pytest.fixture
def wikibot_store(request: pytest.FixtureRequest) -> WikibotStore:
    """Return an open store in the test's event loop. If the test uses `fault_proxy`, the store sends through it."""
    store: WikibotStore = _in_the_tests_loop(request, "store")
    return store


@pytest.fixture
def fault_proxy(request: pytest.FixtureRequest) -> FaultProxy:
    """Return a proxy in front of the engine, which injects faults."""
    proxy: FaultProxy = _in_the_tests_loop(request, "proxy")
    return proxy


@pytest.fixture
def make_user(wikibot_store: WikibotStore) -> MakeUser:
    """Return a factory of users, which makes up every value that a call does not give."""
    from wikibot_store.testing.factories import MakeUser

    return MakeUser(wikibot_store)


@pytest.fixture
def make_wiki(wikibot_store: WikibotStore, make_user: MakeUser) -> MakeWiki:
    """Return a factory of wikis, which makes up every value that a call does not give, the owner included."""
    from wikibot_store.testing.factories import MakeWiki

    return MakeWiki(wikibot_store, make_user)


@pytest.fixture
def make_grant(wikibot_store: WikibotStore, make_user: MakeUser, make_wiki: MakeWiki) -> MakeGrant:
    """Return a factory of grants, which makes up every value that a call does not give, wiki and grantee included."""
    from wikibot_store.testing.factories import MakeGrant

    return MakeGrant(wikibot_store, make_user, make_wiki)


@pytest.fixture
def _wikibot_target(request: pytest.FixtureRequest, wikibot_config: StoreConfig) -> StoreConfig:
    """Return the settings of `wikibot_store`, with the endpoint of the proxy if the test uses one."""
    if "fault_proxy" not in request.fixturenames:
        return wikibot_config
    proxy: FaultProxy = request.getfixturevalue("fault_proxy")
    return replace(wikibot_config, endpoint_url=proxy.url)


# An open store belongs to one event loop, which the plugin that runs the test creates. Each plugin has its own kind of
# async fixture, and a fixture of pytest-asyncio has one loop scope. A function can become a fixture only once, so each
# fixture gets its own function.


def _opens_store() -> Callable[..., AsyncGenerator[WikibotStore]]:
    async def open_store(_wikibot_target: StoreConfig, wikibot_session: AioSession) -> AsyncGenerator[WikibotStore]:
        from wikibot_store import WikibotStore

        async with WikibotStore.open(_wikibot_target, session=wikibot_session) as store:
            yield store

    return open_store


def _opens_proxy() -> Callable[..., AsyncGenerator[FaultProxy]]:
    async def open_proxy(wikibot_endpoint: str) -> AsyncGenerator[FaultProxy]:
        from wikibot_store.testing import FaultProxy

        async with FaultProxy(wikibot_endpoint) as proxy:
            yield proxy

    return open_proxy


_wikibot_store_anyio = pytest.fixture(_opens_store())
_wikibot_proxy_anyio = pytest.fixture(_opens_proxy())


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixtures for pytest-asyncio if it is installed."""
    if not config.pluginmanager.hasplugin("asyncio"):
        return
    import pytest_asyncio

    fixtures: dict[str, object] = {}
    for scope in _LOOP_SCOPES:
        fixtures[f"_wikibot_store_{scope}"] = pytest_asyncio.fixture(_opens_store(), loop_scope=scope)
        fixtures[f"_wikibot_proxy_{scope}"] = pytest_asyncio.fixture(_opens_proxy(), loop_scope=scope)
    config.pluginmanager.register(type("AsyncioFixtures", (), fixtures), "wikibot_store_asyncio")


def _in_the_tests_loop(request: pytest.FixtureRequest, what: str) -> Any:  # noqa: ANN401 - whatever is opened
    """Return an open store or proxy in the event loop that the test will run in."""
    if "anyio_backend" in request.fixturenames:
        return request.getfixturevalue(f"_wikibot_{what}_anyio")
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail(
            f"{request.fixturename} needs the test's event loop: install pytest-asyncio, "
            "or mark the test with pytest.mark.anyio",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("asyncio")
    scope = marker and marker.kwargs.get("loop_scope")
    scope = scope or request.config.getini("asyncio_default_test_loop_scope")
    return request.getfixturevalue(f"_wikibot_{what}_{scope}")
