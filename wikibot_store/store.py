"""The store: opens the connections to DynamoDB and holds the DAOs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wikibot_store._dynamo.checks import check_choice, check_integer, check_switch, check_text
from wikibot_store._wire import Session, Wire, open_wire
from wikibot_store.config import StoreConfig
from wikibot_store.daos.acls import AclDao
from wikibot_store.daos.admin import AdminDao
from wikibot_store.daos.users import UserDao
from wikibot_store.daos.wikis import WikiDao
from wikibot_store.errors import ConfigurationError
from wikibot_store.keys import WikiKey, check_id
from wikibot_store.models import Access, Role, RoleName
from wikibot_store.usage import Stats
from wikibot_store.verify import verify_tables
from wikibot_store.workflows import access
from wikibot_store.workflows.tables import Tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class WikibotStore:
    """Typed access to the tables of wikibot.io: `users`, `wikis` and `acls`, and `admin` for operators.

    Open one store for the life of the process and share it among all tasks. Use it only in the event loop in which it
    was opened.

        async with WikibotStore.open(StoreConfig.from_env()) as store:
            user, created = await store.users.get_or_create_by_oauth("github", "4711")

    `authorize` and `authorize_token` may also raise these errors:
        InvalidKeyError: An id or slug breaks its rule; nothing was sent.
        ThrottledError: DynamoDB throttled every attempt.
        UnavailableError: There was no usable answer within the deadline.
        CorruptItemError: A stored item does not decode; the message names its key.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        RuntimeError: The store is closed.
    """

    def __init__(self, wire: Wire) -> None:
        """Create the DAOs. Call `open` to get a store."""
        self._wire = wire
        self._tables = Tables(wire)
        self.users = UserDao(self._tables)
        self.wikis = WikiDao(self._tables)
        self.acls = AclDao(self._tables)
        self.admin = AdminDao(self._tables)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: StoreConfig | None = None,
        *,
        session: Session | None = None,
        verify: bool = False,
        connect: int = 0,
    ) -> AsyncIterator["WikibotStore"]:
        """Open a store, and close it when the block ends. Without `config` the settings are read from the environment.

        Credentials, proxies and CA bundle come from the session, and so do region and endpoint if `config` does not set
        them. The session is one of aiobotocore, such as `aiobotocore.session.get_session()`, or an `aioboto3.Session`.
        Opening sends no request to DynamoDB, except with `verify`, which compares the tables with the schema first.
        `connect` is how many connections are opened in parallel before the block begins, so that the first requests do
        not wait for DNS, TCP and TLS; at most `max_pool_connections`, and not longer than `deadline`. If they cannot be
        opened, this is logged, and the first requests try again.

        Raises:
            ConfigurationError: There are no credentials or no region, or `verify` found a difference.
            TypeError: The session is of another library, or `connect` is not an integer.
            ValueError: A variable in the environment is not a valid setting, or `connect` is negative.

        """
        if check_integer("connect", connect) < 0:
            raise ValueError("connect must be at least 0")
        config = StoreConfig.from_env() if config is None else config
        async with open_wire(config, session) as wire:
            if connect:
                await wire.preconnect(connect)
            if verify and (drift := await verify_tables(wire)):
                raise ConfigurationError("the tables differ from the schema: " + "; ".join(map(str, drift)))
            yield cls(wire)

    async def authorize(self, user_id: str | None, owner_id: str, wiki_slug: str, *, consistent: bool = True) -> Access:
        """Return what a user may do in a wiki, or what anybody may do if `user_id` is None.

        The owner may do everything, a grantee what the grant allows, and anybody may view a public wiki. Nobody has
        access if the wiki is missing or being deleted, or if its owner is not an active user. A user who is missing,
        suspended or being deleted has no access either. A grant that has expired, or that was given for an earlier wiki
        with this slug, allows nothing. With `consistent=True` a revoke takes effect at the next call.

        Requests: one BatchGetItem of wiki, owner, user and grant.
        """
        key = WikiKey(owner_id, wiki_slug)
        user_id = None if user_id is None else check_id("user_id", user_id)
        check_switch("consistent", consistent)
        return await access.authorize(self._tables, user_id, key, consistent=consistent)

    async def authorize_token(
        self, owner_id: str, wiki_slug: str, token: str, *, role: Role | RoleName = Role.EDITOR
    ) -> Access:
        """Return the access that an MCP token gives to a wiki: `role` if the token is right, otherwise none.

        There is no access if the wiki is missing, being deleted or without a token, or if its owner is not an active
        user. The comparison takes constant time. `wikis.set_mcp_token` makes a token.

        Requests: one BatchGetItem of wiki and owner (consistent).

        Raises:
            TypeError: `token` is not a string; nothing was sent.
            ValueError: `role` is not a role; nothing was sent.

        """
        key, granted = WikiKey(owner_id, wiki_slug), check_choice("role", Role, role)
        return await access.authorize_token(self._tables, key, check_text("token", token), role=granted)

    @property
    def config(self) -> StoreConfig:
        """The settings that the store was opened with."""
        return self._wire.config

    def stats(self) -> Stats:
        """Return what the store has sent since it was opened. To measure a single handler, use `collect()`."""
        return self._wire.stats()

    async def client(self) -> "DynamoDBClient":
        """Return an aiobotocore client that shares this store's connections, for what the DAOs do not offer.

        The first call builds the client in a thread, which takes about 0.1 s. The client is closed with the store. Type
        checkers know its methods if `types-aiobotocore-dynamodb` is installed.
        """
        return await self._wire.client()
