"""The store: opens the wire and holds one DAO per table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aioboto3

from wikibot_store._wire import Wire, open_wire
from wikibot_store.config import StoreConfig
from wikibot_store.daos import AclDao, UserDao, WikiDao
from wikibot_store.errors import ConfigurationError
from wikibot_store.verify import verify_tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class WikibotStore:
    """Typed access to the tables of wikibot.io.

    Open one for the life of the process and share it among tasks; it belongs to the event loop that it was opened in.

        async with WikibotStore.open(StoreConfig.from_env()) as store:
            user, created = await store.users.get_or_create_by_oauth("github", "4711")
    """

    def __init__(self, wire: Wire) -> None:
        """Wire the DAOs; use `open`."""
        self._wire = wire
        self.users = UserDao(wire)
        self.wikis = WikiDao(wire)
        self.acls = AclDao(wire)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, config: StoreConfig | None = None, *, session: aioboto3.Session | None = None, verify: bool = False
    ) -> AsyncIterator["WikibotStore"]:
        """Open a store; without arguments as the environment says.

        Credentials, region, endpoint, proxies and CA bundle that `config` does not name come from the session. No
        request is sent, unless `verify` asks to compare the tables with the schema first.

        Raises:
            ConfigurationError: There are no credentials or no region; or the tables differ from the schema.

        """
        config = StoreConfig.from_env() if config is None else config
        async with open_wire(config, session) as wire:
            if verify and (drift := await verify_tables(wire)):
                raise ConfigurationError("the tables differ from the schema: " + "; ".join(map(str, drift)))
            yield cls(wire)

    @property
    def config(self) -> StoreConfig:
        """The settings that the store was opened with."""
        return self._wire.config

    @property
    def client(self) -> "DynamoDBClient":
        """The aiobotocore client that shares this store's connections, for what the DAOs do not do."""
        return self._wire.client
