"""The store: opens the wire and holds one DAO per table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import aioboto3

from wikibot_store._tables import Tables
from wikibot_store._wire import Wire, open_wire
from wikibot_store.config import StoreConfig
from wikibot_store.daos import AclDao, UserDao, WikiDao
from wikibot_store.daos.acls import check_expiry
from wikibot_store.daos.wikis import new_wiki
from wikibot_store.errors import ConfigurationError
from wikibot_store.keys import WikiKey, check_id
from wikibot_store.models import Access, Acl, Page, Role, User, Wiki, check_choice
from wikibot_store.verify import verify_tables
from wikibot_store.workflows import access, lifecycle, sharing

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
        self._tables = Tables(wire)
        self.users = UserDao(self._tables)
        self.wikis = WikiDao(self._tables)
        self.acls = AclDao(self._tables)

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

    async def authorize(self, user_id: str | None, owner_id: str, wiki_slug: str, *, consistent: bool = True) -> Access:
        """Return what a user, or anybody if `user_id` is None, may do in a wiki.

        The owner is known by the key. A public wiki lets anybody view. Nothing is allowed in a wiki that is missing or
        being deleted, to a user who is missing, suspended or being deleted, or by a grant that has expired or was given
        for an earlier wiki of this slug. Being consistent, a revoke counts at the next check.

        Requests: one BatchGetItem over the three tables.
        """
        return await access.authorize(self._tables, user_id, owner_id, wiki_slug, consistent=consistent)

    async def create_wiki(
        self,
        owner_id: str,
        wiki_slug: str,
        *,
        display_name: str,
        repo_path: str,
        mcp_token_hash: str | None = None,
        is_public: bool = False,
        limit: int | None = None,
    ) -> Wiki:
        """Create a wiki and count it at its owner; never more than `limit`, under any number of parallel calls.

        Requests: TransactWriteItems of the user and the wiki.

        Raises:
            NotFoundError: There is no such owner.
            NotActiveError: The owner is suspended or being deleted.
            QuotaExceededError: The owner has `limit` wikis.
            AlreadyExistsError: The owner has a wiki of this slug.

        """
        wiki = new_wiki(
            WikiKey(owner_id, wiki_slug),
            display_name=display_name,
            repo_path=repo_path,
            mcp_token_hash=mcp_token_hash,
            is_public=is_public,
        )
        return await lifecycle.create_wiki(self._tables, wiki, limit=limit)

    async def delete_wiki(self, owner_id: str, wiki_slug: str) -> None:
        """Delete a wiki with its grants and count it out; nothing happens if there is none.

        A call after a crash goes on where the last one stopped. The slug can be used again as soon as this returns.

        Requests: GetItem, UpdateItem, Query and BatchWriteItem per 25 grants, TransactWriteItems.
        """
        await lifecycle.delete_wiki(self._tables, owner_id, wiki_slug)

    async def grant(
        self,
        owner_id: str,
        wiki_slug: str,
        grantee_id: str,
        role: Role | str,
        *,
        granted_by: str,
        expires_at: datetime | None = None,
    ) -> Acl:
        """Grant a role in a wiki that is live. The same grant again is left as it is, with who gave it first and when.

        Requests: BatchGetItem of wiki and grant, TransactWriteItems; again for as long as others are faster.

        Raises:
            NotFoundError: There is no such wiki.
            NotActiveError: The wiki is being deleted.
            ProtectedOwnerError: The grantee is the owner; nothing was sent.

        """
        return await sharing.grant(
            self._tables,
            WikiKey(owner_id, wiki_slug),
            grantee_id,
            check_choice("role", Role, role),
            granted_by=check_id("granted_by", granted_by),
            expires_at=check_expiry(expires_at),
        )

    async def revoke(self, owner_id: str, wiki_slug: str, grantee_id: str) -> bool:
        """Take a grant away; return whether there was one.

        Requests: GetItem (consistent), then DeleteItem if there is something to delete.

        Raises:
            ProtectedOwnerError: The grantee is the owner; nothing was sent.

        """
        return await sharing.revoke(self._tables, WikiKey(owner_id, wiki_slug), grantee_id)

    async def members(
        self, owner_id: str, wiki_slug: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[tuple[Acl, User | None]]:
        """Return a page of a wiki's live grants, each with its user; None for one who has been deleted.

        Requests: Query, then BatchGetItem per 100 users.
        """
        key = WikiKey(owner_id, wiki_slug)
        return await sharing.members(self._tables, self.acls, key, limit=limit, cursor=cursor)

    @property
    def config(self) -> StoreConfig:
        """The settings that the store was opened with."""
        return self._wire.config

    async def client(self) -> "DynamoDBClient":
        """Return an aiobotocore client over this store's connections, for what the DAOs do not do.

        The first call takes a tenth of a second, in a thread; it lives as long as the store.
        """
        return await self._wire.client()
