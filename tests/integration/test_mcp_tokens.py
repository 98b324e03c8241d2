"""MCP tokens: only the hash is stored, and `authorize_token` accepts the current token and no other."""

from typing import Any

import pytest

from tests.integration.samples import a_wiki, change, key_of, stored
from wikibot_store import Access, InvalidKeyError, NotActiveError, NotFoundError, Role, Wiki, WikibotStore
from wikibot_store.models import RoleName
from wikibot_store.tokens import hash_token, new_token


async def role_of(store: WikibotStore, wiki: Wiki, token: str) -> Role | None:
    """Return the role that a token gives in a wiki."""
    return (await store.authorize_token(wiki.owner_id, wiki.wiki_slug, token)).role


async def test_only_the_hash_of_a_token_is_stored(store: WikibotStore) -> None:
    """`set_mcp_token` returns the wiki's next version and the token; the item holds the token's SHA-256."""
    wiki = await a_wiki(store)

    changed, token = await store.wikis.set_mcp_token(wiki.owner_id, wiki.wiki_slug)

    assert (changed.uid, changed.version, changed.mcp_token_hash) == (wiki.uid, 2, hash_token(token))
    assert await store.wikis.get(wiki.owner_id, wiki.wiki_slug, consistent=True) == changed
    item = await stored(store, "wikis", **key_of(wiki))
    assert item is not None
    assert item["mcp_token_hash"] == {"S": hash_token(token)}
    assert token not in str(item)


async def test_the_right_token_opens_the_wiki(store: WikibotStore, sent: list[str]) -> None:
    """The token gives the role that the caller names, editor unless it names one, in one request."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())
    sent.clear()

    access = await store.authorize_token(wiki.owner_id, wiki.wiki_slug, token)

    assert sent == ["BatchGetItem"]
    assert access == Access(role=Role.EDITOR, wiki=wiki, user=None)
    assert access.wiki_for("editor") == wiki


@pytest.mark.parametrize("role", ["owner", "editor", "viewer", Role.VIEWER])
async def test_the_caller_chooses_the_role(store: WikibotStore, role: Role | RoleName) -> None:
    """A token gives the role that the caller names, as member or as text."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())

    assert (await store.authorize_token(wiki.owner_id, wiki.wiki_slug, token, role=role)).role is Role(role)


async def test_a_wrong_token_opens_nothing(store: WikibotStore) -> None:
    """A token that was never given, one that is damaged, the hash itself, and any other text give no role."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store, is_public=True)).values())
    damaged = [token[:-1], f"{token} ", token.swapcase(), hash_token(token)]
    wrong = [*damaged, new_token(), "", "ärger", "\ud800", "x" * 9999]

    assert [await role_of(store, wiki, text) for text in wrong] == [None] * len(wrong)
    assert await role_of(store, wiki, token) is Role.EDITOR


async def test_a_new_token_replaces_the_old_one(store: WikibotStore) -> None:
    """After a second `set_mcp_token` only the second token opens the wiki."""
    key = key_of(await a_wiki(store)).values()
    _, first = await store.wikis.set_mcp_token(*key)
    wiki, second = await store.wikis.set_mcp_token(*key)

    assert first != second
    assert await role_of(store, wiki, first) is None
    assert await role_of(store, wiki, second) is Role.EDITOR


async def test_a_revoked_token_opens_nothing(store: WikibotStore) -> None:
    """After `update(…, mcp_token_hash=None)` there is no token, and the old one opens nothing."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())

    await store.wikis.update(wiki.owner_id, wiki.wiki_slug, mcp_token_hash=None)

    assert await role_of(store, wiki, token) is None


async def test_a_wiki_without_a_token_is_not_opened(store: WikibotStore) -> None:
    """No token matches a wiki that has none, the empty text included."""
    wiki = await a_wiki(store)

    assert [await role_of(store, wiki, token) for token in ("", "None", new_token())] == [None, None, None]


async def test_a_token_opens_one_wiki(store: WikibotStore) -> None:
    """The token of another wiki opens nothing, also of the same owner."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())
    other, _ = await store.wikis.set_mcp_token(*key_of(await a_wiki(store, wiki.owner_id)).values())

    assert await role_of(store, other, token) is None


async def test_a_plain_token_that_is_stored_opens_nothing(store: WikibotStore) -> None:
    """If an earlier writer stored the token itself instead of its hash, neither text opens the wiki."""
    wiki, token = await a_wiki(store), new_token()
    await change(store, "wikis", key_of(wiki), mcp_token_hash=token)

    assert await role_of(store, wiki, token) is None
    assert await role_of(store, wiki, hash_token(token)) is None


async def test_a_token_moves_along(store: WikibotStore) -> None:
    """A wiki that was renamed keeps its token; under the old slug it opens nothing."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())

    renamed = await store.wikis.rename(wiki.owner_id, wiki.wiki_slug, "renamed")

    assert await role_of(store, renamed, token) is Role.EDITOR
    assert await store.authorize_token(wiki.owner_id, wiki.wiki_slug, token) == Access(role=None, wiki=None, user=None)


@pytest.mark.parametrize(("status", "role"), [("moving", Role.EDITOR), ("arriving", None), ("deleting", None)], ids=str)
async def test_a_token_opens_live_wikis_only(store: WikibotStore, status: str, role: Role | None) -> None:
    """A wiki that is being deleted, or has not arrived yet, is not opened; one that moves away still is."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())
    await change(store, "wikis", key_of(wiki), status=status)

    assert await role_of(store, wiki, token) is role


async def test_a_missing_wiki_has_no_token(store: WikibotStore) -> None:
    """Nothing is opened where there is no wiki, and no token can be set there."""
    wiki, token = await store.wikis.set_mcp_token(*key_of(await a_wiki(store)).values())
    await store.wikis.delete(wiki.owner_id, wiki.wiki_slug)

    assert await role_of(store, wiki, token) is None
    with pytest.raises(NotFoundError, match="wikis"):
        await store.wikis.set_mcp_token(wiki.owner_id, wiki.wiki_slug)
    assert await stored(store, "wikis", **key_of(wiki)) is None


async def test_no_token_is_set_on_a_wiki_that_is_being_deleted(store: WikibotStore) -> None:
    """A wiki that is being deleted gets no token, and the error says why."""
    wiki = await a_wiki(store)
    await change(store, "wikis", key_of(wiki), status="deleting")

    with pytest.raises(NotActiveError) as refusal:
        await store.wikis.set_mcp_token(wiki.owner_id, wiki.wiki_slug)

    assert refusal.value.status == "deleting"


@pytest.mark.parametrize("value", ["", "a plain token", "x" * 43, "5E" * 32, "5e" * 32 + "\n"])
async def test_only_a_hash_is_stored(unreachable_store: WikibotStore, value: str) -> None:
    """A plain token in place of its hash is rejected by create and update before any request, and not repeated."""
    with pytest.raises(ValueError, match=r"mcp_token_hash must be a SHA-256.*use hash_token\(token\)") as created:
        await unreachable_store.wikis.create("ada", "notes", display_name="N", repo_path="/srv/n", mcp_token_hash=value)
    with pytest.raises(ValueError, match=r"mcp_token_hash must be a SHA-256.*use hash_token\(token\)") as updated:
        await unreachable_store.wikis.update("ada", "notes", mcp_token_hash=value)

    assert not value or value not in f"{created.value} {updated.value}"


@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        ({"owner_id": "a b"}, InvalidKeyError, "owner_id"),
        ({"wiki_slug": "No"}, InvalidKeyError, "wiki_slug"),
        ({"token": None}, TypeError, "token must be str, not NoneType"),
        ({"token": b"secret"}, TypeError, "token must be str, not bytes"),
        ({"role": "boss"}, ValueError, "role must be one of owner, editor, viewer"),
        ({"role": None}, ValueError, "role must be one of owner, editor, viewer"),
    ],
)
async def test_bad_input_is_refused(
    unreachable_store: WikibotStore, bad: dict[str, Any], error: type[Exception], match: str
) -> None:
    """A bad key, token or role is refused before any request."""
    given = {"owner_id": "ada", "wiki_slug": "notes", "token": "secret"}

    with pytest.raises(error, match=match):
        await unreachable_store.authorize_token(**(given | bad))
