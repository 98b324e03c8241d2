"""Connections that are opened before the store is handed out."""

import asyncio
import logging
from contextlib import suppress
from itertools import count

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import EndpointConnectionError

from tests.wire.items import wiki_item
from tests.wire.scripted_server import ScriptedServer, reply
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store._wire._http import Transport
from wikibot_store._wire._protocol import Connection


async def _connected(server: ScriptedServer, number: int) -> None:
    """Wait until the server has seen so many connections."""
    async with asyncio.timeout(5):
        while server.connections < number:  # noqa: ASYNC110 - the server counts, and tells nobody
            await asyncio.sleep(0.001)


async def test_the_first_requests_find_connections(server: ScriptedServer, session: AioSession) -> None:
    """The connections are open when the store is handed out, and the first reads use them."""
    server.default = reply({"Item": wiki_item()})
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session, connect=5) as store:
        await _connected(server, 5)
        assert server.requests == []
        await asyncio.gather(*(store.wikis.get("u-1", "notes") for _ in range(5)))

    assert server.connections == 5


async def test_by_default_none_is_opened(server: ScriptedServer, store: WikibotStore) -> None:
    """Without `connect`, opening a store opens no connection."""
    assert not store._wire._transport._idle.take()[0]
    assert server.connections == 0


async def test_at_most_as_many_as_the_pool_has(server: ScriptedServer, session: AioSession) -> None:
    """More connections than `max_pool_connections` are not opened."""
    config = StoreConfig(endpoint_url=server.url, max_pool_connections=2)
    async with WikibotStore.open(config, session=session, connect=10):
        await _connected(server, 2)

    assert server.connections == 2


async def test_a_failure_is_logged(session: AioSession, caplog: pytest.LogCaptureFixture) -> None:
    """A store whose endpoint cannot be reached is opened all the same; the log says why nothing was connected."""
    async with WikibotStore.open(StoreConfig(endpoint_url="http://127.0.0.1:1"), session=session, connect=3):
        pass

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "connections could not be opened in advance: EndpointConnectionError (ClientConnectorError)",
        )
    ]


async def test_the_others_are_kept(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one of the connections fails, the others are open when the store is handed out."""
    connect, numbers = Transport._new_connection, count()

    async def fail_once(transport: Transport, until: float) -> Connection:
        if next(numbers) == 0:
            raise EndpointConnectionError(endpoint_url=server.url)
        return await connect(transport, until)

    monkeypatch.setattr(Transport, "_new_connection", fail_once)
    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session, connect=3) as store:
        assert len(store._wire._transport._idle._connections) == 2


async def _keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


async def test_the_deadline_bounds_it(session: AioSession, caplog: pytest.LogCaptureFixture) -> None:
    """A server that accepts connections and does not speak TLS holds the opening up until the deadline."""
    listener = await asyncio.start_server(_keep_silent, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    config = StoreConfig(endpoint_url=f"https://127.0.0.1:{port}", deadline=0.1)
    async with listener, asyncio.timeout(3), WikibotStore.open(config, session=session, connect=2):
        pass

    assert ["ConnectTimeoutError (TimeoutError)" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("number", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError), (None, TypeError)]
)
async def test_what_is_no_number_of_connections(number: int, error: type[Exception], session: AioSession) -> None:
    """`connect` is an integer of at least 0."""
    with pytest.raises(error, match=r"^connect must be "):
        async with WikibotStore.open(StoreConfig(), session=session, connect=number):
            pass
