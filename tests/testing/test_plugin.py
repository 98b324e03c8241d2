"""The pytest plugin, in a small project for each test."""

import importlib

import pytest

pytest_plugins = ["pytester"]

WITHOUT_ASYNCIO = ("-p", "no:asyncio")
PATIENT_STORES = """
import pytest
from tests.engines import patient

@pytest.fixture(scope="session")
def wikibot_settings():
    return patient()
"""
STRICT = ("-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture(scope="module", autouse=True)
def _moto_stays_loaded() -> None:
    """Import moto for all runs: pytester forgets what a run has imported, and moto takes a second."""
    for module in ("moto.moto_server.werkzeug_app", "moto.dynamodb"):
        importlib.import_module(module)


def run(pytester: pytest.Pytester, code: str, *arguments: str, settings: str = PATIENT_STORES) -> pytest.RunResult:
    """Run a project of one test module in this process, with these settings of its stores."""
    pytester.makeconftest(settings)
    pytester.makepyfile(code)
    return pytester.runpytest_inprocess("-p", "no:randomly", "-W", "error", *arguments)


@pytest.mark.parametrize(
    ("mark", "arguments"),
    [
        pytest.param("asyncio", STRICT, id="asyncio"),
        pytest.param("asyncio(loop_scope='module')", STRICT, id="asyncio with a loop per module"),
        pytest.param("anyio", WITHOUT_ASYNCIO, id="anyio"),
    ],
)
def test_each_test_has_an_open_store_on_empty_tables(
    pytester: pytest.Pytester, mark: str, arguments: tuple[str, ...]
) -> None:
    """Two tests that use the same ids find only their own items, whichever plugin runs them."""
    result = run(
        pytester,
        f"""
        import pytest

        pytestmark = pytest.mark.{mark}

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.parametrize("visit", [1, 2])
        async def test_items(wikibot_store, make_user, make_wiki, make_grant, visit):
            ada = await make_user(id="ada")
            wiki = await make_wiki(ada, wiki_slug="notes")
            acl = await make_grant(wiki)
            assert (await wikibot_store.wikis.list_by_owner("ada")).items == [wiki]
            assert (await wikibot_store.acls.list_by_wiki("ada:notes")).items == [acl]
        """,
        *arguments,
    )

    result.assert_outcomes(passed=2)


def test_settings_can_be_overridden(pytester: pytest.Pytester) -> None:
    """A project can change the settings of its stores; the plugin sets endpoint and tables."""
    result = run(
        pytester,
        """
        import pytest
        from wikibot_store import StoreConfig

        @pytest.fixture(scope="session")
        def wikibot_settings():
            return StoreConfig(grantee_index=True, max_attempts=2, endpoint_url="http://127.0.0.1:1")

        @pytest.mark.asyncio
        async def test_index(wikibot_store, make_grant, wikibot_endpoint):
            acl = await make_grant()
            assert (await wikibot_store.acls.list_by_grantee(acl.grantee_id)).items == [acl]
            assert wikibot_store.config.max_attempts == 2
            assert wikibot_store.config.endpoint_url == wikibot_endpoint
        """,
        *STRICT,
    )

    result.assert_outcomes(passed=1)


def test_settings_are_the_defaults(pytester: pytest.Pytester) -> None:
    """A project that changes no settings has those of StoreConfig; the plugin sets endpoint and tables."""
    result = run(
        pytester,
        """
        from wikibot_store import StoreConfig

        def test_settings(wikibot_settings, wikibot_config):
            assert wikibot_settings == StoreConfig()
            assert wikibot_config.deadline == StoreConfig().deadline
        """,
        *STRICT,
        settings="",
    )

    result.assert_outcomes(passed=1)


def test_a_store_needs_an_event_loop(pytester: pytest.Pytester) -> None:
    """Without a plugin that runs event loops, the error says what to install."""
    result = run(pytester, "def test_nothing(wikibot_store): pass", *WITHOUT_ASYNCIO)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["wikibot_store needs the test's event loop: install pytest-asyncio, or *"])
