"""Another writer changes the item between the read and the write of an operation."""

import pytest

from tests.integration.samples import change
from tests.wire.items import wiki_item
from tests.wire.scripted_server import in_turn
from tests.wire.stage import GRANTEE, NEWCOMER, Stage, username_of
from wikibot_store import AlreadyExistsError, ConflictError, NotFoundError, Role, Wiki, WikibotStore


async def test_a_versioned_update_that_is_overtaken(stage: Stage, home: Wiki) -> None:
    """An update of an old version is refused, and the error holds the current item."""
    stage.overtake(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    with pytest.raises(ConflictError) as caught:
        await stage.store.wikis.update(home.owner_id, home.wiki_slug, expected_version=1, is_public=True)

    assert caught.value.current == await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True)


async def test_an_update_that_is_overtaken(stage: Stage, home: Wiki) -> None:
    """An update without a version is applied to the current item."""
    stage.overtake(lambda: stage.direct.wikis.update(home.owner_id, home.wiki_slug, display_name="Theirs"))

    wiki = await stage.store.wikis.update(home.owner_id, home.wiki_slug, is_public=True)

    assert (wiki.version, wiki.display_name, wiki.is_public) == (3, "Theirs", True)
    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) == wiki


async def test_an_update_that_a_delete_overtakes(stage: Stage, home: Wiki) -> None:
    """An update does not create an item that was deleted."""
    stage.overtake(lambda: stage.direct.wikis.delete(home.owner_id, home.wiki_slug))

    with pytest.raises(NotFoundError):
        await stage.store.wikis.update(home.owner_id, home.wiki_slug, is_public=True)

    assert await stage.direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) is None


@pytest.mark.parametrize("grantee", [GRANTEE, NEWCOMER], ids=["replaced", "new"])
async def test_a_grant_that_is_overtaken(grantee: str, stage: Stage, home: Wiki) -> None:
    """The later of two grants is stored."""
    wiki_id = home.key.wiki_id
    stage.overtake(lambda: stage.direct.acls.create(wiki_id, grantee, "owner", granted_by=home.owner_id))

    acl = await stage.store.acls.create(wiki_id, grantee, "editor", granted_by=home.owner_id)

    assert acl.role is Role.EDITOR
    assert await stage.direct.acls.get(wiki_id, grantee, consistent=True) == acl


async def test_a_revocation_that_a_grant_overtakes(stage: Stage, home: Wiki) -> None:
    """A revoke deletes the current grant, even if it read an earlier one."""
    wiki_id = home.key.wiki_id
    stage.overtake(lambda: stage.direct.acls.create(wiki_id, GRANTEE, "owner", granted_by=home.owner_id))

    assert await stage.store.acls.delete(wiki_id, GRANTEE) is True

    assert await stage.direct.acls.get(wiki_id, GRANTEE, consistent=True) is None


async def test_a_revocation_that_another_one_overtakes(stage: Stage, home: Wiki) -> None:
    """Of two revokes at the same time exactly one returns True."""
    stage.overtake(lambda: stage.direct.acls.delete(home.key.wiki_id, GRANTEE))

    assert await stage.store.acls.delete(home.key.wiki_id, GRANTEE) is False


async def test_a_change_of_username_that_is_overtaken(stage: Stage, home: Wiki) -> None:
    """A change of username is applied to the current user."""
    name = username_of(home.owner_id, "new")
    stage.overtake(lambda: stage.direct.users.update(home.owner_id, email="ada@example.org"))

    user = await stage.store.users.set_username(home.owner_id, name)

    assert (user.version, user.username, user.email) == (3, name, "ada@example.org")
    assert await stage.direct.users.get_by_username(name) == user


async def test_a_username_that_is_taken_first(stage: Stage, home: Wiki) -> None:
    """Of two users who set the same username, the second is refused."""
    name = username_of(home.owner_id, "new")
    stage.overtake(
        lambda: stage.direct.users.create(oauth_provider="gitlab", oauth_provider_sub=home.owner_id, username=name)
    )

    with pytest.raises(AlreadyExistsError) as caught:
        await stage.store.users.set_username(home.owner_id, name)

    assert caught.value.field == "username"


async def test_a_login_that_is_overtaken(stage: Stage, owner: str) -> None:
    """Two first logins with one identity create one user."""
    stage.overtake(lambda: stage.direct.users.get_or_create_by_oauth("github", owner))

    user, created = await stage.store.users.get_or_create_by_oauth("github", owner)

    assert created is False
    assert await stage.direct.users.get_by_oauth("github", owner, consistent=True) == user


async def test_a_recorded_login_that_a_later_one_overtakes(stage: Stage, home: Wiki) -> None:
    """An earlier login does not replace a later one."""
    stage.overtake(lambda: stage.direct.users.record_login(home.owner_id))

    user = await stage.store.users.record_login(home.owner_id)

    assert await stage.direct.users.get(home.owner_id, consistent=True) == user


async def test_a_count_of_several_pages_that_a_rename_overtakes(stage: Stage, home: Wiki) -> None:
    """A wiki that is renamed to an earlier page while the pages are counted counts once."""
    direct, forward = stage.direct, stage.engine.forward
    client = await direct.client()
    for slug in ("a", "b", "c", "z"):
        item = wiki_item(slug) | {"owner_id": {"S": home.owner_id}, "uid": {"S": slug}, "rest": {"S": "x" * 300_000}}
        await client.put_item(TableName=direct.config.wikis_table, Item=item)
    rename = in_turn(lambda _: direct.wikis.rename(home.owner_id, "z", "aa"), forward)
    stage.server.play(forward, forward, rename)  # the user, a page, the next page
    stage.server.default = forward

    assert await stage.store.admin.reconcile_wiki_count(home.owner_id) == 5

    assert stage.server.operations[:3] == ["GetItem", "Query", "Query"]


async def test_a_deletion_that_was_called_off_does_not_come_back(direct: WikibotStore, home: Wiki) -> None:
    """A sweep does not delete the wikis of a user whose deletion was called off, even if the user is marked again."""
    await change(direct, "users", {"id": home.owner_id}, status="deleting", deletion="delete")
    await direct.users.update(home.owner_id, status="active")
    await change(direct, "users", {"id": home.owner_id}, status="deleting")

    async for _ in direct.admin.sweep(apply=True):
        pass

    assert await direct.users.get(home.owner_id, consistent=True) is not None
    assert await direct.wikis.get(home.owner_id, home.wiki_slug, consistent=True) is not None
