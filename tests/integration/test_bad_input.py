"""Bad input raises an error that names the field, before any request."""

import inspect
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from operator import attrgetter
from typing import Any

import pytest

from tests.access_patterns import public_methods
from tests.daos import DAOS
from tests.integration.samples import collect
from wikibot_store import (
    Acl,
    InvalidCursorError,
    InvalidKeyError,
    Page,
    UnavailableError,
    UserStatus,
    Wiki,
    WikibotStore,
    WikiKey,
)

Call = Callable[[WikibotStore, Any], Awaitable[object]]
"""Passes one value to one argument of one method; everything else is in order."""

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
NEXT_CENTURY = datetime(2100, 1, 1, tzinfo=UTC)
BEYOND = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))  # in UTC after the year 9999
NAIVE = datetime(2026, 1, 2)  # noqa: DTZ001 - what the tests are about
BOOK = "\N{OPEN BOOK}"  # four bytes in UTF-8
WIKI_ID = "owner:wiki"


async def _create_user(store: WikibotStore, **arguments: Any) -> object:  # noqa: ANN401 - bad ones too
    return await store.users.create(**({"oauth_provider": "github", "oauth_provider_sub": "4711"} | arguments))


async def _create_wiki(store: WikibotStore, **arguments: Any) -> object:  # noqa: ANN401 - bad ones too
    key = {"owner_id": "owner", "wiki_slug": "wiki"}
    return await store.wikis.create(**(key | {"display_name": "W", "repo_path": "/srv"} | arguments))


async def _grant(store: WikibotStore, **arguments: Any) -> object:  # noqa: ANN401 - bad ones too
    granted = {"wiki": WIKI_ID, "grantee_id": "bob", "role": "editor", "granted_by": "ada"}
    return await store.acls.create(**(granted | arguments))


async def _record_usage(store: WikibotStore, **arguments: Any) -> object:  # noqa: ANN401 - bad ones too
    usage: dict[str, Any] = {"uid": "uid", "page_count": 1, "disk_usage_bytes": 1, "measured_at": MOMENT}
    return await store.wikis.record_usage(**({"owner_id": "owner", "wiki_slug": "wiki"} | usage | arguments))


async def _iterate_wikis(store: WikibotStore, owner_id: Any, **options: Any) -> list[Wiki]:  # noqa: ANN401 - bad ones too
    return await collect(store.wikis.iter_by_owner(owner_id, **options))


async def _iterate_grants(store: WikibotStore, wiki_id: Any, **options: Any) -> list[Acl]:  # noqa: ANN401 - bad ones too
    return await collect(store.acls.iter_by_wiki(wiki_id, **options))


async def _wikis_of(store: WikibotStore, cursor: Any) -> Page[Wiki]:  # noqa: ANN401 - bad ones too
    return await store.wikis.list_by_owner("owner", cursor=cursor)


async def _get_wikis(store: WikibotStore, owner_id: Any, slug: Any) -> object:  # noqa: ANN401 - bad ones too
    return await store.wikis.get_many([WikiKey(owner_id, slug)])


ID_CALLS: dict[str, tuple[str, Call]] = {
    "users.create id": ("id", lambda store, value: _create_user(store, id=value)),
    "users.create provider": ("oauth_provider", lambda store, value: _create_user(store, oauth_provider=value)),
    "users.create sub": ("oauth_provider_sub", lambda store, value: _create_user(store, oauth_provider_sub=value)),
    "users.get": ("user_id", lambda store, value: store.users.get(value)),
    "users.require": ("user_id", lambda store, value: store.users.require(value)),
    "users.get_many": ("user_id", lambda store, value: store.users.get_many(["ada", value])),
    "users.get_by_oauth provider": ("oauth_provider", lambda store, value: store.users.get_by_oauth(value, "4711")),
    "users.get_by_oauth sub": ("oauth_provider_sub", lambda store, value: store.users.get_by_oauth("github", value)),
    "users.get_by_oauth consistent": (
        "oauth_provider_sub",
        lambda store, value: store.users.get_by_oauth("github", value, consistent=True),
    ),
    "users.get_or_create_by_oauth provider": (
        "oauth_provider",
        lambda store, value: store.users.get_or_create_by_oauth(value, "4711"),
    ),
    "users.get_or_create_by_oauth sub": (
        "oauth_provider_sub",
        lambda store, value: store.users.get_or_create_by_oauth("github", value),
    ),
    "users.update": ("user_id", lambda store, value: store.users.update(value, tier="pro")),
    "users.set_username": ("user_id", lambda store, value: store.users.set_username(value, "ada")),
    "users.record_login": ("user_id", lambda store, value: store.users.record_login(value)),
    "wikis.create": ("owner_id", lambda store, value: _create_wiki(store, owner_id=value)),
    "wikis.get": ("owner_id", lambda store, value: store.wikis.get(value, "wiki")),
    "wikis.require": ("owner_id", lambda store, value: store.wikis.require(value, "wiki")),
    "wikis.get_many": ("owner_id", lambda store, value: _get_wikis(store, value, "wiki")),
    "wikis.list_by_owner": ("owner_id", lambda store, value: store.wikis.list_by_owner(value)),
    "wikis.iter_by_owner": ("owner_id", _iterate_wikis),
    "wikis.update": ("owner_id", lambda store, value: store.wikis.update(value, "wiki", is_public=True)),
    "wikis.touch": ("owner_id", lambda store, value: store.wikis.touch(value, "wiki")),
    "wikis.record_usage": ("owner_id", lambda store, value: _record_usage(store, owner_id=value)),
    "wikis.delete": ("owner_id", lambda store, value: store.wikis.delete(value, "wiki")),
    "wikis.rename": ("owner_id", lambda store, value: store.wikis.rename(value, "wiki", "new")),
    "wikis.transfer": ("owner_id", lambda store, value: store.wikis.transfer(value, "wiki", "bob")),
    "wikis.transfer new owner": ("new_owner_id", lambda store, value: store.wikis.transfer("owner", "wiki", value)),
    "wikis.set_mcp_token": ("owner_id", lambda store, value: store.wikis.set_mcp_token(value, "wiki")),
    "authorize": ("user_id", lambda store, value: store.authorize(value, "owner", "wiki")),
    "authorize_token": ("owner_id", lambda store, value: store.authorize_token(value, "wiki", "token")),
    "users.delete": ("user_id", lambda store, value: store.users.delete(value)),
    "acls.accept_invite": ("user_id", lambda store, value: store.acls.accept_invite("x.y", value)),
    "acls.list_shared_with": ("user_id", lambda store, value: store.acls.list_shared_with(value)),
    "admin.reconcile_wiki_count": ("user_id", lambda store, value: store.admin.reconcile_wiki_count(value)),
    "acls.create grantee": ("grantee_id", lambda store, value: _grant(store, grantee_id=value)),
    "acls.create granted_by": ("granted_by", lambda store, value: _grant(store, granted_by=value)),
    "acls.get": ("grantee_id", lambda store, value: store.acls.get(WIKI_ID, value)),
    "acls.delete": ("grantee_id", lambda store, value: store.acls.delete(WIKI_ID, value)),
    "acls.list_by_grantee": ("grantee_id", lambda store, value: store.acls.list_by_grantee(value)),
}
BAD_IDS = {
    "empty": "",
    "hash": "a#b",
    "space": "a b",
    "line end": "ab\n",
    "null": "a\x00b",
    "delete": "a\x7fb",
    "C1 control": "a\x85b",
    "no-break space": "a\xa0b",
    "lone surrogate": "a\ud800b",
    "257 characters": "x" * 257,
    "300 characters": "x" * 300,
    "bytes": b"ab",
    "number": 4711,
}

GOOD_IN_SUBJECTS = {"hash", "space", "no-break space"}
"""What OpenID Connect allows in a subject."""

SLUG_CALLS: dict[str, Call] = {
    "wikis.create": lambda store, value: _create_wiki(store, wiki_slug=value),
    "wikis.get": lambda store, value: store.wikis.get("owner", value),
    "wikis.require": lambda store, value: store.wikis.require("owner", value),
    "wikis.get_many": lambda store, value: _get_wikis(store, "owner", value),
    "wikis.update": lambda store, value: store.wikis.update("owner", value, is_public=True),
    "wikis.touch": lambda store, value: store.wikis.touch("owner", value),
    "wikis.record_usage": lambda store, value: _record_usage(store, wiki_slug=value),
    "wikis.delete": lambda store, value: store.wikis.delete("owner", value),
}
BAD_SLUGS = {
    "empty": "",
    "capitals": "Wiki",
    "colon": "a:b",
    "space": "a b",
    "line end": "wiki\n",
    "underscore": "a_b",
    "leading hyphen": "-wiki",
    "trailing hyphen": "wiki-",
    "64 characters": "x" * 64,
    "umlaut": "ärger",
    "other digit": "wiki\N{ARABIC-INDIC DIGIT FOUR}",
    "number": 4711,
    "none": None,
}

WIKI_ID_CALLS: dict[str, Call] = {
    "acls.create": lambda store, value: _grant(store, wiki=value),
    "acls.get": lambda store, value: store.acls.get(value, "bob"),
    "acls.delete": lambda store, value: store.acls.delete(value, "bob"),
    "acls.list_by_wiki": lambda store, value: store.acls.list_by_wiki(value),
    "acls.iter_by_wiki": _iterate_grants,
}
BAD_WIKI_IDS: dict[str, tuple[str, Any]] = {
    "empty": ("wiki_id", ""),
    "no colon": ("wiki_id", "wiki"),
    "no owner": ("owner_id", ":wiki"),
    "owner with a space": ("owner_id", "an owner:wiki"),
    "no slug": ("wiki_slug", "owner:"),
    "slug with capitals": ("wiki_slug", "owner:Wiki"),
    "slug of 64 characters": ("wiki_slug", "owner:" + "x" * 64),
}

USERNAME_CALLS: dict[str, Call] = {
    "users.create": lambda store, value: _create_user(store, username=value),
    "users.get_by_username": lambda store, value: store.users.get_by_username(value),
    "users.get_or_create_by_oauth": lambda store, value: store.users.get_or_create_by_oauth(
        "github", "4711", username=value
    ),
    "users.set_username": lambda store, value: store.users.set_username("ada", value),
}
BAD_USERNAMES = {
    "empty": "",
    "two characters": "ab",
    "31 characters": "x" * 31,
    "capitals": "Ada",
    "colon": "a:da",
    "dot": "a.da",
    "line end": "ada\n",
    "leading hyphen": "-ada",
    "trailing hyphen": "ada-",
}

LIMIT_CALLS: dict[str, tuple[str, Call]] = {
    "wikis.list_by_owner": ("limit", lambda store, value: store.wikis.list_by_owner("owner", limit=value)),
    "wikis.iter_by_owner": ("page_size", lambda store, value: _iterate_wikis(store, "owner", page_size=value)),
    "acls.list_by_wiki": ("limit", lambda store, value: store.acls.list_by_wiki(WIKI_ID, limit=value)),
    "acls.iter_by_wiki": ("page_size", lambda store, value: _iterate_grants(store, WIKI_ID, page_size=value)),
    "acls.list_by_grantee": ("limit", lambda store, value: store.acls.list_by_grantee("bob", limit=value)),
}

PREFIX_CALLS: dict[str, Call] = {
    "wikis.list_by_owner": lambda store, value: store.wikis.list_by_owner("owner", prefix=value),
    "wikis.iter_by_owner": lambda store, value: _iterate_wikis(store, "owner", prefix=value),
}
BAD_PREFIXES = {"empty": "", "capitals": "W", "leading hyphen": "-w", "colon": "w:", "64": "x" * 64, "number": 4711}

CURSOR_CALLS: dict[str, Call] = {
    "wikis.list_by_owner": _wikis_of,
    "acls.list_by_wiki": lambda store, value: store.acls.list_by_wiki(WIKI_ID, cursor=value),
    "acls.list_by_grantee": lambda store, value: store.acls.list_by_grantee("bob", cursor=value),
}
BAD_CURSORS = {
    "empty": "",
    "garbage": "garbage",
    "umlaut": "ärger",
    "other version": "AgAAAAAAAAAAAAAAAAAAAAA",
    "foreign": "AQAAAAAAAAAAAAAAAAAAAAA",
    "long": "A" * 3_000,
    "number": 4711,
}


def _user_field(field: str) -> dict[str, tuple[str, Call]]:
    """Return the calls that accept this attribute of a user."""
    return {
        f"users.create {field}": (field, lambda store, value: _create_user(store, **{field: value})),
        f"users.get_or_create_by_oauth {field}": (
            field,
            lambda store, value: store.users.get_or_create_by_oauth("github", "4711", **{field: value}),
        ),
        f"users.update {field}": (field, lambda store, value: store.users.update("ada", **{field: value})),
    }


def _wiki_field(field: str) -> dict[str, tuple[str, Call]]:
    """Return the calls that accept this attribute of a wiki."""
    return {
        f"wikis.create {field}": (field, lambda store, value: _create_wiki(store, **{field: value})),
        f"wikis.update {field}": (field, lambda store, value: store.wikis.update("owner", "wiki", **{field: value})),
    }


def _usage_field(field: str) -> dict[str, tuple[str, Call]]:
    """Return the call that accepts this figure."""
    return {f"wikis.record_usage {field}": (field, lambda store, value: _record_usage(store, **{field: value}))}


REQUIRED_CALLS: dict[str, tuple[str, Call]] = {
    "users.update tier": ("tier", lambda store, value: store.users.update("ada", tier=value)),
    **_wiki_field("display_name"),
    **_wiki_field("repo_path"),
    **_wiki_field("is_public"),
    **_usage_field("uid"),
    **_usage_field("page_count"),
    **_usage_field("disk_usage_bytes"),
    **_usage_field("measured_at"),
}
VALUE_CALLS: dict[str, tuple[str, Call]] = {
    **REQUIRED_CALLS,
    **_user_field("email"),
    **_user_field("display_name"),
    **_user_field("avatar_url"),
    **_wiki_field("mcp_token_hash"),
    "wikis.update uid": ("uid", lambda store, value: store.wikis.update("owner", "wiki", uid=value, is_public=True)),
    "acls.create expires_at": ("expires_at", lambda store, value: _grant(store, expires_at=value)),
}


async def _touch(store: WikibotStore, value: Any) -> bool:  # noqa: ANN401 - bad ones too
    return await store.wikis.touch("owner", "wiki", min_interval=value)


async def _set_status(store: WikibotStore, value: Any) -> object:  # noqa: ANN401 - bad ones too
    return await store.users.update("ada", status=value)


_TEXTS = ("users.create email", "users.update display_name", "wikis.create repo_path", "wikis.update mcp_token_hash")
BAD_VALUES: dict[str, tuple[str, Call, Any]] = {
    **{f"{name} too long": (*VALUE_CALLS[name], "é" * 32_769) for name in _TEXTS},
    "acls.create unknown role": ("role", lambda store, value: _grant(store, role=value), "admin"),
    "acls.create role in capitals": ("role", lambda store, value: _grant(store, role=value), "OWNER"),
    "acls.create no role": ("role", lambda store, value: _grant(store, role=value), None),
    "acls.create naive expiry": (*VALUE_CALLS["acls.create expires_at"], NAIVE),
    "acls.create expiry out of reach": (*VALUE_CALLS["acls.create expires_at"], BEYOND),
    "users.update unknown status": ("status", _set_status, "gone"),
    "users.update no status": ("status", _set_status, None),
    "users.update deleting": ("status must be active or suspended", _set_status, "deleting"),
    "users.update deleting member": ("status must be active or suspended", _set_status, UserStatus.DELETING),
    "wikis.record_usage naive time": (*VALUE_CALLS["wikis.record_usage measured_at"], NAIVE),
    "wikis.record_usage time out of reach": (*VALUE_CALLS["wikis.record_usage measured_at"], BEYOND),
    "wikis.record_usage negative": (*VALUE_CALLS["wikis.record_usage page_count"], -1),
    "wikis.record_usage huge": (*VALUE_CALLS["wikis.record_usage disk_usage_bytes"], 2**63),
    "wikis.touch negative": ("min_interval", _touch, -1),
    "wikis.touch NaN": ("min_interval", _touch, math.nan),
    "wikis.touch for more than a year": ("min_interval", _touch, 366 * 86_400 + 1),
    "wikis.touch for ever": ("min_interval", _touch, math.inf),
}


async def test_good_input_is_sent(unreachable_store: WikibotStore) -> None:
    """Valid input does send a request, so the other tests would notice one."""
    with pytest.raises(UnavailableError):
        await _create_wiki(unreachable_store)


@pytest.mark.parametrize(
    ("field", "call", "value"),
    [
        pytest.param(field, call, value, id=f"{name}-{kind}")
        for name, (field, call) in ID_CALLS.items()
        for kind, value in BAD_IDS.items()
        if field != "oauth_provider_sub" or kind not in GOOD_IN_SUBJECTS
    ],
)
async def test_bad_id(unreachable_store: WikibotStore, field: str, call: Call, value: object) -> None:
    """Every method rejects an invalid id by the name of its field."""
    with pytest.raises((InvalidKeyError, TypeError), match=field) as refused:
        await call(unreachable_store, value)

    assert not isinstance(value, str) or isinstance(refused.value, InvalidKeyError)


@pytest.mark.parametrize("value", BAD_SLUGS.values(), ids=BAD_SLUGS)
@pytest.mark.parametrize("call", SLUG_CALLS.values(), ids=SLUG_CALLS)
async def test_bad_slug(unreachable_store: WikibotStore, call: Call, value: object) -> None:
    """Every method rejects a slug that is not a DNS label."""
    with pytest.raises(InvalidKeyError, match="wiki_slug"):
        await call(unreachable_store, value)


@pytest.mark.parametrize(("field", "value"), BAD_WIKI_IDS.values(), ids=BAD_WIKI_IDS)
@pytest.mark.parametrize("call", WIKI_ID_CALLS.values(), ids=WIKI_ID_CALLS)
async def test_bad_wiki_id(unreachable_store: WikibotStore, call: Call, field: str, value: object) -> None:
    """A wiki_id without a valid owner and slug is rejected by the name of the invalid part."""
    with pytest.raises(InvalidKeyError, match=field):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", BAD_USERNAMES.values(), ids=BAD_USERNAMES)
@pytest.mark.parametrize("call", USERNAME_CALLS.values(), ids=USERNAME_CALLS)
async def test_bad_username(unreachable_store: WikibotStore, call: Call, value: str) -> None:
    """A username that is not a DNS label of 3 to 30 characters is rejected."""
    with pytest.raises(InvalidKeyError, match="username"):
        await call(unreachable_store, value)


@pytest.mark.parametrize(
    ("field", "call", "value"),
    [
        (
            "oauth_provider",
            lambda store, value: store.users.get_by_oauth(value, value[1:], consistent=True),
            BOOK * 256,
        ),
        ("oauth_provider", lambda store, value: store.users.get_or_create_by_oauth(value, value[1:]), BOOK * 256),
        (
            "oauth_provider",
            lambda store, value: _create_user(store, oauth_provider=value, oauth_provider_sub=value[1:]),
            BOOK * 256,
        ),
        ("wiki_id|owner_id", WIKI_ID_CALLS["acls.create"], f"{BOOK * 241}:{'s' * 63}"),
    ],
    ids=["claim read", "claim of a login", "claim written", "sort key of the index by-grantee"],
)
async def test_key_beyond_what_dynamodb_takes(
    unreachable_store: WikibotStore, call: Call, field: str, value: str
) -> None:
    """Valid parts whose key exceeds DynamoDB's 2,048 or 1,024 bytes are rejected."""
    with pytest.raises(InvalidKeyError, match=field):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", [0, -1, 10_001])
@pytest.mark.parametrize(("field", "call"), LIMIT_CALLS.values(), ids=LIMIT_CALLS)
async def test_limit_out_of_range(unreachable_store: WikibotStore, field: str, call: Call, value: int) -> None:
    """A limit outside 1 to 10,000 is rejected."""
    with pytest.raises(ValueError, match=f"{field} must be 1 to 10000"):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", [10.0, math.nan, math.inf, True, "10", None])
@pytest.mark.parametrize(("field", "call"), LIMIT_CALLS.values(), ids=LIMIT_CALLS)
async def test_limit_of_another_type(unreachable_store: WikibotStore, field: str, call: Call, value: object) -> None:
    """A limit must be an int; a float and True are rejected."""
    with pytest.raises(TypeError, match=f"{field} must be int"):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", BAD_PREFIXES.values(), ids=BAD_PREFIXES)
@pytest.mark.parametrize("call", PREFIX_CALLS.values(), ids=PREFIX_CALLS)
async def test_bad_prefix(unreachable_store: WikibotStore, call: Call, value: object) -> None:
    """A prefix that no slug can start with is refused."""
    with pytest.raises(InvalidKeyError, match="prefix"):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", BAD_CURSORS.values(), ids=BAD_CURSORS)
@pytest.mark.parametrize("call", CURSOR_CALLS.values(), ids=CURSOR_CALLS)
async def test_bad_cursor(unreachable_store: WikibotStore, call: Call, value: object) -> None:
    """A text that is not a cursor of this listing is rejected."""
    with pytest.raises(InvalidCursorError, match="cursor"):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", [1.5, math.nan, b"ab", ["ab"]], ids=repr)
@pytest.mark.parametrize(("field", "call"), VALUE_CALLS.values(), ids=VALUE_CALLS)
async def test_value_of_another_type(unreachable_store: WikibotStore, field: str, call: Call, value: object) -> None:
    """A value of the wrong type is rejected by name; floats and NaN are never stored."""
    with pytest.raises(TypeError, match=field):
        await call(unreachable_store, value)


@pytest.mark.parametrize(("field", "call"), REQUIRED_CALLS.values(), ids=REQUIRED_CALLS)
async def test_required_value_is_not_none(unreachable_store: WikibotStore, field: str, call: Call) -> None:
    """None is rejected for a required attribute."""
    with pytest.raises(TypeError, match=field):
        await call(unreachable_store, None)


@pytest.mark.parametrize(("field", "call", "value"), BAD_VALUES.values(), ids=BAD_VALUES)
async def test_bad_value(unreachable_store: WikibotStore, field: str, call: Call, value: object) -> None:
    """A value of the right type that breaks its rule is refused by the name of its field."""
    with pytest.raises(ValueError, match=field):
        await call(unreachable_store, value)


@pytest.mark.parametrize("value", [1.0, math.nan, True, "1"], ids=repr)
async def test_expected_version_of_another_type(unreachable_store: WikibotStore, value: Any) -> None:  # noqa: ANN401
    """A version must be an int."""
    with pytest.raises(TypeError, match="version"):
        await unreachable_store.users.update("ada", expected_version=value, tier="pro")
    with pytest.raises(TypeError, match="version"):
        await unreachable_store.wikis.update("owner", "wiki", expected_version=value, is_public=True)


@pytest.mark.parametrize("expected_version", [None, 1])
async def test_update_of_nothing(unreachable_store: WikibotStore, expected_version: int | None) -> None:
    """An update without any attribute is rejected."""
    with pytest.raises(TypeError, match="nothing to update"):
        await unreachable_store.users.update("ada", expected_version=expected_version)
    with pytest.raises(TypeError, match="nothing to update"):
        await unreachable_store.wikis.update("owner", "wiki", expected_version=expected_version)


@pytest.mark.parametrize("ids", ["ada", b"ada", None, 4711], ids=repr)
async def test_one_id_is_not_several(unreachable_store: WikibotStore, ids: Any) -> None:  # noqa: ANN401 - bad ones too
    """A single id is not taken for the ids that its letters would be, and the error shows what is wanted."""
    with pytest.raises(TypeError, match=rf"^ids must be a list .* \['ada', 'bob'\], not {type(ids).__name__}$"):
        await unreachable_store.users.get_many(ids)


@pytest.mark.parametrize("keys", ["ada:notes", None, WikiKey("ada", "notes")], ids=repr)
async def test_one_key_is_not_several(unreachable_store: WikibotStore, keys: Any) -> None:  # noqa: ANN401 - bad ones too
    """A single wiki is not taken for several, and the error shows what is wanted."""
    with pytest.raises(TypeError, match=rf"^keys must be a list .* \[WikiKey\(.*\)\], not {type(keys).__name__}$"):
        await unreachable_store.wikis.get_many(keys)


@pytest.mark.parametrize("keys", [[("ada", "notes")], ["ada:notes"], [None], [WikiKey("ada", "notes"), {}]], ids=repr)
async def test_keys_of_wikis_are_wiki_keys(unreachable_store: WikibotStore, keys: Any) -> None:  # noqa: ANN401 - bad ones too
    """A tuple or a wiki_id in place of a WikiKey is a TypeError that shows what is wanted."""
    with pytest.raises(TypeError, match=rf"^keys must hold WikiKey, .*, not {type(keys[-1]).__name__}$"):
        await unreachable_store.wikis.get_many(keys)


GOOD: dict[str, Any] = {
    "expires_at": NEXT_CENTURY,
    "ids": ["ada"],
    "keys": [WikiKey("ada", "notes")],
    "mcp_token_hash": "5e" * 32,
    "measured_at": MOMENT,
    "role": "viewer",
    "status": "active",
    "wiki": WIKI_ID,
    "wikis": "refuse",
}
"""Good values of arguments, by name, where GOOD_TYPES has none."""
GOOD_TYPES: dict[str, Any] = {"None": None, "bool": True, "int": 5, "float": 5.0, "str": "ada"}
"""Good values, by the types that they are of; the first one counts."""
ALWAYS_WRONG = [b"ab", 1j, object()]
"""Values that no argument takes."""


def _types(parameter: inspect.Parameter) -> list[str]:
    """Return the names of the types that an argument takes, such as ["str", "None"]."""
    return re.findall(r"\w+", inspect.formatannotation(parameter.annotation))


def _good_value(parameter: inspect.Parameter) -> Any:  # noqa: ANN401 - of the argument's type
    types = _types(parameter)
    return GOOD[parameter.name] if parameter.name in GOOD else next(GOOD_TYPES[t] for t in GOOD_TYPES if t in types)


def _wrong_values(parameter: inspect.Parameter) -> list[Any]:
    """Return values that an argument does not take."""
    types = _types(parameter)
    none = [] if "None" in types or "NoneType" in types else [None]
    number = [] if {"int", "float"}.intersection(types) else [4711]
    return [*ALWAYS_WRONG, *none, *number, *([] if "Iterable" in types else [["ab"], ("ada", "notes")])]


def _arguments() -> Iterator[tuple[str, str]]:
    """Return every argument of every public method."""
    for method in public_methods():
        dao, _, name = method.rpartition(".")
        function = getattr(DAOS[dao] if dao else WikibotStore, name)
        yield from ((method, argument) for argument in list(inspect.signature(function).parameters)[1:])


@pytest.mark.parametrize(("method", "argument"), list(_arguments()))
async def test_every_argument_is_checked(unreachable_store: WikibotStore, method: str, argument: str) -> None:
    """A value of a type that an argument does not take is an error that names the argument, before any request."""
    call = attrgetter(method)(unreachable_store)
    parameters = inspect.signature(call).parameters
    given = {name: _good_value(parameter) for name, parameter in parameters.items()}
    for wrong in _wrong_values(parameters[argument]):
        with pytest.raises((TypeError, ValueError), match=rf"\b(oauth_|oauth_provider_)?{argument}\b"):
            await _result(call(**(given | {argument: wrong})))


async def _result(called: Any) -> object:  # noqa: ANN401 - a coroutine or a stream
    return await called if inspect.isawaitable(called) else await collect(called)
