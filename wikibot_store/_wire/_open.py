"""Opens a wire: to where session and config say, with connections that are closed at the end."""

import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from wikibot_store._wire._adaptive import RateLimiter
from wikibot_store._wire._client import Wire
from wikibot_store._wire._credentials import explained
from wikibot_store._wire._http import Transport
from wikibot_store._wire._session import Session, aio_session, make_client, resolve
from wikibot_store._wire._signer import Signer
from wikibot_store.config import InsecureEndpointWarning, StoreConfig, is_exposed
from wikibot_store.errors import ConfigurationError


@asynccontextmanager
async def open_wire(config: StoreConfig, session: Session | None) -> AsyncIterator[Wire]:
    """Open a wire to where the session and the config say; nothing is sent.

    Raises:
        ConfigurationError: There are no credentials or no region, or the session is not usable for another reason.
        TypeError: The session is of another library.

    """
    aws_session = aio_session(session)
    async with AsyncExitStack() as stack:
        try:
            settings = await resolve(aws_session, config)
            transport = Transport(
                verify=settings.verify,  # type: ignore[arg-type]  # the stubs lack the path
                proxies=settings.proxies,
                timeout=(config.connect_timeout, config.read_timeout),  # type: ignore[arg-type]  # and the pair
                max_pool_connections=config.max_pool_connections,
            )
            await stack.enter_async_context(transport)
            await transport.connect(settings.endpoint_url, idle_timeout=config.idle_timeout, app_id=settings.app_id)
            signer = Signer(settings.endpoint_url, settings.signing_region)
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError) as error:
            text, _ = explained(error)
            raise ConfigurationError(f"the AWS session cannot be used: {text}") from error
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
            config=replace(config, max_attempts=settings.max_attempts),
            limiter=RateLimiter() if settings.is_adaptive else None,
        )
        stack.push_async_callback(wire.aclose)
        yield wire
