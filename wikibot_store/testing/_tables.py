"""The tables of one test, created without an event loop and without settings that tests do not notice."""

import time
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wikibot_store._wire._signer import Signer
from wikibot_store.config import StoreConfig
from wikibot_store.local import CREDENTIALS, REGION, create_inside
from wikibot_store.schema import TABLES, create_table_request, optional_indexes

_SECONDS = 60


def create_bare_tables(config: StoreConfig, endpoint_url: str) -> None:
    """Create the tables that `config` names on a local engine, with keys and indexes, without backups, tags and TTL.

    Requests: none to an engine of this process, else CreateTable per table. In local engines a table is ACTIVE when
    they answer.

    Raises:
        RuntimeError: The engine refused the request; the message is its answer.

    """
    requests = [
        create_table_request(schema, config.table_name(schema.name), optional=optional_indexes(config))
        for schema in TABLES
    ]
    if not create_inside(endpoint_url, requests):
        _ask(endpoint_url, requests)


def _ask(endpoint_url: str, requests: list[dict[str, Any]]) -> None:
    """Send CreateTable requests without an event loop."""
    signer = Signer(endpoint_url, REGION)
    connection = HTTPConnection(urlsplit(endpoint_url).netloc, timeout=_SECONDS)
    try:
        for request in requests:
            body = msgspec.json.encode(request)
            connection.request("POST", "/", body, signer.headers("CreateTable", body, CREDENTIALS, now=time.time()))
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(f"CreateTable was refused with HTTP {answer.status}: {text}")
    finally:
        connection.close()
