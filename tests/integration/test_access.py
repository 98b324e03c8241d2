"""Authorization: one round trip to users, wikis and acls."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.samples import a_user, a_wiki, an_acl_item, change, fresh, key_of, put
from wikibot_store import Access, CorruptItemError, InvalidKeyError, Role, Wiki, WikibotStore


async def a_public_wiki(store: WikibotStore) -> Wiki:
    """Create a wiki that anybody may read."""
    return await a_wiki(store, is_public=True)


async def test_owner_is_known_by_the_key(store: WikibotStore, sent: list[str]) -> None:
    """The owner of a wiki has access without a grant, in one request."""
    user = await a_user(store)
    wiki = await a_wiki(store, user.id)
    sent.clear()

    access = await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)

    assert sent == ["BatchGetItem"]
    assert access == Access(role=Role.OWNER, wiki=wiki, user=await store.users.get(user.id, consistent=True))


@pytest.mark.parametrize("role", list(Role))
async def test_grant_gives_its_role(store: WikibotStore, role: Role) -> None:
    """A grant gives the role that it names."""
    user, wiki = await a_user(store), await a_wiki(store)
    await store.acls.create(wiki.key, user.id, role, granted_by=wiki.owner_id)

    assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is role


async def test_revoke_counts_at_the_next_check(store: WikibotStore) -> None:
    """A revoked grant allows nothing at the next check."""
    user, wiki = await a_user(store), await a_wiki(store)
    await store.acls.create(wiki.key, user.id, "editor", granted_by=wiki.owner_id)

    assert await store.acls.delete(wiki.key, user.id)
    assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is None


async def test_public_wiki_lets_anybody_view(store: WikibotStore) -> None:
    """In a public wiki, anonymous and unknown users are viewers, and an editor is still an editor."""
    wiki, stranger, editor = await a_public_wiki(store), await a_user(store), await a_user(store)
    await store.acls.create(wiki.key, editor.id, "editor", granted_by=wiki.owner_id)

    roles = [
        (await store.authorize(user_id, wiki.owner_id, wiki.wiki_slug)).role
        for user_id in (None, stranger.id, editor.id)
    ]

    assert roles == [Role.VIEWER, Role.VIEWER, Role.EDITOR]


async def test_private_wiki_is_closed(store: WikibotStore) -> None:
    """Without a grant, nobody but the owner has access to a private wiki."""
    wiki, stranger = await a_wiki(store), await a_user(store)

    for user_id in (None, stranger.id):
        assert (await store.authorize(user_id, wiki.owner_id, wiki.wiki_slug)).role is None


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_user_who_is_not_active_may_nothing(store: WikibotStore, status: str) -> None:
    """A user who is suspended or being deleted has no access, not even to an own or a public wiki."""
    user = await a_user(store)
    own, public = await a_wiki(store, user.id), await a_public_wiki(store)
    await change(store, "users", {"id": user.id}, status=status)

    for wiki in (own, public):
        assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is None


async def test_missing_user_may_nothing(store: WikibotStore) -> None:
    """A grant to an id that is not a user allows nothing, not even in a public wiki."""
    wiki, nobody = await a_public_wiki(store), fresh()
    await store.acls.create(wiki.key, nobody, "editor", granted_by=wiki.owner_id, check_grantee=False)

    access = await store.authorize(nobody, wiki.owner_id, wiki.wiki_slug)

    assert access == Access(role=None, wiki=wiki, user=None)


async def test_missing_wiki_allows_nothing(store: WikibotStore) -> None:
    """Nobody has access to a missing wiki."""
    user = await a_user(store)

    assert await store.authorize(user.id, user.id, "none") == Access(role=None, wiki=None, user=user)


async def test_expired_grant_opens_nothing(store: WikibotStore) -> None:
    """An expired grant allows nothing."""
    user, wiki = await a_user(store), await a_wiki(store)
    past = datetime.now(UTC) - timedelta(hours=1)
    await store.acls.create(wiki.key, user.id, "editor", granted_by=wiki.owner_id, expires_at=past)

    assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is None


async def test_grant_for_an_earlier_wiki_opens_nothing(store: WikibotStore) -> None:
    """A grant for an earlier wiki allows nothing in a later wiki with the same slug."""
    user, wiki = await a_user(store), await a_wiki(store)
    await store.acls.create(wiki.key, user.id, "editor", granted_by=wiki.owner_id)
    await store.wikis.delete(wiki.owner_id, wiki.wiki_slug)
    await store.wikis.create(wiki.owner_id, wiki.wiki_slug, display_name="Another", repo_path="/srv/b")

    assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is None


async def test_unknown_flags_fail_closed(store: WikibotStore) -> None:
    """A grant with an unknown role allows nothing, and takes nothing away that everybody may."""
    user = await a_user(store)
    for wiki, role in ((await a_wiki(store), None), (await a_public_wiki(store), Role.VIEWER)):
        await put(store, "acls", an_acl_item(wiki_id=wiki.key.wiki_id, grantee_id=user.id, role="superuser"))

        assert (await store.authorize(user.id, wiki.owner_id, wiki.wiki_slug)).role is role


@pytest.mark.parametrize("table", ["users", "wikis"])
async def test_what_does_not_decode_is_an_error(store: WikibotStore, table: str) -> None:
    """A wiki or an owner that does not decode is an error: nobody knows whether the wiki is open."""
    wiki = await a_public_wiki(store)
    key = {"id": wiki.owner_id} if table == "users" else key_of(wiki)
    await change(store, table, key, status="odd")

    with pytest.raises(CorruptItemError):
        await store.authorize(None, wiki.owner_id, wiki.wiki_slug)
    with pytest.raises(CorruptItemError):
        await store.authorize_token(wiki.owner_id, wiki.wiki_slug, "token")


async def test_eventual_reads_on_demand(store: WikibotStore) -> None:
    """With consistent=False the result is the same for half the read units."""
    wiki = await a_public_wiki(store)

    assert (await store.authorize(None, wiki.owner_id, wiki.wiki_slug, consistent=False)).wiki in (wiki, None)


async def test_bad_ids_are_refused(unreachable_store: WikibotStore) -> None:
    """An id that breaks its rule is refused before any request."""
    with pytest.raises(InvalidKeyError, match="user_id"):
        await unreachable_store.authorize("a#b", "owner", "slug")
    with pytest.raises(InvalidKeyError, match="wiki_slug"):
        await unreachable_store.authorize(None, "owner", "Slug")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OWNER, {"owner", "editor", "viewer"}),
        (Role.EDITOR, {"editor", "viewer"}),
        (Role.VIEWER, {"viewer"}),
        (None, set[str]()),
    ],
)
def test_a_role_includes_the_lower_ones(role: Role | None, allowed: set[str]) -> None:
    """An owner is also an editor, and an editor is also a viewer."""
    access = Access(role=role, wiki=None, user=None)

    assert {candidate.value for candidate in Role if access.allows(candidate)} == allowed


async def test_wiki_is_given_to_whom_it_is_open(store: WikibotStore) -> None:
    """`wiki_for` returns the wiki to a viewer as viewer and not as editor."""
    wiki = await a_public_wiki(store)

    access = await store.authorize(None, wiki.owner_id, wiki.wiki_slug)

    assert access.wiki_for("viewer") == wiki
    assert access.wiki_for(Role.EDITOR) is None


@pytest.mark.parametrize("role", [Role.OWNER, None])
def test_a_role_that_there_is_not_is_refused(role: Role | None) -> None:
    """An unknown role is rejected, even if there is no access."""
    access = Access(role=role, wiki=None, user=None)

    with pytest.raises(ValueError, match="role must be one of owner, editor, viewer"):
        access.allows("edtor")  # type: ignore[arg-type]  # on purpose
