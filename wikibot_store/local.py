"""A local DynamoDB for development: moto inside this process. There is no server to install or start."""

import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from aiobotocore.session import AioSession, get_session
from aiohttp import web
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal
from botocore.credentials import Credentials
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ, run_wsgi_app

from wikibot_store.config import StoreConfig
from wikibot_store.provision import create_tables
from wikibot_store.store import WikibotStore

if TYPE_CHECKING:
    from moto.dynamodb.models import DynamoDBBackend

REGION = "us-east-1"
CREDENTIALS = Credentials("local", "local")
"""Made-up credentials. No local engine checks a signature, but some keep separate tables for different credentials."""

_ACCOUNT = "000000000000"
_Backends = Callable[[str], "DynamoDBBackend"]
"""The tables of one engine, by region."""

_engines: dict[str, tuple[BlockingPortal, _Backends]] = {}
"""The engines of this process by URL: the portal to the thread that each one runs in, and its tables."""


def local_session() -> AioSession:
    """Return a session with the credentials for local engines."""
    session = get_session()
    session.set_credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)
    session.set_config_variable("region", REGION)
    return session


@asynccontextmanager
async def local_store(config: StoreConfig | None = None) -> AsyncIterator[WikibotStore]:
    """Start an embedded engine, create the tables and open a store; everything is deleted when the block ends.

    `config` may change every setting except region and endpoint, which are replaced.

        async with local_store() as store:
            await store.users.create(oauth_provider="github", oauth_provider_sub="4711")

    Raises:
        ImportError: moto is not installed: install wikibot-store[local].

    """
    engine = local_engine()
    url = await to_thread.run_sync(engine.__enter__)  # importing moto takes a second
    try:
        config = replace(config or StoreConfig(), endpoint_url=url, region=REGION)
        async with WikibotStore.open(config, session=local_session()) as store:
            await create_tables(store, environment="local")
            yield store
    finally:
        await to_thread.run_sync(engine.__exit__, None, None, None)


@contextmanager
def local_engine(port: int = 0) -> Iterator[str]:
    """Serve an empty moto on 127.0.0.1 and yield its URL; port 0 picks a free port.

    It handles one request at a time, because moto is not thread-safe: if several threads served it, its conditional
    writes and transactions would not be atomic.

    Raises:
        ImportError: moto is not installed: install wikibot-store[local].
        OSError: The port is taken.

    """
    moto, backends = _empty_moto()
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(_served(moto, listener)):
            _engines[url] = portal, backends
            yield url
    finally:
        _engines.pop(url, None)


def _empty_moto() -> tuple[Callable[..., Any], _Backends]:
    """Return moto as a WSGI application, and its tables.

    moto keeps the tables of a process in one registry, which `mock_aws` empties. An engine has tables of its own. It
    also answers while moto's simulation of IAM is switched on, and does not count its requests there.
    """
    # Imported here because no other part of the library needs moto.
    from moto.core.utils import convert_to_flask_response  # noqa: PLC0415
    from moto.dynamodb.models import DynamoDBBackend  # noqa: PLC0415
    from moto.dynamodb.models.table import Table  # noqa: PLC0415
    from moto.dynamodb.responses import DynamoHandler  # noqa: PLC0415
    from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415

    class SharingTable(Table):
        """A table whose copies share its items: moto copies the table once for each action of a transaction."""

        def __deepcopy__(self, memo: dict[int, Any]) -> Table:
            items = {key: dict(found) if self.has_range_key else found for key, found in self.items.items()}
            memo[id(self.items)] = defaultdict(dict, items)
            memo[id(self)] = twin = object.__new__(type(self))
            vars(twin).update(deepcopy(vars(self), memo))
            return twin

    class Backend(DynamoDBBackend):
        """The tables of one region. An item is replaced before moto changes it, because a copy may share it."""

        def create_table(self, *args: Any, **settings: Any) -> Table:  # noqa: ANN401 - passed on
            table = super().create_table(*args, **settings)
            table.__class__ = SharingTable  # type: ignore[type-abstract]  # it is not abstract
            return table

        def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **changes: Any) -> Any:  # noqa: ANN401 - passed on
            table = self.get_table(table_name)
            partition, sort = self.get_keys_value(table, key)
            if (item := table.get_item(partition, sort)) is not None:
                items: Any = table.items if sort is None else table.items[partition]
                items[sort or partition] = deepcopy(item)
            return super().update_item(table_name, key, *args, **changes)

    @cache
    def backends(region: str) -> DynamoDBBackend:
        return Backend(region, _ACCOUNT)

    class Handler(DynamoHandler):
        @property
        def dynamodb_backend(self) -> DynamoDBBackend:
            return backends(self.region)

        def _authenticate_and_authorize_action(self, *_: Any) -> None:  # noqa: ANN401 - not used
            pass

    app = create_backend_app("dynamodb")
    app.view_functions = dict.fromkeys(app.view_functions, convert_to_flask_response(Handler.dispatch))
    return app, backends


def create_inside(url: str, requests: Iterable[dict[str, Any]]) -> bool:
    """Create tables in an engine of this process, without HTTP; return False if no engine here has this URL.

    This is faster, because moto spends most of a CreateTable on the request and the answer. `requests` are CreateTable
    requests.

    Raises:
        RuntimeError: The engine refused a request; the message holds its answer.

    """
    if url not in _engines:
        return False
    portal, backends = _engines[url]
    try:
        portal.call(_create, backends(REGION), requests)
    except HTTPException as error:
        raise RuntimeError(f"CreateTable was refused with {error}") from error
    return True


def _create(backend: "DynamoDBBackend", requests: Iterable[dict[str, Any]]) -> None:
    for request in requests:
        backend.create_table(
            name=request["TableName"],
            schema=request["KeySchema"],
            attr=request["AttributeDefinitions"],
            global_indexes=request.get("GlobalSecondaryIndexes", []),
            billing_mode=request["BillingMode"],
            throughput=None,
            indexes=[],
            streams=None,
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )


@asynccontextmanager
async def _served(moto: Callable[..., Any], listener: socket.socket) -> AsyncIterator[None]:
    """Serve the WSGI application on this thread's event loop; connections stay open between requests."""

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.content.read()
        environ = create_environ(request.path, method=request.method, headers=list(request.headers.items()), data=body)
        parts, status, headers = run_wsgi_app(moto, environ)
        return web.Response(body=b"".join(parts), status=int(status.split()[0]), headers=headers)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
