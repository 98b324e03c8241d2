"""The tables of a test."""

from collections.abc import Iterator

import pytest

from tests.engines import moto
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import create_inside, local_engine, local_session
from wikibot_store.schema import TABLES
from wikibot_store.testing._tables import create_bare_tables
from wikibot_store.verify import verify_tables


@pytest.fixture(scope="module", params=[local_engine, moto], ids=["in this process", "in another"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run an engine; in another process it takes a second to start."""
    with request.param() as url:
        yield url


@pytest.mark.parametrize("grantee_index", [True, False])
async def test_keys_and_indexes_are_those_of_the_schema(endpoint: str, *, grantee_index: bool) -> None:
    """The tables of a test differ from real tables only in settings that no test notices."""
    names = {f"{schema.name}_table": f"{schema.name}-{grantee_index}" for schema in TABLES}
    config = StoreConfig(endpoint_url=endpoint, grantee_index=grantee_index, **names)  # type: ignore[arg-type]  # names are strings

    create_bare_tables(config, endpoint)

    async with WikibotStore.open(config, session=local_session()) as store:
        drift = await verify_tables(store._wire)
    assert {difference.setting for difference in drift} == {"point-in-time recovery", "TTL", "tag project"}


def test_what_the_engine_refuses_is_an_error(endpoint: str) -> None:
    """A second table of the same name is refused."""
    config = StoreConfig(table_prefix="once")
    create_bare_tables(config, endpoint)

    with pytest.raises(RuntimeError, match=r"^CreateTable was refused with .*400.*Table already exists: once-users"):
        create_bare_tables(config, endpoint)


def test_an_engine_is_of_this_process_while_it_runs() -> None:
    """An engine that was stopped is not used any more, because its port may belong to another program."""
    with local_engine() as url:
        assert create_inside(url, [])
    assert not create_inside(url, [])
