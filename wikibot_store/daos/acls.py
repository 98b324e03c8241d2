"""Access patterns of the acls table: who may do what in a wiki."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from wikibot_store._checks import check_choice, check_limit, check_time
from wikibot_store._expressions import Condition, absent_or, not_exists
from wikibot_store._items import epoch, number
from wikibot_store._listing import Listing
from wikibot_store._tables import Tables
from wikibot_store.errors import IndexNotConfiguredError
from wikibot_store.keys import INVITE, WikiKey, check_grantee, check_id
from wikibot_store.models import Acl, Page, Role
from wikibot_store.schema import GRANTEE_INDEX


class AclDao:
    """Grants. One that has expired counts as absent, whether or not DynamoDB's TTL has removed it yet."""

    def __init__(self, tables: Tables) -> None:
        self._has_grantee_index = tables.wire.config.grantee_index
        self._table = tables.acls

    async def create(
        self, wiki_id: str, grantee_id: str, role: Role | str, *, granted_by: str, expires_at: datetime | None = None
    ) -> Acl:
        """Put this one item, in place of what was granted before. `expires_at` is cut to whole seconds.

        For tools: whether there is such a wiki is not looked at, nor whether it is moving or being deleted, and the
        grant is for every wiki of this key. `store.grant` gives one that is for this wiki alone.

        Requests: GetItem (consistent), PutItem; again for as long as other writers are faster.

        Raises:
            InvalidKeyError: `wiki_id`, `grantee_id` or `granted_by` breaks its rule.
            ValueError: The role is unknown, or `expires_at` is naive.
            WriteOutcomeUnknownError: An answer was lost and another writer came between.

        """
        acl = Acl(
            wiki_id=WikiKey.parse(wiki_id).wiki_id,
            grantee_id=check_id("grantee_id", grantee_id),
            role=check_choice("role", Role, role),
            granted_by=check_id("granted_by", granted_by),
            granted_at=datetime.now(UTC),
            expires_at=check_expiry(expires_at),
        )
        return await self._table.upsert(acl)

    async def get(self, wiki_id: str, grantee_id: str, *, consistent: bool = False) -> Acl | None:
        """Return the grant, or None if there is none or it has expired.

        Requests: GetItem.
        """
        acl = await self._table.get(*_key(wiki_id, grantee_id), consistent=consistent)
        return None if acl is None or acl.is_expired(datetime.now(UTC)) else acl

    async def delete(self, wiki_id: str, grantee_id: str) -> bool:
        """Delete this one item; return whether there was one.

        For tools: a wiki that is moving has a copy of each grant under its other key, which only `store.revoke` deletes
        too.

        Requests: GetItem (consistent), then DeleteItem if there is something to delete.

        Raises:
            WriteOutcomeUnknownError: An answer was lost and another writer granted anew.

        """
        return await self._table.delete(*_key(wiki_id, grantee_id))

    async def list_by_wiki(
        self, wiki_id: str, *, limit: int = 50, cursor: str | None = None, consistent: bool = False
    ) -> Page[Acl]:
        """Return a page of a wiki's live grants, in the order of grantee ids. Invitations are none.

        Requests: one Query; more where many grants have expired or a page exceeds 1 MB.

        Raises:
            InvalidCursorError: The cursor is not of this listing.

        """
        return await self._table.page(_by_wiki(wiki_id), limit=limit, cursor=cursor, consistent=consistent)

    def iter_by_wiki(self, wiki_id: str, *, page_size: int = 500) -> AsyncGenerator[Acl, None]:
        """Iterate over a wiki's live grants, in the order of grantee ids.

        Requests: one Query per `page_size` items, each when the consumer gets there.
        """
        return self._table.stream(_by_wiki(wiki_id), page_size=check_limit("page_size", page_size))

    async def list_invitations(self, wiki_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Acl]:
        """Return a page of a wiki's invitations that are open: neither accepted nor expired.

        Requests: one Query; more where many have expired.

        Raises:
            InvalidCursorError: The cursor is not of this listing.

        """
        listing = Listing(
            name="acls.invitations",
            partition=("wiki_id", WikiKey.parse(wiki_id).wiki_id),
            sort_key="grantee_id",
            check=check_grantee,
            prefix=INVITE,
            where=_live(),
        )
        return await self._table.page(listing, limit=limit, cursor=cursor)

    async def list_by_grantee(self, grantee_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Acl]:
        """Return a page of the live grants that one user has, in the order of wiki ids.

        Requests: Query of the index by-grantee, which is never strongly consistent.

        Raises:
            IndexNotConfiguredError: The store is not configured with `grantee_index`.
            InvalidCursorError: The cursor is not of this listing.

        """
        if not self._has_grantee_index:
            raise IndexNotConfiguredError(GRANTEE_INDEX, "grantee_index")
        listing = Listing(
            name="acls.by_grantee",
            index=GRANTEE_INDEX,
            partition=("grantee_id", check_id("grantee_id", grantee_id)),
            sort_key="wiki_id",
            check=WikiKey.parse,
            where=_live(),
        )
        return await self._table.page(listing, limit=limit, cursor=cursor)


def _key(wiki_id: str, grantee_id: str) -> tuple[str, str]:
    return WikiKey.parse(wiki_id).wiki_id, check_id("grantee_id", grantee_id)


def _by_wiki(wiki_id: str) -> Listing:
    return Listing(
        name="acls.by_wiki",
        partition=("wiki_id", WikiKey.parse(wiki_id).wiki_id),
        sort_key="grantee_id",
        check=lambda sort_key: check_id("grantee_id", sort_key),
        where=_live() & not_exists("invited_email"),
    )


def _live() -> Condition:
    """Hold for grants that have not expired."""
    return absent_or("expires_at", ">", number(epoch(datetime.now(UTC))))


def check_expiry(expires_at: datetime | None) -> datetime | None:
    """Return the time as it will be read: DynamoDB's TTL knows whole seconds."""
    if expires_at is None:
        return None
    return check_time("expires_at", expires_at).replace(microsecond=0)
