"""Users with their identities and usernames: each belongs to one user, whatever happens at the same time."""

from collections.abc import Callable
from typing import NamedTuple

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.expressions import Update
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import AlreadyExistsError, LastIdentityError, NotFoundError
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.models import Identity, User
from wikibot_store.workflows.claims import IDENTITIES, identities_of, joined, may_claim, own_or_free
from wikibot_store.workflows.tables import Claim, Tables

_MAX_IDENTITIES = 20
_LOGIN_ATTEMPTS = 3


class _Change(NamedTuple):
    """A change of a user: attributes to set, or to remove if None, and the claims to take and to free with it."""

    attributes: dict[str, str | None]
    taken: str | None = None
    freed: str | None = None


async def create(tables: Tables, user: User) -> User:
    """Put a user and the claims on its identity and username, or nothing."""
    claims = {"oauth": oauth_claim(user.oauth_provider, user.oauth_provider_sub)}
    if user.username is not None:
        claims["username"] = username_claim(user.username)
    transaction = Transaction(tables.wire)
    transaction.put("id", tables.users, user, tables.users.absent)
    for field, claim_id in claims.items():
        transaction.put(field, tables.claims, Claim(id=claim_id, user_id=user.id), tables.claims.absent)
    try:
        await transaction.commit(tables.users, (user.id,))
    except TransactionRefusedError as refused:
        raise AlreadyExistsError(*tables.users.where((user.id,)), refused.first()) from refused
    return user


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
    unlinked.
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
        freed = None if user.username is None else username_claim(user.username)
        return _Change({"username": username}, taken, freed)

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

    return await _change(tables, user_id, plan, claimed="oauth")


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


async def _change(tables: Tables, user_id: str, plan: Callable[[User, Item], _Change | None], *, claimed: str) -> User:
    """Write the user's next version together with its claims, or nothing if `plan` returns None.

    While other writers win, the user is read and the change is planned again.

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
