"""The store takes the same settings from a session as an ordinary client."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession, get_session
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError, NoRegionError, ProfileNotFound
from botocore.loaders import create_loader

from tests.sessions import expiring_credentials
from wikibot_store import StoreConfig
from wikibot_store._wire._session import Settings, aio_session, resolve

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
ACCOUNT = "123456789012"
_LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


_LOADER = create_loader()


def new_session() -> AioSession:
    """Return a session; all have botocore's descriptions of its services in common, which are slow to read."""
    session = get_session()
    session.register_component("data_loader", _LOADER)
    return session


class SentError(Exception):
    """Ends a client's request where it would be sent."""


async def as_a_client_does(session: Any, config: StoreConfig) -> tuple[object, ...]:  # noqa: ANN401 - of either library
    """Return region, signing region, endpoint, verification and proxies of an ordinary client that is about to send."""
    urls: list[str] = []
    scopes: list[str] = []

    def stop(request: AWSPreparedRequest, **_: object) -> None:
        urls.append(request.url.rstrip("/"))
        scopes.append(str(request.headers["Authorization"]).split("/")[2])
        raise SentError

    create = session.create_client if isinstance(session, AioSession) else session.client
    async with create("dynamodb", region_name=config.region, endpoint_url=config.endpoint_url) as client:
        client.meta.events.register("before-send.dynamodb", stop)
        with pytest.raises(SentError):
            await client.list_tables()
        transport = client._endpoint.http_session
        return client.meta.region_name, scopes[0], urls[0], transport._verify, transport._proxy_config._proxies


def as_a_tuple(settings: Settings) -> tuple[object, ...]:
    """Return the same of the store's settings."""
    return settings.region, settings.signing_region, settings.endpoint_url, settings.verify, settings.proxies


def _set(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set variables, and make a configuration file with some profiles."""
    profile = tmp_path / "config"
    profile.write_text(
        "[profile dev]\nregion = eu-west-3\nservices = local\nca_bundle = /etc/dev.pem\n"
        "[services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:8001\n"
        f"[profile account]\nregion = eu-west-3\naws_access_key_id = a\naws_secret_access_key = b\n"
        f"aws_account_id = {ACCOUNT}\n"
        "[profile required]\nregion = eu-west-3\naccount_id_endpoint_mode = required\n"
        "[profile disabled]\nregion = eu-west-3\naccount_id_endpoint_mode = disabled\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_DEFAULT_REGION": "us-east-1"},
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_DEFAULT_REGION": "us-gov-west-1"},
        {"AWS_DEFAULT_REGION": "mars-north-1"},
        {"AWS_DEFAULT_REGION": "local"},
        {"AWS_DEFAULT_REGION": "local", "AWS_ENDPOINT_URL": "http://127.0.0.1:8000"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-east-1-fips"},
        {"AWS_DEFAULT_REGION": "fips-us-west-2"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:8000"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000/path"},
        {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:8000",
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "AWS_USE_FIPS_ENDPOINT": "true",
        },
        {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        },
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_CA_BUNDLE": "/etc/ca.pem"},
        {"AWS_DEFAULT_REGION": "us-east-1", "REQUESTS_CA_BUNDLE": "/etc/requests.pem"},
        {"AWS_DEFAULT_REGION": "us-east-1", "HTTPS_PROXY": "http://127.0.0.1:3128"},
        {"AWS_DEFAULT_REGION": "us-east-1", "HTTPS_PROXY": "http://127.0.0.1:3128", "NO_PROXY": ".amazonaws.com"},
        {"AWS_PROFILE": "dev"},
    ],
    ids=lambda environment: " ".join(f"{name}={value}" for name, value in environment.items()),
)
async def test_settings_are_a_clients(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Region, endpoint, CA bundle and proxies are resolved as a client resolves them."""
    _set(KEYS | environment, monkeypatch, tmp_path)

    settings = await resolve(new_session(), StoreConfig())

    assert as_a_tuple(settings) == await as_a_client_does(new_session(), StoreConfig())
    assert settings.credentials.access_key == "key"


# ---- endpoints with an account in their name


async def _issue() -> dict[str, str]:
    return {"access_key": "a", "secret_key": "b", "token": "t", "expiry_time": _LATER, "account_id": ACCOUNT}


def _with(credentials: object) -> AioSession:
    session = new_session()
    session._credentials = credentials  # type: ignore[attr-defined]  # has no other door
    return session


def _session_from(source: str) -> AioSession:
    """Return a session whose credentials come from there, with the account or without."""
    if source == "set_credentials":
        session = new_session()
        session.set_credentials("a", "b", None, ACCOUNT)
        return session
    if source == "renewed":
        metadata = {"access_key": "a", "secret_key": "b", "token": "t", "expiry_time": _LATER, "account_id": ACCOUNT}
        return _with(expiring_credentials(metadata, _issue))
    if source == "a role":
        return _with(AioDeferredRefreshableCredentials(_issue, "test"))
    return new_session()


_SOURCES: dict[str, dict[str, str]] = {
    "no account": KEYS,
    "AWS_ACCOUNT_ID": KEYS | {"AWS_ACCOUNT_ID": ACCOUNT},
    "a profile": {"AWS_PROFILE": "account"},
    "set_credentials": {},
    "renewed": {},
    "a role": {},
}


@pytest.mark.parametrize("source", _SOURCES)
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "preferred"},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "Disabled"},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required", "AWS_ENDPOINT_URL": "http://127.0.0.1:8000"},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required", "AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_DEFAULT_REGION": "local"},
    ],
    ids=lambda environment: " ".join(f"{name}={value}" for name, value in environment.items()) or "no settings",
)
async def test_account_id_endpoints_are_a_clients(
    source: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The account is in the endpoint's name, or the endpoint is refused, exactly where a client does the same."""
    _set({"AWS_DEFAULT_REGION": "us-west-2"} | _SOURCES[source] | environment, monkeypatch, tmp_path)

    try:
        expected: object = await as_a_client_does(_session_from(source), StoreConfig())
    except BotoCoreError as error:
        expected = str(error)
    try:
        settings: object = as_a_tuple(await resolve(_session_from(source), StoreConfig()))
    except BotoCoreError as error:
        settings = str(error)

    assert settings == expected


@pytest.mark.parametrize(("profile", "refused"), [("required", True), ("disabled", False)])
async def test_the_mode_of_a_profile(
    profile: str, *, refused: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where an account is required and there is none, the store is not opened."""
    _set(KEYS | {"AWS_PROFILE": profile}, monkeypatch, tmp_path)
    session = new_session()
    session.set_credentials("a", "b")

    if refused:
        with pytest.raises(BotoCoreError, match="required but no AccountID was provided"):
            await resolve(session, StoreConfig())
    else:
        settings = await resolve(session, StoreConfig())
        assert settings.endpoint_url == "https://dynamodb.eu-west-3.amazonaws.com"


async def test_an_unknown_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mode that is none is refused, as a client refuses it."""
    _set(KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "maybe"}, monkeypatch, tmp_path)

    with pytest.raises(BotoCoreError, match="account_id_endpoint_mode"):
        await as_a_client_does(new_session(), StoreConfig())
    with pytest.raises(ValueError, match=r"^account_id_endpoint_mode must be one of preferred, disabled, required"):
        await resolve(new_session(), StoreConfig())


async def test_credentials_are_not_fetched_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A role's credentials are fetched at once only where the endpoint's name needs the account."""
    asked: list[bool] = []

    async def issue() -> dict[str, str]:
        asked.append(True)
        return await _issue()

    _set({"AWS_DEFAULT_REGION": "us-east-1"}, monkeypatch, tmp_path)
    session = _with(AioDeferredRefreshableCredentials(issue, "test"))
    await resolve(session, StoreConfig(endpoint_url="http://127.0.0.1:8000"))
    assert not asked
    await resolve(session, StoreConfig())
    assert asked == [True]


async def test_an_override_with_the_dual_stack_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The dual-stack endpoint is a switch: as an override it is refused, as a client refuses it."""
    endpoint = "https://dynamodb.us-east-1.api.aws"
    _set(KEYS | {"AWS_DEFAULT_REGION": "us-east-1"}, monkeypatch, tmp_path)
    config = StoreConfig(endpoint_url=endpoint)

    with pytest.raises(BotoCoreError) as of_the_client:
        await as_a_client_does(new_session(), config)
    with pytest.raises(BotoCoreError, match="Endpoint override is not supported for dual-stack endpoints") as caught:
        await resolve(new_session(), config)

    assert str(caught.value) == str(of_the_client.value)


# ---- retries


@pytest.mark.parametrize(
    ("environment", "config", "attempts"),
    [
        ({}, {}, 5),
        ({"AWS_MAX_ATTEMPTS": "3"}, {}, 3),
        ({"AWS_MAX_ATTEMPTS": "0"}, {}, 1),
        ({"AWS_MAX_ATTEMPTS": "3"}, {"max_attempts": 7}, 7),
    ],
)
async def test_max_attempts(
    environment: dict[str, str],
    config: dict[str, int],
    attempts: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The environment says how often to try, where the config does not."""
    _set(KEYS | {"AWS_DEFAULT_REGION": "us-east-1"} | environment, monkeypatch, tmp_path)

    settings = await resolve(new_session(), StoreConfig(**config))  # type: ignore[arg-type]  # one of them

    assert settings.max_attempts == attempts


@pytest.mark.parametrize(("mode", "is_adaptive"), [("standard", False), ("legacy", False), ("Adaptive", True)])
async def test_retry_mode(mode: str, *, is_adaptive: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment says how to retry; what botocore calls legacy counts as standard."""
    _set(KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_RETRY_MODE": mode}, monkeypatch, tmp_path)

    assert (await resolve(new_session(), StoreConfig())).is_adaptive is is_adaptive


async def test_an_unknown_retry_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A retry mode that is none is refused."""
    _set(KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_RETRY_MODE": "often"}, monkeypatch, tmp_path)

    with pytest.raises(ValueError, match=r"^retry_mode must be one of standard, adaptive, legacy, not 'often'"):
        await resolve(new_session(), StoreConfig())


# ---- what comes first, and what is missing


async def test_config_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is not asked for settings that the config has."""
    for name, value in (KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://a:1"}).items():
        monkeypatch.setenv(name, value)
    config = StoreConfig(region="eu-west-1", endpoint_url="http://127.0.0.1:2")

    settings = await resolve(new_session(), config)

    assert (settings.region, settings.endpoint_url) == ("eu-west-1", "http://127.0.0.1:2")


async def test_missing_region_and_credentials_are_botocores_errors() -> None:
    """Without a region or credentials, botocore's own error says so."""
    with pytest.raises(NoRegionError):
        await resolve(new_session(), StoreConfig())
    with pytest.raises(NoCredentialsError):
        await resolve(new_session(), StoreConfig(region="us-east-1"))


async def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that no file has is botocore's own error too."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(ProfileNotFound):
        await resolve(new_session(), StoreConfig(region="us-east-1"))


# ---- sessions


def test_an_aiobotocore_session_is_taken_as_it_is() -> None:
    """A session of aiobotocore is used itself; without one there is a new one."""
    session = new_session()

    assert aio_session(session) is session
    assert aio_session(None) is not session


def test_an_aioboto3_session_is_its_aiobotocore_session() -> None:
    """A session of aioboto3 is as good as the one that it holds."""
    aioboto3 = pytest.importorskip("aioboto3")
    session = new_session()

    assert aio_session(aioboto3.Session(botocore_session=session)) is session


async def test_an_aioboto3_sessions_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Region, profile, credentials and account of an aioboto3 session count as in its own client."""
    aioboto3 = pytest.importorskip("aioboto3")
    _set({}, monkeypatch, tmp_path)

    def boto3_session() -> Any:  # noqa: ANN401 - aioboto3 has no type hints
        return aioboto3.Session("a", "b", region_name="eu-central-1", aws_account_id=ACCOUNT)

    settings = await resolve(aio_session(boto3_session()), StoreConfig())

    assert as_a_tuple(settings) == await as_a_client_does(boto3_session(), StoreConfig())


def _other_sessions() -> list[object]:
    boto3 = pytest.importorskip("boto3")
    import botocore.session  # noqa: PLC0415 - beside the library that is optional

    return [boto3.Session(), botocore.session.Session(), False, 0, "", {}, "a profile", object(), get_session]


@pytest.mark.parametrize("number", range(9))
def test_other_sessions(number: int) -> None:
    """Any other session is refused, and told which ones there are."""
    session: Any = _other_sessions()[number]

    with pytest.raises(TypeError, match=r"^session must be an aiobotocore session \(.*\) or an aioboto3\.Session, not"):
        aio_session(session)
