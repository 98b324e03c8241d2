"""Serve the API and its page on 127.0.0.1."""

import argparse
import gc
import os
import secrets
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import uvicorn

from examples.wiki_api.app import create_app
from examples.wiki_api.live import Live
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_store

_HOST = "127.0.0.1"


def open_store() -> AbstractAsyncContextManager[WikibotStore]:
    """Open the store that WIKIBOT_ENDPOINT_URL or WIKIBOT_REGION names; without either, an embedded one.

    The page lists the wikis that are shared with a user, which needs the index by-grantee.

    Raises:
        ValueError: A setting is invalid, or the tables that the environment names lack the index.

    """
    config = StoreConfig.from_env()
    if config.endpoint_url is None and config.region is None:
        return local_store(replace(config, grantee_index=True))
    if not config.grantee_index:
        raise ValueError("create the tables with WIKIBOT_GRANTEE_INDEX=true, and set it here too")
    return WikibotStore.open(config)


class Server(uvicorn.Server):
    """A server that ends the event streams of open pages before it waits for the running requests.

    Once it has started, the garbage collector leaves alone what there is: docs/how-to/open-the-store.md says why.
    """

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the store and the port, then freeze the objects that live as long as the process."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, then shut down."""
        self._live.end()
        await super().shutdown(sockets)


def main() -> None:
    """Serve until a signal arrives, then finish the running requests.

    WIKI_API_SECRET signs the sessions; without it all sessions end with the process.
    """
    parser = argparse.ArgumentParser(prog="python -m examples.wiki_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="the port; 0 picks a free one (default: %(default)s)")
    port: int = parser.parse_args().port
    try:
        with socket.socket() as probe:  # before the store is opened and filled
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
        store = open_store()
    except OSError as error:
        parser.error(f"port {port}: {error.strerror}. Choose another one with --port, or PORT=… make serve")
    except ValueError as error:
        parser.error(str(error))
    app = create_app(lambda: store, secret=os.environ.get("WIKI_API_SECRET") or secrets.token_urlsafe())
    config = uvicorn.Config(app, host=_HOST, port=port, timeout_graceful_shutdown=10)
    # uvicorn shuts down cleanly, then raises the caught signal again.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    Server(config, app.state.live).run()


if __name__ == "__main__":
    main()
