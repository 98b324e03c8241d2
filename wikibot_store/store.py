"""The store: opens the wire and holds one DAO per table."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import aioboto3

from wikibot_store._checks import check_choice
from wikibot_store._tables import Tables
from wikibot_store._wire import Wire, open_wire
from wikibot_store.config import StoreConfig
from wikibot_store.daos import AclDao, UserDao, WikiDao
from wikibot_store.daos.acls import check_expiry
from wikibot_store.daos.wikis import new_wiki
from wikibot_store.errors import ConfigurationError
from wikibot_store.keys import WikiKey, check_grantee, check_id
from wikibot_store.models import Access, Acl, Page, Role, User, Wiki
from wikibot_store.usage import Stats
from wikibot_store.verify import verify_tables
from wikibot_store.workflows import access, invitations, lifecycle, maintenance, moves, people, sharing
from wikibot_store.workflows.findings import SweepPage

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
        return await lifecycle.create_wiki(self._tables, wiki, limit=lifecycle.check_quota(limit))

    async def delete_wiki(self, owner_id: str, wiki_slug: str) -> None:
        """Delete a wiki with its grants and count it out; nothing happens if there is none.

        A call after a crash goes on where the last one stopped. The slug can be used again as soon as this returns.

        Requests: GetItem (consistent), UpdateItem, Query, TransactWriteItems per 99 grants, TransactWriteItems.
        """
        await lifecycle.delete_wiki(self._tables, WikiKey(owner_id, wiki_slug))

    async def rename_wiki(self, owner_id: str, wiki_slug: str, new_slug: str) -> Wiki:
        """Give a wiki another slug; all grants come along, invitations do not.

        Readers find the wiki under the old slug or under the new one at every moment. Grants are refused while it
        moves, which takes a request per 49 grants. A call after a crash goes on where the last one stopped.

        Requests: GetItem of both keys (consistent), TransactWriteItems; Query, TransactWriteItems per 49 grants;
        GetItem, TransactWriteItems; then as the end of delete_wiki; GetItem.

        Raises:
            NotFoundError: There is no such wiki.
            NotActiveError: The wiki is being deleted, or is moving elsewhere.
            AlreadyExistsError: The owner has a wiki of the new slug; nothing has moved.

        """
        return await moves.move_wiki(self._tables, WikiKey(owner_id, wiki_slug), WikiKey(owner_id, new_slug))

    async def transfer_wiki(
        self, owner_id: str, wiki_slug: str, new_owner_id: str, *, limit: int | None = None
    ) -> Wiki:
        """Give a wiki to another owner, who has fewer than `limit`; all grants come along, invitations do not.

        The new owner's own grant is dropped, and the old owner keeps no access. Otherwise as rename_wiki.

        Raises:
            NotFoundError: There is no such wiki, or no such new owner.
            NotActiveError: The wiki or the new owner is not active.
            QuotaExceededError: The new owner has `limit` wikis; nothing has moved.
            AlreadyExistsError: The new owner has a wiki of this slug; nothing has moved.

        """
        source, target = WikiKey(owner_id, wiki_slug), WikiKey(new_owner_id, wiki_slug)
        return await moves.move_wiki(self._tables, source, target, limit=lifecycle.check_quota(limit))

    async def delete_user(self, user_id: str, *, wikis: people.OwnedWikis = "refuse") -> None:
        """Delete a user with all claims, so that identities and username are free; nothing happens if there is none.

        With `wikis="delete"` the user's wikis are deleted first. What was granted to the user in other wikis opens
        nothing any more, and `sweep` removes it; until then it would open to whoever is created with the same id, so do
        not give an id twice. A call after a crash goes on where the last one stopped.

        Requests: GetItem (consistent), Query, UpdateItem, GetItem (consistent), TransactWriteItems; delete_wiki per
        wiki.

        Raises:
            UserOwnsWikisError: There are wikis, and they are not to be deleted.

        """
        if wikis not in get_args(people.OwnedWikis):
            raise ValueError(f"wikis must be one of {', '.join(get_args(people.OwnedWikis))}")
        await people.delete_user(self._tables, check_id("user_id", user_id), wikis=wikis)

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
            NotActiveError: The wiki is being deleted, or moves.
            ProtectedOwnerError: The grantee is the owner; nothing was sent.

        """
        return await sharing.grant(
            self._tables,
            WikiKey(owner_id, wiki_slug),
            check_id("grantee_id", grantee_id),
            check_choice("role", Role, role),
            granted_by=check_id("granted_by", granted_by),
            expires_at=check_expiry(expires_at),
        )

    async def revoke(self, owner_id: str, wiki_slug: str, grantee_id: str) -> bool:
        """Take a grant away; return whether there was one.

        An invitation is revoked by its `grantee_id`. A grant in a wiki that is moving is taken away under both keys; in
        one that has moved it is found under the new key only.

        Requests: GetItem of wiki and grant (consistent), TransactWriteItems; again for as long as others are faster.

        Raises:
            ProtectedOwnerError: The grantee is the owner; nothing was sent.

        """
        return await sharing.revoke(self._tables, WikiKey(owner_id, wiki_slug), check_grantee(grantee_id))

    async def members(
        self, owner_id: str, wiki_slug: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[tuple[Acl, User | None]]:
        """Return a page of a wiki's live grants, each with its user; None for one who has been deleted.

        Requests: Query, then BatchGetItem per 100 users.
        """
        key = WikiKey(owner_id, wiki_slug)
        return await sharing.members(self._tables, self.acls, key, limit=limit, cursor=cursor)

    async def list_shared_with(
        self, user_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[tuple[Acl, Wiki | None]]:
        """Return a page of the live grants that a user has, each with its wiki; None for one that has gone.

        Requests: Query of the index by-grantee, then BatchGetItem per 100 wikis.

        Raises:
            IndexNotConfiguredError: The store is not configured with `grantee_index`.

        """
        return await sharing.list_shared_with(self._tables, self.acls, user_id, limit=limit, cursor=cursor)

    async def invite(
        self, owner_id: str, wiki_slug: str, email: str, role: Role | str, *, invited_by: str, expires_at: datetime
    ) -> tuple[Acl, str]:
        """Invite somebody who need not be a user yet; return the invitation and the token to send.

        Only a hash of the token is stored: it cannot be shown again. `revoke` with the invitation's `grantee_id`
        takes it back, and so does renaming, transferring or deleting the wiki.

        Requests: GetItem (consistent), TransactWriteItems.

        Raises:
            NotFoundError: There is no such wiki.
            NotActiveError: The wiki is being deleted, or moves.
            ValueError: There is no email, or `expires_at` is not in the future.

        """
        if not isinstance(email, str) or not email.strip():
            raise ValueError("email must be the address that the invitation goes to")
        ends = check_expiry(expires_at)
        if ends is None or ends <= datetime.now(UTC):
            raise ValueError("expires_at must be in the future")
        return await invitations.invite(
            self._tables,
            WikiKey(owner_id, wiki_slug),
            email,
            check_choice("role", Role, role),
            invited_by=check_id("invited_by", invited_by),
            expires_at=ends,
        )

    async def accept_invite(self, token: str, user_id: str) -> Acl:
        """Turn an invitation into a grant to the user, which does not expire; each token works once.

        A grant of the user's that allows as much already is kept, and the invitation is used up all the same.

        Requests: BatchGetItem over the three tables (consistent), TransactWriteItems; again for as long as others are
        faster.

        Raises:
            InvalidInviteError: The token opens nothing, or nothing any more.
            NotFoundError: There is no such user.
            NotActiveError: The user is suspended or being deleted.
            ProtectedOwnerError: The user owns the wiki.

        """
        return await invitations.accept_invite(self._tables, token, check_id("user_id", user_id))

    def sweep(
        self, *, apply: bool = False, max_rcu: float | None = None, resume: str | None = None
    ) -> AsyncGenerator[SweepPage, None]:
        """Look through the tables for what crashes have left, page by page; finish or remove it if `apply`.

        That is: wikis that are half deleted or have half moved, users half deleted, claims without their users and
        users without their claims, counts that are off, grants without a wiki or to nobody. It is safe beside a running
        service. `max_rcu` bounds the read units per second, about; `resume` is the `resume` of the last page of a sweep
        that was cut off.

        Requests: Scan of each table, a few consistent reads per item; what the mending takes. For operators only: the
        web backend's IAM policy does not allow Scan.

        Raises:
            ValueError: `max_rcu` is not positive, or `resume` is not a sweep's.

        """
        return maintenance.sweep(self._tables, apply=apply, max_rcu=max_rcu, resume=resume)

    async def reconcile_wiki_count(self, user_id: str) -> int:
        """Set a user's `wiki_count` to the number of wikis that are there, and return it.

        Requests: GetItem (consistent), Query; UpdateItem if the count is off; again for as long as others are faster.

        Raises:
            NotFoundError: There is no such user.

        """
        return await people.reconcile_wiki_count(self._tables, check_id("user_id", user_id))

    @property
    def config(self) -> StoreConfig:
        """The settings that the store was opened with."""
        return self._wire.config

    def stats(self) -> Stats:
        """Return what the store has sent since it was opened; `collect()` tells it for one handler."""
        return self._wire.stats()

    async def client(self) -> "DynamoDBClient":
        """Return an aiobotocore client over this store's connections, for what the DAOs do not do.

        The first call takes a tenth of a second, in a thread; it lives as long as the store.
        """
        return await self._wire.client()
