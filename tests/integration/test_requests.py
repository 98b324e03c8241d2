"""What each access pattern costs: the requests that it sends, as the README's table promises."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aioboto3
import pytest

from tests.engines import throw_away_store
from tests.integration.samples import a_user, a_wiki, collect, eventually, fresh
from tests.recording import described, recording
from wikibot_store import Acl, Page, User, Wiki, WikibotStore, WikiKey
from wikibot_store.provision import create_tables


@dataclass(frozen=True, kw_only=True)
class Given:
    """What exists before the access pattern runs: a user with two identities who has a grant in somebody's wiki.

    `token` is an invitation's to another wiki, whose owner owns nothing else.
    """

    user: User
    wiki: Wiki
    acl: Acl
    linked: tuple[str, str]
    invited_to: Wiki
    token: str

    @property
    def key(self) -> tuple[str, str]:
        """The wiki's key."""
        return self.wiki.owner_id, self.wiki.wiki_slug

    @property
    def identity(self) -> tuple[str, str]:
        """The user's identity."""
        return self.user.oauth_provider, self.user.oauth_provider_sub

    @property
    def grant(self) -> tuple[str, str]:
        """The grant's key."""
        return self.acl.wiki_id, self.acl.grantee_id


@pytest.fixture
async def given(store: WikibotStore) -> Given:
    """Give what all access patterns need."""
    user, wiki, linked = await a_user(store, username=fresh()), await a_wiki(store), (fresh(), fresh())
    user = await store.users.link_identity(user.id, *linked)
    acl = await store.acls.create(wiki.key.wiki_id, user.id, "editor", granted_by=wiki.owner_id)
    owner = await a_user(store)
    other = await store.create_wiki(owner.id, fresh(), display_name="Another", repo_path="/srv/b")
    _, token = await _invite(store, other)
    return Given(user=user, wiki=wiki, acl=acl, linked=linked, invited_to=other, token=token)


async def _invite(store: WikibotStore, wiki: Wiki) -> tuple[Acl, str]:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return await store.invite(
        wiki.owner_id, wiki.wiki_slug, "bob@example.org", "viewer", invited_by=wiki.owner_id, expires_at=tomorrow
    )


Pattern = Callable[[WikibotStore, Given], Awaitable[object]]


async def _record_usage(store: WikibotStore, given: Given) -> bool:
    now = datetime.now(UTC)
    return await store.wikis.record_usage(
        *given.key, uid=given.wiki.uid, page_count=1, disk_usage_bytes=1, measured_at=now
    )


PATTERNS: dict[str, tuple[Pattern, list[str]]] = {
    "users.create": (lambda store, _: a_user(store), ["TransactWriteItems (Put, Put)"]),
    "users.create with username": (
        lambda store, _: a_user(store, username=fresh()),
        ["TransactWriteItems (Put, Put, Put)"],
    ),
    "users.get": (lambda store, given: store.users.get(given.user.id), ["GetItem"]),
    "users.get consistent": (
        lambda store, given: store.users.get(given.user.id, consistent=True),
        ["GetItem (consistent)"],
    ),
    "users.require": (lambda store, given: store.users.require(given.user.id), ["GetItem"]),
    "users.get_many of none": (lambda store, _: store.users.get_many([]), []),
    "users.get_many of 100": (
        lambda store, given: store.users.get_many([given.user.id, given.user.id, *(fresh() for _ in range(99))]),
        ["BatchGetItem"],
    ),
    "users.get_many of 101": (
        lambda store, _: store.users.get_many([fresh() for _ in range(101)]),
        ["BatchGetItem", "BatchGetItem"],
    ),
    "users.get_by_oauth": (lambda store, given: store.users.get_by_oauth(*given.identity), ["Query (by-oauth)"]),
    "users.get_by_oauth consistent": (
        lambda store, given: store.users.get_by_oauth(*given.identity, consistent=True),
        ["GetItem (consistent)", "GetItem (consistent)"],
    ),
    "users.get_by_username": (
        lambda store, given: store.users.get_by_username(given.user.username or ""),
        ["GetItem (consistent)", "GetItem (consistent)"],
    ),
    "users.get_or_create_by_oauth of a new user": (
        lambda store, _: store.users.get_or_create_by_oauth(fresh(), fresh()),
        ["Query (by-oauth)", "GetItem (consistent)", "TransactWriteItems (Put, Put)"],
    ),
    "users.update": (
        lambda store, given: store.users.update(given.user.id, tier="pro"),
        ["GetItem (consistent)", "UpdateItem"],
    ),
    "users.update of a version": (
        lambda store, given: store.users.update(given.user.id, expected_version=2, tier="pro"),
        ["UpdateItem"],
    ),
    "users.set_username": (
        lambda store, given: store.users.set_username(given.user.id, fresh()),
        ["GetItem (consistent)", "TransactWriteItems (Update, Put, Delete)"],
    ),
    "users.set_username to None": (
        lambda store, given: store.users.set_username(given.user.id, None),
        ["GetItem (consistent)", "TransactWriteItems (Update, Delete)"],
    ),
    "users.set_username to the same": (
        lambda store, given: store.users.set_username(given.user.id, given.user.username),
        ["GetItem (consistent)"],
    ),
    "users.link_identity": (
        lambda store, given: store.users.link_identity(given.user.id, fresh(), fresh()),
        ["GetItem (consistent)", "TransactWriteItems (Update, Put)"],
    ),
    "users.link_identity that is linked": (
        lambda store, given: store.users.link_identity(given.user.id, *given.linked),
        ["GetItem (consistent)"],
    ),
    "users.unlink_identity": (
        lambda store, given: store.users.unlink_identity(given.user.id, *given.identity),
        ["GetItem (consistent)", "TransactWriteItems (Update, Delete)"],
    ),
    "users.get_identities": (
        lambda store, given: store.users.get_identities(given.user.id),
        ["GetItem (consistent)"],
    ),
    "users.get_by_oauth of a linked identity": (
        lambda store, given: store.users.get_by_oauth(*given.linked),
        ["Query (by-oauth)", "GetItem (consistent)", "GetItem (consistent)"],
    ),
    "users.record_login": (lambda store, given: store.users.record_login(given.user.id), ["UpdateItem"]),
    "wikis.create": (lambda store, _: a_wiki(store), ["PutItem"]),
    "wikis.get": (lambda store, given: store.wikis.get(*given.key), ["GetItem"]),
    "wikis.require consistent": (
        lambda store, given: store.wikis.require(*given.key, consistent=True),
        ["GetItem (consistent)"],
    ),
    "wikis.get_many": (
        lambda store, given: store.wikis.get_many([given.wiki.key, WikiKey(fresh(), fresh())]),
        ["BatchGetItem"],
    ),
    "wikis.list_by_owner": (lambda store, given: store.wikis.list_by_owner(given.wiki.owner_id, limit=1), ["Query"]),
    "wikis.list_by_owner of none": (lambda store, _: store.wikis.list_by_owner(fresh()), ["Query"]),
    "wikis.iter_by_owner": (lambda store, given: collect(store.wikis.iter_by_owner(given.wiki.owner_id)), ["Query"]),
    "wikis.update": (
        lambda store, given: store.wikis.update(*given.key, is_public=True),
        ["GetItem (consistent)", "UpdateItem"],
    ),
    "wikis.update of a version": (
        lambda store, given: store.wikis.update(*given.key, expected_version=1, is_public=True),
        ["UpdateItem"],
    ),
    "wikis.touch": (lambda store, given: store.wikis.touch(*given.key), ["UpdateItem"]),
    "wikis.record_usage": (_record_usage, ["UpdateItem"]),
    "wikis.delete": (lambda store, given: store.wikis.delete(*given.key), ["GetItem (consistent)", "DeleteItem"]),
    "wikis.delete of none": (lambda store, _: store.wikis.delete(fresh(), fresh()), ["GetItem (consistent)"]),
    "acls.create": (
        lambda store, given: store.acls.create(*given.grant, "viewer", granted_by="ada"),
        ["GetItem (consistent)", "PutItem"],
    ),
    "acls.get": (lambda store, given: store.acls.get(*given.grant), ["GetItem"]),
    "acls.delete": (lambda store, given: store.acls.delete(*given.grant), ["GetItem (consistent)", "DeleteItem"]),
    "acls.list_by_wiki": (lambda store, given: store.acls.list_by_wiki(given.acl.wiki_id), ["Query"]),
    "acls.iter_by_wiki": (lambda store, given: collect(store.acls.iter_by_wiki(given.acl.wiki_id)), ["Query"]),
    "acls.list_by_grantee": (
        lambda store, given: store.acls.list_by_grantee(given.acl.grantee_id),
        ["Query (by-grantee)"],
    ),
    "acls.list_invitations": (
        lambda store, given: store.acls.list_invitations(given.invited_to.key.wiki_id),
        ["Query"],
    ),
    "store.invite": (
        lambda store, given: _invite(store, given.wiki),
        ["GetItem (consistent)", "TransactWriteItems (ConditionCheck, Put)"],
    ),
    "store.accept_invite": (
        lambda store, given: store.accept_invite(given.token, given.user.id),
        ["BatchGetItem", "TransactWriteItems (ConditionCheck, ConditionCheck, Delete, Put)"],
    ),
    "store.list_shared_with of none": (lambda store, _: store.list_shared_with(fresh()), ["Query (by-grantee)"]),
    "store.delete_user": (
        lambda store, given: store.delete_user(given.user.id),
        [
            "GetItem (consistent)",
            "Query (consistent)",
            "UpdateItem",
            "GetItem (consistent)",
            "TransactWriteItems (Delete, Delete, Delete, Delete)",
        ],
    ),
    "store.delete_user with a wiki": (
        lambda store, given: store.delete_user(given.invited_to.owner_id, wikis="delete"),
        [
            "GetItem (consistent)",
            "UpdateItem",
            *("GetItem (consistent)", "Query (consistent)"),
            # delete_wiki
            "GetItem (consistent)",
            "UpdateItem",
            "Query (consistent)",
            "TransactWriteItems (ConditionCheck, Delete)",
            "TransactWriteItems (Delete, Update)",
            # and once more, for what came meanwhile
            *("GetItem (consistent)", "Query (consistent)"),
            "TransactWriteItems (Delete, Delete)",
        ],
    ),
    "store.reconcile_wiki_count": (
        lambda store, given: store.reconcile_wiki_count(given.invited_to.owner_id),
        ["GetItem (consistent)", "Query (consistent)"],
    ),
}


@pytest.mark.parametrize(("pattern", "requests"), PATTERNS.values(), ids=PATTERNS)
async def test_access_pattern(
    store: WikibotStore, given: Given, sent: list[str], pattern: Pattern, requests: list[str]
) -> None:
    """The access pattern sends these requests and no others."""
    sent.clear()

    await pattern(store, given)

    assert sent == requests


async def test_shared_wikis_are_two_requests(store: WikibotStore, given: Given, sent: list[str]) -> None:
    """A page of grants and its wikis are one Query and one BatchGetItem."""
    await eventually(lambda: store.acls.list_by_grantee(given.user.id), Page([given.acl]))
    sent.clear()

    await store.list_shared_with(given.user.id)

    assert sent == ["Query (by-grantee)", "BatchGetItem"]


async def test_sweep_reads_each_item_and_what_it_names(session: aioboto3.Session, endpoint: str | None) -> None:
    """A sweep scans each table, and reads a user's claims and wikis, a claim's user, and a grant's wiki and user."""
    async with throw_away_store(endpoint, session) as store:
        await create_tables(store, environment="test")
        user = await a_user(store, username=fresh())
        wiki = await store.create_wiki(user.id, fresh(), display_name="A wiki", repo_path="/srv/a")
        await store.acls.create(wiki.key.wiki_id, user.id, "editor", granted_by=user.id)
        sent: list[str] = []
        with recording(store, lambda operation, request: sent.append(described(operation, request))):
            pages = await collect(store.sweep())

    assert [page.scanned for page in pages] == [1, 3, 1]
    assert Counter(sent) == {"Scan": 3, "GetItem (consistent)": 2 + 2 + 2, "Query (consistent)": 1}


async def test_second_login_is_one_query(store: WikibotStore, given: Given, sent: list[str]) -> None:
    """A user that the index knows logs in with a single request."""
    await eventually(lambda: store.users.get_by_oauth(*given.identity), given.user)
    sent.clear()

    await store.users.get_or_create_by_oauth(*given.identity)

    assert sent == ["Query (by-oauth)"]
