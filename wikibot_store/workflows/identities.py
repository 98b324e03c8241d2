"""Users with their identities and usernames: each belongs to one user, whatever happens at the same time."""

from collections.abc import Callable
from typing import NamedTuple

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Condition, Update, equals
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, LastIdentityError, NotFoundError
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.models import Identity, User
from wikibot_store.schema import OAUTH_INDEX
from wikibot_store.workflows.claims import (
    IDENTITIES,
    identities_of,
    is_deleting,
    joined,
    may_claim,
    own_or_free,
    username_claims,
)
from wikibot_store.workflows.tables import Claim, Tables

_MAX_IDENTITIES = 20
_LOGIN_ATTEMPTS = 3


class _Change(NamedTuple):
    """A change of a user: attributes to set, or to remove if None, and the claims to take and to free with it."""

    attributes: dict[str, str | None]
    taken: str | None = None
    freed: str | None = None


async def create(tables: Tables, user: User) -> User:
    """Put a user and the claims on its identity and username, or nothing.

    A user whom another program created has the identity without a claim, and is given it now.
    """
    claims = {"oauth": oauth_claim(user.oauth_provider, user.oauth_provider_sub)}
    if user.username is not None:
        claims["username"] = username_claim(user.username)
    transaction = Transaction(tables.wire)
    transaction.put("id", tables.users, user, tables.users.absent)
    for field, claim_id in claims.items():
        transaction.put(field, tables.claims, Claim(id=claim_id, user_id=user.id), tables.claims.absent)
    if await _claim_for_its_user(tables, Identity(user.oauth_provider, user.oauth_provider_sub)):
        raise AlreadyExistsError(*tables.users.where((user.id,)), "oauth")
    try:
        await transaction.commit(tables.users, (user.id,))
    except TransactionRefusedError as refused:
        raise AlreadyExistsError(*tables.users.where((user.id,)), refused.first()) from refused
    return user


async def indexed(tables: Tables, identity: Identity) -> list[User]:
    """Return the users whom the index shows with an identity. It may lag; more than one is damage."""
    return await tables.users.find(OAUTH_INDEX, _is_first(identity))


def _is_first(identity: Identity) -> Condition:
    """Hold for users whose first identity this is: the one that the index has."""
    return equals("oauth_provider", string(identity.provider)) & equals("oauth_provider_sub", string(identity.sub))


async def find_unclaimed(tables: Tables, identity: Identity) -> Item | None:
    """Return the user who has an identity that nobody has claimed, because another program created the user.

    The index shows who may have it. Each of them is read consistently, must still have it, and must not be in the
    process of being deleted. Of several, the oldest counts.
    """
    owned = {"oauth_provider": string(identity.provider), "oauth_provider_sub": string(identity.sub)}
    found = []
    for key in await tables.users.find_keys(OAUTH_INDEX, _is_first(identity)):
        item = await tables.users.get_item(key)
        if item is not None and owned.items() <= item.items() and not is_deleting(item):
            found.append((tables.users.decode(item).created_at, key, item))
    return min(found)[2] if found else None


async def _claim_for_its_user(tables: Tables, identity: Identity) -> bool:
    """Give a user whom another program created the missing claims; return whether there is such a user."""
    item = await find_unclaimed(tables, identity)
    if item is None:
        return False
    key = tables.users.key_in(item)
    claims = [oauth_claim(*identity), *username_claims(tables.users.decode(item))]
    while claims:
        transaction = Transaction(tables.wire)
        transaction.check("user", tables.users, key, tables.users.unchanged(item))
        for claim_id in claims:
            transaction.put(claim_id, tables.claims, Claim(id=claim_id, user_id=key[0]), own_or_free(key[0]))
        try:
            await transaction.commit(tables.users, key)
        except TransactionRefusedError as refused:
            if refused.failed("user"):  # it is found again, or not
                return True
            claims = [claim_id for claim_id in claims if not refused.failed(claim_id)]
        else:
            return True
    return True


async def find(tables: Tables, claim_id: str) -> User | None:
    """Return the user who holds a claim, by two consistent reads.

    Between the two the claim may have been freed: a user who does not have it counts only if it is still there.
    """
    seen: Item | None = None
    while True:
        claim = await tables.claims.get_item((claim_id,))
        if claim is None:
            return None
        user_id = tables.claims.decode(claim).user_id
        item = await tables.users.get_item((user_id,))
        if item is None or claim == seen or may_claim(tables.users, item, claim_id):
            return None if item is None else tables.users.decode(item)
        seen = claim


async def find_or_create(tables: Tables, user: User) -> tuple[User, bool]:
    """Return who has the identity of `user`, or create that user; and whether this call created it.

    The claim decides, not the index: the index may still show a user who was deleted or from whom the identity was
    unlinked. The index is asked before anybody is created, for a user without a claim.
    """
    attempt = 0
    while True:
        found = await find(tables, oauth_claim(user.oauth_provider, user.oauth_provider_sub))
        if found is not None:
            return found, False
        attempt += 1
        try:
            return await create(tables, user), True
        except AlreadyExistsError as taken:
            # Another call has created the user since the read, or has just deleted it.
            if taken.field != "oauth" or attempt == _LOGIN_ATTEMPTS:
                raise


async def identities(tables: Tables, user_id: str) -> list[Identity]:
    """Return the identities of a user."""
    user, item = await _read(tables, (user_id,), tables.wire.deadline())
    return identities_of(tables.users, user, item)


async def set_username(tables: Tables, user_id: str, username: str | None) -> User:
    """Replace the claim on a username by another one, or by none."""
    taken = None if username is None else username_claim(username)

    def rename(user: User, _: Item) -> _Change | None:
        if user.username == username:
            return None
        return _Change({"username": username}, taken, next(iter(username_claims(user)), None))

    return await _change(tables, user_id, rename, claimed="username")


async def link(tables: Tables, user_id: str, identity: Identity) -> User:
    """Take the claim on another identity."""
    taken = oauth_claim(*identity)

    def plan(user: User, item: Item) -> _Change | None:
        first, *others = identities_of(tables.users, user, item)
        if identity in {first, *others}:
            return None
        if len(others) >= _MAX_IDENTITIES - 1:
            raise ValueError(f"a user has at most {_MAX_IDENTITIES} identities: unlink one first")
        return _Change({IDENTITIES: joined([*others, identity])}, taken)

    return await _change(tables, user_id, plan, claimed="oauth", linked=identity)


async def unlink(tables: Tables, user_id: str, identity: Identity) -> User:
    """Free the claim on an identity; if it is the user's first, the next one takes its place."""
    freed = oauth_claim(*identity)

    def plan(user: User, item: Item) -> _Change | None:
        known = identities_of(tables.users, user, item)
        kept = [other for other in known if other != identity]
        if kept == known:
            return None
        if not kept:
            raise LastIdentityError(*tables.users.where((user.id,)))
        first, *others = kept
        named = {"oauth_provider": first.provider, "oauth_provider_sub": first.sub}
        return _Change({**named, IDENTITIES: joined(others) or None}, freed=freed)

    return await _change(tables, user_id, plan, claimed="oauth")


async def _change(
    tables: Tables,
    user_id: str,
    plan: Callable[[User, Item], _Change | None],
    *,
    claimed: str,
    linked: Identity | None = None,
) -> User:
    """Write the user's next version together with its claims, or nothing if `plan` returns None.

    While other writers win, the user is read and the change is planned again. Somebody else may have the identity to be
    `linked` without a claim, which is given first.

    Raises:
        AlreadyExistsError: The claim to take belongs to somebody else; `field` is `claimed`.

    """
    key = (user_id,)
    deadline = tables.wire.deadline()
    foreign = None  # a claim that is not the user's to free, as a restore may leave it
    contention = Contention()
    while True:
        user, item = await _read(tables, key, deadline)
        change = plan(user, item)
        if change is None:
            return user
        if linked is not None:
            await _claim_for_its_user(tables, linked)
        update = _next_version(tables, user, change.attributes)
        transaction = Transaction(tables.wire)
        transaction.update("user", tables.users, key, update, tables.users.version_is(user.version))
        if change.taken is not None:
            claim = Claim(id=change.taken, user_id=user.id)
            transaction.put("taken", tables.claims, claim, own_or_free(user.id))
        if change.freed is not None and change.freed != foreign:
            transaction.delete("freed", tables.claims, (change.freed,), own_or_free(user.id))
        try:
            await transaction.commit(tables.users, key, deadline=deadline)
        except TransactionRefusedError as refused:
            if change.taken is not None and refused.failed("taken"):
                raise AlreadyExistsError(*tables.users.where(key), claimed) from refused
            foreign = None if refused.failed("user") else change.freed
            await contention.pause()
        else:
            changed = {name: value for name, value in {**item, **update.set}.items() if name not in update.remove}
            return tables.users.decode(changed)


async def _read(tables: Tables, key: tuple[str], deadline: float) -> tuple[User, Item]:
    """Read a user consistently, also as it is stored: the model does not show the identities after the first."""
    item = await tables.users.get_item(key, deadline)
    if item is None:
        raise NotFoundError(*tables.users.where(key))
    return tables.users.decode(item), item


def _next_version(tables: Tables, user: User, attributes: dict[str, str | None]) -> Update:
    values = {name: string(value) for name, value in attributes.items() if value is not None}
    version = tables.users.next_version(user.version, utc_now())
    return Update(set=values | version, remove=tuple(name for name in attributes if name not in values))
