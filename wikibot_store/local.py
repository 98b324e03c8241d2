"""A DynamoDB to develop against: moto inside this process, with nothing to install or start."""

import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import aioboto3
from aiohttp import web
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal
from botocore.credentials import Credentials
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ, run_wsgi_app

from wikibot_store.config import StoreConfig
from wikibot_store.provision import create_tables
from wikibot_store.store import WikibotStore

REGION = "us-east-1"
CREDENTIALS = Credentials("local", "local")
"""Made up, as local engines want them: some keep the tables of different credentials apart, none checks a signature."""

_engines: dict[str, tuple[BlockingPortal, str]] = {}
"""The engines of this process by their URLs: the thread that each works in, and its account."""


def local_session() -> aioboto3.Session:
    """Return a session with the credentials of local engines."""
    return aioboto3.Session(
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        region_name=REGION,
    )


@asynccontextmanager
async def local_store(config: StoreConfig | None = None) -> AsyncIterator[WikibotStore]:
    """Open a store on an engine of its own, with its tables made; all of it is gone when the block ends.

    `config` may set anything but region and endpoint.

        async with local_store() as store:
            await store.users.create(oauth_provider="github", oauth_provider_sub="4711")

    Raises:
        ImportError: moto is not installed; the extra `local` brings it.

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
    """Serve a fresh moto on 127.0.0.1 and yield its URL; port 0 picks a free one, a taken one is OSError.

    It answers one request at a time, because moto is not thread-safe: served by threads, its conditional writes and
    transactions are not atomic.
    """
    # Of all the library only this needs moto.
    from moto.backends import get_backend  # noqa: PLC0415
    from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415

    moto = create_backend_app("dynamodb")
    # moto keeps its state per process and account; an account of its own is what makes an engine a fresh one.
    account = f"{secrets.randbelow(10**12):012d}"
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(_served(moto, account, listener)):
            _engines[url] = portal, account
            yield url
    finally:
        _engines.pop(url, None)
        get_backend("dynamodb").pop(account, None)


def create_inside(url: str, requests: Iterable[dict[str, Any]]) -> bool:
    """Create tables in an engine of this process without asking it over HTTP; False if no engine here has that URL.

    Most of what CreateTable costs is moto's work on the request and the answer; `requests` are of its shape.

    Raises:
        RuntimeError: The engine refused; the message is its answer.

    """
    if url not in _engines:
        return False
    portal, account = _engines[url]
    try:
        portal.call(_create, account, requests)
    except HTTPException as error:
        raise RuntimeError(f"CreateTable was refused with {error}") from error
    return True


def _create(account: str, requests: Iterable[dict[str, Any]]) -> None:
    from moto.dynamodb.models.table import Table  # noqa: PLC0415 - as above

    for request in requests:
        # What moto has for CloudFormation: its properties of a table are the members of CreateTable.
        Table.create_from_cloudformation_json(request["TableName"], {"Properties": request}, account, REGION)


@asynccontextmanager
async def _served(moto: Callable[..., Any], account: str, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the WSGI application on the event loop: with connections that stay open, and no thread but this one."""

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.content.read()
        environ = create_environ(request.path, method=request.method, headers=list(request.headers.items()), data=body)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        parts, status, headers = run_wsgi_app(moto, environ)
        return web.Response(body=b"".join(parts), status=int(status.split()[0]), headers=headers)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
