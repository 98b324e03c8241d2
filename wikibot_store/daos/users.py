"""The door to the users table: people, and the claims that keep identities and usernames unique."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from uuid import uuid4

from msgspec import UNSET, UnsetType

from wikibot_store._dynamo.checks import check_choice
from wikibot_store._dynamo.expressions import Update, absent_or, equals
from wikibot_store._dynamo.items import string, time
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store.errors import NotFoundError
from wikibot_store.keys import check_id, oauth_claim, username_claim
from wikibot_store.models import Identity, User, UserStatus
from wikibot_store.schema import OAUTH_INDEX
from wikibot_store.workflows import identities, people
from wikibot_store.workflows.people import OwnedWikis
from wikibot_store.workflows.tables import Tables

SettableStatus = Literal["active", "suspended", UserStatus.ACTIVE, UserStatus.SUSPENDED]
"""A status that `update` sets; `delete` alone sets "deleting"."""


class UserDao:
    """The users: created, found, changed and deleted.

    Every method may also raise these errors:
        InvalidKeyError: An id, provider, subject or username breaks its rule; nothing was sent.
        ThrottledError: DynamoDB throttled every attempt; nothing was written.
        UnavailableError: There was no usable answer within the deadline; nothing was written.
        WriteOutcomeUnknownError: A write was sent, and the store cannot tell whether it took effect.
        CorruptItemError: A stored item does not decode; the message names its key.
        RequestFailedError: DynamoDB refused the request, such as for a missing permission or table.
        ConfigurationError: The credentials cannot be renewed.
        TypeError, ValueError: An argument has the wrong type, or is a text that DynamoDB cannot store.
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
        """Create a user who holds this OAuth identity and this username; no other user can hold either.

        Without `id` the user gets a random one. Never reuse the id of a deleted user.

        Requests: TransactWriteItems of the user and one or two claims.

        Raises:
            AlreadyExistsError: Something is taken; `field` is "id", "oauth" or "username". Nothing was written.

        """
        now = datetime.now(UTC)
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
            TypeError: `ids` is a single text.

        """
        if isinstance(ids, str):
            raise TypeError(f"ids must be several ids, such as [{ids!r}], not one text")
        found = await self._users.get_many((check_id("user_id", user_id),) for user_id in ids)
        return {user.id: user for user in found.values()}

    async def get_by_oauth(self, provider: str, sub: str, *, consistent: bool = False) -> User | None:
        """Return the user with this OAuth identity, or None.

        The index may lag by a moment and knows only the first identity of a user. If it finds nothing, the claim is
        read. With `consistent=True` only the claim is read, which is always right.

        Requests: Query of the index by-oauth; if it finds nothing, GetItem of the claim and of the user (consistent).
        """
        claim_id = oauth_claim(provider, sub)
        if not consistent:
            identity = equals("oauth_provider", string(provider)) & equals("oauth_provider_sub", string(sub))
            user = await self._users.find(OAUTH_INDEX, identity)
            if user is not None:
                return user
        return await identities.find(self._tables, claim_id)

    async def get_by_username(self, username: str) -> User | None:
        """Return the user with this username, or None.

        Requests: GetItem of the claim and of the user (consistent).
        """
        user = await identities.find(self._tables, username_claim(username))
        # Between the two reads the user may have given the name up.
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

        Any number of calls at the same time create one user. The profile is used only for a new user. A suspended user
        is returned too: check `user.status`.

        Requests: GetItem of the claim and of the user (consistent). For a new identity GetItem of the claim and
        TransactWriteItems; again if another call created the user first.

        Raises:
            AlreadyExistsError: The user is new and the username is taken (`field` is "username"), or the identity has a
                claim without a user (`field` is "oauth"), which `admin.sweep` removes.

        """
        now = datetime.now(UTC)
        profile = {"username": username, "email": email, "display_name": display_name, "avatar_url": avatar_url}
        self._check_profile(profile)  # also for a known user, so that an invalid profile always fails
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
        """Change attributes of a user; None removes an attribute, an argument that is left out keeps it.

        The version grows by one. With `expected_version` the update is refused if somebody else has changed the user.
        A status calls off a deletion that has not finished.

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
        """Give a user another username, or none; the old one is free afterwards. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and one or two claims; retried while other
        writers win.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Somebody else has the name; `field` is "username".

        """
        return await identities.set_username(self._tables, check_id("user_id", user_id), username)

    async def get_identities(self, user_id: str) -> list[Identity]:
        """Return the OAuth identities that the user can log in with, the one on the model first.

        Requests: GetItem (consistent).

        Raises:
            NotFoundError: There is no such user.

        """
        return await identities.identities(self._tables, check_id("user_id", user_id))

    async def link_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Let a user log in with another OAuth identity; a user has at most 20. The version grows by one.

        Linking an identity again changes nothing.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; retried while other writers win.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Somebody else has the identity; `field` is "oauth".
            ValueError: The user has 20 identities.

        """
        identity = Identity(check_id("oauth_provider", provider), check_id("oauth_provider_sub", sub))
        return await identities.link(self._tables, check_id("user_id", user_id), identity)

    async def unlink_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Take an OAuth identity from a user; anybody may use it afterwards. The version grows by one.

        If it is the identity on the model, the next one takes its place. An identity that the user does not have
        changes nothing.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; retried while other writers win.

        Raises:
            NotFoundError: There is no such user.
            LastIdentityError: The user has no other identity.

        """
        identity = Identity(check_id("oauth_provider", provider), check_id("oauth_provider_sub", sub))
        return await identities.unlink(self._tables, check_id("user_id", user_id), identity)

    async def record_login(self, user_id: str) -> User:
        """Set `last_login_at` to now unless a later login is stored; return the user. The version stays.

        Requests: UpdateItem.

        Raises:
            NotFoundError: There is no such user.

        """
        key = (check_id("user_id", user_id),)
        now = time(datetime.now(UTC))
        try:
            return await self._users.patch(
                key, Update(set={"last_login_at": now}), absent_or("last_login_at", "<", now)
            )
        except ConditionFailedError as failed:
            if failed.item is None:
                raise NotFoundError(*self._users.where(key)) from failed
            return self._users.decode(failed.item)

    async def delete(self, user_id: str, *, wikis: OwnedWikis = "refuse") -> bool:
        """Delete a user with all identities and the username, which are free afterwards; return whether there was one.

        With `wikis="delete"` the user's wikis are deleted first. Grants that the user had in other wikis open nothing
        any more, and `admin.sweep` removes them; until then they would open those wikis to a new user with the same id.
        After a crash, the same call continues where the last one stopped.

        Requests: GetItem (consistent), Query, UpdateItem, GetItem (consistent), TransactWriteItems; those of
        `wikis.delete` per wiki.

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
        raise ValueError("status must be active or suspended; delete() deletes a user")
    return chosen
