"""What an AWS session says about DynamoDB: region, endpoint, verification, proxies, credentials.

aiobotocore decides this while it makes a client, for which it parses megabytes of JSON on the event loop, a tenth of a
second during which nothing else runs. The same is asked here of the same parts of botocore, without a client; a test
holds the answers against those of a client.
"""

import asyncio
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aioboto3
from aiobotocore.config import AioConfig
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import NoCredentialsError, NoRegionError
from botocore.utils import get_environ_proxies, validate_region_name

from wikibot_store._wire._http import Transport
from wikibot_store.config import ENDPOINT_RULE, StoreConfig, is_endpoint

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_SERVICE = "dynamodb"


class Settings(NamedTuple):
    """How to reach DynamoDB; `verify` is the path of a CA bundle, or True for the usual one."""

    region: str
    endpoint_url: str
    verify: bool | str
    proxies: dict[str, str]
    credentials: Any
    app_id: str | None


async def resolve(session: aioboto3.Session, config: StoreConfig) -> Settings:
    """Return what the session says, where `config` does not say otherwise.

    Raises:
        BotoCoreError: There is no region, there are no credentials, or a profile is broken.
        ValueError: The endpoint that environment or profile name is none.

    """
    aio_session = session._session  # noqa: SLF001 - aioboto3 has no public way to its aiobotocore session
    region = config.region or session.region_name
    if region is None:
        raise NoRegionError
    validate_region_name(region)
    credentials = await aio_session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    endpoint_url = config.endpoint_url or _configured_endpoint(aio_session) or _endpoint(aio_session, region)
    if not is_endpoint(endpoint_url):
        raise ValueError(f"the endpoint must be an {ENDPOINT_RULE}")  # it may hold a password: not shown
    ca_bundle = aio_session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Settings(
        region=region,
        endpoint_url=endpoint_url,
        verify=ca_bundle or True,
        proxies=get_environ_proxies(endpoint_url),
        credentials=credentials,
        app_id=aio_session.get_config_variable("user_agent_appid"),
    )


def _configured_endpoint(aio_session: Any) -> str | None:  # noqa: ANN401 - aiobotocore has no type hints
    """Return the endpoint that environment or profile name, such as AWS_ENDPOINT_URL_DYNAMODB."""
    if aio_session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(aio_session.full_config, aio_session.get_scoped_config(), _SERVICE)
    endpoint_url: str | None = provider.provide()
    return endpoint_url


def _endpoint(aio_session: Any, region: str) -> str:  # noqa: ANN401 - aiobotocore has no type hints
    """Return the endpoint of AWS in a region, by the rules that botocore ships."""
    loader = aio_session.get_component("data_loader")
    rules = loader.load_service_model(_SERVICE, "endpoint-rule-set-1")
    endpoint = EndpointProvider(rules, loader.load_data("partitions")).resolve_endpoint(
        Region=region,
        UseFIPS=bool(aio_session.get_config_variable("use_fips_endpoint")),
        UseDualStack=bool(aio_session.get_config_variable("use_dualstack_endpoint")),
    )
    url: str = endpoint.url
    return url


class _SharedTransport:
    """The store's transport as a client sees it: to send with, not to open or close."""

    def __init__(self, transport: Transport) -> None:
        self.send = transport.send

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the store's connections open."""


async def make_client(
    session: aioboto3.Session, settings: Settings, transport: Transport, config: StoreConfig
) -> "DynamoDBClient":
    """Return an ordinary client that sends through `transport`; it need not be closed."""
    context = session.client(
        _SERVICE,
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        config=AioConfig(
            http_session_cls=lambda **_: _SharedTransport(transport),  # type: ignore[arg-type]  # any callable will do
            retries={"mode": "standard", "total_max_attempts": config.max_attempts},
        ),
    )
    # In a thread, for the reason above. Nothing in it is bound to the thread's event loop: the credentials, which might
    # be, are the session's already.
    client: DynamoDBClient = await asyncio.to_thread(asyncio.run, context.__aenter__())
    return client
