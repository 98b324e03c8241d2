"""Items of other programs are completed so that readers notice nothing; what nobody can know is left to a person."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.faults.invariants import read_all
from tests.half_done import snapshot
from tests.integration.clean_tables import wipe
from tests.integration.samples import a_user, a_wiki, an_item, change, collect, fresh, key_of, put, stored
from tests.integration.steps import before_requests
from tests.legacy import NULL, Times, an_old_acl, an_old_user, an_old_wiki, fill, old_items
from wikibot_store import AdoptPage, Undecided, UndecidedKind, WikibotStore
from wikibot_store._dynamo.items import read_time

AT = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)
NAIVE = Times("naive")
UNTIMED = Times(None)


@pytest.fixture
async def store(store: WikibotStore) -> AsyncIterator[WikibotStore]:
    """Give the store without the items of other tests, because an adoption reads all items."""
    yield store
    await wipe(store, (await read_all(store)).tables)


def lasting(random: Random, *, users: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the old models left, without the grants that have expired: DynamoDB Local soon deletes them."""
    for table, item in old_items(random, users=users):
        expiry = read_time(item.get("expires_at"))
        if expiry is None or expiry > datetime.now(UTC):
            yield table, item


async def adopt(store: WikibotStore, **options: Any) -> list[AdoptPage]:  # noqa: ANN401 - those of adopt
    """Adopt everything and return the pages."""
    return await collect(store.admin.adopt(**({"apply": True} | options)))


def left(pages: list[AdoptPage]) -> list[Undecided]:
    """Return what was left to a person."""
    return [undecided for page in pages for undecided in page.undecided]


def kinds(pages: list[AdoptPage]) -> Counter[UndecidedKind]:
    """Return how much of each kind was left."""
    return Counter(undecided.kind for undecided in left(pages))


async def everything(store: WikibotStore) -> list[str]:
    """Return all that readers see, in a fixed order. The count is one that nobody could see before."""
    users = [repr(user.public()) + repr(user.created_at) async for user in store.admin.iter_users()]
    wikis = [repr(wiki.public()) + str(wiki.repo_path) async for wiki in store.admin.iter_wikis()]
    acls = [repr(acl) async for acl in store.admin.iter_acls()]
    return sorted([*users, *wikis, *acls])


async def test_old_tables_are_adopted(store: WikibotStore) -> None:
    """Everything that the old models wrote is completed: a sweep finds nothing, and readers see the same as before."""
    count = await fill(store, lasting(Random(7), users=12))  # noqa: S311 - no secret
    before = await everything(store)

    dry = await adopt(store, apply=False)
    untouched = await everything(store)
    pages = await adopt(store)
    again = await adopt(store)

    assert untouched == before == await everything(store)
    assert sum(page.incomplete for page in dry) == sum(page.scanned for page in dry) == count
    assert sum(page.completed for page in dry) == sum(page.completed for page in again) == 0
    assert sum(page.completed for page in pages) == count
    assert sum(page.incomplete for page in again) == 0
    assert kinds(dry) == kinds(pages) == kinds(again) == {}
    assert [page.findings async for page in store.admin.sweep() if page.findings] == []
    tables = await snapshot(store)
    assert all("write_id" in item for items in tables.values() for item in items)
    assert all(acl.get("expires_at", {"N": "1"}).keys() == {"N"} for acl in tables["acls"])
    assert all(len(acl.get("expires_at", {"N": "1"})["N"]) <= 10 for acl in tables["acls"])
    assert all("wiki_uid" in acl for acl in tables["acls"])


async def test_every_page_can_be_continued_from(store: WikibotStore) -> None:
    """An adoption that was cut off after any page is continued from its position, and nothing is left out."""
    count = await fill(store, lasting(Random(8), users=4))  # noqa: S311 - no secret
    pages = await adopt(store, apply=False, max_rcu=1000, max_wcu=3)

    for position in range(0, len(pages) - 1, 4):
        rest = await adopt(store, apply=False, max_rcu=1000, max_wcu=3, resume=pages[position].resume)
        assert rest == pages[position + 1 :]
    assert pages[-1].resume is None
    assert sum(page.scanned for page in pages) == count


async def test_unknown_attributes_stay_and_nulls_go(store: WikibotStore) -> None:
    """An adoption keeps what it does not know, and removes null where it means no attribute."""
    user = an_old_user("u-1", "github", "1", NAIVE, AT, email=NULL, color=NULL, shape=an_item(a="round")["a"])
    await fill(store, [("users", user)])

    await adopt(store)

    item = await stored(store, "users", id="u-1")
    assert item is not None
    assert "email" not in item
    assert (item["color"], item["shape"]) == (NULL, {"S": "round"})
    assert item["created_at"] == {"S": "2024-05-01T09:30:00.000000Z"}


async def test_a_count_beside_a_move(store: WikibotStore) -> None:
    """The wikis of an owner are counted right while one of them is moving."""
    user = await a_user(store)
    wiki = await a_wiki(store, user.id)
    await a_wiki(store, user.id)
    await change(store, "wikis", key_of(wiki), status="moving", operation="op-1", moving_to=f"{user.id}:renamed")
    await change(store, "users", {"id": user.id}, wiki_count=None)

    await adopt(store)

    assert (await store.users.require(user.id)).wiki_count == 2


# ---- what a person decides


async def test_an_identity_of_two_users_goes_to_the_older(store: WikibotStore) -> None:
    """Of two users with one identity, the older gets the claim, whichever is read first; the other is reported."""
    for number in range(6):
        older, newer = f"old-{number}", f"new-{number}"
        await fill(
            store,
            [
                ("users", an_old_user(newer, "github", str(number), NAIVE, AT + timedelta(days=1))),
                ("users", an_old_user(older, "github", str(number), NAIVE, AT)),
            ],
        )

    dry = await adopt(store, apply=False)
    pages = await adopt(store)
    again = await adopt(store)

    for found in (dry, pages, again):
        assert {undecided.key["id"] for undecided in left(found)} == {f"new-{number}" for number in range(6)}
        assert {undecided.kind for undecided in left(found)} == {UndecidedKind.IDENTITY_TAKEN}
        assert "user old-" in left(found)[0].problem
    assert sum(page.completed for page in pages) == 12
    assert sum(page.incomplete for page in again) == 0
    assert (await store.users.get_or_create_by_oauth("github", "3"))[0].id == "old-3"


async def test_what_cannot_be_decided_is_reported(store: WikibotStore) -> None:
    """Each item about which only a person can decide is reported with its key, at each run, and is left as it is."""
    taken, invalid = {"username": {"S": "ada"}}, {"username": {"S": "Ada Lovelace"}}
    await a_user(store, username="ada")
    owner = await a_user(store)
    wiki = an_old_wiki(owner.id, "later", NAIVE, AT)
    await fill(
        store,
        [
            ("users", an_old_user("u-1", "github", "1", NAIVE, AT, **taken)),
            ("users", an_old_user("u-2", "github", "2", NAIVE, AT, **invalid)),
            ("users", an_old_user("u 3", "github", "3", NAIVE, AT)),
            ("users", an_old_user("u-4", "github", "4", NAIVE, AT, identities={"S": "###"})),
            ("users", an_old_user("u-5", "github", "5", NAIVE, AT, tier={"N": "5"})),
            ("wikis", wiki),
            ("wikis", an_old_wiki(owner.id, "Bad_Slug", NAIVE, AT)),
            ("wikis", an_old_wiki("nobody", "notes", NAIVE, AT)),
            ("wikis", an_old_wiki(owner.id, "corrupt", NAIVE, AT, status={"S": "odd"})),
            ("acls", an_old_acl(f"{owner.id}:later", "u-1", "viewer", NAIVE, AT - timedelta(days=1))),
            ("acls", an_old_acl(f"{owner.id}:gone", "u-1", "viewer", NAIVE, AT)),
            ("acls", an_old_acl(f"{owner.id}:corrupt", "u-1", "viewer", NAIVE, AT)),
            ("acls", an_old_acl("no wiki id", "u-1", "viewer", NAIVE, AT)),
        ],
    )

    pages = await adopt(store)
    before = await snapshot(store)
    again = await adopt(store)

    expected = {
        UndecidedKind.USERNAME_TAKEN: 1,
        UndecidedKind.USERNAME_INVALID: 1,
        UndecidedKind.INVALID_KEY: 4,
        UndecidedKind.CORRUPT: 2,
        UndecidedKind.WIKI_WITHOUT_OWNER: 1,
        UndecidedKind.GRANT_WITHOUT_WIKI: 1,
        UndecidedKind.GRANT_BEFORE_WIKI: 1,
    }
    assert kinds(pages) == kinds(again) == expected
    assert await snapshot(store) == before
    assert sum(page.incomplete for page in again) == 0
    orphan = await stored(store, "wikis", owner_id="nobody", wiki_slug="notes")
    assert orphan is not None
    assert "write_id" not in orphan


async def test_text_that_the_library_does_not_write_is_reported(store: WikibotStore) -> None:
    """An item that decodes but could not be written again is reported and left as it is."""
    await fill(store, [("users", an_old_user("u-1", "github", "1", NAIVE, AT, avatar_url={"S": "x" * 70_000}))])

    pages = await adopt(store)

    assert [(one.kind, one.problem) for one in left(pages)] == [
        (UndecidedKind.CORRUPT, "avatar_url: must have at most 65536 bytes in UTF-8")
    ]


async def test_what_is_being_deleted_is_left(store: WikibotStore) -> None:
    """Users and wikis that are being deleted are not completed, and grants in them neither get a wiki's uid."""
    owner = await a_user(store)
    deleting = {"status": {"S": "deleting"}}
    await fill(
        store,
        [
            ("users", an_old_user("u-1", "github", "1", NAIVE, AT, **deleting)),
            ("wikis", an_old_wiki(owner.id, "going", NAIVE, AT, **deleting)),
            ("acls", an_old_acl(f"{owner.id}:going", "u-1", "viewer", UNTIMED, None)),
        ],
    )

    pages = await adopt(store)

    assert kinds(pages) == {}
    assert "version" not in (await stored(store, "users", id="u-1") or {})
    grant = await stored(store, "acls", wiki_id=f"{owner.id}:going", grantee_id="u-1")
    assert "wiki_uid" not in (grant or {})


# ---- beside other writers


@pytest.mark.parametrize("requests", range(1, 8))
async def test_an_item_that_changes_meanwhile_is_planned_again(store: WikibotStore, requests: int) -> None:
    """If another program writes a user between any two requests, nothing of it is lost and the user is completed."""
    await fill(store, [("users", an_old_user("u-1", "github", "1", NAIVE, AT))])

    async def write() -> None:
        old = an_old_user("u-1", "github", "1", Times("east"), AT + timedelta(hours=1), email={"S": "new@example.org"})
        await put(store, "users", old)

    with before_requests(store, {requests: write}):
        await adopt(store)
    await adopt(store)

    user = await store.users.require("u-1")
    sent_late = user.email is None  # the adoption had ended
    assert sent_late or user.created_at == AT + timedelta(hours=1)
    assert await store.users.get_by_oauth("github", "1", consistent=True) == user


async def test_an_item_that_is_gone_is_no_problem(store: WikibotStore) -> None:
    """A user whom somebody deletes between the read and the write is neither created again nor reported."""
    await fill(store, [("users", an_old_user("u-1", "github", "1", NAIVE, AT))])

    async def delete() -> None:
        await (await store.client()).delete_item(TableName=store.config.users_table, Key={"id": {"S": "u-1"}})

    with before_requests(store, {5: delete}):  # Scan, claims, index, count
        pages = await adopt(store)

    assert await stored(store, "users", id="u-1") is None
    assert sum(page.completed for page in pages) == 0
    assert kinds(pages) == {}


async def test_an_item_that_keeps_changing_is_reported(store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten attempts at an item that others keep changing, the adoption reports it and goes on."""
    await fill(store, [("users", an_old_user(f"u-{number}", "github", str(number), NAIVE, AT)) for number in (1, 2)])
    call = store._wire.call

    async def spoil(operation: str, request: Any, decode: Any, *, deadline: float) -> Any:  # noqa: ANN401 - the wire's
        if operation == "TransactWriteItems" and request["TransactItems"][0]["Update"]["Key"]["id"]["S"] == "u-1":
            old = an_old_user("u-1", "github", "1", NAIVE, AT, email={"S": fresh()})
            await put(store, "users", old)
        return await call(operation, request, decode, deadline=deadline)

    monkeypatch.setattr(store._wire, "call", spoil)
    pages = await adopt(store)

    assert [(one.kind, one.key["id"]) for one in left(pages)] == [(UndecidedKind.CHANGING, "u-1")]
    assert sum(page.completed for page in pages) == 1


async def test_two_adoptions_at_once(store: WikibotStore) -> None:
    """Two adoptions at the same time complete each item once."""
    count = await fill(store, lasting(Random(9), users=6))  # noqa: S311 - no secret

    one, other = await asyncio.gather(adopt(store), adopt(store))

    assert sum(page.completed for page in [*one, *other]) == count
    assert [page.findings async for page in store.admin.sweep() if page.findings] == []


# ---- arguments


@pytest.mark.parametrize(
    "options",
    [
        {"max_rcu": 0},
        {"max_wcu": -1},
        {"resume": ""},
        {"resume": '{"table":"others","after":[null]}'},
        {"resume": 4711},
    ],
    ids=str,
)
async def test_bad_arguments_are_rejected(unreachable_store: WikibotStore, options: dict[str, Any]) -> None:
    """Invalid arguments are rejected when the method is called, before any request."""
    with pytest.raises(ValueError, match=f"{next(iter(options))} must "):
        unreachable_store.admin.adopt(**options)
