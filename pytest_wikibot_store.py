"""pytest fixtures for projects that use wikibot_store: a store on tables of the test's own, on an embedded engine.

pytest imports this module in every run where the library is installed. It therefore stands beside the package, whose
import takes the time of aiobotocore's, and imports nothing of it before a test asks for a fixture.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import aioboto3

    from wikibot_store import StoreConfig, WikibotStore
    from wikibot_store.testing import FaultProxy
    from wikibot_store.testing.factories import MakeGrant, MakeUser, MakeWiki

_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")


@pytest.fixture(scope="session")
def wikibot_endpoint() -> Iterator[str]:
    """Run the embedded engine for the session and give its URL; override it to test on another local engine."""
    from wikibot_store.local import local_engine

    with local_engine() as url:
        yield url


@pytest.fixture(scope="session")
def wikibot_session() -> aioboto3.Session:
    """Give the AWS session of local engines, for code that opens a store itself."""
    from wikibot_store.local import local_session

    return local_session()


@pytest.fixture(scope="session")
def wikibot_settings() -> StoreConfig:
    """Give the settings that the stores have but for region, endpoint and tables; override it to change them."""
    from wikibot_store import StoreConfig

    return StoreConfig()


@pytest.fixture
def wikibot_config(wikibot_endpoint: str, wikibot_settings: StoreConfig) -> StoreConfig:
    """Give the settings of a store on empty tables that only this test has.

    They stay behind, under names that nobody uses again, until the engine ends.
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
    """Give a store that is open in the test's event loop; it goes through `fault_proxy` if the test has that too."""
    store: WikibotStore = _in_the_tests_loop(request, "store")
    return store


@pytest.fixture
def fault_proxy(request: pytest.FixtureRequest) -> FaultProxy:
    """Give a proxy in front of the engine that fails as it is told."""
    proxy: FaultProxy = _in_the_tests_loop(request, "proxy")
    return proxy


@pytest.fixture
def make_user(wikibot_store: WikibotStore) -> MakeUser:
    """Give a factory of users; what a call does not name is made up."""
    from wikibot_store.testing.factories import MakeUser

    return MakeUser(wikibot_store)


@pytest.fixture
def make_wiki(wikibot_store: WikibotStore, make_user: MakeUser) -> MakeWiki:
    """Give a factory of wikis; what a call does not name is made up, the owner too."""
    from wikibot_store.testing.factories import MakeWiki

    return MakeWiki(wikibot_store, make_user)


@pytest.fixture
def make_grant(wikibot_store: WikibotStore, make_user: MakeUser, make_wiki: MakeWiki) -> MakeGrant:
    """Give a factory of grants; what a call does not name is made up, wiki and grantee too."""
    from wikibot_store.testing.factories import MakeGrant

    return MakeGrant(wikibot_store, make_user, make_wiki)


@pytest.fixture
def _wikibot_target(request: pytest.FixtureRequest, wikibot_config: StoreConfig) -> StoreConfig:
    """Give the settings of `wikibot_store`: by way of the proxy if there is one."""
    if "fault_proxy" not in request.fixturenames:
        return wikibot_config
    proxy: FaultProxy = request.getfixturevalue("fault_proxy")
    return replace(wikibot_config, endpoint_url=proxy.url)


# What is open belongs to an event loop, and that to the plugin that runs the test. Each of the two plugins has its own
# kind of async fixture, and pytest-asyncio's has one scope of loops. A function can become a fixture of one kind only:
# therefore each fixture gets a function of its own.


def _opens_store() -> Callable[..., AsyncGenerator[WikibotStore]]:
    async def open_store(
        _wikibot_target: StoreConfig, wikibot_session: aioboto3.Session
    ) -> AsyncGenerator[WikibotStore]:
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
    """Add the fixtures of pytest-asyncio's kind where it is there."""
    if not config.pluginmanager.hasplugin("asyncio"):
        return
    import pytest_asyncio

    fixtures: dict[str, object] = {}
    for scope in _LOOP_SCOPES:
        fixtures[f"_wikibot_store_{scope}"] = pytest_asyncio.fixture(_opens_store(), loop_scope=scope)
        fixtures[f"_wikibot_proxy_{scope}"] = pytest_asyncio.fixture(_opens_proxy(), loop_scope=scope)
    config.pluginmanager.register(type("AsyncioFixtures", (), fixtures), "wikibot_store_asyncio")


def _in_the_tests_loop(request: pytest.FixtureRequest, what: str) -> Any:  # noqa: ANN401 - whatever is opened
    """Return what one of the openers opens in the event loop that the test will run in."""
    if "anyio_backend" in request.fixturenames:
        return request.getfixturevalue(f"_wikibot_{what}_anyio")
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail(
            f"{request.fixturename} is open in the test's event loop: install pytest-asyncio, "
            "or mark the test with pytest.mark.anyio",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("asyncio")
    scope = marker and marker.kwargs.get("loop_scope")
    scope = scope or request.config.getini("asyncio_default_test_loop_scope")
    return request.getfixturevalue(f"_wikibot_{what}_{scope}")
