"""Invitations: a token becomes a grant once, and cannot be forged."""

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.samples import a_user, a_wiki, an_acl_item, change, collect, fresh, key_of, put, stored
from wikibot_store import (
    Acl,
    InvalidCursorError,
    InvalidInviteError,
    InvalidKeyError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    Role,
    Wiki,
    WikibotStore,
    WikiKey,
)
from wikibot_store.schema import TABLES

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
EMAIL = "bob@example.org"


@pytest.fixture
async def wiki(store: WikibotStore) -> Wiki:
    """Give a wiki."""
    return await a_wiki(store)


async def invite(
    store: WikibotStore, wiki: Wiki, role: Role = Role.EDITOR, *, expires_at: datetime = TOMORROW
) -> tuple[Acl, str]:
    """Invite a person as the wiki's owner."""
    return await store.acls.invite(wiki.key, EMAIL, role, invited_by=wiki.owner_id, expires_at=expires_at)


async def is_open(store: WikibotStore, invitation: Acl) -> bool:
    """Return whether an invitation is stored."""
    key = {"wiki_id": invitation.wiki_id, "grantee_id": invitation.grantee_id}
    return await stored(store, "acls", **key) is not None


async def test_invitation_becomes_a_grant(store: WikibotStore, wiki: Wiki) -> None:
    """Accepting replaces the invitation by a grant of its role, by the inviter, without expiry."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)

    acl = await store.acls.accept_invite(token, user.id)

    assert (acl.grantee_id, acl.role, acl.granted_by) == (user.id, Role.EDITOR, wiki.owner_id)
    assert (acl.wiki_uid, acl.expires_at, acl.invited_email) == (wiki.uid, None, None)
    assert await store.acls.get(wiki.key.wiki_id, user.id, consistent=True) == acl
    assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is Role.EDITOR
    assert not await is_open(store, invitation)


async def test_token_works_once(store: WikibotStore, wiki: Wiki) -> None:
    """A used token is refused, for its user, who keeps the grant, and for others."""
    user, other = await a_user(store), await a_user(store)
    _, token = await invite(store, wiki)
    acl = await store.acls.accept_invite(token, user.id)

    for holder in (user, other):
        with pytest.raises(InvalidInviteError, match="was used or revoked, or has expired"):
            await store.acls.accept_invite(token, holder.id)

    assert await store.acls.get(wiki.key.wiki_id, user.id, consistent=True) == acl
    assert await store.acls.get(wiki.key.wiki_id, other.id, consistent=True) is None


@pytest.mark.parametrize("same", [False, True], ids=["two users", "one user"])
async def test_of_two_at_once_one_succeeds(store: WikibotStore, wiki: Wiki, same: bool) -> None:  # noqa: FBT001 - a parameter
    """Of two calls with one token at the same time, one gets the grant and the other an error."""
    for _ in range(5):
        users = [await a_user(store), await a_user(store)]
        if same:
            users[1] = users[0]
        _, token = await invite(store, wiki)

        results = await asyncio.gather(
            *[store.acls.accept_invite(token, user.id) for user in users], return_exceptions=True
        )

        (acl,) = [result for result in results if isinstance(result, Acl)]
        (refusal,) = [result for result in results if not isinstance(result, Acl)]
        assert isinstance(refusal, InvalidInviteError)
        grants = {user.id: await store.acls.get(wiki.key.wiki_id, user.id, consistent=True) for user in users}
        assert [grant for grant in grants.values() if grant is not None] == [acl]


async def test_only_the_hash_is_stored(store: WikibotStore, wiki: Wiki) -> None:
    """No table holds the token or its secret."""
    invitation, token = await invite(store, wiki)
    secret = token.rpartition(".")[2]

    client = await store.client()
    names = [store.config.table_name(schema.name) for schema in TABLES]
    tables = [await client.scan(TableName=name, ConsistentRead=True) for name in names]

    assert not any(secret in json.dumps(table["Items"]) for table in tables)
    assert invitation.grantee_id == f"invite#{hashlib.sha256(secret.encode()).hexdigest()}"
    assert any(invitation.grantee_id in json.dumps(table["Items"]) for table in tables)
    assert len(secret) == 43
    made_up = f"{token.rpartition('.')[0]}.{invitation.grantee_id[-43:]}"
    with pytest.raises(InvalidInviteError):
        await store.acls.accept_invite(made_up, (await a_user(store)).id)


async def test_expired_invitation_opens_nothing(store: WikibotStore, wiki: Wiki) -> None:
    """An expired invitation is refused and not listed, even if TTL has not deleted it yet."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)
    key = {"wiki_id": invitation.wiki_id, "grantee_id": invitation.grantee_id}
    item = await stored(store, "acls", **key)
    assert item is not None
    assert item["expires_at"] == {"N": str(int(TOMORROW.timestamp()))}
    await put(store, "acls", item | {"expires_at": {"N": "1700000000"}})

    with pytest.raises(InvalidInviteError):
        await store.acls.accept_invite(token, user.id)

    assert (await store.acls.list_invitations(wiki.key.wiki_id)).items == []


async def test_revoked_invitation_opens_nothing(store: WikibotStore, wiki: Wiki) -> None:
    """`delete` revokes an invitation by its grantee id."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)

    assert await store.acls.delete(wiki.key, invitation.grantee_id)
    assert not await store.acls.delete(wiki.key, invitation.grantee_id)

    with pytest.raises(InvalidInviteError):
        await store.acls.accept_invite(token, user.id)


async def _rename(store: WikibotStore, wiki: Wiki) -> None:
    await store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed")


async def _transfer(store: WikibotStore, wiki: Wiki) -> None:
    await store.wikis.transfer(wiki.owner_id, wiki.wiki_slug, (await a_user(store)).id)


async def _delete(store: WikibotStore, wiki: Wiki) -> None:
    await store.wikis.delete(wiki.owner_id, wiki.wiki_slug)


async def _replace(store: WikibotStore, wiki: Wiki) -> None:
    await _delete(store, wiki)
    await store.wikis.create(wiki.owner_id, wiki.wiki_slug, display_name="Another", repo_path="/srv/b")


@pytest.mark.parametrize("change", [_rename, _transfer, _delete, _replace])
async def test_invitations_end_with_their_wiki(
    store: WikibotStore, wiki: Wiki, change: Callable[[WikibotStore, Wiki], Awaitable[None]]
) -> None:
    """Renaming, transferring, deleting or recreating a wiki makes its invitations invalid."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)

    await change(store, wiki)

    assert not await is_open(store, invitation)
    with pytest.raises(InvalidInviteError):
        await store.acls.accept_invite(token, user.id)


async def test_another_incarnation_is_not_opened(store: WikibotStore, wiki: Wiki) -> None:
    """An invitation to an earlier wiki is refused for a later wiki with the same slug."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)
    key = {"wiki_id": invitation.wiki_id, "grantee_id": invitation.grantee_id}
    item = await stored(store, "acls", **key)
    assert item is not None
    await _replace(store, wiki)
    await put(store, "acls", item)

    with pytest.raises(InvalidInviteError, match="deleted or moved"):
        await store.acls.accept_invite(token, user.id)


def _token(wiki_id: bytes, secret: str = "s" * 43) -> str:
    return f"{urlsafe_b64encode(wiki_id).rstrip(b'=').decode()}.{secret}"


GOOD = _token(b"owner:wiki")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 1_000_000, id="huge"),
        pytest.param(_token(b"x" * 3000 + b":wiki"), id="huge wiki id"),
        pytest.param(GOOD.partition(".")[0], id="no secret"),
        pytest.param(GOOD.rpartition(".")[2], id="no wiki id"),
        pytest.param(f".{GOOD.rpartition('.')[2]}", id="empty wiki id"),
        pytest.param(GOOD[:-1], id="cut off"),
        pytest.param(f"{GOOD}s", id="too long"),
        pytest.param(f" {GOOD}", id="space before"),
        pytest.param(f"{GOOD}\n", id="line end"),
        pytest.param(GOOD.replace(".", "=."), id="padding"),
        pytest.param(GOOD.replace("s", "\N{LATIN SMALL LETTER LONG S}"), id="not ASCII"),
        pytest.param(GOOD.replace("s", "\ud800"), id="lone surrogate"),
        pytest.param(_token(b"owner"), id="no colon"),
        pytest.param(_token(b"owner:No-Slug"), id="no slug"),
        pytest.param(_token(b"\xff\xfe:wiki"), id="not UTF-8"),
        pytest.param(f"b3duZXI6d2lrab.{'s' * 43}", id="another spelling"),
        pytest.param(f"b3duZ.{'s' * 43}", id="no base64"),
    ],
)
async def test_what_is_no_token_is_refused(unreachable_store: WikibotStore, token: Any) -> None:  # noqa: ANN401 - bad ones too
    """A damaged token is rejected before any request."""
    with pytest.raises(InvalidInviteError, match="the token does not match"):
        await unreachable_store.acls.accept_invite(token, "bob")


async def test_a_token_of_nothing_is_refused(store: WikibotStore, wiki: Wiki) -> None:
    """A well-formed token that was never issued, or is for another wiki, is refused."""
    user = await a_user(store)
    _, token = await invite(store, wiki)
    other = await store.wikis.create(wiki.owner_id, "other", display_name="Other", repo_path="/srv/o")

    for foreign in (GOOD, _token(other.key.wiki_id.encode(), token.rpartition(".")[2])):
        with pytest.raises(InvalidInviteError):
            await store.acls.accept_invite(foreign, user.id)

    assert await store.acls.get(other.key.wiki_id, user.id, consistent=True) is None


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ({"role": "owner"}, True),
        ({"role": "editor"}, True),
        ({"role": "owner", "expires_at": int(TOMORROW.timestamp())}, True),
        ({"role": "editor", "expires_at": int(TOMORROW.timestamp())}, False),
        ({"role": "viewer"}, False),
        ({"role": "owner", "expires_at": 1_700_000_000}, False),
        ({"role": "owner", "wiki_uid": "another"}, False),
    ],
    ids=["stronger", "the same", "stronger for now", "the same for now", "weaker", "expired", "of an earlier wiki"],
)
async def test_a_grant_that_allows_as_much_is_kept(
    store: WikibotStore, wiki: Wiki, before: dict[str, Any], *, kept: bool
) -> None:
    """Accepting never lowers the role of a user; the invitation is used up anyway."""
    user = await a_user(store)
    item = an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=user.id, **{"wiki_uid": wiki.uid} | before)
    await put(store, "acls", item)
    seen = await store.acls.get(wiki.key.wiki_id, user.id, consistent=True)
    invitation, token = await invite(store, wiki)

    acl = await store.acls.accept_invite(token, user.id)

    assert (acl == seen) is kept
    assert kept or (acl.role, acl.expires_at, acl.wiki_uid) == (Role.EDITOR, None, wiki.uid)
    assert await store.acls.get(wiki.key.wiki_id, user.id, consistent=True) == acl
    assert not await is_open(store, invitation)


async def test_accepting_beside_grants(store: WikibotStore, wiki: Wiki) -> None:
    """Accepting succeeds while the owner grants a role to the same user; one of the two grants stays."""
    for _ in range(3):
        user = await a_user(store)
        invitation, token = await invite(store, wiki)

        *grants, accepted = await asyncio.gather(
            *[store.acls.create(wiki.key, user.id, "viewer", granted_by=wiki.owner_id) for _ in range(3)],
            store.acls.accept_invite(token, user.id),
        )

        assert accepted.role is Role.EDITOR
        assert await store.acls.get(wiki.key.wiki_id, user.id, consistent=True) in [*grants, accepted]
        assert not await is_open(store, invitation)


async def test_the_owner_needs_no_invitation(store: WikibotStore, wiki: Wiki, sent: list[str]) -> None:
    """The owner cannot accept an invitation: nothing is sent, and it stays open."""
    invitation, token = await invite(store, wiki)
    sent.clear()

    with pytest.raises(ProtectedOwnerError):
        await store.acls.accept_invite(token, wiki.owner_id)

    assert sent == []
    assert await is_open(store, invitation)


async def test_only_active_users_accept(store: WikibotStore, wiki: Wiki) -> None:
    """A missing, suspended or deleting user gets an error, and the invitation stays open."""
    user = await a_user(store)
    invitation, token = await invite(store, wiki)

    with pytest.raises(NotFoundError, match="users"):
        await store.acls.accept_invite(token, fresh())
    for status in ("suspended", "deleting"):
        await change(store, "users", {"id": user.id}, status=status)
        with pytest.raises(NotActiveError) as refusal:
            await store.acls.accept_invite(token, user.id)
        assert refusal.value.status == status

    assert await is_open(store, invitation)


async def test_invitations_are_no_members(store: WikibotStore, wiki: Wiki) -> None:
    """An invitation is in no listing of grants and gives no access."""
    invitation, _ = await invite(store, wiki)

    assert (await store.acls.list_members(wiki.key)).items == []
    assert (await store.acls.list_by_wiki(wiki.key.wiki_id, consistent=True)).items == []
    assert await collect(store.acls.iter_by_wiki(wiki.key.wiki_id)) == []
    with pytest.raises(InvalidKeyError):
        await store.acls.get(wiki.key, invitation.grantee_id)
    with pytest.raises(InvalidKeyError):
        await store.authorize(invitation.grantee_id, wiki.owner_id, wiki.wiki_slug)
    assert (await store.authorize(EMAIL, wiki.owner_id, wiki.wiki_slug)).role is None


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 1]), (5, [5]), (6, [5])])
async def test_listing_pages_exactly(store: WikibotStore, wiki: Wiki, limit: int, sizes: list[int]) -> None:
    """Pages hold exactly `limit` invitations and no grants; the last page has no cursor."""
    sent = [(await invite(store, wiki))[0] for _ in range(5)]
    for grantee in ("a", "inv", "invite-me", "z"):
        await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, check_grantee=False)

    pages, cursor = [], None
    for _ in sizes:
        page = await store.acls.list_invitations(wiki.key.wiki_id, limit=limit, cursor=cursor)
        pages.append(page)
        cursor = page.cursor

    assert [len(page) for page in pages] == sizes
    assert [acl for page in pages for acl in page] == sorted(sent, key=lambda acl: acl.grantee_id)
    assert [page.cursor is None for page in pages] == [*[False] * (len(sizes) - 1), True]
    assert {acl.invited_email for page in pages for acl in page} == {EMAIL}


async def test_cursors_of_invitations_are_their_own(store: WikibotStore, wiki: Wiki) -> None:
    """A cursor of the invitations is rejected for the grants and for another wiki."""
    for _ in range(2):
        await invite(store, wiki)
    cursor = (await store.acls.list_invitations(wiki.key.wiki_id, limit=1)).cursor

    with pytest.raises(InvalidCursorError):
        await store.acls.list_by_wiki(wiki.key.wiki_id, cursor=cursor)
    with pytest.raises(InvalidCursorError):
        await store.acls.list_invitations(f"{fresh()}:{fresh()}", cursor=cursor)


async def test_wiki_must_be_active(store: WikibotStore, wiki: Wiki) -> None:
    """A wiki that is missing, being deleted or moving takes no invitation."""
    with pytest.raises(NotFoundError, match="wikis"):
        await store.acls.invite(
            WikiKey(wiki.owner_id, "none"), EMAIL, "viewer", invited_by=wiki.owner_id, expires_at=TOMORROW
        )
    for status in ("deleting", "moving", "arriving"):
        await change(store, "wikis", key_of(wiki), status=status)
        with pytest.raises(NotActiveError) as refusal:
            await invite(store, wiki)
        assert refusal.value.status == status


async def test_no_invitation_survives_a_delete(store: WikibotStore, wiki: Wiki) -> None:
    """After invitations race a delete, none is left."""

    async def invite_until_refused() -> None:
        while True:
            await invite(store, wiki)

    storm = [asyncio.create_task(invite_until_refused()) for _ in range(4)]
    await invite(store, wiki)
    await _delete(store, wiki)
    refusals = await asyncio.gather(*storm, return_exceptions=True)

    assert {type(refusal) for refusal in refusals} <= {NotActiveError, NotFoundError}
    assert (await store.acls.list_invitations(wiki.key.wiki_id)).items == []


@pytest.mark.parametrize(
    ("bad", "error", "field"),
    [
        ({"email": ""}, ValueError, "email"),
        ({"email": " \t"}, ValueError, "email"),
        ({"email": 4711}, TypeError, "email"),
        ({"role": "superuser"}, ValueError, "role"),
        ({"invited_by": "a b"}, InvalidKeyError, "invited_by"),
        ({"wiki": "a#b:wiki"}, InvalidKeyError, "owner_id"),
        ({"wiki": "owner:No"}, InvalidKeyError, "wiki_slug"),
        ({"expires_at": None}, ValueError, "expires_at"),
        ({"expires_at": datetime.now(UTC)}, ValueError, "expires_at"),
        ({"expires_at": datetime(2100, 1, 1)}, ValueError, "no time zone"),  # noqa: DTZ001 - naive on purpose
        ({"expires_at": 1}, TypeError, "expires_at"),
    ],
)
async def test_bad_input_is_refused(
    unreachable_store: WikibotStore, bad: dict[str, Any], error: type[Exception], field: str
) -> None:
    """Bad input is rejected by name before any request."""
    given: dict[str, Any] = {"wiki": "owner:wiki", "email": EMAIL, "role": "viewer"}
    options = {"invited_by": "owner", "expires_at": TOMORROW}

    with pytest.raises(error, match=field):
        await unreachable_store.acls.invite(**(given | options | bad))
    with pytest.raises(InvalidKeyError, match="user_id"):
        await unreachable_store.acls.accept_invite(GOOD, "a b")
