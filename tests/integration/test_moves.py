"""Wikis are renamed and transferred with all their grants, even after crashes and in races."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from tests.faults.invariants import read_all
from tests.integration.clean_tables import check_and_wipe
from tests.integration.samples import a_user, an_acl_item, an_item, fresh, put, put_all, stored
from tests.integration.steps import CrashError, before_requests, crash, on_one_engine
from wikibot_store import (
    AlreadyExistsError,
    NotActiveError,
    NotFoundError,
    QuotaExceededError,
    Role,
    User,
    Wiki,
    WikibotStore,
    WikiKey,
)
from wikibot_store.tokens import hash_token

REQUESTS = [
    "GetItem (consistent)",
    "GetItem (consistent)",
    "TransactWriteItems (Update, Put, ConditionCheck)",
    "Query (consistent)",
    "TransactWriteItems (ConditionCheck, ConditionCheck, Put)",
    "GetItem (consistent)",
    "TransactWriteItems (switch)",
    "Query (consistent)",
    "TransactWriteItems (ConditionCheck, Delete)",
    "TransactWriteItems (Delete, Update)",
]
"""What a move of a wiki with one grant sends; the switch differs between rename and transfer."""

BEGIN = REQUESTS.index("TransactWriteItems (Update, Put, ConditionCheck)") + 1
SWITCH = REQUESTS.index("TransactWriteItems (switch)") + 1
END = REQUESTS.index("TransactWriteItems (Delete, Update)") + 1

Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])


def at_every_step(test: Test) -> Test:
    """Run a test once for each request of a move."""
    pytest.mark.parametrize("step", range(1, len(REQUESTS) + 1))(on_one_engine(test))
    return test


@dataclass(frozen=True, kw_only=True)
class Move:
    """A wiki with one grant that is to move from `source` to `target`."""

    store: WikibotStore
    owner: User
    receiver: User
    grantee: User
    wiki: Wiki
    target: WikiKey

    @property
    def source(self) -> WikiKey:
        """The old key."""
        return self.wiki.key

    @property
    def ends(self) -> tuple[WikiKey, WikiKey]:
        """The old key and the new one."""
        return self.source, self.target

    async def run(self, *, limit: int | None = None) -> Wiki:
        """Rename or transfer the wiki."""
        if self.owner == self.receiver:
            return await self.store.wikis.rename(*key(self.source), self.target.wiki_slug)
        return await self.store.wikis.transfer(*key(self.source), self.receiver.id, limit=limit)

    async def run_until(self, number: int) -> None:
        """Stop the process before the request with this number."""
        with before_requests(self.store, {number: crash}), suppress(CrashError):
            await self.run()

    async def run_interrupted(self, number: int, meanwhile: Callable[[], Awaitable[object]]) -> Wiki | Exception:
        """Run code before the request with this number; return the result of the move."""
        with before_requests(self.store, {number: meanwhile}):
            try:
                return await self.run()
            except (NotFoundError, NotActiveError, AlreadyExistsError) as refusal:
                return refusal

    async def live_keys(self) -> list[WikiKey]:
        """Return the keys, old or new, under which the wiki is live."""
        wikis = [await self.store.wikis.get(*key(end), consistent=True) for end in self.ends]
        return [wiki.key for wiki in wikis if wiki is not None and wiki.is_live]

    async def roles(self, user: User) -> dict[WikiKey, Role]:
        """Return the user's roles under the two keys."""
        accesses = {end: await self.store.authorize(user.id, *key(end)) for end in self.ends}
        return {end: access.role for end, access in accesses.items() if access.role is not None}

    async def grants_at(self, end: WikiKey) -> list[dict[str, Any]]:
        """Return the items of acls under a key, without the attributes that each write changes."""
        grants = [item for item in (await read_all(self.store)).acls if item["wiki_id"]["S"] == end.wiki_id]
        return [{name: value for name, value in item.items() if name not in {"wiki_id", "write_id"}} for item in grants]


def key(wiki: WikiKey) -> tuple[str, str]:
    """Return a key in the form that the store's methods accept."""
    return wiki.owner_id, wiki.wiki_slug


@pytest.fixture(autouse=True)
async def _nothing_is_wrong(store: WikibotStore) -> AsyncIterator[None]:
    """Check after each test that counts, claims and grants are consistent, and delete all items."""
    yield
    await check_and_wipe(store)


@pytest.fixture(params=["rename", "transfer"])
async def move(request: pytest.FixtureRequest, store: WikibotStore) -> Move:
    """A move of each kind: a rename and a transfer."""
    owner, grantee = await a_user(store), await a_user(store)
    receiver = owner if request.param == "rename" else await a_user(store)
    return await a_move(store, owner, receiver, grantee)


async def a_move(store: WikibotStore, owner: User, receiver: User, grantee: User) -> Move:
    """Create a wiki with a grant. The move is a rename if owner and receiver are the same, else a transfer."""
    token_hash = hash_token("a token")
    wiki = await store.wikis.create(
        owner.id, "old", display_name="A wiki", repo_path="/srv/a", mcp_token_hash=token_hash
    )
    await store.acls.create(wiki.key, grantee.id, "editor", granted_by=owner.id)
    target = WikiKey(receiver.id, "new" if owner == receiver else "old")
    return Move(store=store, owner=owner, receiver=receiver, grantee=grantee, wiki=wiki, target=target)


async def count_of(store: WikibotStore, user: User) -> int:
    """Return how many wikis a user is counted to have."""
    return (await store.users.require(user.id, consistent=True)).wiki_count


# ---- what comes along


async def test_requests(move: Move, sent: list[str]) -> None:
    """A move of a wiki with one grant sends these requests; the tests below refer to their numbers."""
    is_rename = move.owner == move.receiver
    switch = "Update, Put" if is_rename else "Update, Put, Update, Update"
    sent.clear()

    await move.run()

    assert sent == [request.replace("switch", switch) for request in REQUESTS]


@pytest.mark.parametrize("grants", [0, 60])
async def test_everything_comes_along(move: Move, grants: int) -> None:
    """The wiki keeps all its attributes, also unknown ones, and its grants; the counts are right."""
    store, (owner_id, slug) = move.store, key(move.source)
    await store.acls.delete(move.source, move.grantee.id)
    item = await stored(store, "wikis", owner_id=owner_id, wiki_slug=slug)
    assert item is not None
    await put(store, "wikis", item | an_item(theme="dark"))
    new_grants = [
        an_acl_item(wiki_id=move.source.wiki_id, grantee_id=fresh(), wiki_uid=move.wiki.uid, note="unknown")
        for _ in range(grants)
    ]
    await put_all(store, "acls", new_grants)
    before = await move.grants_at(move.source)

    moved = await move.run(limit=1)

    assert moved == await store.wikis.get(*key(move.target), consistent=True)
    kept = {"uid", "display_name", "repo_path", "mcp_token_hash", "status", "created_at"}
    assert {name: getattr(moved, name) for name in kept} == {name: getattr(move.wiki, name) for name in kept}
    assert (moved.key, moved.version) == (move.target, move.wiki.version + 1)
    after = await stored(store, "wikis", owner_id=move.target.owner_id, wiki_slug=move.target.wiki_slug)
    assert after is not None
    assert after["theme"] == {"S": "dark"}
    assert "uncounted" not in after
    assert await stored(store, "wikis", owner_id=owner_id, wiki_slug=slug) is None
    assert len(before) == grants
    assert await move.grants_at(move.target) == before
    assert await move.grants_at(move.source) == []
    assert await count_of(store, move.receiver) == 1


@on_one_engine
async def test_pages_of_grants_come_along(store: WikibotStore, sent: list[str]) -> None:
    """A move keeps the grants of all pages of a Query, which are more than fit into one transaction."""
    move = await a_move(store, await a_user(store), await a_user(store), await a_user(store))
    shared = {"wiki_id": move.source.wiki_id, "wiki_uid": move.wiki.uid, "note": "x" * 2_000}
    await put_all(store, "acls", [an_acl_item(**shared, grantee_id=fresh()) for _ in range(1_199)])
    sent.clear()

    await move.run()

    assert sent.count("Query (consistent)") >= 2 * 3  # to copy the grants, and to delete the old ones
    assert len(await move.grants_at(move.target)) == 1_200
    assert await move.grants_at(move.source) == []


async def test_odd_grants(move: Move) -> None:
    """Corrupt and expired grants are kept; invitations, the receiver's grant and those of another wiki are not."""
    store, wiki_id, uid = move.store, move.source.wiki_id, move.wiki.uid
    stay = [
        an_acl_item(wiki_id=wiki_id, grantee_id=move.target.owner_id, wiki_uid=uid),
        an_acl_item(wiki_id=wiki_id, grantee_id=fresh(), wiki_uid="another"),
    ]
    come = [
        an_acl_item(wiki_id=wiki_id, grantee_id=fresh(), wiki_uid=uid, role="superuser"),
        an_acl_item(wiki_id=wiki_id, grantee_id=fresh(), wiki_uid=uid, expires_at=1),
        an_acl_item(wiki_id=wiki_id, grantee_id=fresh()),  # of a time when grants did not say for which wiki
    ]
    await put_all(store, "acls", stay + come)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await store.acls.invite(move.source, "a@example.org", "viewer", invited_by=move.receiver.id, expires_at=tomorrow)

    await move.run()

    there = {item["grantee_id"]["S"] for item in await move.grants_at(move.target)}
    assert there == {move.grantee.id, *(item["grantee_id"]["S"] for item in come)}
    assert await move.grants_at(move.source) == []


async def test_old_owner_keeps_no_access(store: WikibotStore) -> None:
    """After a transfer the new owner has access and the old one has none."""
    move = await a_move(store, await a_user(store), await a_user(store), await a_user(store))

    await move.run()

    assert await move.roles(move.owner) == {}
    assert await move.roles(move.receiver) == {move.target: Role.OWNER}
    assert await move.roles(move.grantee) == {move.target: Role.EDITOR}


async def test_call_after_success_finds_the_wiki(move: Move) -> None:
    """The same call again returns the wiki and changes nothing."""
    moved = await move.run()
    before = await read_all(move.store)

    assert await move.run() == moved
    assert await read_all(move.store) == before


async def test_same_key_is_left_alone(store: WikibotStore) -> None:
    """A move to the same key returns the wiki unchanged, whatever the limit."""
    owner = await a_user(store)
    wiki = await store.wikis.create(owner.id, "old", display_name="A wiki", repo_path="/srv/a")

    assert await store.wikis.rename(owner.id, "old", "old") == wiki
    assert await store.wikis.transfer(owner.id, "old", owner.id, limit=0) == wiki


# ---- what is refused before anything moves


async def _clash(move: Move) -> None:
    await move.store.wikis.create(*key(move.target), display_name="Another", repo_path="/srv/b")


async def _missing(move: Move) -> None:
    await move.store.wikis.delete(*key(move.source))


async def _dying(move: Move) -> None:
    store = move.store
    with before_requests(store, {3: crash}), suppress(CrashError):
        await store.wikis.delete(*key(move.source))


async def _made_anew(move: Move) -> None:
    await move.run()
    await move.store.wikis.create(*key(move.source), display_name="Another", repo_path="/srv/b")


async def _made_anew_and_dying(move: Move) -> None:
    await _made_anew(move)
    await _dying(move)


async def _moved_there_and_missing(move: Move) -> None:
    await move.run()
    with before_requests(move.store, {3: crash}), suppress(CrashError):
        await move.store.wikis.delete(*key(move.target))


@pytest.mark.parametrize(
    ("arrange", "error", "table"),
    [
        (_clash, AlreadyExistsError, "wikis"),
        (_missing, NotFoundError, "wikis"),
        (_dying, NotActiveError, "wikis"),
        (_made_anew, AlreadyExistsError, "wikis"),
        (_made_anew_and_dying, NotActiveError, "wikis"),
        (_moved_there_and_missing, NotFoundError, "wikis"),
    ],
)
async def test_refused(
    move: Move, arrange: Callable[[Move], Awaitable[None]], error: type[Exception], table: str
) -> None:
    """A move to a taken key, or of a wiki that is missing or being deleted, is refused and changes nothing.

    So it is if the wiki has moved before, and another one is at its old key, or it is being deleted at the new key.
    """
    await arrange(move)
    before = await read_all(move.store)

    with pytest.raises(error, match=table):
        await move.run()

    assert await read_all(move.store) == before


async def _quota(store: WikibotStore, receiver: User) -> None:
    await store.wikis.create(receiver.id, "one", display_name="One", repo_path="/srv/1")


async def _suspended(store: WikibotStore, receiver: User) -> None:
    await store.users.update(receiver.id, status="suspended")


async def _gone(store: WikibotStore, receiver: User) -> None:
    await store.users.delete(receiver.id)


@pytest.mark.parametrize(
    ("arrange", "error"), [(_quota, QuotaExceededError), (_suspended, NotActiveError), (_gone, NotFoundError)]
)
async def test_receiver_is_refused(
    store: WikibotStore, arrange: Callable[[WikibotStore, User], Awaitable[None]], error: type[Exception]
) -> None:
    """A transfer to a user who is missing, suspended or at the limit is refused and changes nothing."""
    move = await a_move(store, await a_user(store), await a_user(store), await a_user(store))
    await arrange(store, move.receiver)
    before = await read_all(store)

    with pytest.raises(error, match="users"):
        await move.run(limit=1)

    assert await read_all(store) == before


async def test_owner_who_is_being_deleted_renames_nothing(store: WikibotStore) -> None:
    """A wiki of an owner who is being deleted cannot be renamed."""
    owner = await a_user(store)
    move = await a_move(store, owner, owner, await a_user(store))

    with before_requests(store, {6: move.run}), pytest.raises(NotActiveError, match="users"):
        await store.users.delete(owner.id, wikis="delete")
    await store.users.delete(owner.id, wikis="delete")

    assert await move.live_keys() == []


# ---- what others do meanwhile


@at_every_step
async def test_readers_find_it_under_exactly_one_key(move: Move, step: int) -> None:
    """At every step exactly one key has a live wiki, and owner and grantee have their access there."""
    seen: dict[str, object] = {}

    async def read() -> None:
        seen["wiki"] = await move.live_keys()
        seen["roles"] = await move.roles(move.grantee)

    await move.run_interrupted(step, read)

    here = move.source if step <= SWITCH else move.target
    assert seen == {"wiki": [here], "roles": {here: Role.EDITOR}}
    assert await move.live_keys() == [move.target]


@at_every_step
async def test_updates_are_carried_over_or_refused(move: Move, step: int) -> None:
    """An update, a touch or usage figures during a move are either stored or refused, never lost."""
    store, now = move.store, datetime.now(UTC)
    applied: dict[WikiKey, list[bool]] = {}

    async def write() -> None:
        for end in move.ends:
            try:
                await store.wikis.update(*key(end), display_name="Changed")
            except (NotFoundError, NotActiveError):
                updated = False
            else:
                updated = True
            touched = await store.wikis.touch(*key(end), min_interval=0)
            measured = await store.wikis.record_usage(
                *key(end), uid=move.wiki.uid, page_count=7, disk_usage_bytes=8, measured_at=now
            )
            applied[end] = [updated, touched, measured]

    await move.run_interrupted(step, write)

    here, there = move.ends if step <= SWITCH else move.ends[::-1]
    assert applied == {here: [True] * 3, there: [False] * 3}
    moved = await store.wikis.require(*key(move.target), consistent=True)
    assert (moved.display_name, moved.page_count, moved.disk_usage_bytes) == ("Changed", 7, 8)
    assert moved.last_accessed is not None
    assert moved.version == 3


@at_every_step
async def test_grants_are_refused_or_count(move: Move, step: int) -> None:
    """A grant during a move is either refused or allows access in the end."""
    store = move.store
    people = {end: await a_user(store) for end in move.ends}
    given: dict[WikiKey, bool] = {}

    async def grant() -> None:
        for end, user in people.items():
            try:
                await store.acls.create(end, user.id, "viewer", granted_by=end.owner_id)
            except (NotFoundError, NotActiveError):
                given[end] = False
            else:
                given[end] = True

    await move.run_interrupted(step, grant)

    for end, user in people.items():
        assert await move.roles(user) == ({move.target: Role.VIEWER} if given[end] else {})
    assert given == {move.source: step <= BEGIN, move.target: step > SWITCH}


@at_every_step
@pytest.mark.parametrize("end", [0, 1], ids=["old key", "new key"])
async def test_revokes_reach_the_copies(move: Move, step: int, end: int) -> None:
    """A grant that is revoked during a move, under either key, allows nothing in the end."""
    revoked: list[bool] = []

    async def revoke() -> None:
        revoked.append(await move.store.acls.delete(move.ends[end], move.grantee.id))

    await move.run_interrupted(step, revoke)

    assert revoked == [step <= END if end == 0 else step > SWITCH]
    assert await move.roles(move.grantee) == ({} if revoked == [True] else {move.target: Role.EDITOR})


@at_every_step
@pytest.mark.parametrize("end", [0, 1], ids=["old key", "new key"])
async def test_revokes_reach_the_copies_after_a_crash(move: Move, step: int, end: int) -> None:
    """A grant that is revoked after a crash of the move stays revoked when the move is finished."""
    await move.run_until(step)

    revoked = await move.store.acls.delete(move.ends[end], move.grantee.id)
    await move.run()

    assert await move.roles(move.grantee) == ({} if revoked else {move.target: Role.EDITOR})


@at_every_step
@pytest.mark.parametrize("end", [0, 1], ids=["old key", "new key"])
async def test_deleted_meanwhile(move: Move, step: int, end: int) -> None:
    """A wiki that is deleted during a move is deleted, or lives whole under one key."""
    outcome = await move.run_interrupted(step, lambda: move.store.wikis.delete(*key(move.ends[end])))

    live = await move.live_keys()
    assert await move.roles(move.grantee) == dict.fromkeys(live, Role.EDITOR)
    is_gone = step <= SWITCH if end == 0 else step > SWITCH
    assert live == ([] if is_gone else [move.target])
    assert isinstance(outcome, Wiki) == (not is_gone or step > SWITCH)
    items = await read_all(move.store)
    left = [wiki for wiki in items.wikis if wiki["uid"]["S"] == move.wiki.uid]
    assert len(left) == len(live)


@at_every_step
async def test_deleted_after_a_crash(move: Move, step: int) -> None:
    """Deleting a wiki after a crash of its move deletes both keys."""
    await move.run_until(step)

    for end in move.ends:
        await move.store.wikis.delete(*key(end))

    items = await read_all(move.store)
    assert [wiki for wiki in items.wikis if wiki["uid"]["S"] == move.wiki.uid] == []
    assert {await count_of(move.store, user) for user in (move.owner, move.receiver)} == {0}


@at_every_step
@pytest.mark.parametrize("end", [0, 1], ids=["old key", "new key"])
async def test_renamed_to_another_slug_meanwhile(move: Move, step: int, end: int) -> None:
    """Of two moves at the same time each succeeds or is refused; one wiki is left."""
    store, elsewhere = move.store, WikiKey(move.ends[end].owner_id, "elsewhere")
    other: list[Wiki | Exception] = []

    async def rename() -> None:
        try:
            other.append(await store.wikis.rename(*key(move.ends[end]), "elsewhere"))
        except (NotFoundError, NotActiveError) as refusal:
            other.append(refusal)

    outcome = await move.run_interrupted(step, rename)

    winner = elsewhere if isinstance(other[0], Wiki) else move.target
    wiki = await store.wikis.require(*key(winner), consistent=True)
    assert (wiki.uid, wiki.is_live) == (move.wiki.uid, True)
    assert isinstance(outcome, Wiki) == (winner == move.target or step > SWITCH)
    assert (await store.authorize(move.grantee.id, *key(winner))).role is Role.EDITOR
    items = await read_all(store)
    assert [item["wiki_slug"]["S"] for item in items.wikis if item["uid"]["S"] == move.wiki.uid] == [winner.wiki_slug]


# ---- states that only a crash, a restored backup or a raw write makes


async def test_lost_target_is_made_anew(move: Move) -> None:
    """A move whose target item is missing starts again and succeeds."""
    await move.run_until(BEGIN + 1)
    await move.store.wikis.delete(*key(move.target))

    assert (await move.run()).key == move.target

    await move.store.admin.reconcile_wiki_count(move.receiver.id)


@pytest.mark.parametrize("lost", ["source", "target"])
async def test_sweep_of_a_move_that_lost_an_end(move: Move, lost: str) -> None:
    """A sweep makes a wiki whose target item is missing live again, and deletes what came from a missing source."""
    await move.run_until(BEGIN + 1)
    owner_id, wiki_slug = key(move.source if lost == "source" else move.target)
    client = await move.store.client()
    table = move.store.config.wikis_table
    await client.delete_item(TableName=table, Key={"owner_id": {"S": owner_id}, "wiki_slug": {"S": wiki_slug}})

    async for _ in move.store.admin.sweep(apply=True):
        pass

    assert await move.live_keys() == ([] if lost == "source" else [move.source])
    assert await stored(move.store, "wikis", owner_id=move.target.owner_id, wiki_slug=move.target.wiki_slug) is None


async def test_target_that_nobody_sent(move: Move) -> None:
    """A move is refused if the target holds the rest of a move that the source does not have."""
    await move.run_until(BEGIN + 1)
    source = await stored(move.store, "wikis", owner_id=move.source.owner_id, wiki_slug=move.source.wiki_slug)
    assert source is not None
    await put(move.store, "wikis", {**source, "status": {"S": "active"}})

    with pytest.raises(AlreadyExistsError):
        await move.run()

    assert await move.live_keys() == [move.source]


async def test_move_that_was_given_up_and_begun_again(move: Move) -> None:
    """A call continues with the second move if another call stopped the first one and started again."""
    await move.run_until(BEGIN + 1)

    async def give_up() -> None:
        await move.store.wikis.delete(*key(move.target))

    async def begin_again() -> None:
        await move.run_until(BEGIN + 1)

    with before_requests(move.store, {2: give_up, BEGIN: begin_again}):
        moved = await move.run()

    assert moved.key == move.target
    assert await move.roles(move.grantee) == {move.target: Role.EDITOR}


async def test_target_that_goes_on_at_once(move: Move) -> None:
    """A call returns the wiki that it has moved, also if that is deleted again behind its move."""
    with before_requests(move.store, {len(REQUESTS): lambda: move.store.wikis.delete(*key(move.target))}):
        moved = await move.run()

    assert (moved.key, moved.uid) == (move.target, move.wiki.uid)
    assert (await read_all(move.store)).wikis == []


@on_one_engine
@pytest.mark.parametrize("step", range(1, 9))
async def test_delete_of_a_moving_wiki_goes_on_after_a_crash(move: Move, step: int) -> None:
    """After a crash, a delete that stopped a move is completed under either key."""
    await move.run_until(SWITCH)
    with before_requests(move.store, {step: crash}), suppress(CrashError):
        await move.store.wikis.delete(*key(move.source))

    for end in move.ends:
        await move.store.wikis.delete(*key(end))

    assert (await read_all(move.store)).wikis == []


async def test_revoke_leaves_a_later_wiki_alone(move: Move) -> None:
    """A revoke under the old key does not affect a later wiki under the new key."""
    store = move.store
    await move.run_until(END)
    await store.wikis.delete(*key(move.target))
    await store.wikis.create(*key(move.target), display_name="Another", repo_path="/srv/b")
    await store.acls.create(move.target, move.grantee.id, "viewer", granted_by=move.target.owner_id)

    assert not await store.acls.delete(move.source, move.grantee.id)
    assert await move.roles(move.grantee) == {move.target: Role.VIEWER}

    await store.wikis.delete(*key(move.source))


# ---- a sweep beside them, which acts on what it saw a moment ago


async def sweep(store: WikibotStore, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Sweep, and run code right after the scan of the wikis."""
    with before_requests(store, {2: meanwhile}):
        async for _ in store.admin.sweep(apply=True):
            pass


async def test_sweep_spares_a_wiki_that_has_arrived(move: Move) -> None:
    """A sweep keeps a wiki whose move was finished after the scan."""
    await move.run_until(BEGIN + 1)

    await sweep(move.store, move.run)

    assert await move.roles(move.grantee) == {move.target: Role.EDITOR}


async def test_sweep_spares_a_later_wiki(move: Move) -> None:
    """A sweep keeps a wiki that was created after the scan found a half deleted one."""
    await _dying(move)

    async def make_another() -> None:
        await _missing(move)
        await move.store.wikis.create(*key(move.source), display_name="Another", repo_path="/srv/b")

    await sweep(move.store, make_another)

    assert await move.live_keys() == [move.source]


async def test_sweep_moves_no_later_wiki(move: Move) -> None:
    """A sweep does not move a wiki that was created after the scan found a half moved one."""
    await move.run_until(BEGIN + 1)

    async def make_another() -> None:
        await move.run()
        await move.store.wikis.delete(*key(move.target))
        await move.store.wikis.create(*key(move.source), display_name="Another", repo_path="/srv/b")

    await sweep(move.store, make_another)

    assert await move.live_keys() == [move.source]


async def test_sweep_renews_no_move_that_was_given_up(move: Move) -> None:
    """A sweep does not continue a move that was stopped after the scan."""
    await move.run_until(BEGIN + 1)

    await sweep(move.store, lambda: move.store.wikis.delete(*key(move.target)))

    assert await move.live_keys() == [move.source]
