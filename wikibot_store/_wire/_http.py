"""The seam to HTTP: signed bytes out; status, headers and bytes back, over aiobotocore's own session."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
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

# DynamoDB compresses for those who accept it; at these sizes that costs more than it saves.
_AS_IT_IS = {"Accept-Encoding": "identity"}


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
        self._url = URL(endpoint_url, encoded=True)
        self._proxy_url = self._proxy_config.proxy_url_for(endpoint_url)
        self._proxy_headers = self._proxy_config.proxy_headers_for(endpoint_url) if self._proxy_url else None
        # Reading a CA bundle takes tens of milliseconds.
        self._tls = await asyncio.to_thread(self._make_tls) if self._url.scheme == "https" else True
        self._session = await self._get_session(self._proxy_url)
        self._limit = self._timeout
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
        if self._limit.total != seconds:
            # One timer for the attempt: a limit of the silence between two reads would be a second one.
            self._limit = aiohttp.ClientTimeout(total=seconds, sock_connect=self._timeout.sock_connect)
        try:
            response = await self._session.post(
                self._url,
                headers=headers | _AS_IT_IS,
                data=body,
                proxy=self._proxy_url,
                proxy_headers=self._proxy_headers,
                allow_redirects=False,
                timeout=self._limit,
            )
            try:
                return Answer(response.status, response.headers, await response.read())
            finally:
                response.release()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> BotoCoreError:
        """Return aiohttp's error as botocore's, kept apart by whether the request can have been sent."""
        url = str(self._url)
        match error:
            case aiohttp.ClientSSLError():
                return SSLError(endpoint_url=url, error=error)
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return ProxyConnectionError(proxy_url=mask_proxy_url(self._proxy_url or ""), error=error)
            case aiohttp.ClientConnectorError() | aiohttp.InvalidURL():
                return EndpointConnectionError(endpoint_url=url, error=error)
            case aiohttp.ConnectionTimeoutError():
                return ConnectTimeoutError(endpoint_url=url, error=error)
            case TimeoutError():
                return ReadTimeoutError(endpoint_url=url, error=error)
            case _:
                return ConnectionClosedError(endpoint_url=url, error=error)
