"""HTTP for signed requests: bytes out; status, headers and bytes back, over aiobotocore's own session.

aiohttp's connector makes the connections, with TLS and proxies. Requests and answers are written and read here, with
the parser httptools. The rest of aiohttp is left out: most of its cost is for URLs, cookies, redirects, authentication,
middlewares, payload types, streams, and a task and a timer per request. A signed POST to one endpoint needs none of
them. aiohttp's pool is left out too: it takes the connection that has been idle for longest and cannot drop those that
may be dead.
"""

import asyncio
import platform
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self
from weakref import WeakSet

import aiobotocore
import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
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

from wikibot_store._wire._connections import NEW, IdleConnections
from wikibot_store._wire._protocol import Answer, Connection

# botocore's own, where nobody says otherwise.
_READ_TIMEOUT = 60.0
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
# What a User-Agent cannot hold (RFC 9110, section 5.6.2).
_NO_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")


def user_agent(app_id: str | None) -> str:
    """Return the User-Agent header: the library, aiobotocore, Python and the application, as AWS's SDKs write them."""
    version = sys.modules["wikibot_store"].__version__  # an import would turn the layers upside down
    products = [
        f"wikibot_store/{version}",
        f"aiobotocore/{aiobotocore.__version__}",
        f"lang/python#{platform.python_version()}",
    ]
    if app_id:
        products.append(f"app/{_NO_TOKEN.sub('-', app_id)}")
    return " ".join(products)


class Transport(AIOHTTPSession):
    """aiobotocore's HTTP session, with a method for requests that are already signed.

    The ordinary client gets it as `AioConfig(http_session_cls=…)`, so that both share the connections, the TLS context,
    the proxies and the timeouts. It is stricter than the base class: it verifies that a certificate belongs to the
    host, and it verifies certificates behind a proxy too.
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

    async def connect(self, endpoint_url: str, *, idle_timeout: float = 60.0, app_id: str | None = None) -> Self:
        """Fix the endpoint and how long idle connections are kept; no connection is made yet."""
        url = URL(endpoint_url, encoded=True)
        self._endpoint_url = endpoint_url
        self._proxy_url = self._proxy_config.proxy_url_for(endpoint_url)
        self._connector_args["keepalive_timeout"] = idle_timeout
        # Reading a CA bundle takes tens of milliseconds.
        self._tls = await asyncio.to_thread(self._make_tls) if url.scheme == "https" else True
        session = await self._get_session(self._proxy_url)
        self._connector: Any = session.connector
        self._idle = IdleConnections(idle_timeout)
        # The tasks whose last request failed on its connection: their next one gets a new connection.
        self._failed: WeakSet[Any] = WeakSet()
        self._ordinary = asyncio.Semaphore(self._max_pool_connections)
        self._exit_stack.callback(self._idle.give_back)
        # What the connector needs to know: where to connect to, and by which proxy.
        proxy = None if self._proxy_url is None else URL(self._proxy_url)
        self._loop = asyncio.get_running_loop()
        self._destination = aiohttp.ClientRequest("POST", url, proxy=proxy, loop=self._loop, session=session)
        # DynamoDB compresses for clients that accept it; at these sizes that costs more than it saves.
        self._headers = {"Accept-Encoding": "identity", "User-Agent": user_agent(app_id)}
        target = url.raw_path_qs
        if self._proxy_url is not None and url.scheme == "http":  # through HTTPS's tunnel a request goes as it is
            self._headers |= self._proxy_config.proxy_headers_for(self._proxy_url)
            target = endpoint_url
        self._request_line = f"POST {target} HTTP/1.1"
        return self

    def _make_tls(self) -> ssl.SSLContext:
        """Return how to verify the endpoint: always, by the session's CA bundle or the usual one; TLS 1.2 at least.

        The lowest version that Python offers depends on how it was built.
        """
        context = self._get_ssl_context()
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        context.check_hostname = True
        context.load_verify_locations(get_cert_path(self._verify))  # type: ignore[arg-type]  # or a path
        return context

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        """Return the session for a proxy: as the base class makes it, but without a cookie jar.

        Its connector sets no limit to the connections: their users do. It resolves the endpoint's name for each new
        connection. aiohttp would use an address for 10 seconds, also after a connection to it has failed. Connections
        that are made at once share one lookup.
        """
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, ttl_dns_cache=0, **self._connector_args),
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
        return session

    async def preconnect(self, number: int, *, seconds: float) -> None:
        """Open so many connections in parallel, in at most so many seconds, and keep them for the first requests.

        Raises:
            BotoCoreError: At least one failed. The others are kept.

        """
        until = self._loop.time() + seconds

        async def open_one() -> None:
            self._idle.keep(await self._new_connection(until))

        outcomes = await asyncio.gather(*(open_one() for _ in range(number)), return_exceptions=True)
        for failure in filter(None, outcomes):
            raise failure

    async def send(self, request: Any) -> Any:  # noqa: ANN401 - aiobotocore's stubs know another class
        """Send a request of the ordinary client, which signs and retries it by itself."""
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        headers["Host"] = self._destination.headers["Host"]
        async with self._ordinary:
            answer = await self.post(headers, request.body, seconds=self._timeout.sock_read or _READ_TIMEOUT)
        response: Any = AioAWSResponse(request.url, answer.status, answer.headers, None)  # type: ignore[arg-type]
        response._content = answer.body  # noqa: SLF001 - it is read already; aiobotocore would read it from a stream
        return response

    async def post(self, headers: dict[str, str], body: bytes, *, seconds: float) -> Answer:
        """Send one request and read the whole answer, in at most so many seconds.

        If its connection fails, those that have been idle for as long may be dead too. They are dropped, and the next
        request of this task, which is the retry, gets a new connection.

        Raises:
            HTTPClientError: No whole answer came, but DynamoDB may have seen the request.
            BotoCoreError: Any other: the request was not sent.
            ValueError: A header has a line break in it, with which it could be two.

        """
        if self._connector.closed:
            raise RuntimeError("the store was closed during this call")
        request = self._head(headers, len(body)) + body
        until = self._loop.time() + seconds
        if self._failed and self._has_failed():
            self._idle.close_oldest()  # so that there are never more connections than the pool may have
            connection, last_used = None, NEW
        else:
            connection, last_used = self._idle.take()
        if connection is None:
            connection = await self._new_connection(until)
        try:
            answer = await connection.exchange(request, until)
        except _FAILURES as error:
            connection.abort()
            self._idle.abort(last_used)
            self.distrust_idle()
            raise self._translate(error, connected=True) from error
        except BaseException:
            connection.close()
            raise
        if connection.is_usable and not self._connector.closed:
            self._idle.keep(connection)
        else:
            connection.close()
        return answer

    def _head(self, headers: Mapping[str, str], length: int) -> bytes:
        """Return the head of a request. No line ends but where this method ends it, so no header can be injected."""
        headers = {**self._headers, **headers, "Content-Length": str(length)}
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if not lines.count("\r") == lines.count("\n") == len(headers) or "\0" in lines:
            raise ValueError("a header holds a line break or a null character")
        return f"{self._request_line}\r\n{lines}\r\n".encode()

    def distrust_idle(self) -> None:
        """Give the next request of this task a new connection."""
        self._failed.add(asyncio.current_task())

    def _has_failed(self) -> bool:
        task = asyncio.current_task()
        failed = task in self._failed
        self._failed.discard(task)
        return failed

    async def _new_connection(self, until: float) -> Connection:
        """Return a new connection on which the server has not sent anything yet."""
        try:
            async with asyncio.timeout_at(until):
                while True:
                    made = await self._connector.connect(self._destination, [], self._timeout)
                    if not made.protocol.should_close:
                        return Connection(made, self._loop)
                    made.close()
        except _FAILURES as error:
            raise self._translate(error, connected=False) from error

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
