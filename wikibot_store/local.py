"""A DynamoDB to develop against: moto inside this process, with nothing to install or start."""

import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import aioboto3
from anyio import to_thread
from werkzeug.serving import WSGIRequestHandler, make_server

from wikibot_store.config import StoreConfig
from wikibot_store.provision import create_tables
from wikibot_store.store import WikibotStore

REGION = "us-east-1"


def local_session() -> aioboto3.Session:
    """Return a session with made-up credentials, as local engines want them."""
    return aioboto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106


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

    It serves one request at a time, because moto is not thread-safe: served by threads, its conditional writes and
    transactions are not atomic.
    """
    # Of all the library only this needs moto.
    from moto.backends import get_backend  # noqa: PLC0415
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

    moto = DomainDispatcherApplication(create_backend_app)
    # moto keeps its state per process and account; an account of its own is what makes an engine a fresh one.
    account = f"{secrets.randbelow(10**12):012d}"

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:  # noqa: ANN401 - WSGI
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        return moto(environ, start_response)

    # Bound here and not by werkzeug, which ends the process where a port is taken.
    listener = socket.create_server(("127.0.0.1", port))
    server = make_server(
        "127.0.0.1", port, application, threaded=False, request_handler=_QuietHandler, fd=listener.fileno()
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()
        get_backend("dynamodb").pop(account, None)


class _QuietHandler(WSGIRequestHandler):
    """Does not log every request."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Log nothing, and leave the Server header to moto: aiohttp refuses two of them in Python's dev mode."""
        self.send_response_only(code, message)
