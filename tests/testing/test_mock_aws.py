"""moto's `mock_aws` beside the embedded engine: neither empties nor intercepts the other."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boto3
import pytest
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication

from tests.engines import patient
from tests.testing.test_plugin import PATIENT_STORES
from wikibot_store import User, WikibotStore
from wikibot_store.local import local_store

pytest_plugins = ["pytester"]


@pytest.fixture
async def store() -> AsyncIterator[WikibotStore]:
    """A store on an embedded engine that was started outside of `mock_aws`."""
    async with local_store(patient()) as store:
        yield store


@pytest.fixture
async def ada(store: WikibotStore) -> User:
    """A user who is stored before `mock_aws` is used."""
    return await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")


def mocked_tables() -> list[str]:
    """Create a table at the mocked AWS; return the names of all that are there."""
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName="mocked",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    names: list[str] = client.list_tables()["TableNames"]
    return names


@contextmanager
def decorated() -> Iterator[None]:
    """Run the block after a function that `mock_aws` decorates."""
    assert mock_aws(mocked_tables)() == ["mocked"]
    yield


@contextmanager
def nested() -> Iterator[None]:
    """Run the block in the outer one of two, after the inner one."""
    with mock_aws():
        with mock_aws():
            assert mocked_tables() == ["mocked"]
        yield


@contextmanager
def started() -> Iterator[None]:
    """Run the block between `start` and `stop`."""
    mock = mock_aws()
    mock.start()
    try:
        yield
    finally:
        mock.stop()


@pytest.mark.parametrize("mocked", [mock_aws, decorated, nested, started])
async def test_mock_aws_after_the_engine(
    store: WikibotStore, ada: User, mocked: Callable[[], AbstractContextManager[object]]
) -> None:
    """An engine that runs keeps its tables when `mock_aws` begins and ends, and answers in between."""
    with mocked():
        assert await store.users.get("ada") == ada
        bob = await store.users.create(id="bob", oauth_provider="github", oauth_provider_sub="2")

    assert await store.users.get_many(["ada", "bob"]) == {"ada": ada, "bob": bob}


async def test_mock_aws_before_the_engine() -> None:
    """An engine that starts inside of `mock_aws` goes on when that ends, and begins empty."""
    mock = mock_aws()
    mock.start()
    try:
        assert mocked_tables() == ["mocked"]
        async with local_store(patient()) as store:
            ada = await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")
            mock.stop()
            assert await store.users.get("ada") == ada
            mock.start()
            assert await store.users.get("ada") == ada
            names = (await (await store.client()).list_tables())["TableNames"]
    finally:
        mock.stop()

    assert sorted(names) == ["acls", "users", "wikis"]


async def test_the_engine_does_not_disturb_mock_aws(store: WikibotStore, ada: User) -> None:
    """The mocked AWS keeps its tables while an engine starts and ends, and neither has the tables of the other."""
    with mock_aws():
        assert mocked_tables() == ["mocked"]
        async with local_store(patient()) as other:
            assert await other.users.get(ada.id) is None
        names = boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"]
        own = (await (await store.client()).list_tables())["TableNames"]

    assert names == ["mocked"]
    assert sorted(own) == ["acls", "users", "wikis"]


async def test_a_simulated_iam_is_not_for_the_engine(store: WikibotStore, ada: User) -> None:
    """An engine knows no users and policies: it answers while moto's simulation of IAM is switched on."""
    with enable_iam_authentication():
        assert await store.users.get("ada") == ada


def test_mock_aws_beside_the_plugin(pytester: pytest.Pytester) -> None:
    """Fixtures and tests may use `mock_aws` in any order with those of the plugin."""
    pytester.makeconftest(PATIENT_STORES)
    pytester.makepyfile("""
        import boto3
        import pytest
        from moto import mock_aws

        @pytest.fixture
        def aws():
            with mock_aws():
                yield boto3.client("s3", region_name="us-east-1")

        @pytest.mark.asyncio
        async def test_store_first(make_user, aws, wikibot_store):
            ada = await make_user()
            aws.create_bucket(Bucket="bucket")
            assert await wikibot_store.users.get(ada.id) == ada

        @pytest.mark.asyncio
        async def test_aws_first(aws, wikibot_store, make_user):
            ada = await make_user()
            with mock_aws():
                assert len(aws.list_buckets()["Buckets"]) == 0
            assert await wikibot_store.users.get(ada.id) == ada

        @mock_aws
        def test_decorated(wikibot_config):
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")

        @pytest.mark.asyncio
        async def test_afterwards(make_user, wikibot_store):
            ada = await make_user()
            mock_aws(lambda: None)()
            assert await wikibot_store.users.get(ada.id) == ada
        """)

    result = pytester.runpytest_inprocess(
        "-p", "no:randomly", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function"
    )

    result.assert_outcomes(passed=4)
