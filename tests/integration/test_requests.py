"""What each access pattern costs: the requests that it sends, as the README's table promises."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.integration.samples import a_user, a_wiki, collect, eventually, fresh
from wikibot_store import Acl, User, Wiki, WikibotStore, WikiKey


@dataclass(frozen=True, kw_only=True)
class Given:
    """What exists before the access pattern runs."""

    user: User
    wiki: Wiki
    acl: Acl

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
    """Give a user, a wiki and a grant."""
    user, wiki = await a_user(store, username=fresh()), await a_wiki(store)
    acl = await store.acls.create(wiki.key.wiki_id, user.id, "editor", granted_by=wiki.owner_id)
    return Given(user=user, wiki=wiki, acl=acl)


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
        lambda store, given: store.users.update(given.user.id, expected_version=1, tier="pro"),
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
}


@pytest.mark.parametrize(("pattern", "requests"), PATTERNS.values(), ids=PATTERNS)
async def test_access_pattern(
    store: WikibotStore, given: Given, sent: list[str], pattern: Pattern, requests: list[str]
) -> None:
    """The access pattern sends these requests and no others."""
    sent.clear()

    await pattern(store, given)

    assert sent == requests


async def test_second_login_is_one_query(store: WikibotStore, given: Given, sent: list[str]) -> None:
    """A user that the index knows logs in with a single request."""
    await eventually(lambda: store.users.get_by_oauth(*given.identity), given.user)
    sent.clear()

    await store.users.get_or_create_by_oauth(*given.identity)

    assert sent == ["Query (by-oauth)"]
