"""The store takes the same settings from a session as an ordinary client."""

from pathlib import Path

import aioboto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import NoCredentialsError, NoRegionError

from wikibot_store import StoreConfig
from wikibot_store._wire._session import Settings, resolve

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


class SentError(Exception):
    """Ends a client's request where it would be sent."""


async def as_a_client_does(session: aioboto3.Session, config: StoreConfig) -> tuple[object, ...]:
    """Return region, endpoint, verification and proxies of an ordinary client that is about to send."""
    urls: list[str] = []

    def stop(request: AWSPreparedRequest, **_: object) -> None:
        urls.append(request.url.rstrip("/"))
        raise SentError

    async with session.client("dynamodb", region_name=config.region, endpoint_url=config.endpoint_url) as client:
        client.meta.events.register("before-send.dynamodb", stop)
        with pytest.raises(SentError):
            await client.list_tables()
        transport = client._endpoint.http_session
        return client.meta.region_name, urls[0], transport._verify, transport._proxy_config._proxies


def as_a_tuple(settings: Settings) -> tuple[object, ...]:
    """Return the same of the store's settings."""
    return settings.region, settings.endpoint_url, settings.verify, settings.proxies


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_DEFAULT_REGION": "us-east-1"},
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_DEFAULT_REGION": "us-gov-west-1"},
        {"AWS_DEFAULT_REGION": "mars-north-1"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:8000"},
        {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000/path"},
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
    profile = tmp_path / "config"
    profile.write_text(
        "[profile dev]\nregion = eu-west-3\nservices = local\nca_bundle = /etc/dev.pem\n"
        "[services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:8001\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    for name, value in (KEYS | environment).items():
        monkeypatch.setenv(name, value)

    settings = await resolve(aioboto3.Session(), StoreConfig())

    assert as_a_tuple(settings) == await as_a_client_does(aioboto3.Session(), StoreConfig())
    assert settings.credentials.access_key == "key"


async def test_config_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is not asked for settings that the config has."""
    for name, value in (KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://a:1"}).items():
        monkeypatch.setenv(name, value)
    config = StoreConfig(region="eu-west-1", endpoint_url="http://127.0.0.1:2")

    settings = await resolve(aioboto3.Session(), config)

    assert (settings.region, settings.endpoint_url) == ("eu-west-1", "http://127.0.0.1:2")


async def test_missing_region_and_credentials_are_botocores_errors() -> None:
    """Without a region or credentials, botocore's own error says so."""
    with pytest.raises(NoRegionError):
        await resolve(aioboto3.Session(), StoreConfig())
    with pytest.raises(NoCredentialsError):
        await resolve(aioboto3.Session(), StoreConfig(region="us-east-1"))
