"""The seam to HTTP: signed bytes out; status, headers and bytes back, over aiobotocore's own session."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Self

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
from botocore.httpsession import ProxyConfiguration, mask_proxy_url
from yarl import URL


class Answer(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(AIOHTTPSession):
    """aiobotocore's HTTP session with a door for requests that are already signed.

    It is given to aiobotocore as `AioConfig(http_session_cls=…)`, so the ordinary client and `post` share one pool, one
    TLS context, the proxies and the timeouts, all configured by aiobotocore.
    """

    # What the base class has and its stubs lack.
    _proxy_config: ProxyConfiguration
    _get_session: Callable[[str | None], Awaitable[aiohttp.ClientSession]]

    async def connect(self, endpoint_url: str) -> Self:
        """Fix the endpoint; no connection is made yet."""
        self._url = URL(endpoint_url, encoded=True)
        self._proxy_url = self._proxy_config.proxy_url_for(endpoint_url)
        self._proxy_headers = self._proxy_config.proxy_headers_for(endpoint_url) if self._proxy_url else None
        self._session = await self._get_session(self._proxy_url)
        return self

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and read the whole answer.

        Raises:
            HTTPClientError: No whole answer came, but DynamoDB may have seen the request.
            BotoCoreError: Any other: the request did not leave.

        """
        try:
            async with self._session.post(
                self._url,
                headers=headers,
                data=body,
                proxy=self._proxy_url,
                proxy_headers=self._proxy_headers,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, response.headers, await response.read())
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
