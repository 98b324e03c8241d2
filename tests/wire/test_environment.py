"""Credentials, endpoints, proxies and certificates that are missing, wrong or broken."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProxyConnectionError,
    SSLError,
)

from tests.sessions import session_with
from tests.wire.certificates import Authority
from tests.wire.items import wiki_item
from tests.wire.scripted_server import (
    ScriptedServer,
    Step,
    half,
    hang_up,
    html,
    http,
    keep_silent,
    refuse,
    reply,
    scripted_server,
    sent,
    tunnel_to,
)
from wikibot_store import (
    ConfigurationError,
    InsecureEndpointWarning,
    RequestFailedError,
    StoreConfig,
    UnavailableError,
    WikibotStore,
    WriteOutcomeUnknownError,
)

# RFC 8446, section 6: an alert record of TLS 1.2 with 2 bytes, fatal, internal_error.
_INTERNAL_ERROR = bytes.fromhex("15 0303 0002 02 50")
_plain_http = pytest.mark.filterwarnings("ignore::wikibot_store.InsecureEndpointWarning")

# ---- what cannot be opened


async def test_no_credentials() -> None:
    """Opening a store without credentials raises ConfigurationError."""
    with pytest.raises(ConfigurationError, match=r"Unable to locate credentials; set AWS_PROFILE, or") as caught:
        await _open(StoreConfig(region="us-east-1"), get_session())

    assert isinstance(caught.value.__cause__, NoCredentialsError)


async def test_no_region() -> None:
    """Opening a store without a region raises ConfigurationError."""
    session = session_with(region=None)

    with pytest.raises(ConfigurationError, match=r"You must specify a region; set AWS_REGION, or") as caught:
        await _open(StoreConfig(), session)

    assert isinstance(caught.value.__cause__, NoRegionError)


async def test_a_region_that_is_none(session: AioSession) -> None:
    """An invalid name of a region is rejected."""
    with pytest.raises(ConfigurationError, match="'not a region!'") as caught:
        await _open(StoreConfig(region="not a region!"), session)

    assert isinstance(caught.value.__cause__, BotoCoreError)


@pytest.mark.parametrize(
    "endpoint",
    ["nonsense", "http://", "http://a b/", "http://127.0.0.1:abc", "http://127.0.0.1:99999", "http://[::1"],
)
async def test_a_malformed_endpoint_of_the_environment(
    endpoint: str, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that the environment names is checked when the store is opened."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)

    with pytest.raises(ConfigurationError) as caught:
        await _open(StoreConfig(), session)

    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("endpoint", ["http://a b/", "http://127.0.0.1:abc", "http://127.0.0.1:99999", "http://u:p@a/"])
async def test_a_malformed_endpoint_of_the_config(endpoint: str, session: AioSession) -> None:
    """An invalid endpoint is rejected when the store is opened, not at the first call."""
    with pytest.raises((ConfigurationError, ValueError), match="endpoint"):
        await _open(StoreConfig(endpoint_url=endpoint), session)


async def test_a_session_with_a_config_of_its_own(server: ScriptedServer) -> None:
    """The store ignores the session's default client config and uses its own settings."""
    session = session_with()
    session.set_default_client_config(AioConfig(read_timeout=1))
    server.play(reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        assert await store.users.get("u-1") is None


async def _open(config: StoreConfig, session: AioSession) -> None:
    async with WikibotStore.open(config, session=session):
        pass


# ---- what the session decides


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_the_environment_names_endpoint_region_and_credentials(
    variable: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default AWS's standard variables name endpoint, region and credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
    monkeypatch.setenv(variable, "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server.play(reply({}))

    async with WikibotStore.open() as store:
        await store.wikis.get("u-1", "notes")

    assert _scope(server)[0] == "AKID"
    assert _scope(server)[2:] == ["eu-central-1", "dynamodb", "aws4_request"]


async def test_the_config_overrides_the_environment(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config overrides the environment and the session."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    server.play(reply({}))

    config = StoreConfig(endpoint_url=server.url, region="eu-central-1")
    async with WikibotStore.open(config, session=session) as store:
        await store.wikis.get("u-1", "notes")

    assert _scope(server)[2] == "eu-central-1"


def _scope(server: ScriptedServer) -> list[str]:
    """Return the last request's access key, date, region, service and end of scope."""
    return server.requests[-1].headers["authorization"].partition("Credential=")[2].partition(",")[0].split("/")


# ---- what is at the endpoint


async def test_a_dead_endpoint(session: AioSession) -> None:
    """If nothing listens at the endpoint, the error names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=session) as store:
            with pytest.raises(UnavailableError, match=f"after 5 attempts: .*{url}.* up and reachable") as caught:
                await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, EndpointConnectionError)


async def test_an_endpoint_that_never_completes_the_connection(server: ScriptedServer, session: AioSession) -> None:
    """If no connection is made within `connect_timeout`, the write was not sent."""
    # The server waits for a request, the client for a TLS handshake.
    url = server.url.replace("http:", "https:")
    config = StoreConfig(endpoint_url=url, connect_timeout=0.05, read_timeout=60, deadline=60, max_attempts=1)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert isinstance(caught.value.__cause__, ConnectTimeoutError)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (html(200), "HTTP 200 with text/html is not an answer of DynamoDB"),
        (html(404), "HTTP 404 with text/html is not an answer of DynamoDB"),
        (html(302), "HTTP 302 with text/html is not an answer of DynamoDB"),
        (sent(http(200, b"pong")), "HTTP 200 with no content type is not an answer of DynamoDB"),
        (sent(http(403, b'{"error": "forbidden"}')), "HTTP 403 with no content type is not an answer of DynamoDB"),
    ],
    ids=["page", "page not found", "redirect", "text", "other JSON"],
)
async def test_an_endpoint_that_is_not_dynamodb(
    answer: Step, reason: str, server: ScriptedServer, store: WikibotStore
) -> None:
    """An answer that is not DynamoDB's is rejected, and redirects are not followed."""
    server.default = answer

    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")

    assert caught.value.reason == reason
    assert caught.value.__cause__ is not None
    assert {request.target for request in server.requests} == {"/"}


@pytest.mark.parametrize("body", [b'{"Items": 5}', b'{"Items": ["x"]}', b"{}"])
async def test_an_endpoint_that_answers_a_query_with_other_json(
    body: bytes, server: ScriptedServer, store: WikibotStore
) -> None:
    """JSON that is not a reply to a Query is rejected."""
    server.default = sent(http(200, body))

    with pytest.raises(UnavailableError):
        await store.wikis.list_by_owner("u-1")


_NESTED = b'{"Item":' + b"[" * 100_000
_FEW_REASONS = refuse("TransactionCanceledException", CancellationReasons=[{"Code": "ConditionalCheckFailed"}])


@pytest.mark.parametrize(
    ("answer", "call", "error"),
    [
        (sent(http(200, _NESTED)), lambda store: store.wikis.get("u-1", "notes"), UnavailableError),
        (sent(http(400, _NESTED)), lambda store: store.wikis.get("u-1", "notes"), UnavailableError),
        (reply({"Item": 5}), lambda store: store.wikis.delete("u-1", "notes"), UnavailableError),
        (reply({"Items": [{}]}), lambda store: anext(store._tables.acls.partition("u-1:notes")), UnavailableError),
        (reply({}), lambda store: store.wikis.touch("u-1", "notes"), WriteOutcomeUnknownError),
        (reply({"Responses": {"users": 5}}), lambda store: store.users.get_many(["u-1"]), UnavailableError),
        (
            refuse("ConditionalCheckFailedException"),
            lambda store: store.wikis.list_by_owner("u-1"),
            RequestFailedError,
        ),
        (
            _FEW_REASONS,
            lambda store: store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git"),
            RequestFailedError,
        ),
    ],
    ids=["depth", "depth of an error", "item", "keys", "no item", "items", "a condition of a read", "too few reasons"],
)
async def test_an_endpoint_that_answers_nearly_as_dynamodb(
    answer: Step,
    call: Callable[[WikibotStore], Awaitable[object]],
    error: type[Exception],
    server: ScriptedServer,
    store: WikibotStore,
) -> None:
    """An answer that DynamoDB never gives raises an error of the library."""
    server.default = answer

    with pytest.raises(error):
        await call(store)


async def test_an_endpoint_that_answers_with_other_tables(server: ScriptedServer, store: WikibotStore) -> None:
    """Items of tables that were not requested are ignored."""
    server.play(reply({"Responses": {"others": [{}], "users": []}}))

    assert await store.users.get_many(["u-1"]) == {}


async def test_an_endpoint_that_breaks_off(server: ScriptedServer, store: WikibotStore) -> None:
    """An incomplete answer is rejected."""
    server.default = half({"Item": wiki_item()})

    with pytest.raises(UnavailableError) as caught:
        await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, ConnectionClosedError)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ResourceNotFoundException", "no table 'my-wikis'.* `wikibot-store tables create` makes it"),
        ("AccessDeniedException", "may not do this on table 'my-wikis'"),
        ("ExpiredTokenException", "renew the credentials"),
        ("UnrecognizedClientException", "check the credentials and the region"),
        ("InvalidSignatureException", "the secret key is wrong, or this machine's clock is"),
        ("ValidationException", "table 'my-wikis' may have been made with other keys"),
    ],
)
async def test_a_refusal_comes_with_advice(code: str, advice: str, server: ScriptedServer, session: AioSession) -> None:
    """If the library knows the remedy for a refusal, the message names it and keeps DynamoDB's message."""
    server.play(refuse(code, "The key is not what it says"))

    config = StoreConfig(endpoint_url=server.url, wikis_table="my-wikis")
    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(RequestFailedError, match=f"{code}: The key is not what it says; .*{advice}") as caught:
            await store.wikis.get("u-1", "notes")

    assert caught.value.code == code
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize("code", ["ValidationException", "SomethingNewException"])
async def test_a_refusal_comes_without_advice(code: str, server: ScriptedServer, store: WikibotStore) -> None:
    """Without advice, the message is DynamoDB's own."""
    server.play(refuse(code, "Limit is too low"))

    with pytest.raises(RequestFailedError) as caught:
        await store.wikis.get("u-1", "notes")

    assert caught.value.message == "Limit is too low"


@pytest.mark.parametrize(
    "endpoint",
    ["http://api:8000", "http://192.0.2.7", "http://[2001:db8::7]:8000", "http://localhost.example.org", "HTTP://api"],
)
async def test_plain_http_over_a_network(endpoint: str, session: AioSession) -> None:
    """Opening a store that sends unencrypted over a network warns once, at the line that opens it."""
    with pytest.warns(InsecureEndpointWarning) as caught:
        async with WikibotStore.open(StoreConfig(endpoint_url=endpoint), session=session):
            pass

    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith(f"{endpoint} is plain HTTP over a network")
    assert "use https" in str(warning.message)


@pytest.mark.filterwarnings("error::wikibot_store.InsecureEndpointWarning")
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8000",
        "http://127.9.9.9",
        "http://[::1]:8000",
        "http://localhost:8000",
        "http://LOCALHOST",
        "https://api:8000",
        "https://192.0.2.7",
    ],
)
async def test_what_nobody_can_listen_to(endpoint: str, session: AioSession) -> None:
    """HTTPS and loopback endpoints do not warn."""
    await _open(StoreConfig(endpoint_url=endpoint), session)


# ---- HTTPS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An unknown certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def _trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment to trust it."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))


@pytest.fixture
async def secure(authority: Authority) -> AsyncIterator[ScriptedServer]:
    """A scripted server that speaks HTTPS."""
    async with scripted_server(authority.server_context("127.0.0.1")) as server:
        yield server


@pytest.mark.usefixtures("_trusted")
async def test_https(secure: ScriptedServer, session: AioSession) -> None:
    """The certificate is checked against AWS_CA_BUNDLE."""
    secure.play(reply({"Item": wiki_item()}))

    async with WikibotStore.open(StoreConfig(endpoint_url=secure.url), session=session) as store:
        assert await store.wikis.get("u-1", "notes") is not None


async def test_https_that_is_broken_off(session: AioSession) -> None:
    """A failed TLS handshake is retried, like a connection that cannot be opened."""
    connections: list[asyncio.StreamReader] = []

    async def give_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(reader)
        await reader.read(1)
        writer.write(_INTERNAL_ERROR)
        writer.close()

    async with await asyncio.start_server(give_up, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with WikibotStore.open(StoreConfig(endpoint_url=url), session=session) as store:
            with pytest.raises(UnavailableError) as caught:
                await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert isinstance(caught.value.__cause__, EndpointConnectionError)
    assert caught.value.attempts == len(connections) == 5


async def test_https_from_an_unknown_authority(secure: ScriptedServer, session: AioSession) -> None:
    """A certificate of an unknown authority is rejected without a retry."""
    await _expect_a_certificate_to_be_refused(secure.url, session)

    assert secure.requests == []


@pytest.mark.usefixtures("_trusted")
async def test_https_for_another_host(authority: Authority, session: AioSession) -> None:
    """A certificate for another host is rejected without a retry."""
    async with scripted_server(authority.server_context("127.0.0.2")) as server:
        await _expect_a_certificate_to_be_refused(server.url, session)

    assert server.requests == []


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHTTPSVERIFY": "0"},
        {"AWS_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_FILE": ""},
    ],
    ids=["Python's switch", "empty bundles"],
)
async def test_verification_cannot_be_switched_off(
    environment: dict[str, str], secure: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting of the environment or process switches the verification of certificates off."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)

    await _expect_a_certificate_to_be_refused(secure.url, session)

    assert secure.requests == []


@pytest.mark.parametrize("bundle", ["False", "0", "/dev/null"])
async def test_a_bundle_that_is_none(
    bundle: str, secure: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that should switch verification off is read as a file name; without that file, opening fails."""
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle)

    with pytest.raises(ConfigurationError):
        await _open(StoreConfig(endpoint_url=secure.url), session)


async def test_the_tls_settings(secure: ScriptedServer, session: AioSession) -> None:
    """Certificate and host name are verified, and only secure versions of TLS are allowed."""
    async with WikibotStore.open(StoreConfig(endpoint_url=secure.url), session=session) as store:
        tls = store._wire._transport._tls

    assert isinstance(tls, ssl.SSLContext)
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["unknown authority", "another host"])
async def test_the_ordinary_client_verifies_too(
    address: str, authority: Authority, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's aiobotocore client verifies certificates in the same way."""
    if address == "127.0.0.2":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    async with scripted_server(authority.server_context(address)) as server:
        config = StoreConfig(endpoint_url=server.url, max_attempts=1)
        async with WikibotStore.open(config, session=session) as store:
            client = await store.client()
            with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.list_tables()

    assert server.requests == []


async def _expect_a_certificate_to_be_refused(url: str, session: AioSession) -> None:
    async with WikibotStore.open(StoreConfig(endpoint_url=url), session=session) as store:
        with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, SSLError)


# ---- proxies


@_plain_http
async def test_a_proxy_carries_the_requests(
    server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the environment gets the whole requests, with its credentials."""
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://user:secret@"))
    server.play(reply({"Item": wiki_item()}), reply({"Item": wiki_item()}))

    async with WikibotStore.open(StoreConfig(endpoint_url="http://192.0.2.7:8000"), session=session) as store:
        assert await store.wikis.get("u-1", "notes") is not None
        assert await store.wikis.get("u-1", "notes") is not None

    assert [request.target for request in server.requests] == ["http://192.0.2.7:8000"] * 2
    assert server.requests[0].headers["host"] == "192.0.2.7:8000"
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_no_proxy(server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to a host in NO_PROXY do not use the proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.play(reply({}))

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url), session=session) as store:
        await store.wikis.get("u-1", "notes")

    assert server.requests[0].target == "/"


@_plain_http
async def test_a_dead_proxy(session: AioSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the proxy is not reachable, nothing is sent, and the error names the proxy without its password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}")
        async with WikibotStore.open(StoreConfig(endpoint_url="http://192.0.2.7"), session=session) as store:
            with pytest.raises(UnavailableError, match="proxy") as caught:
                await store.wikis.create("u-1", "notes", display_name="Notes", repo_path="/srv/notes.git")

    assert isinstance(caught.value.__cause__, ProxyConnectionError)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("_trusted")
async def test_https_through_a_proxy(
    server: ScriptedServer, secure: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests to an HTTPS endpoint use a tunnel through the proxy, one for each connection."""
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.play(tunnel_to(secure.url))
    secure.play(reply({"Item": wiki_item()}), reply({"Item": wiki_item()}))

    async with WikibotStore.open(StoreConfig(endpoint_url=secure.url), session=session) as store:
        assert await store.wikis.get("u-1", "notes") is not None
        assert await store.wikis.get("u-1", "notes") is not None

    assert server.operations == ["CONNECT"]
    assert secure.operations == ["GetItem", "GetItem"]


async def test_https_through_a_proxy_from_an_unknown_authority(
    server: ScriptedServer, secure: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates are also verified in a tunnel, so a proxy cannot pretend to be DynamoDB."""
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.default = tunnel_to(secure.url)

    await _expect_a_certificate_to_be_refused(secure.url, session)

    assert secure.requests == []


@pytest.mark.parametrize("answer", [html(407), hang_up, keep_silent], ids=["refuses", "hangs up", "keeps silent"])
async def test_a_proxy_that_opens_no_tunnel(
    answer: Step, server: ScriptedServer, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the proxy opens no tunnel, no answer is accepted."""
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.default = answer
    config = StoreConfig(endpoint_url="https://192.0.2.7", max_attempts=2, read_timeout=0.1)

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(UnavailableError) as caught:
            await store.wikis.get("u-1", "notes")

    assert isinstance(caught.value.__cause__, BotoCoreError)
