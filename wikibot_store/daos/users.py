"""Access patterns of the users table: people, and the claims that keep identities and usernames unique.

A GSI cannot enforce uniqueness, so each OAuth identity and each username has a claim: an item of this table whose key
is the thing claimed and which holds the `user_id` of its owner. Claims are written in the same transaction as their
user. They lack the index's key attributes, so they never show up in it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from wikibot_store._checks import check_choice
from wikibot_store._expressions import Condition, Update, absent_or, equals
from wikibot_store._items import Item, string, time
from wikibot_store._table import ConditionFailedError, Table
from wikibot_store._tables import Claim, Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, CorruptItemError, LastIdentityError, NotFoundError
from wikibot_store.keys import check_id, oauth_claim, username_claim
from wikibot_store.models import User, UserStatus
from wikibot_store.schema import OAUTH_INDEX

# The identities of a user's item but the first: space-separated `provider#sub`. The model does not show them.
_IDENTITIES = "identities"
_MAX_IDENTITIES = 20
_LOGIN_ATTEMPTS = 3


class Identity(NamedTuple):
    """What a person can log in with: a provider and the provider's name for the person."""

    provider: str
    sub: str


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
        key = (user.id,)
        try:
            await self._insertion(user).commit(self._table, key)
        except TransactionRefusedError as refused:
            raise AlreadyExistsError(self._table.name, self._table.key(key), refused.first()) from refused
        return user

    def _insertion(self, user: User) -> Transaction:
        """Return the Puts of a user and its claims, named by what is taken where one is refused."""
        claim_id = oauth_claim(user.oauth_provider, user.oauth_provider_sub)
        transaction = Transaction(self._wire)
        transaction.put("id", self._table, user, self._table.absent)
        transaction.put("oauth", self._claims, Claim(id=claim_id, user_id=user.id), self._claims.absent)
        if user.username is not None:
            claim = Claim(id=username_claim(user.username), user_id=user.id)
            transaction.put("username", self._claims, claim, self._claims.absent)
        return transaction

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

        Requests: Query of the index by-oauth, which knows each user's first identity and may lag behind by a moment; if
        it finds nothing, the claim and then the user: two consistent GetItems. `consistent` reads just these two.
        """
        claim_id = oauth_claim(provider, sub)
        if not consistent:
            identity = equals("oauth_provider", string(provider)) & equals("oauth_provider_sub", string(sub))
            user = await self._table.find(OAUTH_INDEX, identity)
            if user is not None:
                return user
        return await self._get_claimant(claim_id)

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

        Requests: get_by_oauth; for a new identity also create; after losing a race also get_by_oauth, consistent.

        Raises:
            AlreadyExistsError: The user is new and `field` is "username"; or "oauth": a claim without its user, which
                `sweep` removes.

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
        self._insertion(newcomer)  # refuses a bad profile now and not only for a newcomer
        attempt = 0
        while True:
            user = await self.get_by_oauth(provider, sub, consistent=attempt > 0)
            if user is not None:
                return user, False
            attempt += 1
            try:
                return await self._insert(newcomer), True
            except AlreadyExistsError as taken:
                # Whoever has the identity has it since, or until just now.
                if taken.field != "oauth" or attempt == _LOGIN_ATTEMPTS:
                    raise

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
        foreign: str | None = None  # the old name, if the claim on it is somebody else's, as a restore may leave it
        contention = Contention()
        while True:
            user = await self.require(user_id, consistent=True)
            if user.username == username:
                return user
            old = None if user.username == foreign else user.username
            renamed = self._next(user, username=username)
            name = {} if username is None else {"username": string(username)}
            transaction = self._change(user, renamed, set_=name, remove=() if name else ("username",))
            if claim_id is not None:
                claim = Claim(id=claim_id, user_id=user.id)
                transaction.put("username", self._claims, claim, own_or_free(user.id))
            if old is not None:
                transaction.delete("old", self._claims, (username_claim(old),), own_or_free(user.id))
            try:
                await transaction.commit(self._table, key, deadline=deadline)
            except TransactionRefusedError as refused:
                if claim_id is not None and refused.failed("username"):
                    raise AlreadyExistsError(self._table.name, self._table.key(key), "username") from refused
                foreign = None if refused.failed("user") else old
                await contention.pause()
            else:
                return renamed

    async def get_identities(self, user_id: str) -> list[Identity]:
        """Return what the user can log in with, the one that the user's item names first.

        Requests: GetItem (consistent).

        Raises:
            NotFoundError: There is no such user.

        """
        user, others = await self._with_identities((check_id("user_id", user_id),))
        return [_first_identity(user), *others]

    async def link_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Let the user log in with one more OAuth identity, up to 20. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; again for as long as others are
        faster.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: The identity is somebody else's; `field` is "oauth".
            ValueError: The user has 20 identities.

        """
        key, identity = (check_id("user_id", user_id),), Identity(provider, sub)
        claim_id = oauth_claim(provider, sub)
        deadline = self._wire.deadline()
        contention = Contention()
        while True:
            user, others = await self._with_identities(key, deadline)
            if identity in {_first_identity(user), *others}:
                return user
            if len(others) >= _MAX_IDENTITIES - 1:
                raise ValueError(f"a user has at most {_MAX_IDENTITIES} identities: unlink one first")
            linked = self._next(user)
            transaction = self._change(user, linked, set_={_IDENTITIES: _join([*others, identity])})
            claim = Claim(id=claim_id, user_id=user.id)
            transaction.put("oauth", self._claims, claim, own_or_free(user.id))
            try:
                await transaction.commit(self._table, key, deadline=deadline)
            except TransactionRefusedError as refused:
                if refused.failed("oauth"):
                    raise AlreadyExistsError(self._table.name, self._table.key(key), "oauth") from refused
                await contention.pause()
            else:
                return linked

    async def unlink_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Take an OAuth identity from the user; anybody can use it afterwards. The version grows by one.

        If it is the one that the user's item names, the next one takes its place there. Nothing happens if the user has
        no such identity.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; again for as long as others are
        faster.

        Raises:
            NotFoundError: There is no such user.
            LastIdentityError: The user has no other.

        """
        key, identity = (check_id("user_id", user_id),), Identity(provider, sub)
        claim_id = oauth_claim(provider, sub)
        deadline = self._wire.deadline()
        foreign = False  # whether the claim is somebody else's, as a restore may leave it
        contention = Contention()
        while True:
            user, others = await self._with_identities(key, deadline)
            kept = [kept for kept in [_first_identity(user), *others] if kept != identity]
            if len(kept) > len(others):
                return user
            if not kept:
                raise LastIdentityError(self._table.name, self._table.key(key))
            first, *rest = kept
            unlinked = self._next(user, oauth_provider=first.provider, oauth_provider_sub=first.sub)
            named = {"oauth_provider": string(first.provider), "oauth_provider_sub": string(first.sub)}
            transaction = self._change(
                user,
                unlinked,
                set_=named | ({_IDENTITIES: _join(rest)} if rest else {}),
                remove=() if rest else (_IDENTITIES,),
            )
            if not foreign:
                transaction.delete("oauth", self._claims, (claim_id,), own_or_free(user.id))
            try:
                await transaction.commit(self._table, key, deadline=deadline)
            except TransactionRefusedError as refused:
                foreign = not refused.failed("user")
                await contention.pause()
            else:
                return unlinked

    async def _with_identities(self, key: tuple[str], deadline: float | None = None) -> tuple[User, list[Identity]]:
        """Read a user with its identities but the first."""
        item = await self._table.get_item(key, deadline)
        if item is None:
            raise NotFoundError(self._table.name, self._table.key(key))
        return self._table.codec.from_item(item, self._table.name), _linked_identities(self._table, item)

    def _next(self, user: User, **changes: str | None) -> User:
        """Return the next version of a user."""
        return msgspec.structs.replace(user, version=user.version + 1, updated_at=datetime.now(UTC), **changes)

    def _change(self, user: User, changed: User, *, set_: Item, remove: tuple[str, ...] = ()) -> Transaction:
        """Return a transaction that makes a user's next version of this one."""
        transaction = Transaction(self._wire)
        versioned = set_ | self._table.next_version(user.version, changed.updated_at)
        update = Update(set=versioned, remove=remove)
        transaction.update("user", self._table, (user.id,), update, self._table.version_is(user.version))
        return transaction

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


def claims_of(users: Table[User], item: Item) -> list[str]:
    """Return the ids of all claims that a user's item has.

    Raises:
        CorruptItemError: The item does not decode.
        InvalidKeyError: What it names cannot be claimed.

    """
    user = users.codec.from_item(item, users.name)
    identities = [oauth_claim(*identity) for identity in (_first_identity(user), *_linked_identities(users, item))]
    return identities if user.username is None else [*identities, username_claim(user.username)]


def _linked_identities(users: Table[User], item: Item) -> list[Identity]:
    """Return the identities that a user's item has besides the one that the model shows."""
    match item.get(_IDENTITIES, string("")):
        case {"S": str(text)} if all(pair.count("#") == 1 for pair in text.split()):
            return [Identity(*pair.split("#")) for pair in text.split()]
        case _:
            raise CorruptItemError(users.name, users.codec.key_of(item), f"`{_IDENTITIES}` is no list of provider#sub")


def _first_identity(user: User) -> Identity:
    return Identity(user.oauth_provider, user.oauth_provider_sub)


def _join(identities: Iterable[Identity]) -> Item:
    """Return an attribute's value; a provider or subject holds neither `#` nor a space."""
    return string(" ".join("#".join(identity) for identity in identities))


def own_or_free(user_id: str) -> Condition:
    """Hold for a claim that is the user's or nobody's."""
    return absent_or("user_id", "=", string(user_id))


def _new_user(*, id: str, **profile: str | None) -> User:  # noqa: A002 - the attribute's name
    """Return a user that is not stored yet."""
    now = datetime.now(UTC)
    return User(id=check_id("id", id), created_at=now, updated_at=now, **profile)  # type: ignore[arg-type]  # checked when it is encoded
