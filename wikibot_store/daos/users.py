"""The DAO of the users table: users, and the claims that keep identities and usernames unique."""

from collections.abc import Iterable
from typing import Any, Literal, get_args
from uuid import uuid4

from msgspec import UNSET, UnsetType

from wikibot_store._dynamo.checks import check_choice, check_several, check_switch, utc_now
from wikibot_store._dynamo.expressions import Update, absent_or_before
from wikibot_store._dynamo.items import is_foreign, time
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store.errors import NotFoundError
from wikibot_store.keys import check_id, check_sub, oauth_claim, username_claim
from wikibot_store.models import Identity, User, UserStatus
from wikibot_store.workflows import identities, people
from wikibot_store.workflows.people import OwnedWikis
from wikibot_store.workflows.tables import Tables

SettableStatus = Literal["active", "suspended", UserStatus.ACTIVE, UserStatus.SUSPENDED]
"""A status that `update` accepts; only `delete` sets "deleting"."""


class UserDao:
    """Creates, finds, changes and deletes users.

    A claim is an item of the users table that ties an OAuth identity or a username to one user. Reads are eventually
    consistent: they may miss a write of the last second. With `consistent=True`, where a method has it, they see every
    write that has finished.

    Every method may also raise these errors:
        InvalidKeyError: An id, provider, subject or username breaks its rule; nothing was sent.
        ThrottledError: DynamoDB throttled every attempt of a request; that request wrote nothing.
        UnavailableError: A request got no usable answer within the deadline; that request wrote nothing.
        WriteOutcomeUnknownError: A write was sent, and the store cannot tell whether it took effect.
        CorruptItemError: A stored item does not decode; the message names its key.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        TypeError, ValueError: An argument has the wrong type, or is text that cannot be stored.
        RuntimeError: The store is closed.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._users = tables.users

    async def create(
        self,
        *,
        oauth_provider: str,
        oauth_provider_sub: str,
        id: str | None = None,  # noqa: A002 - the attribute's name
        username: str | None = None,
        email: str | None = None,
        display_name: str | None = None,
        avatar_url: str | None = None,
    ) -> User:
        """Create a user with this OAuth identity and this username. No other user can have the same.

        Without `id` the user gets a random id. Never reuse the id of a deleted user.

        Requests: Query of the index by-oauth, for a user whom another program created without a claim;
        TransactWriteItems of the user and one or two claims.

        Raises:
            AlreadyExistsError: `field` says what is taken: "id", "oauth" or "username". No user was created.

        """
        now = utc_now()
        user = User(
            id=check_id("id", uuid4().hex if id is None else id),
            oauth_provider=oauth_provider,
            oauth_provider_sub=oauth_provider_sub,
            username=username,
            email=email,
            display_name=display_name,
            avatar_url=avatar_url,
            created_at=now,
            updated_at=now,
        )
        return await identities.create(self._tables, user)

    async def get(self, user_id: str, *, consistent: bool = False) -> User | None:
        """Return the user, or None.

        Requests: GetItem.
        """
        return await self._users.get(check_id("user_id", user_id), consistent=consistent)

    async def require(self, user_id: str, *, consistent: bool = False) -> User:
        """Return the user.

        Requests: GetItem.

        Raises:
            NotFoundError: There is no such user.

        """
        user = await self.get(user_id, consistent=consistent)
        if user is None:
            raise NotFoundError(*self._users.where((user_id,)))
        return user

    async def get_many(self, ids: Iterable[str]) -> dict[str, User]:
        """Return the users that exist, by id.

        Requests: one BatchGetItem per 100 ids, all at once.

        Raises:
            TypeError: `ids` is a single text, or nothing that can be iterated over.

        """
        wanted = check_several("ids", ids, "['ada', 'bob']")
        found = await self._users.get_many((check_id("user_id", user_id),) for user_id in wanted)
        return {user.id: user for user in found.values()}

    async def get_by_oauth(self, provider: str, sub: str, *, consistent: bool = False) -> User | None:
        """Return the user with this OAuth identity, or None.

        The index holds only the first identity of a user and may miss a recent write. If it finds nothing, the claim is
        read. With `consistent=True` the claim is read first, which is always up to date; if there is none, a user whom
        another program created without a claim is looked up in the index and read consistently.

        Requests: Query of the index by-oauth; if it finds nothing, GetItem of the claim and of the user (consistent).
        With `consistent=True` GetItem of the claim and of the user; without a claim, Query of the index.
        """
        identity, claim_id = Identity(provider, sub), oauth_claim(provider, sub)
        found = [] if check_switch("consistent", consistent) else await identities.indexed(self._tables, identity)
        if len(found) == 1:
            return found[0]
        user = await identities.find(self._tables, claim_id)
        if user is None and (consistent or found):
            item = await identities.find_unclaimed(self._tables, identity)
            user = None if item is None else self._users.decode(item)
        return user

    async def get_by_username(self, username: str) -> User | None:
        """Return the user with this username, or None.

        Requests: GetItem of the claim and of the user (consistent).
        """
        user = await identities.find(self._tables, username_claim(username))
        # The user may have changed the name between the two reads.
        return user if user is not None and user.username == username else None

    async def get_or_create_by_oauth(
        self,
        provider: str,
        sub: str,
        *,
        username: str | None = None,
        email: str | None = None,
        display_name: str | None = None,
        avatar_url: str | None = None,
    ) -> tuple[User, bool]:
        """Log in: return the user with this identity, and whether this call created the user.

        Calls at the same time create only one user. The profile is used only for a new user. Check `user.status`: a
        suspended user is returned too.

        A user whom another program created without claims is found in the index, and gets the claims.

        Requests: GetItem of the claim and of the user (consistent). For a new identity instead: GetItem of the claim
        (consistent), Query of the index by-oauth, TransactWriteItems; then the first two if another call created the
        user at the same time.

        Raises:
            AlreadyExistsError: The user is new and the username is taken (`field` is "username"). Or the identity has a
                claim but no user (`field` is "oauth"); `admin.sweep` removes such a claim.

        """
        now = utc_now()
        profile = {"username": username, "email": email, "display_name": display_name, "avatar_url": avatar_url}
        self._check_profile(profile)  # for an existing user too, so that an invalid profile always fails
        user = User(
            id=uuid4().hex,
            oauth_provider=provider,
            oauth_provider_sub=sub,
            username=username,
            email=email,
            display_name=display_name,
            avatar_url=avatar_url,
            created_at=now,
            updated_at=now,
        )
        return await identities.find_or_create(self._tables, user)

    def _check_profile(self, profile: dict[str, str | None]) -> None:
        if profile["username"] is not None:
            username_claim(profile["username"])
        for attribute, value in profile.items():
            if value is not None:
                self._users.codec.value(attribute, value)

    async def update(
        self,
        user_id: str,
        *,
        expected_version: int | None = None,
        email: str | UnsetType | None = UNSET,
        display_name: str | UnsetType | None = UNSET,
        avatar_url: str | UnsetType | None = UNSET,
        tier: str | UnsetType = UNSET,
        status: SettableStatus | UnsetType = UNSET,
    ) -> User:
        """Change attributes of a user; return the user. None removes an attribute; an attribute not given stays.

        The version grows by one. With `expected_version` the update is refused if another writer has changed the
        user; without, it is retried while other writers win. Setting a status stops a deletion that has not finished.

        Requests: UpdateItem; without `expected_version` a consistent GetItem before it.

        Raises:
            NotFoundError: There is no such user.
            ConflictError: The user has another version than expected; `current` is the user as stored.
            TypeError: There is nothing to change, or a value has the wrong type.
            ValueError: `status` is neither "active" nor "suspended".

        """
        changes: dict[str, Any] = {
            "email": email,
            "display_name": display_name,
            "avatar_url": avatar_url,
            "tier": tier,
            "status": status if status is UNSET else _settable(status),
        }
        return await self._users.update(
            (check_id("user_id", user_id),),
            changes,
            expected_version=expected_version,
            forget=() if status is UNSET else people.DELETION_ATTRIBUTES,
        )

    async def set_username(self, user_id: str, username: str | None) -> User:
        """Change a user's username, or remove it with None. The old one is free afterwards. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and one or two claims; retried while other
        writers win.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Another user has the username; `field` is "username".

        """
        return await identities.set_username(self._tables, check_id("user_id", user_id), username)

    async def get_identities(self, user_id: str) -> list[Identity]:
        """Return the OAuth identities that the user can log in with. The first one is stored on the User.

        Requests: GetItem (consistent).

        Raises:
            NotFoundError: There is no such user.

        """
        return await identities.identities(self._tables, check_id("user_id", user_id))

    async def link_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Add an OAuth identity that the user can log in with, up to 20. The version grows by one.

        If the user already has the identity, nothing changes.

        Requests: GetItem (consistent), Query of the index by-oauth, TransactWriteItems of the user and the claim;
        retried while other writers win.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Another user has the identity; `field` is "oauth".
            ValueError: The user already has 20 identities.

        """
        identity = Identity(check_id("oauth_provider", provider), check_sub(sub))
        return await identities.link(self._tables, check_id("user_id", user_id), identity)

    async def unlink_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Remove an OAuth identity from a user. It is free afterwards. The version grows by one.

        If it is the identity that is stored on the User, the next one takes its place. If the user does not have the
        identity, nothing changes.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; retried while other writers win.

        Raises:
            NotFoundError: There is no such user.
            LastIdentityError: The user has no other identity.

        """
        identity = Identity(check_id("oauth_provider", provider), check_sub(sub))
        return await identities.unlink(self._tables, check_id("user_id", user_id), identity)

    async def record_login(self, user_id: str) -> User:
        """Set `last_login_at` to now, unless a later login is stored; return the user. The version stays the same.

        Requests: UpdateItem.

        Raises:
            NotFoundError: There is no such user.

        """
        key = (check_id("user_id", user_id),)
        now = utc_now()
        condition = absent_or_before("last_login_at", time(now))
        while True:
            try:
                return await self._users.patch(key, Update(set={"last_login_at": time(now)}), condition)
            except ConditionFailedError as failed:
                if failed.item is None:
                    raise NotFoundError(*self._users.where(key)) from failed
                user = self._users.decode(failed.item)
                if not is_foreign(failed.item.get("last_login_at"), before=now):
                    return user
                condition = self._users.has_same(failed.item, "last_login_at")

    async def delete(self, user_id: str, *, wikis: OwnedWikis = "refuse") -> bool:
        """Delete a user; return whether this call did. The user's identities and username are free afterwards.

        With `wikis="delete"` the user's wikis are deleted first. The user's grants in other wikis stay until
        `admin.sweep` removes them. They open nothing, unless a new user gets the same id. After an error or a crash,
        the same call continues where the last one stopped. Of several calls one returns True: the one that marked the
        user. A deletion that `update(status=…)` calls off deletes no further wiki. If another call then deletes the
        user, both may return True.

        Requests: GetItem and Query (consistent), until two passes agree, TransactWriteItems. With `wikis="delete"`
        GetItem (consistent), UpdateItem, those of `wikis.delete` for each wiki, GetItem and Query (consistent),
        TransactWriteItems.

        Raises:
            UserOwnsWikisError: The user owns wikis, and `wikis` is "refuse".
            ValueError: `wikis` is neither "refuse" nor "delete".

        """
        if wikis not in get_args(OwnedWikis):
            raise ValueError(f"wikis must be one of {', '.join(get_args(OwnedWikis))}")
        return await people.delete_user(self._tables, check_id("user_id", user_id), wikis=wikis)


def _settable(status: str) -> UserStatus:
    chosen = check_choice("status", UserStatus, status)
    if chosen is UserStatus.DELETING:
        raise ValueError("status must be active or suspended: call delete() to delete a user")
    return chosen
