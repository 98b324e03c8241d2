"""Writes whose answer is lost: the store finds out whether they took effect, or raises WriteOutcomeUnknownError."""

import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from tests.wire.scripted_server import (
    ScriptedServer,
    Step,
    damaged,
    failed,
    half,
    hang_up,
    html,
    keep_silent,
    on_first_write,
    on_writes,
    refuse,
    reply,
    reset,
)
from tests.wire.stage import GRANTEE, NEWCOMER, Stage, username_of
from wikibot_store import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    Role,
    StoreConfig,
    UnavailableError,
    User,
    Wiki,
    WikibotStore,
    WriteOutcomeUnknownError,
)

# ---- every write: acts through one store, checks what another one reads


async def create_wiki(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Create another wiki."""
    wiki = await store.wikis.create(home.owner_id, "new", display_name="New", repo_path="/srv/new.git")

    assert await direct.wikis.get(home.owner_id, "new", consistent=True) == wiki


async def delete_wiki(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Delete the wiki."""
    assert await store.wikis.delete(home.owner_id, home.wiki_slug) is True

    assert await direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) is None


async def update_wiki_of_version(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Update the wiki on the condition of its version."""
    wiki = await store.wikis.update(home.owner_id, home.wiki_slug, expected_version=1, display_name="New")

    assert (wiki.version, wiki.display_name) == (2, "New")
    assert await direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) == wiki


async def update_wiki(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Update the wiki without a version."""
    wiki = await store.wikis.update(home.owner_id, home.wiki_slug, is_public=True)

    assert (wiki.version, wiki.is_public) == (2, True)
    assert await direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) == wiki


async def touch_wiki(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Touch the wiki."""
    assert await store.wikis.touch(home.owner_id, home.wiki_slug) is True

    wiki = await direct.wikis.require(home.owner_id, home.wiki_slug, consistent=True)
    assert wiki.last_accessed is not None
    assert wiki.version == 1


async def record_usage(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Record the wiki's usage."""
    noted = await store.wikis.record_usage(
        home.owner_id, home.wiki_slug, uid=home.uid, page_count=3, disk_usage_bytes=4, measured_at=datetime.now(UTC)
    )

    assert noted is True
    wiki = await direct.wikis.require(home.owner_id, home.wiki_slug, consistent=True)
    assert (wiki.page_count, wiki.disk_usage_bytes, wiki.version) == (3, 4, 1)


async def create_acl(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Grant a role to a user without one."""
    acl = await store.acls.create(home.key.wiki_id, NEWCOMER, "editor", granted_by=home.owner_id)

    assert await direct.acls.get(home.key.wiki_id, NEWCOMER, consistent=True) == acl


async def replace_acl(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Grant another role."""
    acl = await store.acls.create(home.key.wiki_id, GRANTEE, "editor", granted_by=home.owner_id)

    assert await direct.acls.get(home.key.wiki_id, GRANTEE, consistent=True) == acl


async def delete_acl(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Revoke the grant."""
    assert await store.acls.delete(home.key.wiki_id, GRANTEE) is True

    assert await direct.acls.get(home.key.wiki_id, GRANTEE, consistent=True) is None


async def create_user(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Create another user, with a username."""
    name = username_of(home.owner_id, "new")
    user = await store.users.create(oauth_provider="gitlab", oauth_provider_sub=home.owner_id, username=name)

    assert await direct.users.get(user.id, consistent=True) == user
    assert await direct.users.get_by_oauth("gitlab", home.owner_id, consistent=True) == user
    assert await direct.users.get_by_username(name) == user


async def get_or_create_user(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Log in for the first time."""
    user, created = await store.users.get_or_create_by_oauth("gitlab", home.owner_id)

    assert created is True
    assert await direct.users.get_by_oauth("gitlab", home.owner_id, consistent=True) == user


async def update_user(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Update the user."""
    user = await store.users.update(home.owner_id, expected_version=1, email="ada@example.org")

    assert (user.version, user.email) == (2, "ada@example.org")
    assert await direct.users.get(home.owner_id, consistent=True) == user


async def set_username(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Change the user's username."""
    user = await store.users.set_username(home.owner_id, username_of(home.owner_id, "new"))

    assert user.version == 2
    assert await direct.users.get_by_username(username_of(home.owner_id, "new")) == user
    assert await direct.users.get_by_username(username_of(home.owner_id)) is None


async def remove_username(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Remove the user's username."""
    user = await store.users.set_username(home.owner_id, None)

    assert (user.version, user.username) == (2, None)
    assert await direct.users.get(home.owner_id, consistent=True) == user
    assert await direct.users.get_by_username(username_of(home.owner_id)) is None


async def record_login(store: WikibotStore, direct: WikibotStore, home: Wiki) -> None:
    """Record a login of the user."""
    user = await store.users.record_login(home.owner_id)

    assert user.last_login_at is not None
    assert user.version == 1
    assert await direct.users.get(home.owner_id, consistent=True) == user


Write = Callable[[WikibotStore, WikibotStore, Wiki], Awaitable[None]]

every_write = pytest.mark.parametrize(
    "write",
    [
        create_wiki,
        delete_wiki,
        update_wiki_of_version,
        update_wiki,
        touch_wiki,
        record_usage,
        create_acl,
        replace_acl,
        delete_acl,
        create_user,
        get_or_create_user,
        update_user,
        set_username,
        remove_username,
        record_login,
    ],
    ids=lambda write: write.__name__,
)


@pytest.mark.parametrize("ending", [reset, failed], ids=["reset", "failed"])
@every_write
async def test_a_lost_answer_changes_nothing(write: Write, ending: Step, stage: Stage, home: Wiki) -> None:
    """A write whose answer was lost returns and stores the same as any other."""
    stage.lose_answer(ending=ending)

    await write(stage.store, stage.direct, home)

    first, second, *_ = stage.server.writes
    assert first.body == second.body


@every_write
async def test_a_lost_request_is_made_good(write: Write, stage: Stage, home: Wiki) -> None:
    """A write that was not applied at the first attempt is applied once at the second."""
    stage.lose_request()

    await write(stage.store, stage.direct, home)

    first, second, *_ = stage.server.writes
    assert first.body == second.body


@every_write
async def test_no_answer_leaves_a_write_unknown(write: Write, stage: Stage, home: Wiki) -> None:
    """A write that never gets an answer raises WriteOutcomeUnknownError with its operation."""
    stage.server.default = on_writes(reset, otherwise=stage.engine.forward)

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await write(stage.store, stage.direct, home)

    assert [request.operation for request in stage.server.writes] == [caught.value.operation] * 5
    assert caught.value.key


@every_write
async def test_a_refusal_leaves_an_unanswered_write_unknown(write: Write, stage: Stage, home: Wiki) -> None:
    """A lost answer leaves the outcome unknown even if the retry is refused."""
    denied = on_writes(refuse("AccessDeniedException"), otherwise=stage.engine.forward)
    stage.server.default = on_first_write(reset, otherwise=denied)

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await write(stage.store, stage.direct, home)

    assert isinstance(caught.value.__cause__, ClientError)
    assert len(stage.server.writes) == 2


# ---- one write for every kind of trouble


@pytest.mark.parametrize(
    "fault",
    [failed, reset, hang_up, half({}), damaged({}), html(200), html(404), html(307)],
    ids=["failed", "reset", "hang-up", "half", "damaged", "page", "not found", "redirect"],
)
async def test_no_usable_answer_leaves_a_write_unknown(
    fault: Step, server: ScriptedServer, session: AioSession
) -> None:
    """Every kind of lost or damaged answer leaves the outcome unknown."""
    server.play(fault, fault)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=2), session=session) as store:
        with pytest.raises(WriteOutcomeUnknownError):
            await store.wikis.create("u-1", "new", display_name="New", repo_path="/srv/new.git")


async def test_one_lost_answer_among_throttles_leaves_a_write_unknown(
    server: ScriptedServer, session: AioSession
) -> None:
    """One lost answer leaves the outcome unknown even if all other attempts are throttled."""
    throttled = refuse("ThrottlingException")
    server.play(throttled, reset, throttled)

    async with WikibotStore.open(StoreConfig(endpoint_url=server.url, max_attempts=3), session=session) as store:
        with pytest.raises(WriteOutcomeUnknownError):
            await store.wikis.create("u-1", "new", display_name="New", repo_path="/srv/new.git")


async def test_silence_leaves_a_write_unknown(server: ScriptedServer, session: AioSession) -> None:
    """A write that times out may have been applied."""
    config = StoreConfig(endpoint_url=server.url, max_attempts=2, read_timeout=0.05)
    server.default = keep_silent

    async with WikibotStore.open(config, session=session) as store:
        with pytest.raises(WriteOutcomeUnknownError):
            await store.wikis.create("u-1", "new", display_name="New", repo_path="/srv/new.git")


async def test_a_write_that_did_not_leave_was_not_applied(session: AioSession) -> None:
    """A write that never got a connection was not applied, and raises UnavailableError."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        config = StoreConfig(endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}", max_attempts=2)
        async with WikibotStore.open(config, session=session) as store:
            with pytest.raises(UnavailableError) as caught:
                await store.wikis.create("u-1", "new", display_name="New", repo_path="/srv/new.git")

    assert caught.value.attempts == 2


async def test_a_read_is_never_of_unknown_outcome(server: ScriptedServer, store: WikibotStore) -> None:
    """A read never raises WriteOutcomeUnknownError."""
    server.play(reset, reply({}))

    with pytest.raises(NotFoundError):
        await store.wikis.require("u-1", "notes")


# ---- another writer between the lost answer and the retry


async def test_a_create_that_is_touched_since(stage: Stage, home: Wiki) -> None:
    """A create recognises the new wiki by its uid, even after other writes."""
    owner = home.owner_id

    async def write_again() -> None:
        await stage.direct.wikis.touch(owner, "new")
        await stage.direct.users.record_login(owner)

    stage.lose_answer(write_again)

    wiki = await stage.store.wikis.create(owner, "new", display_name="New", repo_path="/srv/new.git", limit=2)

    stored = await stage.direct.wikis.require(owner, "new", consistent=True)
    assert stored.last_accessed is not None
    assert stored.uid == wiki.uid
    assert (await stage.direct.users.require(owner, consistent=True)).wiki_count == 2


async def test_a_create_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """A create that was not applied is refused if another writer created the wiki."""
    owner = home.owner_id
    stage.lose_request(
        lambda: stage.direct.wikis.create(owner, "new", display_name="Theirs", repo_path="/srv/theirs.git")
    )

    with pytest.raises(AlreadyExistsError) as caught:
        await stage.store.wikis.create(owner, "new", display_name="New", repo_path="/srv/new.git")

    assert caught.value.field == "wiki_slug"
    assert (await stage.direct.wikis.require(owner, "new", consistent=True)).display_name == "Theirs"


async def test_a_create_whose_wiki_was_replaced_since(stage: Stage, home: Wiki) -> None:
    """A wiki with another uid counts as another writer's, even if this create was applied before."""
    owner = home.owner_id

    async def replace() -> None:
        await stage.direct.wikis.delete(owner, "new")
        await stage.direct.wikis.create(owner, "new", display_name="Theirs", repo_path="/srv/theirs.git")

    stage.lose_answer(replace)

    with pytest.raises(AlreadyExistsError):
        await stage.store.wikis.create(owner, "new", display_name="New", repo_path="/srv/new.git")


async def test_a_versioned_update_that_is_touched_since(stage: Stage, home: Wiki) -> None:
    """An update recognises its effect by version and time, even after a touch."""
    stage.lose_answer(lambda: stage.direct.wikis.touch(home.owner_id, home.wiki_slug))

    wiki = await stage.store.wikis.update(home.owner_id, home.wiki_slug, expected_version=1, display_name="New")

    assert (wiki.version, wiki.display_name) == (2, "New")
    assert wiki.last_accessed is not None
    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) == wiki


async def test_a_versioned_update_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """If the next version has another time, another writer made it, and this update was not applied."""
    stage.lose_request(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    with pytest.raises(ConflictError) as caught:
        await stage.store.wikis.update(home.owner_id, home.wiki_slug, expected_version=1, display_name="New")

    assert caught.value.current == await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True)


@pytest.mark.parametrize("expected_version", [1, None])
async def test_an_update_that_is_updated_since(expected_version: int | None, stage: Stage, home: Wiki) -> None:
    """If the item is two versions further, the outcome is unknown."""
    stage.lose_answer(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await stage.store.wikis.update(
            home.owner_id, home.wiki_slug, expected_version=expected_version, repo_path="/srv/new.git"
        )

    assert caught.value.key == {"owner_id": home.owner_id, "wiki_slug": home.wiki_slug}
    assert (await stage.direct.wikis.require(home.owner_id, home.wiki_slug, consistent=True)).version == 3


async def test_an_update_whose_wiki_was_deleted_since(stage: Stage, home: Wiki) -> None:
    """If the wiki was deleted, the outcome of the update is unknown."""
    stage.lose_answer(lambda: stage.direct.wikis.delete(home.owner_id, home.wiki_slug))

    with pytest.raises(WriteOutcomeUnknownError):
        await stage.store.wikis.update(home.owner_id, home.wiki_slug, expected_version=1, display_name="New")


async def test_an_update_whose_wiki_was_created_anew_since(stage: Stage, home: Wiki) -> None:
    """If the wiki was created again, the outcome is unknown, even if the version fits."""
    key = home.owner_id, home.wiki_slug

    async def replace() -> None:
        await stage.direct.wikis.delete(*key)
        await stage.direct.wikis.create(*key, display_name="Anew", repo_path="/srv/anew")
        await stage.direct.wikis.update(*key, is_public=True)

    stage.lose_answer(replace)

    with pytest.raises(WriteOutcomeUnknownError):
        await stage.store.wikis.update(*key, expected_version=1, uid=home.uid, display_name="New")


async def test_an_unversioned_update_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """An update without a version that was not applied is applied to the current item."""
    stage.lose_request(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    wiki = await stage.store.wikis.update(home.owner_id, home.wiki_slug, is_public=True)

    assert (wiki.version, wiki.display_name, wiki.is_public) == (3, "Theirs", True)
    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) == wiki


async def test_a_touch_that_is_updated_since(stage: Stage, home: Wiki) -> None:
    """A touch recognises its effect by its value, even after another write."""
    stage.lose_answer(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    assert await stage.store.wikis.touch(home.owner_id, home.wiki_slug) is True

    wiki = await stage.direct.wikis.require(home.owner_id, home.wiki_slug, consistent=True)
    assert (wiki.version, wiki.display_name) == (2, "Theirs")
    assert wiki.last_accessed is not None


async def test_a_touch_whose_wiki_was_deleted_since(stage: Stage, home: Wiki) -> None:
    """A touch never creates an item."""
    stage.lose_request(lambda: stage.direct.wikis.delete(home.owner_id, home.wiki_slug))

    assert await stage.store.wikis.touch(home.owner_id, home.wiki_slug) is False

    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) is None


async def test_usage_that_newer_figures_were_faster_than(stage: Stage, home: Wiki) -> None:
    """Usage figures that were not stored before newer ones are dropped."""
    now = datetime.now(UTC)

    def record(store: WikibotStore, pages: int, measured_at: datetime) -> Awaitable[bool]:
        return store.wikis.record_usage(
            *(home.owner_id, home.wiki_slug),
            uid=home.uid,
            page_count=pages,
            disk_usage_bytes=0,
            measured_at=measured_at,
        )

    stage.lose_request(lambda: record(stage.direct, 7, now + timedelta(seconds=1)))

    assert await record(stage.store, 3, now) is False

    assert (await stage.direct.wikis.require(home.owner_id, home.wiki_slug, consistent=True)).page_count == 7


async def test_a_delete_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """A delete raises no error if another call deleted the wiki first."""
    stage.lose_request(lambda: stage.direct.wikis.delete(home.owner_id, home.wiki_slug))

    await stage.store.wikis.delete(home.owner_id, home.wiki_slug)

    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) is None
    assert (await stage.direct.users.require(home.owner_id, consistent=True)).wiki_count == 0


async def test_a_grant_that_was_replaced_since(stage: Stage, home: Wiki) -> None:
    """A grant whose answer was lost and that was replaced meanwhile is given again."""
    stage.lose_answer(lambda: stage.direct.acls.create(home.key, NEWCOMER, "owner", granted_by=home.owner_id))

    acl = await stage.store.acls.create(home.key, NEWCOMER, "editor", granted_by=home.owner_id)

    assert acl.role is Role.EDITOR
    assert await stage.direct.acls.get(home.key, NEWCOMER, consistent=True) == acl


async def test_a_user_who_logs_in_since(stage: Stage, owner: str) -> None:
    """A create recognises the new user by its claims, even after a write to the user."""
    stage.lose_answer(lambda: stage.direct.users.record_login(owner))

    user = await stage.store.users.create(id=owner, oauth_provider="github", oauth_provider_sub=owner)

    assert (await stage.direct.users.require(owner, consistent=True)).created_at == user.created_at


async def test_an_identity_that_somebody_else_was_faster_with(stage: Stage, owner: str) -> None:
    """A create that was not applied is refused if another user took the identity."""
    stage.lose_request(lambda: stage.direct.users.create(oauth_provider="github", oauth_provider_sub=owner))

    with pytest.raises(AlreadyExistsError) as caught:
        await stage.store.users.create(oauth_provider="github", oauth_provider_sub=owner)

    assert caught.value.field == "oauth"


async def test_a_first_login_that_another_one_was_faster_with(stage: Stage, owner: str) -> None:
    """A login that did not create the user returns the user that another login created."""
    theirs: list[User] = []

    async def log_in() -> None:
        theirs.append(await stage.direct.users.create(oauth_provider="github", oauth_provider_sub=owner))

    stage.lose_request(log_in)

    assert await stage.store.users.get_or_create_by_oauth("github", owner) == (theirs[0], False)


async def test_a_username_whose_user_is_updated_since(stage: Stage, home: Wiki) -> None:
    """A change of username recognises its effect by the name, and keeps later changes."""
    name = username_of(home.owner_id, "new")
    stage.lose_answer(lambda: stage.direct.users.update(home.owner_id, email="ada@example.org"))

    user = await stage.store.users.set_username(home.owner_id, name)

    assert (user.username, user.email, user.version) == (name, "ada@example.org", 3)
    assert await stage.direct.users.get_by_username(name) == user


async def test_a_username_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """A change that was not applied is refused if another user took the username."""
    name = username_of(home.owner_id, "new")
    stage.lose_request(
        lambda: stage.direct.users.create(oauth_provider="gitlab", oauth_provider_sub=home.owner_id, username=name)
    )

    with pytest.raises(AlreadyExistsError) as caught:
        await stage.store.users.set_username(home.owner_id, name)

    assert caught.value.field == "username"
    assert (await stage.direct.users.require(home.owner_id, consistent=True)).username == username_of(home.owner_id)


async def test_a_login_before_a_later_one(stage: Stage, home: Wiki) -> None:
    """A later login stays, whether or not the earlier one was stored."""
    stage.lose_answer(lambda: stage.direct.users.record_login(home.owner_id))

    user = await stage.store.users.record_login(home.owner_id)

    assert await stage.direct.users.get(home.owner_id, consistent=True) == user


async def _replace(stage: Stage, home: Wiki) -> None:
    await stage.direct.wikis.delete(*home_key(home))
    await stage.direct.wikis.create(*home_key(home), display_name="Theirs", repo_path="/srv/theirs")


def home_key(home: Wiki) -> tuple[str, str]:
    """Return the wiki's primary key."""
    return home.owner_id, home.wiki_slug


async def test_an_update_never_reaches_a_later_wiki(stage: Stage, home: Wiki) -> None:
    """An update whose answer was lost is not applied to a later wiki under the same key."""
    stage.lose_answer(lambda: _replace(stage, home))

    with pytest.raises(WriteOutcomeUnknownError):
        await stage.store.wikis.update(*home_key(home), display_name="Mine")

    wiki = await stage.direct.wikis.require(*home_key(home), consistent=True)
    assert (wiki.display_name, wiki.version) == ("Theirs", 1)


async def test_an_update_that_finds_another_wiki_begins_anew(stage: Stage, home: Wiki) -> None:
    """An update that was certainly not applied goes to the current wiki, unless it has a `uid`."""
    stage.overtake(lambda: _replace(stage, home))

    updated = await stage.store.wikis.update(*home_key(home), display_name="Mine")

    assert (updated.display_name, updated.repo_path, updated.version) == ("Mine", "/srv/theirs", 2)


async def test_an_update_for_a_certain_wiki_does_not_begin_anew(stage: Stage, home: Wiki) -> None:
    """An update with the `uid` of a deleted wiki raises NotFoundError."""
    stage.overtake(lambda: _replace(stage, home))

    with pytest.raises(NotFoundError):
        await stage.store.wikis.update(*home_key(home), uid=home.uid, display_name="Mine")

    assert (await stage.direct.wikis.require(*home_key(home), consistent=True)).display_name == "Theirs"
