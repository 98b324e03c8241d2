"""Access patterns of the users table: people, and the claims that keep identities and usernames unique."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from msgspec import UNSET, UnsetType

from wikibot_store._checks import check_choice, check_several
from wikibot_store._claims import IDENTITIES, identities_of, joined, own_or_free
from wikibot_store._expressions import Update, absent_or, equals
from wikibot_store._items import Item, string, time
from wikibot_store._table import ConditionFailedError
from wikibot_store._tables import Claim, Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, LastIdentityError, NotFoundError
from wikibot_store.keys import check_id, oauth_claim, username_claim
from wikibot_store.models import Identity, User, UserStatus
from wikibot_store.schema import OAUTH_INDEX

DELETION = "deletion"
"""The attribute that says what is to become of the wikis of a user who is being deleted."""

_MAX_IDENTITIES = 20
_LOGIN_ATTEMPTS = 3


class _Change(NamedTuple):
    """What becomes of a user: attributes to set, None to remove, and the claims that are taken and given up with it."""

    attributes: dict[str, str | None]
    taken: str | None = None
    freed: str | None = None


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
        claims = {"oauth": oauth_claim(oauth_provider, oauth_provider_sub)}
        if username is not None:
            claims["username"] = username_claim(username)
        key = (user.id,)
        transaction = Transaction(self._wire)
        transaction.put("id", self._table, user, self._table.absent)
        for field, claim_id in claims.items():
            transaction.put(field, self._claims, Claim(id=claim_id, user_id=user.id), self._claims.absent)
        try:
            await transaction.commit(self._table, key)
        except TransactionRefusedError as refused:
            raise AlreadyExistsError(self._table.name, self._table.key(key), refused.first()) from refused
        return user

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

        Raises:
            TypeError: `ids` is a single text.

        """
        check_several("ids", ids)
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

        The profile is used only for a new user. Who has the identity is told by its claim, not by the index: that may
        still show a user from whom it was unlinked, or who was deleted.

        Requests: GetItem of the claim, GetItem of the user; both consistent. For a new identity also create, and after
        losing a race again.

        Raises:
            AlreadyExistsError: The user is new and `field` is "username"; or "oauth": a claim without its user, which
                `sweep` removes.

        """
        profile = {"username": username, "email": email, "display_name": display_name, "avatar_url": avatar_url}
        self._check_profile(profile)  # now, and not only for a newcomer
        attempt = 0
        while True:
            user = await self.get_by_oauth(provider, sub, consistent=True)
            if user is not None:
                return user, False
            attempt += 1
            try:
                return await self.create(oauth_provider=provider, oauth_provider_sub=sub, **profile), True
            except AlreadyExistsError as taken:
                # Whoever has the identity has it since, or until just now.
                if taken.field != "oauth" or attempt == _LOGIN_ATTEMPTS:
                    raise

    def _check_profile(self, profile: dict[str, str | None]) -> None:
        if profile["username"] is not None:
            username_claim(profile["username"])
        for attribute, value in profile.items():
            if value is not None:
                self._table.codec.value(attribute, value)

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
        return await self._table.update(
            (check_id("user_id", user_id),),
            changes,
            expected_version=expected_version,
            forget=() if status is UNSET else (DELETION,),  # a deletion that was called off does not come back
        )

    async def set_username(self, user_id: str, username: str | None) -> User:
        """Give the user another username, or none; the old one is free afterwards. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and one or two claims; again for as long as
        others are faster.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: Somebody else has the name; `field` is "username".

        """
        taken = None if username is None else username_claim(username)

        def rename(user: User, _: Item) -> _Change | None:
            if user.username == username:
                return None
            freed = None if user.username is None else username_claim(user.username)
            return _Change({"username": username}, taken, freed)

        return await self._change(user_id, rename, claimed="username")

    async def get_identities(self, user_id: str) -> list[Identity]:
        """Return what the user can log in with, the one that the user's item names first.

        Requests: GetItem (consistent).

        Raises:
            NotFoundError: There is no such user.

        """
        key = (check_id("user_id", user_id),)
        user, item = await self._read(key, self._wire.deadline())
        return identities_of(self._table, user, item)

    async def link_identity(self, user_id: str, provider: str, sub: str) -> User:
        """Let the user log in with one more OAuth identity, up to 20. The version grows by one.

        Requests: GetItem (consistent), TransactWriteItems of the user and the claim; again for as long as others are
        faster.

        Raises:
            NotFoundError: There is no such user.
            AlreadyExistsError: The identity is somebody else's; `field` is "oauth".
            ValueError: The user has 20 identities.

        """
        identity, taken = Identity(provider, sub), oauth_claim(provider, sub)

        def link(user: User, item: Item) -> _Change | None:
            first, *others = identities_of(self._table, user, item)
            if identity in {first, *others}:
                return None
            if len(others) >= _MAX_IDENTITIES - 1:
                raise ValueError(f"a user has at most {_MAX_IDENTITIES} identities: unlink one first")
            return _Change({IDENTITIES: joined([*others, identity])}, taken)

        return await self._change(user_id, link, claimed="oauth")

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
        identity, freed = Identity(provider, sub), oauth_claim(provider, sub)

        def unlink(user: User, item: Item) -> _Change | None:
            identities = identities_of(self._table, user, item)
            kept = [kept for kept in identities if kept != identity]
            if kept == identities:
                return None
            if not kept:
                raise LastIdentityError(self._table.name, self._table.key((user.id,)))
            first, *others = kept
            named = {"oauth_provider": first.provider, "oauth_provider_sub": first.sub}
            return _Change({**named, IDENTITIES: joined(others) or None}, freed=freed)

        return await self._change(user_id, unlink, claimed="oauth")

    async def _change(self, user_id: str, plan: Callable[[User, Item], _Change | None], *, claimed: str) -> User:
        """Make the user's next version together with its claims, or leave the user as it is if `plan` says None.

        What is planned for the user that was read is planned anew for as long as others are faster.

        Raises:
            AlreadyExistsError: The claim to be taken is somebody else's; `field` is `claimed`.

        """
        key = (check_id("user_id", user_id),)
        deadline = self._wire.deadline()
        foreign = None  # a claim that is not the user's to give up, as a restore may leave it
        contention = Contention()
        while True:
            user, item = await self._read(key, deadline)
            change = plan(user, item)
            if change is None:
                return user
            update = self._next_version(user, change.attributes)
            transaction = Transaction(self._wire)
            transaction.update("user", self._table, key, update, self._table.version_is(user.version))
            if change.taken is not None:
                claim = Claim(id=change.taken, user_id=user.id)
                transaction.put("taken", self._claims, claim, own_or_free(user.id))
            if change.freed is not None and change.freed != foreign:
                transaction.delete("freed", self._claims, (change.freed,), own_or_free(user.id))
            try:
                await transaction.commit(self._table, key, deadline=deadline)
            except TransactionRefusedError as refused:
                if change.taken is not None and refused.failed("taken"):
                    raise AlreadyExistsError(self._table.name, self._table.key(key), claimed) from refused
                foreign = None if refused.failed("user") else change.freed
                await contention.pause()
            else:
                changed = {name: value for name, value in {**item, **update.set}.items() if name not in update.remove}
                return self._table.decode(changed)

    async def _read(self, key: tuple[str], deadline: float) -> tuple[User, Item]:
        """Read a user consistently, also as it is stored: the model does not show its further identities."""
        item = await self._table.get_item(key, deadline)
        if item is None:
            raise NotFoundError(self._table.name, self._table.key(key))
        return self._table.decode(item), item

    def _next_version(self, user: User, attributes: dict[str, str | None]) -> Update:
        values = {name: string(value) for name, value in attributes.items() if value is not None}
        version = self._table.next_version(user.version, datetime.now(UTC))
        return Update(set=values | version, remove=tuple(name for name in attributes if name not in values))

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
            return self._table.decode(failed.item)
