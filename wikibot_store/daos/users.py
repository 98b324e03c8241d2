"""Access patterns of the users table: people, and the claims that keep identities and usernames unique.

A GSI cannot enforce uniqueness, so each OAuth identity and each username has a claim: an item of this table whose key
is the thing claimed and which holds the `user_id` of its owner. Claims are written in the same transaction as their
user. They lack the index's key attributes, so they never show up in it.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from wikibot_store._expressions import Condition, Update, absent_or, equals, not_exists
from wikibot_store._items import WRITE_ID, Item, string, time
from wikibot_store._table import ConditionFailedError, TransactionRefusedError, new_write_id, transact
from wikibot_store._tables import Claim, Tables
from wikibot_store._wire import contention_delay
from wikibot_store.errors import AlreadyExistsError, NotFoundError
from wikibot_store.keys import check_id, oauth_claim, username_claim
from wikibot_store.models import User, UserStatus, check_choice
from wikibot_store.schema import OAUTH_INDEX


class UserDao:
    """People, found by id, OAuth identity or username."""

    def __init__(self, tables: Tables) -> None:
        self._wire = tables.wire
        self._table = tables.users
        self._claims = tables.claims

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
        """Create a user with the claims on its identity and username; a duplicate of any of them is refused.

        Requests: one TransactWriteItems of two or three Puts.

        Raises:
            AlreadyExistsError: `field` is "id", "oauth" or "username".
            InvalidKeyError: An id, provider, subject or username breaks its rule.

        """
        return await self._insert(
            _new_user(
                id=uuid4().hex if id is None else id,
                oauth_provider=oauth_provider,
                oauth_provider_sub=oauth_provider_sub,
                username=username,
                email=email,
                display_name=display_name,
                avatar_url=avatar_url,
            )
        )

    async def _insert(self, user: User) -> User:
        write_id = new_write_id()
        taken = self._insert_actions(user, write_id)
        key = self._table.key((user.id,))
        try:
            await transact(self._wire, list(taken.values()), write_id=write_id, table=self._table.name, key=key)
        except TransactionRefusedError as refused:
            field = next(field for action, field in enumerate(taken) if refused.failed(action))
            raise AlreadyExistsError(self._table.name, key, field) from refused
        return user

    def _insert_actions(self, user: User, write_id: str) -> dict[str, Item]:
        """Return the Puts of a user and its claims, by what is taken where one is refused."""
        free = not_exists("id")
        claim_id = oauth_claim(user.oauth_provider, user.oauth_provider_sub)
        actions = {
            "id": self._table.put_action(self._table.codec.encode(user, write_id), free),
            "oauth": self._claim_action(claim_id, user.id, write_id, free),
        }
        if user.username is not None:
            actions["username"] = self._claim_action(username_claim(user.username), user.id, write_id, free)
        return actions

    async def get(self, user_id: str, *, consistent: bool = False) -> User | None:
        """Return the user, or None.

        Requests: GetItem.
        """
        return await self._table.get(check_id("user_id", user_id), consistent=consistent)

    async def require(self, user_id: str, *, consistent: bool = False) -> User:
        """Return the user.

        Requests: GetItem.

        Raises:
            NotFoundError: There is no such user.

        """
        user = await self.get(user_id, consistent=consistent)
        if user is None:
            raise NotFoundError(self._table.name, self._table.key((user_id,)))
        return user

    async def get_many(self, ids: Iterable[str]) -> dict[str, User]:
        """Return those of the users that exist, by id.

        Requests: one BatchGetItem per 100 ids, all at once.
        """
        found = await self._table.get_many((check_id("user_id", user_id),) for user_id in ids)
        return {user.id: user for user in found.values()}

    async def get_by_oauth(self, provider: str, sub: str, *, consistent: bool = False) -> User | None:
        """Return the user with this OAuth identity, or None.

        Requests: Query of the index by-oauth, which may lag behind by a moment. `consistent` reads the claim and then
        the user instead: two consistent GetItems.
        """
        claim_id = oauth_claim(provider, sub)
        if consistent:
            return await self._get_claimant(claim_id)
        return await self._table.find(
            OAUTH_INDEX, equals("oauth_provider", string(provider)) & equals("oauth_provider_sub", string(sub))
        )

    async def get_by_username(self, username: str) -> User | None:
        """Return the user with this username, or None.

        Requests: GetItem of the claim, GetItem of the user; both consistent.
        """
        user = await self._get_claimant(username_claim(username))
        # Between the two reads the name may have been given up.
        return user if user is not None and user.username == username else None

    async def _get_claimant(self, claim_id: str) -> User | None:
        claim = await self._claims.get(claim_id, consistent=True)
        return None if claim is None else await self._table.get(claim.user_id, consistent=True)

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
        """Return the user with this identity, and whether this call created it. Any number of calls make one user.

        The profile is used only for a new user.

        Requests: get_by_oauth; for a new identity also create; after losing a race also a consistent get_by_oauth.

        Raises:
            AlreadyExistsError: The user is new and `field` is "username".

        """
        newcomer = _new_user(
            id=uuid4().hex,
            oauth_provider=provider,
            oauth_provider_sub=sub,
            username=username,
            email=email,
            display_name=display_name,
            avatar_url=avatar_url,
        )
        self._insert_actions(newcomer, "")  # refuses a bad profile now and not only for a newcomer
        user = await self.get_by_oauth(provider, sub)
        if user is not None:
            return user, False
        try:
            user = await self._insert(newcomer)
        except AlreadyExistsError as taken:
            user = await self.get_by_oauth(provider, sub, consistent=True) if taken.field == "oauth" else None
            if user is None:
                raise
            return user, False
        return user, True

    async def update(
        self,
        user_id: str,
        *,
        expected_version: int | None = None,
        email: str | UnsetType | None = UNSET,
        display_name: str | UnsetType | None = UNSET,
        avatar_url: str | UnsetType | None = UNSET,
        tier: str | UnsetType = UNSET,
        status: UserStatus | str | UnsetType = UNSET,
    ) -> User:
        """Change attributes; None removes one, leaving one out keeps it. The version grows by one.

        Requests: UpdateItem on condition of the version; without `expected_version` a consistent GetItem before it.

        Raises:
            NotFoundError: There is no such user.
            ConflictError: The user has another version than expected; `current` is it.
            TypeError: Nothing is to be changed, or a value is of another type.
            ValueError: The status is unknown.
            WriteOutcomeUnknownError: An answer was lost, and others have written since.

        """
        changes = {
            "email": email,
            "display_name": display_name,
            "avatar_url": avatar_url,
            "tier": tier,
            "status": status if status is UNSET else check_choice("status", UserStatus, status),
        }
        return await self._table.update((check_id("user_id", user_id),), changes, expected_version=expected_version)

    async def set_username(self, user_id: str, username: str | None) -> User:
        """Give the user another username, or none; the old one is free afterwards. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and one or two claims; again for as long as
        others are faster.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Somebody else has the name; `field` is "username".

        """
        key = (check_id("user_id", user_id),)
        claim_id = None if username is None else username_claim(username)
        deadline = self._wire.deadline()
        attempt = 0
        while True:
            attempt += 1
            user = await self.require(user_id, consistent=True)
            if user.username == username:
                return user
            now, write_id = datetime.now(UTC), new_write_id()
            name = {} if username is None else {"username": string(username)}
            update = Update(
                set={**name, **self._table.next_version(user.version, now), WRITE_ID: string(write_id)},
                remove=("username",) if username is None else (),
            )
            own_or_free = absent_or("user_id", "=", string(user.id))
            actions = [self._table.update_action(key, update, self._table.version_is(user.version))]
            if claim_id is not None:
                actions.append(self._claim_action(claim_id, user.id, write_id, own_or_free))
            if user.username is not None:
                old = (username_claim(user.username),)
                actions.append(self._claims.delete_action(old, own_or_free))
            try:
                await transact(
                    self._wire,
                    actions,
                    write_id=write_id,
                    table=self._table.name,
                    key=self._table.key(key),
                    deadline=deadline,
                )
            except TransactionRefusedError as refused:
                if claim_id is not None and refused.failed(1):
                    raise AlreadyExistsError(self._table.name, self._table.key(key), "username") from refused
                await asyncio.sleep(contention_delay(attempt))
            else:
                return msgspec.structs.replace(user, username=username, version=user.version + 1, updated_at=now)

    async def record_login(self, user_id: str) -> User:
        """Set `last_login_at` to now, unless a later login is there; return the user. The version stays.

        Requests: UpdateItem.

        Raises:
            NotFoundError: There is no such user.

        """
        key = (check_id("user_id", user_id),)
        now = time(datetime.now(UTC))
        update = Update(set={"last_login_at": now})
        try:
            return await self._table.patch(key, update, absent_or("last_login_at", "<", now))
        except ConditionFailedError as failed:
            if failed.item is None:
                raise NotFoundError(self._table.name, self._table.key(key)) from failed
            return self._table.codec.from_item(failed.item, self._table.name)

    def _claim_action(self, claim_id: str, user_id: str, write_id: str, condition: Condition) -> Item:
        claim = self._claims.codec.encode(Claim(id=claim_id, user_id=user_id), write_id)
        return self._claims.put_action(claim, condition)


def _new_user(*, id: str, **profile: str | None) -> User:  # noqa: A002 - the attribute's name
    """Return a user that is not stored yet."""
    now = datetime.now(UTC)
    return User(id=check_id("id", id), created_at=now, updated_at=now, **profile)  # type: ignore[arg-type]  # checked when it is encoded
