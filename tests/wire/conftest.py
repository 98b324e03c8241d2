"""The parts of a wire test: a scripted server, a store on it, and a real engine that the server can forward to."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from aiobotocore.session import AioSession

from tests.engines import patient
from tests.wire.scripted_server import Engine, ScriptedServer, scripted_server
from tests.wire.stage import GRANTEE, NEWCOMER, Stage, username_of
from wikibot_store import StoreConfig, Wiki, WikibotStore
from wikibot_store._wire import _retry
from wikibot_store.local import local_engine, local_session
from wikibot_store.provision import create_tables

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session", autouse=True)
async def _nothing_left_behind() -> AsyncIterator[None]:
    """Fail if a task or transport ended with an error that was never retrieved."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    yield
    gc.collect()
    loop.set_exception_handler(None)
    assert complaints == []


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without delay; other tests cover the delays."""
    monkeypatch.setattr(_retry, "_BASE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_THROTTLE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_BASE_YIELD", 0.0)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's proxies, and the AWS settings that a test run on AWS keeps."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower() in _PROXIES]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def session() -> AioSession:
    """A session with credentials, shared because it caches what clients are made from."""
    return local_session()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server. The test fails unless its whole script was used."""
    async with scripted_server() as server:
        yield server


@pytest.fixture
async def store(server: ScriptedServer, session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store on the scripted server."""
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        yield store


@pytest.fixture(scope="session")
async def direct(session: AioSession) -> AsyncIterator[WikibotStore]:
    """A store on a real engine, for other writers and to read what is stored; it is patient with a busy machine."""
    with local_engine() as url:
        config = replace(patient(), endpoint_url=url)
        async with WikibotStore.open(config, session=session) as direct:
            await create_tables(direct)
            for user_id in (GRANTEE, NEWCOMER):
                await direct.users.create(id=user_id, oauth_provider="test", oauth_provider_sub=user_id)
            yield direct


@pytest.fixture(scope="session")
def engine(direct: WikibotStore) -> Engine:
    """The same real engine, for the scripted server."""
    assert direct.config.endpoint_url is not None
    return Engine(direct.config.endpoint_url)


@pytest.fixture
def owner() -> str:
    """A user id that no other test uses."""
    return f"u-{uuid4().hex}"


@pytest.fixture
async def stage(
    server: ScriptedServer, session: AioSession, direct: WikibotStore, engine: Engine
) -> AsyncIterator[Stage]:
    """A store behind a scripted server and a real engine, with a second store beside it."""
    async with WikibotStore.open(replace(patient(), endpoint_url=server.url), session=session) as store:
        yield Stage(server, store, direct, engine)


@pytest.fixture
async def home(direct: WikibotStore, owner: str) -> Wiki:
    """A wiki of a user with a username, with one grant."""
    name = username_of(owner)
    await direct.users.create(id=owner, oauth_provider="github", oauth_provider_sub=owner, username=name)
    wiki = await direct.wikis.create(owner, "notes", display_name="Notes", repo_path="/srv/notes.git")
    await direct.acls.create(wiki.key, GRANTEE, "viewer", granted_by=owner)
    return wiki
