"""Serve the API on 127.0.0.1."""

import argparse
import signal
import sys
from contextlib import AbstractAsyncContextManager

import uvicorn

from examples.wiki_api.app import create_app
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_store


def open_store() -> AbstractAsyncContextManager[WikibotStore]:
    """Open the store that the environment names by WIKIBOT_ENDPOINT_URL or WIKIBOT_REGION, else an embedded one."""
    config = StoreConfig.from_env()
    if config.endpoint_url is None and config.region is None:
        return local_store(config)
    return WikibotStore.open(config)


def main() -> None:
    """Serve until a signal comes, then finish what is under way."""
    parser = argparse.ArgumentParser(prog="python -m examples.wiki_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one (default: %(default)s)")
    port: int = parser.parse_args().port
    # uvicorn shuts down in good order, then raises the signal that it caught again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    uvicorn.run(create_app(open_store), host="127.0.0.1", port=port, timeout_graceful_shutdown=10)


if __name__ == "__main__":
    main()
