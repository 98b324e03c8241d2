"""Users, identities and invitations whose answers are lost, on an engine that ignores a transaction's token."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.samples import change
from tests.wire.scripted_server import Step, failed, on_writes, reset
from tests.wire.stage import Stage
from wikibot_store import (
    Acl,
    InvalidInviteError,
    NotActiveError,
    NotFoundError,
    Role,
    RoleName,
    User,
    Wiki,
    WriteOutcomeUnknownError,
)

TOMORROW = datetime.now(UTC) + timedelta(days=1)
SECOND = "gitlab"


async def guest_of(stage: Stage, home: Wiki) -> User:
    """Create a user who owns nothing."""
    return await stage.direct.users.create(oauth_provider="google", oauth_provider_sub=home.owner_id)


async def token_for(stage: Stage, home: Wiki) -> str:
    """Invite somebody to edit the wiki; return the token."""
    _, token = await stage.direct.acls.invite(
        home.key, "bob@example.org", "editor", invited_by=home.owner_id, expires_at=TOMORROW
    )
    return token


# ---- every write: acts through the stage's store, checks what is stored


async def link_identity(stage: Stage, home: Wiki) -> None:
    """Link a second identity."""
    user = await stage.store.users.link_identity(home.owner_id, SECOND, home.owner_id)

    assert user.version == 2
    assert await stage.direct.users.get_by_oauth(SECOND, home.owner_id, consistent=True) == user
    assert len(await stage.direct.users.get_identities(home.owner_id)) == 2


async def unlink_identity(stage: Stage, home: Wiki) -> None:
    """Unlink the first identity, so that the second takes its place."""
    await stage.direct.users.link_identity(home.owner_id, SECOND, home.owner_id)

    user = await stage.store.users.unlink_identity(home.owner_id, "github", home.owner_id)

    assert (user.version, user.oauth_provider) == (3, SECOND)
    assert await stage.direct.users.get(home.owner_id, consistent=True) == user
    assert await stage.direct.users.get_by_oauth("github", home.owner_id, consistent=True) is None


async def delete_user(stage: Stage, home: Wiki) -> None:
    """Delete a user who owns nothing."""
    guest = await guest_of(stage, home)

    await stage.store.users.delete(guest.id)

    assert await stage.direct.users.get(guest.id, consistent=True) is None
    assert await stage.direct.users.get_by_oauth("google", home.owner_id, consistent=True) is None


async def finish_deleting_user(stage: Stage, home: Wiki) -> None:
    """Continue the delete of a user who is marked."""
    guest = await guest_of(stage, home)
    await change(stage.direct, "users", {"id": guest.id}, status="deleting", deletion="refuse")

    await stage.store.users.delete(guest.id)

    assert await stage.direct.users.get(guest.id, consistent=True) is None
    assert await stage.direct.users.get_by_oauth("google", home.owner_id, consistent=True) is None


async def invite(stage: Stage, home: Wiki) -> None:
    """Invite a person."""
    invitation, _ = await stage.store.acls.invite(
        home.key, "bob@example.org", "viewer", invited_by=home.owner_id, expires_at=TOMORROW
    )

    (listed,) = await stage.direct.acls.list_invitations(home.key.wiki_id)
    assert listed.grantee_id == invitation.grantee_id


async def accept_invite(stage: Stage, home: Wiki) -> None:
    """Accept an invitation."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)

    acl = await stage.store.acls.accept_invite(token, guest.id)

    assert acl.role is Role.EDITOR
    assert await stage.direct.acls.get(home.key.wiki_id, guest.id, consistent=True) == acl
    assert (await stage.direct.acls.list_invitations(home.key.wiki_id)).items == []


async def accept_invite_for_less(stage: Stage, home: Wiki) -> None:
    """Accept an invitation that allows no more than the user has: the grant is kept."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)
    kept = await stage.direct.acls.create(home.key, guest.id, "owner", granted_by=home.owner_id)

    assert await stage.store.acls.accept_invite(token, guest.id) == kept

    assert await stage.direct.acls.get(home.key.wiki_id, guest.id, consistent=True) == kept
    assert (await stage.direct.acls.list_invitations(home.key.wiki_id)).items == []


async def reconcile_wiki_count(stage: Stage, home: Wiki) -> None:
    """Correct a wrong count."""
    await change(stage.direct, "users", {"id": home.owner_id}, wiki_count=7, write_id="wrong")

    assert await stage.store.admin.reconcile_wiki_count(home.owner_id) == 1

    assert (await stage.direct.users.require(home.owner_id, consistent=True)).wiki_count == 1


Write = Callable[[Stage, Wiki], Awaitable[None]]

every_write = pytest.mark.parametrize(
    "write",
    [
        link_identity,
        unlink_identity,
        delete_user,
        finish_deleting_user,
        invite,
        accept_invite,
        reconcile_wiki_count,
    ],
    ids=lambda write: write.__name__,
)


@pytest.mark.parametrize("ending", [reset, failed], ids=["reset", "failed"])
@every_write
async def test_a_lost_answer_changes_nothing(write: Write, ending: Step, stage: Stage, home: Wiki) -> None:
    """An operation whose answer was lost returns and stores the same as any other."""
    stage.lose_answer(ending=ending)

    await write(stage, home)

    first, second, *_ = stage.server.writes
    assert first.body == second.body


async def test_a_lost_acceptance_that_writes_no_grant_is_unknown(stage: Stage, home: Wiki) -> None:
    """An invitation that is gone may have been accepted by another call, if this one has no grant to show for it."""
    stage.lose_answer()

    with pytest.raises(WriteOutcomeUnknownError):
        await accept_invite_for_less(stage, home)


async def test_a_lost_request_of_such_an_acceptance_is_made_good(stage: Stage, home: Wiki) -> None:
    """It is applied once at the second attempt."""
    stage.lose_request()

    await accept_invite_for_less(stage, home)


@every_write
async def test_a_lost_request_is_made_good(write: Write, stage: Stage, home: Wiki) -> None:
    """An operation that was not applied at the first attempt is applied once at the second."""
    stage.lose_request()

    await write(stage, home)

    first, second, *_ = stage.server.writes
    assert first.body == second.body


@every_write
async def test_no_answer_leaves_it_unknown(write: Write, stage: Stage, home: Wiki) -> None:
    """An operation that never gets an answer raises WriteOutcomeUnknownError."""
    stage.server.default = on_writes(reset, otherwise=stage.engine.forward)

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await write(stage, home)

    assert [request.operation for request in stage.server.writes] == [caught.value.operation] * 5


# ---- another writer between the lost answer and the retry


async def test_a_link_that_is_written_over_since(stage: Stage, home: Wiki) -> None:
    """A link recognises its effect, even after an update of the user."""
    stage.lose_answer(lambda: stage.direct.users.update(home.owner_id, tier="pro"))

    user = await stage.store.users.link_identity(home.owner_id, SECOND, home.owner_id)

    assert (user.version, user.tier) == (3, "pro")
    assert await stage.direct.users.get_by_oauth(SECOND, home.owner_id, consistent=True) == user


async def test_an_unlink_whose_identity_is_somebody_elses_since(stage: Stage, home: Wiki) -> None:
    """An unlinked identity that another user has taken stays with that user."""
    await stage.direct.users.link_identity(home.owner_id, SECOND, home.owner_id)
    others: list[User] = []

    async def log_in() -> None:
        user, _ = await stage.direct.users.get_or_create_by_oauth(SECOND, home.owner_id)
        others.append(user)

    stage.lose_answer(log_in)

    user = await stage.store.users.unlink_identity(home.owner_id, SECOND, home.owner_id)

    assert user.version == 3
    assert await stage.direct.users.get_by_oauth(SECOND, home.owner_id, consistent=True) == others[0]


async def test_a_mark_that_is_written_over_since(stage: Stage, home: Wiki) -> None:
    """A user who logs in between the mark and the retry is deleted too, by this call."""
    guest = await guest_of(stage, home)
    stage.lose_answer(lambda: stage.direct.users.record_login(guest.id))

    assert await stage.store.users.delete(guest.id, wikis="delete") is True

    assert await stage.direct.users.get(guest.id, consistent=True) is None


async def test_a_mark_that_another_call_finishes(stage: Stage, home: Wiki) -> None:
    """A user who is marked by this call counts as deleted by it, even if another call finishes the deletion."""
    guest = await guest_of(stage, home)
    stage.lose_answer(lambda: stage.direct.users.delete(guest.id, wikis="delete"))

    assert await stage.store.users.delete(guest.id, wikis="delete") is True

    assert await stage.direct.users.get(guest.id, consistent=True) is None


@pytest.mark.parametrize("lost", [False, True], ids=["overtaken", "request lost"])
async def test_a_mark_of_a_user_who_logs_in_first(stage: Stage, home: Wiki, *, lost: bool) -> None:
    """A user who changes before the mark is read again, and deleted by this call."""
    guest = await guest_of(stage, home)
    (stage.lose_request if lost else stage.overtake)(lambda: stage.direct.users.record_login(guest.id))

    assert await stage.store.users.delete(guest.id, wikis="delete") is True

    assert await stage.direct.users.get(guest.id, consistent=True) is None


async def test_a_delete_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """A delete raises no error if another call deleted the user first."""
    guest = await guest_of(stage, home)
    stage.overtake(lambda: stage.direct.users.delete(guest.id))

    await stage.store.users.delete(guest.id)

    assert await stage.direct.users.get(guest.id, consistent=True) is None


async def test_an_invitation_whose_wiki_was_deleted_first(stage: Stage, home: Wiki) -> None:
    """An invitation to a wiki that was deleted meanwhile is refused with the state of the wiki."""
    stage.overtake(lambda: stage.direct.wikis.delete(home.owner_id, home.wiki_slug))

    with pytest.raises(NotFoundError, match="wikis"):
        await invite(stage, home)


async def test_an_accepted_invitation_whose_grant_is_replaced_since(stage: Stage, home: Wiki) -> None:
    """If the grant was replaced meanwhile, the outcome of accepting is unknown."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)
    stage.lose_answer(lambda: stage.direct.acls.create(home.key, guest.id, "viewer", granted_by=home.owner_id))

    with pytest.raises(WriteOutcomeUnknownError) as caught:
        await stage.store.acls.accept_invite(token, guest.id)

    assert caught.value.key == {"wiki_id": home.key.wiki_id, "grantee_id": guest.id}


async def test_an_invitation_that_somebody_else_was_faster_with(stage: Stage, home: Wiki) -> None:
    """An invitation that another user accepted before the retry is refused as used."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)
    other = await stage.direct.users.create(oauth_provider="apple", oauth_provider_sub=home.owner_id)
    stage.lose_request(lambda: stage.direct.acls.accept_invite(token, other.id))

    with pytest.raises(InvalidInviteError):
        await stage.store.acls.accept_invite(token, guest.id)

    assert await stage.direct.acls.get(home.key.wiki_id, guest.id, consistent=True) is None


@pytest.mark.parametrize("role", ["viewer", "owner"])
async def test_an_invitation_beside_another_grant(stage: Stage, home: Wiki, role: RoleName) -> None:
    """Accepting raises the role of a grant that was given just before, or keeps it if it allows more."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)
    granted: list[Acl] = []

    async def grant() -> None:
        granted.append(await stage.direct.acls.create(home.key, guest.id, role, granted_by=home.owner_id))

    stage.overtake(grant)

    acl = await stage.store.acls.accept_invite(token, guest.id)

    assert (acl in granted) == (role == "owner")
    assert await stage.direct.acls.get(home.key.wiki_id, guest.id, consistent=True) == acl
    assert (await stage.direct.acls.list_invitations(home.key.wiki_id)).items == []


async def test_a_kept_grant_whose_user_is_suspended_before_the_retry(stage: Stage, home: Wiki) -> None:
    """A retry that is refused for another reason does not use the invitation up."""
    guest, token = await guest_of(stage, home), await token_for(stage, home)
    await stage.direct.acls.create(home.key, guest.id, "owner", granted_by=home.owner_id)

    async def suspend() -> None:
        await stage.direct.users.update(guest.id, status="suspended")

    stage.lose_request(suspend)

    with pytest.raises(NotActiveError, match="suspended"):
        await stage.store.acls.accept_invite(token, guest.id)

    assert len(await stage.direct.acls.list_invitations(home.key.wiki_id)) == 1


async def test_a_count_that_changes_before_the_retry(stage: Stage, home: Wiki) -> None:
    """A wiki that is created between the lost answer and the retry is counted."""
    await change(stage.direct, "users", {"id": home.owner_id}, wiki_count=7, write_id="wrong")

    async def create() -> None:
        await stage.direct.wikis.create(home.owner_id, "new", display_name="New", repo_path="/srv/new")

    stage.lose_answer(create)

    assert await stage.store.admin.reconcile_wiki_count(home.owner_id) == 2
    assert (await stage.direct.users.require(home.owner_id, consistent=True)).wiki_count == 2
