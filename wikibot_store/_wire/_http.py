"""The seam to HTTP: signed bytes out; status, headers and bytes back, over aiobotocore's own session.

aiohttp's connector makes and keeps the connections, its writer and its parser speak HTTP. Left out is what its session
does for any request to anywhere, half of the cost, and a signed POST to one endpoint has no use for: URLs, cookies,
redirects, authentication, middlewares, payload types, a task that writes the body.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.http import HttpProcessingError, StreamWriter
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import ProxyConfiguration, get_cert_path, mask_proxy_url
from yarl import URL

_INFORMATIONAL = range(100, 200)


class Answer(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(AIOHTTPSession):
    """aiobotocore's HTTP session with a door for requests that are already signed.

    The ordinary client gets it as `AioConfig(http_session_cls=…)`, so that both share one pool, one TLS context, the
    proxies and the timeouts. It is stricter than the base class: it checks that a certificate is the host's own, and it
    checks certificates behind a proxy too.
    """

    # What the base class has and its stubs lack.
    _proxy_config: ProxyConfiguration
    _timeout: aiohttp.ClientTimeout
    _sessions: dict[str | None, aiohttp.ClientSession]
    _exit_stack: AsyncExitStack
    _verify: bool | str
    _max_pool_connections: int
    _connector_args: dict[str, Any]
    _get_ssl_context: Callable[[], ssl.SSLContext]

    async def connect(self, endpoint_url: str) -> Self:
        """Fix the endpoint; no connection is made yet."""
        url = URL(endpoint_url, encoded=True)
        self._endpoint_url = endpoint_url
        self._proxy_url = self._proxy_config.proxy_url_for(endpoint_url)
        # Reading a CA bundle takes tens of milliseconds.
        self._tls = await asyncio.to_thread(self._make_tls) if url.scheme == "https" else True
        session = await self._get_session(self._proxy_url)
        self._connector: Any = session.connector
        # What the connector wants to know: where to connect to, and by which proxy.
        proxy = None if self._proxy_url is None else URL(self._proxy_url)
        loop = asyncio.get_running_loop()
        self._destination = aiohttp.ClientRequest("POST", url, proxy=proxy, loop=loop, session=session)
        # DynamoDB compresses for those who accept it; at these sizes that costs more than it saves.
        self._headers = {"Accept-Encoding": "identity"}
        target = url.raw_path_qs
        if self._proxy_url is not None and url.scheme == "http":  # through HTTPS's tunnel a request goes as it is
            self._headers |= self._proxy_config.proxy_headers_for(self._proxy_url)
            target = endpoint_url
        self._request_line = f"POST {target} HTTP/1.1"
        return self

    def _make_tls(self) -> ssl.SSLContext:
        """Return how to verify the endpoint: always, by the session's CA bundle or the usual one."""
        context = self._get_ssl_context()
        context.check_hostname = True
        context.load_verify_locations(get_cert_path(self._verify))  # type: ignore[arg-type]  # or a path
        return context

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        """Return the session for a proxy: as the base class makes it, but without a cookie jar."""
        session = self._sessions.get(proxy_url)
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_pool_connections, ssl=self._tls, **self._connector_args),
                timeout=self._timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
        return session

    async def post(self, headers: dict[str, str], body: bytes, *, seconds: float) -> Answer:
        """Send one request and read the whole answer, in at most so many seconds.

        Raises:
            HTTPClientError: No whole answer came, but DynamoDB may have seen the request.
            BotoCoreError: Any other: the request did not leave.

        """
        if self._connector.closed:
            raise RuntimeError("the store is closed: it was during this call")
        connection = None
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connection()
                try:
                    answer = await self._exchange(connection.protocol, headers, body)
                except BaseException:
                    connection.close()
                    raise
                connection.release()
                return answer
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError) as error:
            raise self._translate(error, connected=connection is not None) from error

    async def _connection(self) -> Any:  # noqa: ANN401 - aiohttp has no type hints for it
        """Return a connection on which nothing has been said since its last request was answered.

        A server may say something unasked, such as 408 before it hangs up. It would pass for the next request's answer,
        and every later one for that of a request before it.
        """
        while True:
            connection = await self._connector.connect(self._destination, [], self._timeout)
            if not connection.protocol.should_close:
                return connection
            connection.close()

    async def _exchange(self, protocol: Any, headers: dict[str, str], body: bytes) -> Answer:  # noqa: ANN401 - aiohttp exports no type for it
        """Send one request and read the whole answer on a connection that nobody else uses."""
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        writer = StreamWriter(protocol, asyncio.get_running_loop())
        head: Any = {**headers, **self._headers, "Content-Length": str(len(body))}  # read like a multidict, made faster
        await writer.write_headers(self._request_line, head)
        await writer.write_eof(body)
        message, content = await protocol.read()
        while message.code in _INFORMATIONAL:
            message, content = await protocol.read()
        # Most answers are there as a whole by now.
        whole = content.read_nowait() if content.is_eof() else await content.read()
        return Answer(message.code, message.headers, whole)

    def _translate(self, error: Exception, *, connected: bool) -> BotoCoreError:
        """Return aiohttp's error as botocore's, kept apart by whether the request can have been sent."""
        url = self._endpoint_url
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return SSLError(endpoint_url=url, error=error)
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return ProxyConnectionError(proxy_url=mask_proxy_url(self._proxy_url or ""), error=error)
            case TimeoutError() if connected:
                return ReadTimeoutError(endpoint_url=url, error=error)
            case TimeoutError():
                return ConnectTimeoutError(endpoint_url=url, error=error)
            case _ if connected:
                return ConnectionClosedError(endpoint_url=url, error=error)
            case _:
                return EndpointConnectionError(endpoint_url=url, error=error)
