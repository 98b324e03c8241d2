"""The fault proxy of the plugin, between the store of a test and the engine."""

import pytest

from tests.testing.test_plugin import STRICT, WITHOUT_ASYNCIO, run

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("mark", "arguments"),
    [pytest.param("asyncio", STRICT, id="asyncio"), pytest.param("anyio", WITHOUT_ASYNCIO, id="anyio")],
)
def test_the_store_goes_through_the_proxy(pytester: pytest.Pytester, mark: str, arguments: tuple[str, ...]) -> None:
    """A create whose answer is lost is sent again through the proxy, and makes one wiki."""
    result = run(
        pytester,
        f"""
        import pytest
        from wikibot_store.testing import Fault

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{mark}
        async def test_lost_answer(wikibot_store, make_user, fault_proxy):
            ada = await make_user(id="ada")
            fault_proxy.requests.clear()
            fault_proxy.inject(Fault.LOSE_ANSWER, "TransactWriteItems", times=1)
            wiki = await wikibot_store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes")
            assert (await wikibot_store.wikis.list_by_owner("ada")).items == [wiki]
            assert [request.operation for request in fault_proxy.requests][:2] == ["TransactWriteItems"] * 2
            assert wikibot_store.config.endpoint_url == fault_proxy.url
        """,
        *arguments,
    )

    result.assert_outcomes(passed=1)
