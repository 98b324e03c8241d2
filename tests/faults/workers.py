"""The work of the soak: the whole API, on items of one worker and on items that all workers share."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from tests.access_patterns import PATTERNS, WRITERS, AccessPattern
from tests.faults.journal import RACE, Journal, Key, Values
from wikibot_store import (
    AlreadyExistsError,
    NotFoundError,
    QuotaExceededError,
    RequestFailedError,
    Role,
    RoleName,
    UnavailableError,
    Wiki,
    WikibotStore,
    WikiKey,
    WriteOutcomeUnknownError,
)
from wikibot_store.keys import is_invite
from wikibot_store.schema import TABLES

T = TypeVar("T")

CREW = 64
"""How many workers there are."""

HOT = "hot"
"""A user whose quota all workers compete for."""
_ROLES: list[RoleName] = ["editor", "viewer"]
_HOT_LIMIT = 30
_IDENTITIES = 8
_FEW = 3
_NOT_IN_JOURNAL = {schema.name for schema in TABLES} - {"users", "wikis", "acls"}
"""The tables whose items the journal does not follow: the soak only calls their methods."""
_NOT_WRITTEN = (UnavailableError, RequestFailedError)
_NEW_USER: Values = {"identities": None, "display_name": None, "version": 1}
_NEW_WIKI: Values = {"display_name": "new", "page_count": 0, "version": 1}


async def _all(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


class Worker:
    """One caller. It stops writing to an item when it cannot know what is stored."""

    def __init__(self, store: WikibotStore, journal: Journal, number: int, seed: int) -> None:
        self.store = store
        self.journal = journal
        self.random = random.Random(f"{seed}-{number}")  # noqa: S311 - chooses what to do
        self.user_id = f"user{number}"
        # Other users, who are never deleted.
        self.neighbours = [f"user{(number + distance) % CREW}" for distance in (1, 2, 3)]
        self._numbers = count()

    def fresh(self) -> str:
        """Return a name that nobody has used."""
        return f"{self.user_id}-{next(self._numbers)}"

    async def work(self, goes_on: Callable[[], bool]) -> None:
        """Do one random piece of work after the other."""
        while goes_on():
            method = self.random.choice(list(WORK))
            try:
                await WORK[method](self)
            except WriteOutcomeUnknownError:
                self.journal.calls[f"unknown: {method}"] += 1
            except _NOT_WRITTEN as error:
                self.journal.calls[f"{type(error).__name__}: {method}"] += 1
            except Exception as error:  # noqa: BLE001 - any other error is a problem
                self.journal.problems.append(f"{method}: {error!r}")
            else:
                self.journal.calls[method] += 1

    async def create_user(self, name: str) -> None:
        """Create a user with this id and username."""
        call = self.store.users.create(id=name, oauth_provider="github", oauth_provider_sub=name, username=name)
        await self.write(
            call, ("users", name), {"username": name, "identities": None, "display_name": None, "version": 1}
        )

    # ---- how to write

    async def write(self, call: Awaitable[T], key: Key, values: Values | None) -> T:
        """Await one write of one item, and record the expected result."""
        fact = self.journal.fact(*key)
        try:
            result = await call
        except WriteOutcomeUnknownError:
            fact.possible.append(values)
            raise
        fact.possible = [values]
        return result

    async def finish(
        self, call: Callable[[], Awaitable[T]], keys: list[Key], left: Callable[[T], Mapping[Key, Values]]
    ) -> T:
        """Await an operation of several writes under these keys, and record what it leaves when it is finished."""
        facts = {key: self.journal.fact(*key) for key in keys}
        before = {key: fact.possible for key, fact in facts.items()}

        async def finish() -> T:
            try:
                result = await call()
            except QuotaExceededError:  # nothing has begun
                for key, fact in facts.items():
                    fact.possible = before[key]
                raise
            for key, fact in facts.items():
                fact.possible = [left(result).get(key)]
            return result

        for fact in facts.values():
            fact.possible = [*fact.possible, None]  # until the operation is finished nothing is certain
        try:
            return await finish()
        except (WriteOutcomeUnknownError, *_NOT_WRITTEN):
            self.journal.unfinished.append(finish)
            raise

    def some_wiki(self) -> str:
        """Return the id of one of the worker's wikis, or of a wiki that does not exist."""
        some = self.some("wikis", self.user_id)
        return f"{self.user_id}:none" if some is None else ":".join(some[0][1:])

    def grants(self, wiki_id: str) -> list[Key]:
        """Return the keys of the grants that a wiki may have."""
        return [key for key in self.journal.facts if key[:2] == ("acls", wiki_id)]

    def some(self, *prefix: str) -> tuple[Key, Values] | None:
        """Return the key and attributes of a random item that certainly exists."""
        keys = self.journal.live(*prefix)
        if not keys:
            return None
        key = self.random.choice(keys)
        values = self.journal.facts[key].certain
        assert values is not None
        return key, values

    def expect(self, seen: object, wanted: object, what: str) -> None:
        """Record a problem if the two differ."""
        if seen != wanted:
            self.journal.problems.append(f"{self.user_id}, {what}: {seen!r} instead of {wanted!r}")


# ---- users


async def create_user(worker: Worker) -> None:
    """Create another user."""
    await worker.create_user(worker.fresh())


async def log_in(worker: Worker) -> None:
    """Log in with an identity that all workers share."""
    sub = str(worker.random.randrange(_IDENTITIES))
    user, created = await worker.store.users.get_or_create_by_oauth(RACE, sub)
    worker.journal.logins.setdefault(sub, set()).add(user.id)
    worker.journal.creations[sub] += created


async def update_user(worker: Worker) -> None:
    """Update the worker's user, with or without a version."""
    if (some := worker.some("users", worker.user_id)) is None:
        return
    key, values = some
    name, version = worker.fresh(), int(values["version"] or 0)
    call = worker.store.users.update(
        worker.user_id, display_name=name, expected_version=worker.random.choice([None, version])
    )
    user = await worker.write(call, key, {**values, "display_name": name, "version": version + 1})
    worker.expect((user.display_name, user.version), (name, version + 1), "update")


async def set_username(worker: Worker) -> None:
    """Give the worker's user another username."""
    if (some := worker.some("users", worker.user_id)) is None:
        return
    key, values = some
    name, version = worker.fresh(), int(values["version"] or 0)
    call = worker.store.users.set_username(worker.user_id, name)
    await worker.write(call, key, {**values, "username": name, "version": version + 1})


async def link_identity(worker: Worker) -> None:
    """Link another identity to the worker's user, up to a few."""
    if (some := worker.some("users", worker.user_id)) is None:
        return
    key, values = some
    others = str(values["identities"] or "").split()
    if len(others) < _FEW:
        sub, version = worker.fresh(), int(values["version"] or 0)
        identities = " ".join([*others, f"google#{sub}"])
        call = worker.store.users.link_identity(worker.user_id, "google", sub)
        await worker.write(call, key, {**values, "identities": identities, "version": version + 1})


async def unlink_identity(worker: Worker) -> None:
    """Unlink an identity of the worker's user."""
    if (some := worker.some("users", worker.user_id)) is None:
        return
    key, values = some
    others = str(values["identities"] or "").split()
    if others:
        gone, version = worker.random.choice(others), int(values["version"] or 0)
        identities = " ".join(other for other in others if other != gone) or None
        call = worker.store.users.unlink_identity(worker.user_id, *gone.split("#"))
        await worker.write(call, key, {**values, "identities": identities, "version": version + 1})


async def delete_user(worker: Worker) -> None:
    """Delete one of the users that the worker created."""
    mine = [key for key in worker.journal.live("users") if key[1].startswith(f"{worker.user_id}-")]
    if mine:
        key = worker.random.choice(mine)
        await worker.finish(lambda: worker.store.users.delete(key[1]), [key], lambda _: {})


async def read_own_user(worker: Worker) -> None:
    """Read the worker's user, and compare it with the worker's writes."""
    user = await worker.store.users.get(worker.user_id, consistent=True)
    if (values := worker.journal.fact("users", worker.user_id).certain) is not None:
        worker.expect(user and (user.display_name, user.version), (values["display_name"], values["version"]), "get")


# ---- wikis


async def create_wiki(worker: Worker) -> None:
    """Create a wiki of the worker's user or of the shared user."""
    owner, slug = worker.random.choice([worker.user_id, HOT]), worker.fresh()
    call = worker.store.wikis.create(owner, slug, display_name="new", repo_path="/srv/new", limit=_HOT_LIMIT)
    try:
        await worker.write(call, ("wikis", owner, slug), _NEW_WIKI)
    except QuotaExceededError:
        worker.journal.fact("wikis", owner, slug).possible = [None]


async def update_wiki(worker: Worker) -> None:
    """Update a wiki, with or without a version."""
    if (some := worker.some("wikis", worker.user_id)) is None:
        return
    key, values = some
    name, version = worker.fresh(), int(values["version"] or 0)
    call = worker.store.wikis.update(
        *key[1:], display_name=name, expected_version=worker.random.choice([None, version])
    )
    wiki = await worker.write(call, key, {**values, "display_name": name, "version": version + 1})
    worker.expect((wiki.display_name, wiki.version), (name, version + 1), "update")


async def set_mcp_token(worker: Worker) -> None:
    """Set a new MCP token of a wiki, and check it."""
    if (some := worker.some("wikis", worker.user_id)) is None:
        return
    key, values = some
    version = int(values["version"] or 0)
    call = worker.store.wikis.set_mcp_token(*key[1:])
    _, token = await worker.write(call, key, {**values, "version": version + 1})
    access = await worker.store.authorize_token(key[1], key[2], token)
    worker.expect(access.role, Role.EDITOR, "authorize_token")


async def record_usage(worker: Worker) -> None:
    """Record the usage of a wiki."""
    if (some := worker.some("wikis", worker.user_id)) is None:
        return
    key, values = some
    wiki = await worker.store.wikis.require(*key[1:], consistent=True)
    pages = int(values["page_count"] or 0) + 1
    call = worker.store.wikis.record_usage(
        *key[1:], uid=wiki.uid, page_count=pages, disk_usage_bytes=pages, measured_at=datetime.now(UTC)
    )
    worker.expect(await worker.write(call, key, {**values, "page_count": pages}), True, "record_usage")


async def delete_wiki(worker: Worker) -> None:
    """Delete a wiki that the worker created, with its grants."""
    slugs = [key for owner in (worker.user_id, HOT) for key in worker.journal.live("wikis", owner)]
    mine = [key for key in slugs if key[2].startswith(f"{worker.user_id}-")]
    if not mine:
        return
    _, owner, slug = worker.random.choice(mine)
    keys = [("wikis", owner, slug), *worker.grants(f"{owner}:{slug}")]
    await worker.finish(lambda: worker.store.wikis.delete(owner, slug), keys, lambda _: {})


async def rename_wiki(worker: Worker) -> None:
    """Rename a wiki of the worker's user."""
    await _move(worker, worker.user_id)


async def transfer_wiki(worker: Worker) -> None:
    """Transfer a wiki to the shared user."""
    with suppress(QuotaExceededError):
        await _move(worker, HOT)


async def _move(worker: Worker, new_owner: str) -> None:
    if (some := worker.some("wikis", worker.user_id)) is None:
        return
    (_, owner, slug), values = some
    new_slug = worker.fresh() if new_owner == owner else slug
    source, target = f"{owner}:{slug}", f"{new_owner}:{new_slug}"
    grants = worker.grants(source)
    if not all(len(worker.journal.facts[grant].possible) == 1 for grant in grants):
        return
    coming: dict[Key, Values | None] = {
        ("acls", target, grant[2]): worker.journal.facts[grant].certain for grant in grants if not is_invite(grant[2])
    }

    async def move() -> Wiki:
        if new_owner == owner:
            return await worker.store.wikis.rename(owner, slug, new_slug)
        return await worker.store.wikis.transfer(owner, slug, new_owner, limit=_HOT_LIMIT)

    def left(wiki: Wiki) -> dict[Key, Values]:
        wikis: dict[Key, Values] = {("wikis", new_owner, new_slug): {**values, "version": wiki.version}}
        return wikis | {key: acl for key, acl in coming.items() if acl is not None}

    keys = [("wikis", owner, slug), ("wikis", new_owner, new_slug), *grants, *coming]
    await worker.finish(move, keys, left)


async def read_own_wikis(worker: Worker) -> None:
    """List the wikis of the worker's user, and compare them with the worker's writes."""
    page = await worker.store.wikis.list_by_owner(worker.user_id, limit=1000, consistent=True)
    there = {wiki.wiki_slug for wiki in page}
    for _, _, slug in worker.journal.live("wikis", worker.user_id):
        worker.expect(slug in there, True, "list_by_owner")


# ---- grants


async def grant(worker: Worker) -> None:
    """Grant a role in a wiki to the user of another worker."""
    if (some := worker.some("wikis", worker.user_id)) is None:
        return
    (_, owner, slug), _ = some
    grantee, role = worker.random.choice(worker.neighbours), worker.random.choice(_ROLES)
    key = ("acls", f"{owner}:{slug}", grantee)
    if len(worker.journal.fact(*key).possible) == 1:
        call = worker.store.acls.create(WikiKey(owner, slug), grantee, role, granted_by=owner)
        await worker.write(call, key, {"role": role})


async def revoke(worker: Worker) -> None:
    """Revoke a grant in a wiki of the worker's user."""
    grants = [key for key in worker.journal.live("acls") if key[1].startswith(f"{worker.user_id}:")]
    if grants:
        key = worker.random.choice(grants)
        call = worker.store.acls.delete(key[1], key[2])
        worker.expect(await worker.write(call, key, None), True, "revoke")


async def invite(worker: Worker) -> None:
    """Invite somebody to a wiki, and accept as one of the users that the worker created."""
    mine = [key for key in worker.journal.live("users") if key[1].startswith(f"{worker.user_id}-")]
    if not mine or (some := worker.some("wikis", worker.user_id)) is None:
        return
    (_, owner, slug), _ = some
    _, guest = worker.random.choice(mine)
    invited, accepted = {"role": "viewer"}, ("acls", f"{owner}:{slug}", guest)
    if worker.journal.fact(*accepted).possible != [None]:
        return
    ends = datetime.now(UTC) + timedelta(days=1)
    acl, token = await worker.store.acls.invite(
        WikiKey(owner, slug), "guest@example.org", "viewer", invited_by=owner, expires_at=ends
    )
    invitation = worker.journal.fact("acls", acl.wiki_id, acl.grantee_id)
    invitation.possible = [invited]
    try:
        await worker.write(worker.store.acls.accept_invite(token, guest), accepted, invited)
    except WriteOutcomeUnknownError:
        invitation.possible.append(None)
        raise
    invitation.possible = [None]


async def authorize(worker: Worker) -> None:
    """Check the role of the worker's user in one of the user's wikis."""
    if (some := worker.some("wikis", worker.user_id)) is not None:
        access = await worker.store.authorize(worker.user_id, *some[0][1:])
        worker.expect(access.role, Role.OWNER, "authorize")


def _read(read: Callable[[Worker], Awaitable[Any]]) -> Callable[[Worker], Awaitable[None]]:
    """Return a piece of work that reads items that other workers may be writing."""

    async def work(worker: Worker) -> None:
        await read(worker)

    return work


def _call_elsewhere(pattern: AccessPattern) -> Callable[[Worker], Awaitable[None]]:
    """Return a piece of work that makes the call of an access pattern, whose items do not exist here."""

    async def work(worker: Worker) -> None:
        with suppress(AlreadyExistsError, NotFoundError):
            await pattern.call(worker.store)

    return work


async def look_for_faults(worker: Worker) -> None:
    """Read the first page of a sweep that repairs nothing."""
    pages = worker.store.admin.sweep()
    try:
        await anext(pages)
    finally:
        await pages.aclose()


WORK: dict[str, Callable[[Worker], Awaitable[None]]] = {
    **{
        pattern.method: _call_elsewhere(pattern)
        for pattern in PATTERNS
        if pattern.requests and (pattern.method not in WRITERS or pattern.method.partition(".")[0] in _NOT_IN_JOURNAL)
    },
    "users.create": create_user,
    "users.get": read_own_user,
    "users.require": _read(lambda worker: worker.store.users.require(worker.user_id)),
    "users.get_many": _read(lambda worker: worker.store.users.get_many(["user0", "user1", "user2", "nobody"])),
    "users.get_by_oauth": _read(lambda worker: worker.store.users.get_by_oauth("github", worker.user_id)),
    "users.get_by_username": _read(lambda worker: worker.store.users.get_by_username(worker.user_id)),
    "users.get_or_create_by_oauth": log_in,
    "users.update": update_user,
    "users.set_username": set_username,
    "users.link_identity": link_identity,
    "users.unlink_identity": unlink_identity,
    "users.get_identities": _read(lambda worker: worker.store.users.get_identities(worker.user_id)),
    "users.record_login": _read(lambda worker: worker.store.users.record_login(worker.user_id)),
    "users.delete": delete_user,
    "wikis.create": create_wiki,
    "wikis.get": _read(lambda worker: worker.store.wikis.get(HOT, "user0-0")),
    "wikis.require": record_usage,
    "wikis.get_many": _read(
        lambda worker: worker.store.wikis.get_many([WikiKey(HOT, "user0-0"), WikiKey(HOT, "none")])
    ),
    "wikis.list_by_owner": read_own_wikis,
    "wikis.iter_by_owner": _read(lambda worker: _all(worker.store.wikis.iter_by_owner(HOT, page_size=7))),
    "wikis.list_public_by_owner": _read(lambda worker: worker.store.wikis.list_public_by_owner(HOT)),
    "wikis.update": update_wiki,
    "wikis.set_mcp_token": set_mcp_token,
    "wikis.touch": _read(lambda worker: worker.store.wikis.touch(HOT, "user0-0", min_interval=0)),
    "wikis.record_usage": record_usage,
    "wikis.rename": rename_wiki,
    "wikis.transfer": transfer_wiki,
    "wikis.delete": delete_wiki,
    "acls.create": grant,
    "acls.get": _read(lambda worker: worker.store.acls.get(worker.some_wiki(), worker.neighbours[0])),
    "acls.delete": revoke,
    "acls.list_by_wiki": _read(lambda worker: worker.store.acls.list_by_wiki(worker.some_wiki(), limit=4)),
    "acls.iter_by_wiki": _read(lambda worker: _all(worker.store.acls.iter_by_wiki(worker.some_wiki()))),
    "acls.list_members": _read(lambda worker: worker.store.acls.list_members(worker.some_wiki())),
    "acls.list_by_grantee": _read(lambda worker: worker.store.acls.list_by_grantee(worker.user_id, limit=20)),
    "acls.list_shared_with": _read(lambda worker: worker.store.acls.list_shared_with(worker.user_id, limit=20)),
    "acls.list_invitations": _read(lambda worker: worker.store.acls.list_invitations(worker.some_wiki())),
    "acls.invite": invite,
    "acls.accept_invite": invite,
    "authorize": authorize,
    "admin.reconcile_wiki_count": _read(lambda worker: worker.store.admin.reconcile_wiki_count(worker.user_id)),
    "admin.sweep": look_for_faults,
}
"""A piece of work for every public method that sends something; those that read, and further tables, need none."""
