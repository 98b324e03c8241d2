"""What an AWS session says about DynamoDB: region, endpoint, verification, proxies, credentials, retries.

aiobotocore decides this while it makes a client. For that it parses megabytes of JSON on the event loop, which takes a
tenth of a second. This module asks the same parts of botocore without a client; tests compare the answers with those of
a client.
"""

import asyncio
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, Union

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import NoCredentialsError, NoRegionError
from botocore.utils import get_environ_proxies

from wikibot_store._wire._credentials import account_id_of, check
from wikibot_store._wire._http import Transport
from wikibot_store.config import DEFAULT_MAX_ATTEMPTS, ENDPOINT_RULE, StoreConfig, is_endpoint

if TYPE_CHECKING:
    import aioboto3
    from types_aiobotocore_dynamodb import DynamoDBClient

Session: TypeAlias = Union[AioSession, "aioboto3.Session"]  # aioboto3 need not be there
"""What a store can be opened with."""

_SERVICE = "dynamodb"
_ACCOUNT_ID_MODES = ("preferred", "disabled", "required")
_RETRY_MODES = ("standard", "adaptive", "legacy")
_ANY_ACCOUNT = "000000000000"


class Settings(NamedTuple):
    """How to reach DynamoDB.

    `verify` is the path of a CA bundle, or True for the usual one. `signing_region` differs from `region` only for the
    region "local".
    """

    region: str
    signing_region: str
    endpoint_url: str
    verify: bool | str
    proxies: dict[str, str]
    credentials: Any
    app_id: str | None
    max_attempts: int
    is_adaptive: bool


def aio_session(session: Session | None) -> AioSession:
    """Return the aiobotocore session in `session`, or a new one for None.

    Raises:
        TypeError: It is of another library.

    """
    if session is None:
        return get_session()
    # aioboto3 has no public way to its aiobotocore session. It is not imported: the library works without it.
    inner = session if isinstance(session, AioSession) else getattr(session, "_session", None)
    if not isinstance(inner, AioSession):
        kind = type(session)
        raise TypeError(
            "session must be an aiobotocore session (aiobotocore.session.get_session()) or an aioboto3.Session, "
            f"not {kind.__module__}.{kind.__qualname__}"
        )
    return inner


async def resolve(session: AioSession, config: StoreConfig) -> Settings:
    """Return what the session says, where `config` does not say otherwise.

    Credentials are fetched only if their account is a part of the endpoint's name.

    Raises:
        BotoCoreError: There is no region, there are no usable credentials, or a profile is broken.
        ClientError: AWS refused to issue credentials.
        ValueError: The endpoint or another setting of environment or profile is wrong.

    """
    session_: Any = session  # aiobotocore has few type hints
    region, use_fips = _region(session_, config)
    credentials = await session_.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    await check(credentials)
    endpoint_url, signing_region = await _endpoint(session_, config, region, credentials, use_fips=use_fips)
    ca_bundle = session_.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Settings(
        region=region,
        signing_region=signing_region,
        endpoint_url=endpoint_url,
        verify=ca_bundle or True,
        proxies=get_environ_proxies(endpoint_url),
        credentials=credentials,
        app_id=session_.get_config_variable("user_agent_appid"),
        max_attempts=_max_attempts(session_, config),
        is_adaptive=_choice(session_, "retry_mode", _RETRY_MODES) == "adaptive",
    )


def _region(session: Any, config: StoreConfig) -> tuple[str, bool]:  # noqa: ANN401 - aiobotocore has no type hints
    """Return the region, and whether its name asks for an endpoint that conforms to FIPS, such as us-east-1-fips."""
    # The session remembers it for the providers of credentials that ask STS.
    region: str | None = session._resolve_region_name(config.region, None)  # noqa: SLF001 - has no other door
    if region is None:
        raise NoRegionError
    plain = region.replace("fips-", "").replace("-fips", "")
    return plain, plain != region


async def _endpoint(
    session: Any,  # noqa: ANN401 - aiobotocore has no type hints
    config: StoreConfig,
    region: str,
    credentials: object,
    *,
    use_fips: bool,
) -> tuple[str, str]:
    """Return the endpoint's URL and the region to sign for, by the rules that botocore ships."""
    override = config.endpoint_url or _configured_endpoint(session)
    if override is not None and not is_endpoint(override):
        raise ValueError(f"the endpoint must be an {ENDPOINT_RULE}")  # it may hold a password: not shown
    loader = session.get_component("data_loader")
    rules = EndpointProvider(loader.load_service_model(_SERVICE, "endpoint-rule-set-1"), loader.load_data("partitions"))
    parameters: dict[str, Any] = {
        "Region": region,
        "UseFIPS": override is None and (use_fips or bool(session.get_config_variable("use_fips_endpoint"))),
        "UseDualStack": override is None and bool(session.get_config_variable("use_dualstack_endpoint")),
        "AccountIdEndpointMode": _choice(session, "account_id_endpoint_mode", _ACCOUNT_ID_MODES),
    }
    if override is not None:
        parameters["Endpoint"] = override
    endpoint = rules.resolve_endpoint(**parameters, AccountId=_ANY_ACCOUNT)
    if override is None and _ANY_ACCOUNT in endpoint.url:
        account_id = await account_id_of(credentials)
        parameters |= {} if account_id is None else {"AccountId": account_id}
        endpoint = rules.resolve_endpoint(**parameters)
    (scheme, *_) = endpoint.properties.get("authSchemes", [{}])
    return endpoint.url, scheme.get("signingRegion", region)


def _configured_endpoint(session: Any) -> str | None:  # noqa: ANN401 - aiobotocore has no type hints
    """Return the endpoint that environment or profile name, such as AWS_ENDPOINT_URL_DYNAMODB."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), _SERVICE)
    endpoint_url: str | None = provider.provide()
    return endpoint_url


def _choice(session: Any, name: str, choices: tuple[str, ...]) -> str:  # noqa: ANN401 - aiobotocore has no type hints
    """Return a setting of environment or profile that must be one of `choices`."""
    value = str(session.get_config_variable(name)).lower()
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def _max_attempts(session: Any, config: StoreConfig) -> int:  # noqa: ANN401 - aiobotocore has no type hints
    """Return how often to send a request at most."""
    if config.max_attempts is not None:
        return config.max_attempts
    attempts: int | None = session.get_config_variable("max_attempts")
    return DEFAULT_MAX_ATTEMPTS if attempts is None else max(1, attempts)


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
    session: AioSession, settings: Settings, transport: Transport, config: StoreConfig
) -> "DynamoDBClient":
    """Return an ordinary client that sends through `transport`; it need not be closed."""
    context: Any = session.create_client(
        _SERVICE,
        region_name=settings.region,
        endpoint_url=config.endpoint_url,  # without one it resolves the endpoint as this module does
        config=AioConfig(
            http_session_cls=lambda **_: _SharedTransport(transport),  # type: ignore[arg-type]  # any callable will do
            retries={
                "mode": "adaptive" if settings.is_adaptive else "standard",
                "total_max_attempts": settings.max_attempts,
            },
        ),
    )
    # In a thread, for the reason above. Nothing in it is bound to the thread's event loop: the credentials, which might
    # be, are the session's already.
    client: DynamoDBClient = await asyncio.to_thread(asyncio.run, context.__aenter__())
    return client
