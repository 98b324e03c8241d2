"""What crashes and restores leave in the tables, made by hand; and what is true of tables without any of it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from tests.integration.samples import a_user, a_wiki_item, an_acl_item, an_item, change, fresh, key_of, put
from wikibot_store import User, Wiki, WikibotStore
from wikibot_store.schema import TABLES
from wikibot_store.workflows.sweep import FindingKind

Key = dict[str, str]
Arrange = Callable[[WikibotStore], Awaitable[Key]]
"""Makes something wrong; returns the key of the item that a sweep finds."""


async def items_of(store: WikibotStore, table: str) -> list[dict[str, Any]]:
    """Return all items of a table as they are stored."""
    pages = (
        (await store.client())
        .get_paginator("scan")
        .paginate(TableName=store.config.table_name(table), ConsistentRead=True)
    )
    return [item async for page in pages for item in page["Items"]]


async def snapshot(store: WikibotStore) -> dict[str, list[dict[str, Any]]]:
    """Return all that the tables hold, in an order that does not depend on the engine."""
    return {table: sorted(await items_of(store, table), key=str) for table in (schema.name for schema in TABLES)}


async def assert_sound(store: WikibotStore) -> None:
    """Check that counts are right, users have their claims and claims their users, and grants a live wiki and user."""
    tables = await snapshot(store)
    wikis = {(wiki["owner_id"]["S"], wiki["wiki_slug"]["S"]): wiki for wiki in tables["wikis"]}
    users = {user["id"]["S"]: user for user in tables["users"] if not user["id"]["S"].startswith("claim#")}
    claims = {claim["id"]["S"]: claim["user_id"]["S"] for claim in tables["users"] if "user_id" in claim}
    assert {wiki["status"]["S"] for wiki in wikis.values()} <= {"active"}
    assert {user["status"]["S"] for user in users.values()} <= {"active", "suspended"}
    counts = Counter(owner_id for owner_id, _ in wikis)
    assert {id_: int(user["wiki_count"]["N"]) for id_, user in users.items()} == {id_: counts[id_] for id_ in users}
    assert claims == {claim: id_ for id_, user in users.items() for claim in _claims_of(user)}
    for grant in tables["acls"]:
        owner_id, _, slug = grant["wiki_id"]["S"].rpartition(":")
        assert wikis[owner_id, slug]["uid"] == grant["wiki_uid"]
        assert grant["grantee_id"]["S"] in users or grant["grantee_id"]["S"].startswith("invite#")


def _claims_of(user: dict[str, Any]) -> list[str]:
    first = f"{user['oauth_provider']['S']}#{user['oauth_provider_sub']['S']}"
    others = user.get("identities", {"S": ""})["S"].split()
    names = [f"claim#username#{user['username']['S']}"] if "username" in user else []
    return [f"claim#oauth#{identity}" for identity in [first, *others]] + names


async def an_owner(store: WikibotStore) -> tuple[User, Wiki]:
    """Create a user with a wiki that is counted and shared with another user."""
    owner, grantee = await a_user(store, username=fresh()), await a_user(store)
    wiki = await store.wikis.create(owner.id, fresh(), display_name="A wiki", repo_path="/srv/a")
    await store.acls.create(wiki.key, grantee.id, "editor", granted_by=owner.id)
    return owner, wiki


async def _wiki_deleting(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    await change(store, "wikis", key_of(wiki), status="deleting")
    return key_of(wiki)


async def _wiki_of_no_slug_deleting(store: WikibotStore) -> Key:
    owner = await a_user(store)
    item = a_wiki_item(owner_id=owner.id, wiki_slug="Old_Wiki", status="deleting")
    await change(store, "users", {"id": owner.id}, wiki_count=1)
    await put(store, "wikis", item)
    return {name: item[name]["S"] for name in ("owner_id", "wiki_slug")}


async def _wiki_moving(store: WikibotStore) -> Key:
    owner, wiki = await an_owner(store)
    item = await change(store, "wikis", key_of(wiki), status="moving", moving_to=f"{owner.id}:renamed")
    del item["moving_to"]
    arriving = an_item(wiki_slug="renamed", status="arriving", moving_from=wiki.key.wiki_id, uncounted=True)
    await put(store, "wikis", item | arriving)
    return key_of(wiki)


async def _wiki_taken(store: WikibotStore) -> Key:
    owner, wiki = await an_owner(store)
    await store.wikis.create(owner.id, "taken", display_name="Another", repo_path="/srv/b")
    await change(store, "wikis", key_of(wiki), status="moving", moving_to=f"{owner.id}:taken")
    return key_of(wiki)


async def _wiki_moving_nowhere(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    await change(store, "wikis", key_of(wiki), status="moving")
    return key_of(wiki)


async def _wiki_arriving_from_nowhere(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    await change(store, "wikis", key_of(wiki), status="arriving", moving_from=f"{fresh()}:gone")
    return key_of(wiki)


async def _wiki_arriving_without_a_source(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    await change(store, "wikis", key_of(wiki), status="arriving")
    return key_of(wiki)


async def _wiki_without_owner(store: WikibotStore) -> Key:
    key, uid = {"owner_id": fresh(), "wiki_slug": fresh()}, fresh()
    await put(store, "wikis", a_wiki_item(**key, uid=uid, write_id=fresh()))
    grant = {"wiki_id": ":".join(key.values()), "grantee_id": (await a_user(store)).id}
    await put(store, "acls", an_acl_item(**grant, wiki_uid=uid))
    return key


async def _user_of_another_program_deleting(store: WikibotStore) -> Key:
    key, identity = {"id": fresh()}, {"oauth_provider": "git hub", "oauth_provider_sub": fresh()}
    await put(store, "users", an_item(**key, **identity, status="deleting", deletion="delete"))
    return key


async def _user_deleting(store: WikibotStore) -> Key:
    owner, _ = await an_owner(store)
    await change(store, "users", {"id": owner.id}, status="deleting", deletion="delete")
    return {"id": owner.id}


async def _claim_of_nobody(store: WikibotStore) -> Key:
    claim = f"claim#oauth#{fresh()}#{fresh()}"
    await put(store, "users", an_item(id=claim, user_id=fresh()))
    return {"id": claim}


async def _claim_that_its_user_has_not(store: WikibotStore) -> Key:
    user, claim = await a_user(store), f"claim#username#{fresh()}"
    await put(store, "users", an_item(id=claim, user_id=user.id, write_id=fresh()))
    return {"id": claim}


async def _user_without_claim(store: WikibotStore) -> Key:
    user = await a_user(store, username=fresh())
    key = {"id": {"S": f"claim#username#{user.username}"}}
    await (await store.client()).delete_item(TableName=store.config.users_table, Key=key)
    return {"id": user.id}


async def _user_without_the_claim_of_an_identity(store: WikibotStore) -> Key:
    user = await a_user(store)
    key = {"id": {"S": f"claim#oauth#{user.oauth_provider}#{user.oauth_provider_sub}"}}
    await (await store.client()).delete_item(TableName=store.config.users_table, Key=key)
    return {"id": user.id}


async def _wrong_count(store: WikibotStore) -> Key:
    owner, _ = await an_owner(store)
    await change(store, "users", {"id": owner.id}, wiki_count=7)
    return {"id": owner.id}


async def _grant_without_wiki(store: WikibotStore) -> Key:
    user = await a_user(store)
    key = {"wiki_id": f"{fresh()}:gone", "grantee_id": user.id}
    await put(store, "acls", an_acl_item(**key, wiki_uid=fresh()))
    return key


async def _grant_of_another_incarnation(store: WikibotStore) -> Key:
    owner, wiki = await an_owner(store)
    key = {"wiki_id": wiki.key.wiki_id, "grantee_id": owner.id}
    await put(store, "acls", an_acl_item(**key, wiki_uid=fresh(), write_id=fresh()))
    return key


async def _invitation_without_wiki(store: WikibotStore) -> Key:
    key = {"wiki_id": f"{fresh()}:gone", "grantee_id": f"invite#{'0' * 64}"}
    await put(store, "acls", an_acl_item(**key, invited_email="bob@example.org", wiki_uid=fresh()))
    return key


async def _grant_without_user(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    user = await a_user(store)
    await store.acls.create(wiki.key, user.id, "viewer", granted_by=wiki.owner_id)
    await store.users.delete(user.id)
    return {"wiki_id": wiki.key.wiki_id, "grantee_id": user.id}


MENDABLE: dict[str, tuple[FindingKind, Arrange]] = {
    "wiki deleting": (FindingKind.WIKI_DELETING, _wiki_deleting),
    "wiki of no slug deleting": (FindingKind.WIKI_DELETING, _wiki_of_no_slug_deleting),
    "wiki moving": (FindingKind.WIKI_MOVING, _wiki_moving),
    "wiki moving to a key that is taken": (FindingKind.WIKI_MOVING, _wiki_taken),
    "wiki moving nowhere": (FindingKind.WIKI_MOVING, _wiki_moving_nowhere),
    "wiki arriving from nowhere": (FindingKind.WIKI_MOVING, _wiki_arriving_from_nowhere),
    "wiki arriving without a source": (FindingKind.WIKI_MOVING, _wiki_arriving_without_a_source),
    "user deleting": (FindingKind.USER_DELETING, _user_deleting),
    "user of another program deleting": (FindingKind.USER_DELETING, _user_of_another_program_deleting),
    "claim of nobody": (FindingKind.CLAIM_WITHOUT_USER, _claim_of_nobody),
    "claim that its user has not": (FindingKind.CLAIM_WITHOUT_USER, _claim_that_its_user_has_not),
    "user without claim": (FindingKind.USER_WITHOUT_CLAIM, _user_without_claim),
    "user without the claim of an identity": (
        FindingKind.USER_WITHOUT_CLAIM,
        _user_without_the_claim_of_an_identity,
    ),
    "wrong count": (FindingKind.WRONG_COUNT, _wrong_count),
    "grant without wiki": (FindingKind.GRANT_WITHOUT_WIKI, _grant_without_wiki),
    "grant of another incarnation": (FindingKind.GRANT_WITHOUT_WIKI, _grant_of_another_incarnation),
    "invitation without wiki": (FindingKind.GRANT_WITHOUT_WIKI, _invitation_without_wiki),
    "grant without user": (FindingKind.GRANT_WITHOUT_USER, _grant_without_user),
}
"""What `sweep` repairs."""


async def _claim_of_another(store: WikibotStore) -> Key:
    user, other = await a_user(store, username=fresh()), await a_user(store)
    claim, name = f"claim#username#{user.username}", user.username
    await put(store, "users", an_item(id=claim, user_id=other.id))
    await change(store, "users", {"id": other.id}, username=name)
    return {"id": user.id}


def _corrupt_wiki(**attributes: Any) -> Arrange:  # noqa: ANN401 - see an_item
    async def arrange(store: WikibotStore) -> Key:
        _, wiki = await an_owner(store)
        await change(store, "wikis", key_of(wiki), **attributes)
        return key_of(wiki)

    return arrange


def _corrupt_user(**attributes: Any) -> Arrange:  # noqa: ANN401 - see an_item
    async def arrange(store: WikibotStore) -> Key:
        user = await a_user(store, username=fresh())
        await change(store, "users", {"id": user.id}, **attributes)
        return {"id": user.id}

    return arrange


async def _corrupt_claim(store: WikibotStore) -> Key:
    claim = f"claim#username#{fresh()}"
    await put(store, "users", an_item(id=claim))
    return {"id": claim}


async def _claim_of_an_invalid_id(store: WikibotStore) -> Key:
    claim = f"claim#username#{fresh()}"
    await put(store, "users", an_item(id=claim, user_id=""))
    return {"id": claim}


async def _wiki_of_no_slug(store: WikibotStore) -> Key:
    item = a_wiki_item(wiki_slug="No Slug")
    await put(store, "wikis", item)
    return {name: item[name]["S"] for name in ("owner_id", "wiki_slug")}


async def _corrupt_grant(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    key = {"wiki_id": wiki.key.wiki_id, "grantee_id": fresh()}
    await put(store, "acls", an_acl_item(**key, role="emperor"))
    return key


async def _grant_of_no_wiki_id(store: WikibotStore) -> Key:
    key = {"wiki_id": "notes", "grantee_id": fresh()}
    await put(store, "acls", an_acl_item(**key))
    return key


async def _arriving_from_a_corrupt_key(store: WikibotStore) -> Key:
    _, wiki = await an_owner(store)
    await change(store, "wikis", key_of(wiki), status="arriving", moving_from="nowhere")
    return key_of(wiki)


UNMENDABLE: dict[str, tuple[FindingKind, Arrange, str]] = {
    "claim of another user": (FindingKind.USER_WITHOUT_CLAIM, _claim_of_another, "somebody else holds claim#username#"),
    "wiki without owner": (FindingKind.WIKI_WITHOUT_OWNER, _wiki_without_owner, "create its owner, or delete it"),
    "wiki of no status": (FindingKind.CORRUPT, _corrupt_wiki(status="odd"), "status must be one of active, moving"),
    "wiki of no name": (FindingKind.CORRUPT, _corrupt_wiki(display_name=3), "corrupt item"),
    "wiki of no slug": (FindingKind.CORRUPT, _wiki_of_no_slug, "wiki_slug must be"),
    "wiki moving to no wiki id": (
        FindingKind.CORRUPT,
        _corrupt_wiki(status="moving", moving_to="x"),
        "wiki_id must be",
    ),
    "wiki arriving from no wiki id": (FindingKind.CORRUPT, _arriving_from_a_corrupt_key, "wiki_id must be"),
    "user of no time": (FindingKind.CORRUPT, _corrupt_user(created_at="then"), "corrupt item"),
    "user of no identity": (FindingKind.CORRUPT, _corrupt_user(oauth_provider="git hub"), "oauth_provider must be"),
    "user of odd identities": (FindingKind.CORRUPT, _corrupt_user(identities="odd"), "not a list of provider#sub"),
    "claim of no user id": (FindingKind.CORRUPT, _corrupt_claim, "corrupt item"),
    "claim of an invalid user id": (FindingKind.CORRUPT, _claim_of_an_invalid_id, "user_id must be"),
    "grant of no role": (FindingKind.CORRUPT, _corrupt_grant, "role must be one of owner, editor, viewer"),
    "grant of no wiki id": (FindingKind.CORRUPT, _grant_of_no_wiki_id, "wiki_id must be"),
}
"""What only a person can repair, and the problem that the finding reports."""


async def make_faults(store: WikibotStore) -> Counter[FindingKind]:
    """Make everything wrong that `sweep` repairs; return how many findings there are of each kind."""
    for _, arrange in MENDABLE.values():
        await arrange(store)
    return Counter(kind for kind, _ in MENDABLE.values())
