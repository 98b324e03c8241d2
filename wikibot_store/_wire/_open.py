"""Opens a wire: to where session and config say, with connections that are closed at the end."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aioboto3
from botocore.exceptions import BotoCoreError, NoCredentialsError, NoRegionError

from wikibot_store._wire._client import Wire
from wikibot_store._wire._http import Transport
from wikibot_store._wire._session import make_client, resolve
from wikibot_store._wire._signer import Signer
from wikibot_store.config import InsecureEndpointWarning, StoreConfig, is_exposed
from wikibot_store.errors import ConfigurationError

_ADVICE: dict[type[Exception], str] = {
    NoCredentialsError: "; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (any will do for an engine "
    "of your own), or give open() a session",
    NoRegionError: "; set AWS_REGION, or give open() a StoreConfig(region=…)",
}


@asynccontextmanager
async def open_wire(config: StoreConfig, session: aioboto3.Session | None) -> AsyncIterator[Wire]:
    """Open a wire to where the session and the config say; nothing is sent.

    Raises:
        ConfigurationError: There are no credentials or no region, or the session is not usable for another reason.

    """
    async with AsyncExitStack() as stack:
        try:
            aws_session = await asyncio.to_thread(aioboto3.Session) if session is None else session
            settings = await resolve(aws_session, config)
            transport = Transport(
                verify=settings.verify,  # type: ignore[arg-type]  # the stubs lack the path
                proxies=settings.proxies,
                timeout=(config.connect_timeout, config.read_timeout),  # type: ignore[arg-type]  # and the pair
                max_pool_connections=config.max_pool_connections,
            )
            stack.push_async_callback(transport.close)
            await transport.connect(settings.endpoint_url, idle_timeout=config.idle_timeout, app_id=settings.app_id)
            signer = Signer(settings.endpoint_url, settings.region)
        except (BotoCoreError, OSError, ValueError) as error:
            advice = _ADVICE.get(type(error), "")
            raise ConfigurationError(f"the AWS session cannot be used: {error}{advice}") from error
        if is_exposed(settings.endpoint_url):
            warnings.warn(
                f"{settings.endpoint_url} is plain HTTP over a network, where items can be read and changed: "
                "use https, or silence InsecureEndpointWarning for an engine of your own",
                InsecureEndpointWarning,
                stacklevel=5,  # who opens the store, behind two context managers
            )
        wire = Wire(
            transport=transport,
            signer=signer,
            credentials=settings.credentials,
            endpoint_url=settings.endpoint_url,
            make_client=lambda: make_client(aws_session, settings, transport, config),
            config=config,
        )
        stack.push_async_callback(wire.aclose)
        yield wire
