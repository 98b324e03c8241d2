"""A sweep finds and repairs what crashes leave, beside a running service; counts are corrected."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.invariants import read_all
from tests.half_done import (
    MENDABLE,
    UNMENDABLE,
    Arrange,
    an_owner,
    assert_sound,
    make_faults,
    snapshot,
)
from tests.integration.clean_tables import wipe
from tests.integration.samples import a_user, a_user_item, a_wiki_item, an_item, change, collect, fresh, put, stored
from tests.integration.stops import is_stopped
from wikibot_store import NotFoundError, SweepPage, WikibotStore, WikiKey, usage
from wikibot_store._wire import _pace
from wikibot_store.schema import TABLES
from wikibot_store.workflows.sweep import Finding, FindingKind


@pytest.fixture
async def store(store: WikibotStore) -> AsyncIterator[WikibotStore]:
    """Give the store without the items of other tests, because a sweep reads all items."""
    yield store
    await wipe(store, (await read_all(store)).tables)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses of sweeps in seconds; the test does not wait for them."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(_pace, "asyncio", SimpleNamespace(sleep=sleep, Lock=asyncio.Lock))
    return pauses


async def findings_of(store: WikibotStore, **options: Any) -> list[Finding]:  # noqa: ANN401 - a sweep's
    """Return all findings of a sweep."""
    return [finding async for page in store.admin.sweep(**options) for finding in page.findings]


@pytest.mark.parametrize(("fault", "arrange"), MENDABLE.values(), ids=MENDABLE)
async def test_fault_is_found_and_mended(store: WikibotStore, fault: FindingKind, arrange: Arrange) -> None:
    """A dry run reports the fault and changes nothing; `apply` repairs it."""
    key = await arrange(store)
    before = await snapshot(store)

    dry = await findings_of(store)
    assert await snapshot(store) == before
    repaired = await findings_of(store, apply=True)

    assert [(found.kind, found.key, found.repaired, found.problem) for found in dry] == [(fault, key, False, None)]
    assert [(found.kind, found.key, found.repaired, found.problem) for found in repaired] == [(fault, key, True, None)]
    assert repaired[0].table in {store.config.table_name(schema.name) for schema in TABLES}
    assert await findings_of(store) == []
    await assert_sound(store)


@pytest.mark.parametrize(("fault", "arrange", "problem"), UNMENDABLE.values(), ids=UNMENDABLE)
async def test_what_a_person_must_mend_is_told(
    store: WikibotStore, fault: FindingKind, arrange: Arrange, problem: str
) -> None:
    """A fault that cannot be repaired is reported by every sweep and not changed."""
    key = await arrange(store)
    before = await snapshot(store)

    found = await findings_of(store, apply=True)

    (finding,) = [finding for finding in found if finding.key == key]
    assert (finding.kind, finding.repaired) == (fault, False)
    assert problem in (finding.problem or "")
    table = {store.config.table_name(schema.name): schema.name for schema in TABLES}[finding.table]
    (item,) = [item for item in before[table] if item.items() >= an_item(**key).items()]
    assert await stored(store, table, **key) == item


async def test_a_repair_that_fails_is_told(store: WikibotStore) -> None:
    """If a corrupt wiki stops the repair of its owner, both are reported, with the wiki as the owner's problem."""
    owner, wiki = await an_owner(store)
    await change(store, "wikis", {"owner_id": owner.id, "wiki_slug": wiki.wiki_slug}, status="odd")
    await change(store, "users", {"id": owner.id}, status="deleting", deletion="delete")

    corrupt, deleting = await findings_of(store, apply=True)

    assert (corrupt.kind, corrupt.repaired) == (FindingKind.CORRUPT, False)
    assert (deleting.kind, deleting.key, deleting.repaired) == (FindingKind.USER_DELETING, {"id": owner.id}, False)
    assert deleting.problem == corrupt.problem
    assert wiki.wiki_slug in (deleting.problem or "")
    assert await stored(store, "users", id=owner.id) is not None


async def test_owners_of_wikis_of_no_slug_are_deleted_to_the_end(store: WikibotStore) -> None:
    """The repair of a half deleted user also deletes a wiki whose slug the library rejects."""
    owner = await a_user(store)
    await put(store, "wikis", a_wiki_item(owner_id=owner.id, wiki_slug="Old_Wiki"))
    await change(store, "users", {"id": owner.id}, status="deleting", deletion="delete")

    corrupt, deleting = await findings_of(store, apply=True)

    assert (corrupt.kind, deleting.kind, deleting.repaired) == (FindingKind.CORRUPT, FindingKind.USER_DELETING, True)
    assert await findings_of(store) == []


async def test_a_sound_service_has_no_findings(store: WikibotStore) -> None:
    """Several identities, renamed wikis, open invitations and expired grants are not faults."""
    owner, wiki = await an_owner(store)
    await store.users.link_identity(owner.id, fresh(), fresh())
    await store.wikis.rename(owner.id, wiki.wiki_slug, "renamed")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await store.acls.invite(
        WikiKey(owner.id, "renamed"), "bob@example.org", "viewer", invited_by=owner.id, expires_at=tomorrow
    )
    await store.users.update(owner.id, status="suspended")

    assert await findings_of(store) == []
    await assert_sound(store)


async def test_users_who_are_not_being_deleted_are_left(store: WikibotStore) -> None:
    """A user who is active again, or has no mark of a delete, is not deleted."""
    again, by_hand, odd = [await a_user(store) for _ in range(3)]
    await change(store, "users", {"id": again.id}, deletion="delete")
    await change(store, "users", {"id": by_hand.id}, status="deleting")
    await change(store, "users", {"id": odd.id}, status="deleting", deletion="later")
    before = await snapshot(store)

    assert await findings_of(store, apply=True) == []
    assert await snapshot(store) == before


async def test_claims_of_corrupt_users_are_left(store: WikibotStore) -> None:
    """The claims of a corrupt user are kept."""
    user = await a_user(store, username=fresh())
    await change(store, "users", {"id": user.id}, created_at="then")

    assert [finding.key for finding in await findings_of(store, apply=True)] == [{"id": user.id}]
    assert await stored(store, "users", id=f"claim#username#{user.username}") is not None


async def test_an_identity_of_two_users_is_the_older_one_s(store: WikibotStore) -> None:
    """Of two users of one identity that nobody has claimed, the older gets the claim and the other is reported."""
    identity = {"oauth_provider": "github", "oauth_provider_sub": fresh()}
    older, newer = a_user_item(**identity, created_at="2019-01-01T00:00:00Z"), a_user_item(**identity)
    for item in (older, newer):
        await put(store, "users", item)

    dry = {finding.key["id"]: finding for finding in await findings_of(store)}
    repaired = {finding.key["id"]: finding.repaired for finding in await findings_of(store, apply=True)}

    first, second = older["id"]["S"], newer["id"]["S"]
    assert {finding.kind for finding in dry.values()} == {FindingKind.USER_WITHOUT_CLAIM}
    assert dry[first].problem is None
    assert dry[second].problem == f"{first} is older and has the same identity: delete one of the two"
    assert repaired == {first: True, second: False}


async def test_corrupt_grants_of_no_wiki_are_removed(store: WikibotStore) -> None:
    """A grant of a missing wiki is removed even if it is corrupt."""
    key = {"wiki_id": f"{fresh()}:gone", "grantee_id": fresh()}
    await put(store, "acls", an_item(**key, role="emperor"))

    assert [(found.kind, found.repaired) for found in await findings_of(store, apply=True)] == [
        (FindingKind.GRANT_WITHOUT_WIKI, True)
    ]


async def test_everything_at_once(store: WikibotStore) -> None:
    """One sweep finds and repairs all faults."""
    made = await make_faults(store)

    found = await findings_of(store, apply=True)

    assert Counter(finding.kind for finding in found) == made
    assert all(finding.repaired for finding in found)
    await assert_sound(store)


async def test_every_page_can_be_gone_on_from(store: WikibotStore, slept: list[float]) -> None:
    """A sweep that is resumed after any page finds the rest of the findings."""
    made = ["wiki deleting", "claim of nobody", "wrong count", "grant without user"]
    for name in made:
        await MENDABLE[name][1](store)

    pages = await collect(store.admin.sweep(segments=1, max_rcu=1))

    assert len(slept) >= sum(page.scanned > 0 for page in pages[:-1])
    tables = [page.table for page in pages]
    order = ["wikis", "users", "acls", *(name for name in tables if name not in {"wikis", "users", "acls"})]
    assert tables == sorted(tables, key=order.index)
    found = Counter(finding.kind for page in pages for finding in page.findings)
    assert found == Counter(MENDABLE[name][0] for name in made)
    assert [page.resume is None for page in pages] == [False] * (len(pages) - 1) + [True]
    ends_of_tables = [position for position, page in enumerate(pages[:-1]) if page.table != pages[position + 1].table]
    for position in [*range(0, len(pages) - 1, 5), *ends_of_tables]:
        assert await collect(store.admin.sweep(max_rcu=1, resume=pages[position].resume)) == pages[position + 1 :]


async def test_every_page_of_several_segments_can_be_gone_on_from(store: WikibotStore, slept: list[float]) -> None:
    """So does one in several segments: it scans what was not scanned, and finds what was not found."""
    for name in ["wiki deleting", "claim of nobody", "wrong count", "grant without user"]:
        await MENDABLE[name][1](store)

    pages = await collect(store.admin.sweep(segments=3, max_rcu=1))

    assert slept
    whole = _seen(pages)
    for position in range(0, len(pages) - 1, 3):
        rest = await collect(store.admin.sweep(max_rcu=1, resume=pages[position].resume))
        assert _seen(pages[: position + 1]) + _seen(rest) == whole


def _seen(pages: Iterable[SweepPage]) -> Counter[str]:
    """Count what pages have scanned, by table, and what they have found."""
    seen = Counter[str]()
    for page in pages:
        seen[page.table] += page.scanned
        seen.update(str(finding) for finding in page.findings)
    return seen


@pytest.mark.parametrize("segments", [1, 2])
async def test_pages_and_pauses_follow_max_rcu(store: WikibotStore, slept: list[float], segments: int) -> None:
    """A page uses at most about one second's read units, and the pauses match what the engine says that was used."""
    for _ in range(4):
        await an_owner(store)

    with usage.collect() as used:
        pages = await collect(store.admin.sweep(segments=segments, max_rcu=12))

    checked = {"wikis": 1, "users": 2, "acls": 2}
    assert all(page.scanned <= 12 / (1 + checked.get(page.table, 0)) / segments for page in pages)
    assert len(pages) > 2 * len(TABLES)
    last = 12  # nothing waits for the last pages
    assert used.read_units - last <= round(sum(slept) * 12, 6) <= used.read_units


async def test_without_max_rcu_nothing_waits(store: WikibotStore, slept: list[float], sent: list[str]) -> None:
    """Without `max_rcu` a page has 500 items and there are no pauses. Several segments scan each item once."""
    for _ in range(3):
        await an_owner(store)
    sent.clear()

    pages = await collect(store.admin.sweep(segments=1))

    scanned = {schema.name: 0 for schema in TABLES} | {"wikis": 3, "users": 15, "acls": 3}
    assert {page.table: page.scanned for page in pages} == scanned
    assert slept == []
    assert sent.count("Scan") == len(pages) == len(TABLES)
    assert _seen(await collect(store.admin.sweep())) == _seen(pages)
    assert sent.count("Scan") == len(TABLES) + 4 * len(TABLES)
    assert slept == []


@pytest.mark.parametrize(
    "options",
    [
        {"segments": 0},
        {"segments": 65},
        {"max_rcu": 0},
        {"max_rcu": -1},
        {"max_rcu": math.nan},
        {"resume": ""},
        {"resume": "users"},
        {"resume": '{"table":"others"}'},
        {"resume": '{"table":"users","after":[]}'},
        {"resume": '{"table":"users","after":[[""]]}'},
        {"resume": '{"table":"users","after":[["ada","notes"]]}'},
        {"resume": '{"table":"wikis","after":[["ada"]]}'},
        {"resume": '{"table":"wikis","after":"ada"}'},
        {"resume": 4711},
    ],
    ids=str,
)
async def test_bad_arguments_are_refused(unreachable_store: WikibotStore, options: dict[str, Any]) -> None:
    """Invalid `segments`, `max_rcu` or `resume` are rejected before any request."""
    with pytest.raises(ValueError, match=f"{next(iter(options))} must "):
        await collect(unreachable_store.admin.sweep(**options))


async def test_what_changes_meanwhile_is_left(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that disappears before the repair is reported as changed, and nothing is removed."""
    user_id, claim = fresh(), f"claim#username#{fresh()}"
    await put(store, "users", an_item(id=claim, user_id=user_id))
    call = store._wire.call

    async def sign_up_first(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        if operation == "TransactWriteItems":
            await put(store, "users", an_item(id=user_id, write_id=fresh()))
        return await call(operation, request, decode, deadline=deadline)

    monkeypatch.setattr(store._wire, "call", sign_up_first)
    (found,) = await findings_of(store, apply=True)

    assert (found.kind, found.repaired, found.problem) == (
        FindingKind.CLAIM_WITHOUT_USER,
        False,
        "changed meanwhile: sweep again",
    )
    assert await stored(store, "users", id=claim) is not None


async def test_a_user_who_stays_after_all_is_left(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is set active again after the scan is not deleted."""
    user = await a_user(store)
    await change(store, "users", {"id": user.id}, status="deleting", deletion="refuse")
    call = store._wire.call

    async def reactivate(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        reply = await call(operation, request, decode, deadline=deadline)
        if operation == "Scan" and request["TableName"] == store.config.users_table:
            await change(store, "users", {"id": user.id}, status="active")
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(store._wire, "call", reactivate)
        await findings_of(store, apply=True)

    assert await store.users.get(user.id, consistent=True) == user


def _nothing_found(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each BatchGetItem find nothing, as if it had been sent long ago."""
    call = store._wire.call

    async def find_nothing(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        reply = await call(operation, request, decode, deadline=deadline)
        return decode(b'{"Responses":{}}') if operation == "BatchGetItem" else reply

    monkeypatch.setattr(store._wire, "call", find_nothing)


async def test_batches_decide_on_nothing(store: WikibotStore, monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> None:
    """If batches return less than there is, the items are read one by one, and none is reported or changed."""
    owners = [await an_owner(store) for _ in range(3)]
    before = await snapshot(store)
    sent.clear()
    _nothing_found(store, monkeypatch)

    assert await findings_of(store, apply=True) == []

    assert await snapshot(store) == before
    # Per owner: the wiki and its owner; 2 users and 3 claims with 3 claims and 3 users; the wiki and user of the grant.
    assert sent.count("GetItem (consistent)") == len(owners) * (2 + 5 + 3 + 3 + 2)


async def test_faults_are_found_without_batches(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever batches return, one sweep finds and repairs all faults."""
    made = await make_faults(store)
    _nothing_found(store, monkeypatch)

    found = await findings_of(store, apply=True)

    assert Counter(finding.kind for finding in found) == made
    await assert_sound(store)


async def test_a_fault_that_a_batch_has_seen_is_over(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wiki whose owner is there again when it is inspected is not deleted."""
    owner, wiki = await an_owner(store)
    item = await stored(store, "users", id=owner.id)
    assert item is not None
    client = await store.client()
    await client.delete_item(TableName=store.config.users_table, Key=an_item(id=owner.id))
    call = store._wire.call

    async def restore(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        reply = await call(operation, request, decode, deadline=deadline)
        if operation == "BatchGetItem":
            await put(store, "users", item)
        return reply

    monkeypatch.setattr(store._wire, "call", restore)
    found = await findings_of(store, apply=True, segments=1)

    assert found == []
    assert await store.wikis.get(owner.id, wiki.wiki_slug, consistent=True) == wiki


async def test_a_consumer_that_stops_ends_the_sweep(store: WikibotStore, sent: list[str]) -> None:
    """After the consumer stops, no further page is read."""
    await an_owner(store)
    sent.clear()

    pages = store.admin.sweep(segments=1)
    await anext(pages)
    await pages.aclose()

    assert sent == ["Scan", "BatchGetItem"]  # of the wiki's owner


async def test_sweeps_finish_what_a_delete_of_a_user_left(store: WikibotStore) -> None:
    """A sweep finishes a delete that was stopped after any of its requests."""
    for requests in count(1):
        owner, _ = await an_owner(store)

        stopped = await is_stopped(store, requests, store.users.delete(owner.id, wikis="delete"))
        await findings_of(store, apply=True)

        await assert_sound(store)
        assert (await stored(store, "users", id=owner.id) is not None) == (requests == 1)
        if not stopped:
            return


async def test_sweeps_beside_a_running_service(store: WikibotStore) -> None:
    """Sweeps do not disturb renames, transfers, deletes and creates at the same time."""
    owners = [await an_owner(store) for _ in range(4)]
    (renamer, renamed), (giver, given), (deleter, deleted), (leaver, _) = owners
    receiver = await a_user(store)
    running = asyncio.gather(
        store.wikis.rename(renamer.id, renamed.wiki_slug, "renamed"),
        store.wikis.transfer(giver.id, given.wiki_slug, receiver.id),
        store.wikis.delete(deleter.id, deleted.wiki_slug),
        store.users.delete(leaver.id, wikis="delete"),
        *[store.wikis.create(deleter.id, fresh(), display_name="New", repo_path="/srv/n") for _ in range(3)],
    )

    while not running.done():
        await asyncio.gather(findings_of(store, apply=True), findings_of(store, apply=True))

    arrived, transferred, _, _, *_ = await running
    assert arrived == await store.wikis.get(renamer.id, "renamed", consistent=True)
    assert transferred == await store.wikis.get(receiver.id, given.wiki_slug, consistent=True)
    await findings_of(store, apply=True)
    await assert_sound(store)


# ---- reconcile_wiki_count


async def test_count_is_set_right(store: WikibotStore, sent: list[str]) -> None:
    """A wrong count is set to the number of wikis, which is returned; the version stays the same."""
    owner, _ = await an_owner(store)
    await put(store, "wikis", a_wiki_item(owner_id=owner.id))
    sent.clear()

    assert await store.admin.reconcile_wiki_count(owner.id) == 2

    assert sent == [*["GetItem (consistent)", "Query (consistent)"] * 2, "UpdateItem"]
    reconciled = await store.users.require(owner.id, consistent=True)
    assert (reconciled.wiki_count, reconciled.version) == (2, owner.version)


async def test_count_that_is_right_is_left(store: WikibotStore, sent: list[str]) -> None:
    """A right count is not written; a missing one is, also if there are no wikis."""
    owner, nobody = (await an_owner(store))[0], await a_user(store)
    item = await stored(store, "users", id=nobody.id)
    assert item is not None
    del item["wiki_count"]
    await put(store, "users", item)
    sent.clear()

    assert [await store.admin.reconcile_wiki_count(user.id) for user in (owner, nobody)] == [1, 0]

    assert sent == [*["GetItem (consistent)", "Query (consistent)"] * 4, "UpdateItem"]


async def test_a_wiki_that_is_renamed_counts_once(store: WikibotStore) -> None:
    """A wiki whose rename was stopped at any point counts once."""
    for requests in count(1):
        owner, wiki = await an_owner(store)

        stopped = await is_stopped(store, requests, store.wikis.rename(owner.id, wiki.wiki_slug, "renamed"))

        assert await store.admin.reconcile_wiki_count(owner.id) == 1
        if not stopped:
            return


async def test_count_is_exact_beside_creates_and_deletes(store: WikibotStore) -> None:
    """After a count is corrected beside creates and deletes, it is equal to the number of wikis."""
    owner = await a_user(store)
    doomed = [await store.wikis.create(owner.id, fresh(), display_name="Old", repo_path="/srv/o") for _ in range(3)]
    await change(store, "users", {"id": owner.id}, wiki_count=40)

    work: list[Awaitable[object]] = [store.wikis.delete(owner.id, wiki.wiki_slug) for wiki in doomed]
    work += [store.wikis.create(owner.id, fresh(), display_name="New", repo_path="/srv/n") for _ in range(4)]
    work += [store.admin.reconcile_wiki_count(owner.id) for _ in range(4)]
    await asyncio.gather(*work)

    await assert_sound(store)
    assert await store.admin.reconcile_wiki_count(owner.id) == 4


async def test_count_of_nobody(store: WikibotStore) -> None:
    """Correcting the count of a missing user raises NotFoundError."""
    with pytest.raises(NotFoundError, match="users"):
        await store.admin.reconcile_wiki_count(fresh())
