"""The DAO of the acls table: grants, which say who may do what in a wiki, and invitations."""

from collections.abc import AsyncGenerator
from datetime import datetime

from wikibot_store import keys
from wikibot_store._dynamo.checks import check_choice, check_limit, check_switch, check_text, check_time, utc_now
from wikibot_store._dynamo.expressions import Condition, compare, not_exists, unless_number
from wikibot_store._dynamo.items import epoch, number
from wikibot_store._dynamo.listing import Listing, Page
from wikibot_store.errors import IndexNotConfiguredError
from wikibot_store.keys import INVITE, WikiKey, check_id, wiki_key
from wikibot_store.models import Acl, Member, Role, RoleName, Share
from wikibot_store.schema import GRANTEE_INDEX
from wikibot_store.workflows import invitations, sharing
from wikibot_store.workflows.tables import Tables


class AclDao:
    """Grants users access to wikis, revokes and lists the grants, and invites people who are not users yet.

    `wiki` is a WikiKey, such as `wiki.key`, or a wiki_id, such as "ada:notes". A grant that has expired counts as
    missing, even if DynamoDB's TTL has not deleted it yet. The owner of a wiki needs no grant and cannot have one.

    Reads are eventually consistent: they may miss a write of the last second. With `consistent=True`, where a method
    has it, they see every write that has finished. A page holds exactly `limit` items, or all that are left. Pass its
    `cursor` to get the next page; `cursor` is None on the last page.

    Every method may also raise these errors:
        InvalidKeyError: A wiki or an id breaks its rule; nothing was sent.
        ThrottledError: DynamoDB throttled every attempt of a request; that request wrote nothing.
        UnavailableError: A request got no usable answer within the deadline; that request wrote nothing.
        WriteOutcomeUnknownError: A write was sent, and the store cannot tell whether it took effect.
        CorruptItemError: A stored item does not decode; the message names its key. A page has these errors in
            `corrupt`, and an iteration logs them.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        TypeError, ValueError: An argument has the wrong type, or is text that cannot be stored.
        RuntimeError: The store is closed.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._acls = tables.acls

    async def create(
        self,
        wiki: WikiKey | str,
        grantee_id: str,
        role: Role | RoleName,
        *,
        granted_by: str,
        expires_at: datetime | None = None,
        check_grantee: bool = True,
    ) -> Acl:
        """Grant a role in a wiki; return the grant. It replaces the role that the grantee had.

        If the grantee already has this role until the same time, nothing is written, and the stored grant is returned
        with its first grantor and time. `expires_at` is rounded down to whole seconds. `grantee_id` and `granted_by`
        must be ids of users. `check_grantee=False` skips this check, for ids that another system manages; `admin.sweep`
        then keeps the grant although there is no such user.

        Requests: BatchGetItem of wiki, grant and both users (consistent), TransactWriteItems; retried while other
        writers win.

        Raises:
            NotFoundError: There is no such wiki, grantee or grantor; the error names its table and key.
            NotActiveError: The wiki is being deleted or moved, or one of the users is being deleted.
            ProtectedOwnerError: The grantee owns the wiki; nothing was sent.
            ValueError: `role` is not a role, or `expires_at` has no time zone.

        """
        return await sharing.grant(
            self._tables,
            wiki_key(wiki),
            check_id("grantee_id", grantee_id),
            check_choice("role", Role, role),
            granted_by=check_id("granted_by", granted_by),
            expires_at=_expiry(expires_at),
            check_users=check_switch("check_grantee", check_grantee),
        )

    async def get(self, wiki: WikiKey | str, grantee_id: str, *, consistent: bool = False) -> Acl | None:
        """Return the grant, or None if there is none or it has expired.

        Requests: GetItem.
        """
        key = wiki_key(wiki).wiki_id, check_id("grantee_id", grantee_id)
        acl = await self._acls.get(*key, consistent=consistent)
        return None if acl is None or acl.is_expired(utc_now()) else acl

    async def delete(self, wiki: WikiKey | str, grantee_id: str) -> bool:
        """Revoke a grant; return whether there was one. When this returns, the grantee has no grant in this wiki.

        To revoke an invitation, pass its `grantee_id`. In a wiki that is being renamed or transferred, the grant is
        deleted under both keys. There is no wiki under the new key before it is live there, and none under the old key
        after the move.

        Requests: GetItem of wiki and grant (consistent), TransactWriteItems; retried while other writers win.

        Raises:
            ProtectedOwnerError: The grantee owns the wiki; nothing was sent.
            WriteOutcomeUnknownError: An answer was lost, and the wiki has moved or gone since.

        """
        return await sharing.revoke(self._tables, wiki_key(wiki), keys.check_grantee(grantee_id))

    async def list_by_wiki(
        self, wiki: WikiKey | str, *, limit: int = 50, cursor: str | None = None, consistent: bool = False
    ) -> Page[Acl]:
        """Return a page of a wiki's grants, ordered by grantee id, without expired grants and invitations.

        Requests: one Query; more if many grants have expired or the page exceeds 1 MB.

        Raises:
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        return await self._acls.page(_by_wiki(wiki), limit=limit, cursor=cursor, consistent=consistent)

    def iter_by_wiki(self, wiki: WikiKey | str, *, page_size: int = 500) -> AsyncGenerator[Acl, None]:
        """Iterate over a wiki's grants, ordered by grantee id, without expired grants and invitations.

        Requests: one Query per `page_size` grants, sent when the consumer needs it.

        Raises:
            ValueError: `page_size` is not 1 to 10,000.

        """
        return self._acls.stream(_by_wiki(wiki), page_size=check_limit("page_size", page_size))

    async def list_members(self, wiki: WikiKey | str, *, limit: int = 50, cursor: str | None = None) -> Page[Member]:
        """Return a page of a wiki's grants as `list_by_wiki` does, each with its user, or None if the user is gone.

        Requests: Query, then BatchGetItem per 100 users.

        Raises:
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        return await sharing.with_users(self._tables, await self.list_by_wiki(wiki, limit=limit, cursor=cursor))

    async def list_by_grantee(self, grantee_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Acl]:
        """Return a page of a user's grants, ordered by wiki id, without expired grants. The index lags by a moment.

        Requests: one Query of the index by-grantee; more if many grants have expired or the page exceeds 1 MB.

        Raises:
            IndexNotConfiguredError: The store is opened without `grantee_index=True`.
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        if not self._tables.wire.config.grantee_index:
            raise IndexNotConfiguredError(GRANTEE_INDEX, "grantee_index")
        listing = Listing(
            name="acls.by_grantee",
            index=GRANTEE_INDEX,
            partition=("grantee_id", check_id("grantee_id", grantee_id)),
            sort_key="wiki_id",
            check=WikiKey.parse,
            where=_unexpired(),
            keep=_is_unexpired,
        )
        return await self._acls.page(listing, limit=limit, cursor=cursor)

    async def list_shared_with(self, user_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Share]:
        """Return a page of a user's grants as `list_by_grantee` does, each with its wiki, or None if it is not live.

        Requests: Query of the index by-grantee, then BatchGetItem per 100 wikis.

        Raises:
            IndexNotConfiguredError: The store is opened without `grantee_index=True`.
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        page = await self.list_by_grantee(check_id("user_id", user_id), limit=limit, cursor=cursor)
        return await sharing.with_wikis(self._tables, page)

    async def invite(
        self, wiki: WikiKey | str, email: str, role: Role | RoleName, *, invited_by: str, expires_at: datetime
    ) -> tuple[Acl, str]:
        """Invite a person who may not be a user yet; return the invitation and the token to send.

        Only a hash of the token is stored, so the token cannot be shown again. To revoke the invitation, call `delete`
        with its `grantee_id`. It becomes invalid when the wiki is renamed, transferred or deleted.

        Requests: BatchGetItem of the wiki and the user who invites (consistent), TransactWriteItems.

        Raises:
            NotFoundError: There is no such wiki, or `invited_by` is not a user.
            NotActiveError: The wiki is being deleted or moved, or the user is being deleted.
            ValueError: `email` is empty, `role` is not a role, or `expires_at` is not in the future.

        """
        if not check_text("email", email).strip():
            raise ValueError("email must be the address that the invitation is sent to")
        ends = _expiry(expires_at)
        if ends is None or ends <= utc_now():
            raise ValueError("expires_at must be in the future")
        return await invitations.invite(
            self._tables,
            wiki_key(wiki),
            email,
            check_choice("role", Role, role),
            invited_by=check_id("invited_by", invited_by),
            expires_at=ends,
        )

    async def accept_invite(self, token: str, user_id: str) -> Acl:
        """Accept an invitation: give the user its role in a grant that does not expire; return the grant.

        Each token works once. If the user already has a grant that allows as much, that grant is kept, and the token is
        used up.

        Requests: BatchGetItem of wiki, user, invitation and grant (consistent), TransactWriteItems; retried while other
        writers win.

        Raises:
            InvalidInviteError: The token does not match an open invitation.
            NotFoundError: There is no such user.
            NotActiveError: The user is suspended or being deleted.
            ProtectedOwnerError: The user owns the wiki.

        """
        return await invitations.accept_invite(self._tables, check_text("token", token), check_id("user_id", user_id))

    async def list_invitations(self, wiki: WikiKey | str, *, limit: int = 50, cursor: str | None = None) -> Page[Acl]:
        """Return a page of a wiki's open invitations: neither accepted nor expired.

        Requests: one Query; more if many invitations have expired or the page exceeds 1 MB.

        Raises:
            InvalidCursorError: The cursor belongs to another listing.
            ValueError: `limit` is not 1 to 10,000.

        """
        listing = Listing(
            name="acls.invitations",
            partition=("wiki_id", wiki_key(wiki).wiki_id),
            sort_key="grantee_id",
            check=keys.check_grantee,
            prefix=INVITE,
            where=_unexpired(),
            keep=_is_unexpired,
        )
        return await self._acls.page(listing, limit=limit, cursor=cursor)


def _by_wiki(wiki: WikiKey | str) -> Listing:
    return Listing(
        name="acls.by_wiki",
        partition=("wiki_id", wiki_key(wiki).wiki_id),
        sort_key="grantee_id",
        check=lambda sort_key: check_id("grantee_id", sort_key),
        where=_unexpired() & not_exists("invited_email"),
        keep=_is_unexpired,
    )


def _unexpired() -> Condition:
    """Hold for grants that have not expired, and for those whose time another program wrote in another form."""
    return unless_number("expires_at", compare("expires_at", ">", number(epoch(utc_now()))))


def _is_unexpired(acl: Acl) -> bool:
    return not acl.is_expired(utc_now())


def _expiry(expires_at: datetime | None) -> datetime | None:
    """Return the time as it will be read back: DynamoDB's TTL stores whole seconds."""
    if expires_at is None:
        return None
    return check_time("expires_at", expires_at).replace(microsecond=0)
