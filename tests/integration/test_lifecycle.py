"""Wikis are created within a quota and deleted with their grants, even after crashes and in races."""

import asyncio

import pytest

from tests.integration.samples import (
    a_user,
    a_user_id,
    a_wiki_item,
    an_acl_item,
    an_item,
    change,
    fresh,
    key_of,
    put,
    put_all,
    stored,
)
from tests.integration.steps import CrashError, before_requests, crash
from wikibot_store import (
    AlreadyExistsError,
    NotActiveError,
    NotFoundError,
    QuotaExceededError,
    Wiki,
    WikibotStore,
)


async def create(store: WikibotStore, owner_id: str, slug: str, limit: int | None = None) -> Wiki:
    """Create a counted wiki."""
    return await store.wikis.create(owner_id, slug, display_name="A wiki", repo_path="/srv/a", limit=limit)


async def count_of(store: WikibotStore, user_id: str) -> int:
    """Return how many wikis a user is counted to have."""
    return (await store.users.require(user_id, consistent=True)).wiki_count


async def test_create_counts(store: WikibotStore, sent: list[str]) -> None:
    """A wiki is stored and counted in one transaction; the owner's version stays the same."""
    user = await a_user(store)
    sent.clear()

    wiki = await create(store, user.id, "notes", limit=1)

    assert sent == ["TransactWriteItems (Update, Put)"]
    assert await store.wikis.get(user.id, "notes", consistent=True) == wiki
    owner = await store.users.require(user.id, consistent=True)
    assert (owner.wiki_count, owner.version) == (1, user.version)


async def test_quota_holds_in_a_race(store: WikibotStore) -> None:
    """Of 48 creates with a quota of one, one succeeds; count and items agree."""
    user = await a_user(store)

    results = await asyncio.gather(
        *[create(store, user.id, f"wiki-{number}", limit=1) for number in range(48)], return_exceptions=True
    )

    assert sum(isinstance(result, Wiki) for result in results) == 1
    assert sum(isinstance(result, QuotaExceededError) for result in results) == 47
    assert await count_of(store, user.id) == 1
    assert len(await store.wikis.list_by_owner(user.id, consistent=True)) == 1


async def test_duplicate_is_not_counted(store: WikibotStore) -> None:
    """A create with a taken slug is refused and not counted."""
    user = await a_user(store)
    await create(store, user.id, "notes")

    with pytest.raises(AlreadyExistsError) as refusal:
        await create(store, user.id, "notes")

    assert refusal.value.field == "wiki_slug"
    assert await count_of(store, user.id) == 1


async def test_missing_owner_is_named(store: WikibotStore) -> None:
    """A create for a missing owner raises an error that names the owner."""
    with pytest.raises(NotFoundError, match="users"):
        await create(store, fresh(), "notes")


@pytest.mark.parametrize("limit", [None, 5])
async def test_owner_must_be_active(store: WikibotStore, limit: int | None) -> None:
    """A suspended user cannot create a wiki, and the error has the status."""
    user = await a_user(store)
    await store.users.update(user.id, status="suspended")

    with pytest.raises(NotActiveError) as refusal:
        await create(store, user.id, "notes", limit)

    assert refusal.value.status == "suspended"
    assert await store.wikis.get(user.id, "notes", consistent=True) is None


async def test_limit_of_zero_allows_none(store: WikibotStore) -> None:
    """A quota of zero refuses the first wiki."""
    user = await a_user(store)

    with pytest.raises(QuotaExceededError) as refusal:
        await create(store, user.id, "notes", limit=0)

    assert refusal.value.limit == 0


async def test_bad_limit_is_refused(unreachable_store: WikibotStore) -> None:
    """A limit that is not an integer of at least 0 is rejected before any request."""
    for limit, error in ((-1, ValueError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error, match="limit"):
            await create(unreachable_store, "owner", "notes", limit)  # type: ignore[arg-type]  # on purpose
        with pytest.raises(error, match="limit"):
            await unreachable_store.wikis.transfer("owner", "notes", "heir", limit=limit)  # type: ignore[arg-type]


async def test_owner_without_a_count_starts_at_one(store: WikibotStore) -> None:
    """An owner's item without count and status counts as active with no wikis."""
    user = await a_user(store)
    item = await stored(store, "users", id=user.id)
    assert item is not None
    del item["wiki_count"], item["status"]
    await put(store, "users", item)

    await create(store, user.id, "notes", limit=1)

    assert await count_of(store, user.id) == 1


async def test_delete_takes_grants_and_count_along(store: WikibotStore) -> None:
    """A delete removes the item, all grants (expired and corrupt ones too) and the count."""
    user = await a_user(store)
    wiki = await create(store, user.id, "notes")
    grants = [an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=fresh()) for _ in range(60)]
    grants.append(an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=fresh(), role="broken"))
    grants.append(an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=fresh(), expires_at=1))
    await put_all(store, "acls", grants)

    await store.wikis.delete(user.id, "notes")

    assert await stored(store, "wikis", owner_id=user.id, wiki_slug="notes") is None
    assert await count_of(store, user.id) == 0
    assert await grants_of(store, wiki) == 0


async def grants_of(store: WikibotStore, wiki: Wiki) -> int:
    """Count the items that a wiki's partition of acls holds."""
    reply = await (await store.client()).query(
        TableName=store.config.acls_table,
        KeyConditionExpression="wiki_id = :wiki",
        ExpressionAttributeValues={":wiki": {"S": wiki.key.wiki_id}},
        ConsistentRead=True,
    )
    return reply["Count"]


async def test_delete_is_idempotent(store: WikibotStore) -> None:
    """Deleting a missing wiki does nothing."""
    user = await a_user(store)

    assert not await store.wikis.delete(user.id, "none")

    assert await count_of(store, user.id) == 0


async def test_delete_of_an_uncounted_wiki(store: WikibotStore) -> None:
    """A wiki that is not counted, or has no owner, is deleted; no count falls below zero."""
    user = await a_user(store)

    for owner_id in (user.id, fresh()):
        await put(store, "wikis", a_wiki_item(owner_id=owner_id, wiki_slug="notes"))
        assert await store.wikis.delete(owner_id, "notes")
        assert await store.wikis.get(owner_id, "notes", consistent=True) is None
    assert await count_of(store, user.id) == 0


async def test_slug_can_be_used_at_once(store: WikibotStore) -> None:
    """After a delete the slug is free, and the new wiki has another uid."""
    user = await a_user(store)
    before = await create(store, user.id, "notes", limit=1)
    await store.wikis.delete(user.id, "notes")

    after = await create(store, user.id, "notes", limit=1)

    assert after.uid != before.uid


async def test_parallel_deletes_count_once(store: WikibotStore) -> None:
    """Parallel deletes of one wiki lower the count once."""
    user = await a_user(store)
    await create(store, user.id, "keep")
    await create(store, user.id, "drop")

    await asyncio.gather(*[store.wikis.delete(user.id, "drop") for _ in range(8)])

    assert await count_of(store, user.id) == 1


async def test_no_grant_survives_a_delete(store: WikibotStore) -> None:
    """After grants race a delete, none is left."""
    user = await a_user(store)
    wiki = await create(store, user.id, "notes")

    async def grant_until_refused() -> None:
        while True:
            await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=user.id)

    storm = [asyncio.create_task(grant_until_refused()) for _ in range(6)]
    await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=user.id)
    await store.wikis.delete(user.id, "notes")
    refusals = await asyncio.gather(*storm, return_exceptions=True)

    assert {type(refusal) for refusal in refusals} <= {NotActiveError, NotFoundError}
    assert await grants_of(store, wiki) == 0


@pytest.mark.parametrize("step", range(1, 6))
async def test_delete_goes_on_after_a_crash(store: WikibotStore, step: int) -> None:
    """After a crash before any of its requests, the next call completes the delete and counts once."""
    user = await a_user(store)
    await create(store, user.id, "keep")
    wiki = await create(store, user.id, "notes")
    await store.acls.create(wiki.key, await a_user_id(store), "viewer", granted_by=user.id)

    with before_requests(store, {step: crash}), pytest.raises(CrashError):
        await store.wikis.delete(user.id, "notes")
    await store.wikis.delete(user.id, "notes")

    assert await store.wikis.get(user.id, "notes", consistent=True) is None
    assert await grants_of(store, wiki) == 0
    assert await count_of(store, user.id) == 1


async def test_delete_of_a_move_that_an_earlier_version_began(store: WikibotStore) -> None:
    """A wiki whose move has no id, as earlier versions left it, is deleted at both keys and counted out once."""
    user = await a_user(store)
    await create(store, user.id, "keep")
    wiki = await create(store, user.id, "notes")
    item = await change(store, "wikis", key_of(wiki), status="moving", moving_to=f"{user.id}:diary")
    del item["moving_to"]
    arriving = an_item(wiki_slug="diary", status="arriving", moving_from=wiki.key.wiki_id, uncounted=True)
    await put(store, "wikis", item | arriving)

    assert await store.wikis.delete(user.id, "notes")

    assert [left.wiki_slug for left in await store.wikis.list_by_owner(user.id, consistent=True)] == ["keep"]
    assert await count_of(store, user.id) == 1
