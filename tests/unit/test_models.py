"""The models: immutable values with defaults, and reprs without private attributes."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
import pytest

from tests.unit.samples import ACL, NOW, USER, WIKI
from wikibot_store import Access, Acl, Page, PublicUser, PublicWiki, Role, User, UserStatus, Wiki, WikiKey, WikiStatus


@pytest.mark.parametrize("model", [USER, WIKI, ACL, Page([])], ids=lambda model: type(model).__name__)
def test_models_are_immutable(model: msgspec.Struct) -> None:
    """No attribute of a model can be assigned."""
    for field in model.__struct_fields__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(model, field, getattr(model, field))


@pytest.mark.parametrize("model", [USER, WIKI, ACL], ids=lambda model: type(model).__name__)
def test_models_are_values(model: msgspec.Struct) -> None:
    """Equal contents make equal models with one hash."""
    twin = msgspec.structs.replace(model)

    assert twin is not model
    assert twin == model
    assert hash(twin) == hash(model)


def test_a_user_needs_only_id_identity_and_times() -> None:
    """Everything else of a user has a default."""
    user = User(id="u", oauth_provider="github", oauth_provider_sub="4711", created_at=NOW, updated_at=NOW)

    assert user == User(
        id="u",
        oauth_provider="github",
        oauth_provider_sub="4711",
        username=None,
        email=None,
        display_name=None,
        avatar_url=None,
        tier="free",
        status=UserStatus.ACTIVE,
        wiki_count=0,
        created_at=NOW,
        updated_at=NOW,
        last_login_at=None,
        version=1,
    )


def test_a_wiki_needs_only_key_uid_names_and_times() -> None:
    """Everything else of a wiki has a default."""
    wiki = Wiki(owner_id="u", wiki_slug="w", uid="0", display_name="W", repo_path="/w", created_at=NOW, updated_at=NOW)

    assert wiki == Wiki(
        owner_id="u",
        wiki_slug="w",
        uid="0",
        display_name="W",
        repo_path="/w",
        mcp_token_hash=None,
        is_public=False,
        status=WikiStatus.ACTIVE,
        page_count=0,
        disk_usage_bytes=0,
        created_at=NOW,
        updated_at=NOW,
        last_accessed=None,
        version=1,
    )


def test_a_grant_needs_only_key_role_and_origin() -> None:
    """A grant does not expire, and names no incarnation, unless it says so."""
    acl = Acl(wiki_id="u:w", grantee_id="v", role=Role.VIEWER, granted_by="u", granted_at=NOW)

    assert (acl.expires_at, acl.wiki_uid) == (None, None)


@pytest.mark.parametrize("model", [USER, WIKI, ACL], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(
    "twin_of",
    [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301 - its own pickle
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_equal(model: msgspec.Struct, twin_of: Callable[[msgspec.Struct], msgspec.Struct]) -> None:
    """A model that was copied or sent to another process is equal to the original, and so is its hash."""
    twin = twin_of(model)

    assert twin == model
    assert hash(twin) == hash(model)
    assert msgspec.structs.replace(twin) == model


PRIVATE = [(USER, "User", "user"), (WIKI, "Wiki", "wiki")]


@pytest.mark.parametrize("serialize", [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins])
@pytest.mark.parametrize(("model", "name", "variable"), PRIVATE, ids=["user", "wiki"])
def test_a_model_with_private_attributes_cannot_be_serialized(
    model: msgspec.Struct, name: str, variable: str, serialize: Callable[[object], object]
) -> None:
    """A handler that returns a user or a wiki fails and learns what to return; it publishes no secret."""
    for value in (model, [model], {"found": model}, pickle.loads(pickle.dumps(model))):  # noqa: S301 - its own pickle
        with pytest.raises(TypeError, match=rf"{name}, which holds private .*: return {variable}\.public\(\) instead"):
            serialize(value)


@pytest.mark.parametrize("model", [USER, WIKI], ids=["user", "wiki"])
def test_a_serializer_that_falls_back_on_text_fails_too(model: msgspec.Struct) -> None:
    """A serializer that turns unknown values into text gets the same error."""
    with pytest.raises(TypeError, match="which holds private attributes"):
        msgspec.json.encode(model, enc_hook=str)


@pytest.mark.parametrize("model", [USER, WIKI], ids=["user", "wiki"])
def test_the_guard_does_not_distinguish_models(model: msgspec.Struct) -> None:
    """The field that prevents serialization is the same in all models of a class, and unlike anything else."""
    guard = getattr(model, "_private")  # noqa: B009 - not in the model's public type

    assert guard == getattr(msgspec.structs.replace(model), "_private")  # noqa: B009 - likewise
    assert guard != "private"


def test_what_others_may_see_of_a_user() -> None:
    """`public()` holds no email address, identity, tier or status, and can be serialized."""
    public = USER.public()

    assert asdict(public) == {
        "id": "u-1",
        "username": "ada",
        "display_name": "Ada L.",
        "avatar_url": "https://example.org/ada.png",
    }
    assert type(public) is PublicUser
    assert json.loads(msgspec.json.encode(public)) == asdict(public)


def test_what_readers_may_see_of_a_wiki() -> None:
    """`public()` holds neither the path of the repository nor the hash of the MCP token, and can be serialized."""
    public = WIKI.public()

    assert {field.name for field in fields(public)} == {field.name for field in fields(PublicWiki)}
    assert {"repo_path", "mcp_token_hash", "status"}.isdisjoint(asdict(public))
    assert all(getattr(WIKI, name) == value for name, value in asdict(public).items())
    assert json.loads(msgspec.json.encode(public))["wiki_slug"] == "notes"


def test_the_repr_of_a_user() -> None:
    """It names the user, without email, subject, names and picture."""
    assert repr(USER) == "User(id='u-1', username='ada', status='suspended', version=7)"


def test_the_repr_of_a_wiki() -> None:
    """It names the wiki, without token hash, path and title."""
    assert repr(WIKI) == "Wiki(owner_id='u-1', wiki_slug='notes', uid='0f', status='deleting', version=2)"


def test_the_key_of_a_wiki() -> None:
    """A wiki knows its key."""
    assert WIKI.key == WikiKey("u-1", "notes")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OWNER, ["owner", "editor", "viewer"]),
        (Role.EDITOR, ["editor", "viewer"]),
        (Role.VIEWER, ["viewer"]),
        (None, []),
    ],
)
def test_an_access_allows_its_role_and_those_below(role: Role | None, allowed: list[str]) -> None:
    """An access allows what the roles below its own allow, and shows the wiki only to them."""
    access = Access(role=role, wiki=WIKI, user=USER)

    assert [asked.value for asked in Role if access.allows(asked)] == allowed
    assert [asked.value for asked in Role if access.wiki_for(asked) is WIKI] == allowed


def test_a_role_that_there_is_not() -> None:
    """A misspelt role is rejected, and never taken for one that is allowed."""
    access = Access(role=Role.OWNER, wiki=WIKI, user=USER)

    with pytest.raises(ValueError, match=r"^role must be one of owner, editor, viewer$"):
        access.allows("edtor")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "expired"), [(-1, False), (0, True), (1, True)], ids=["before", "at the time", "after"]
)
def test_a_grant_expires_at_its_time(seconds: int, *, expired: bool) -> None:
    """A grant is valid until its `expires_at`, and one without it for ever."""
    assert ACL.expires_at is not None

    assert ACL.is_expired(ACL.expires_at + timedelta(seconds=seconds)) is expired
    assert not msgspec.structs.replace(ACL, expires_at=None).is_expired(datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize("status", WikiStatus)
def test_which_wikis_are_live(status: WikiStatus) -> None:
    """A wiki is live unless it is being deleted or has not arrived yet."""
    live = {WikiStatus.ACTIVE, WikiStatus.MOVING}

    assert msgspec.structs.replace(WIKI, status=status).is_live is (status in live)


def test_the_repr_of_a_grant() -> None:
    """It names the grant without the email address of an invitation."""
    invitation = msgspec.structs.replace(ACL, invited_email="bob@example.org")

    assert repr(invitation).startswith("Acl(wiki_id='u-1:notes', grantee_id='u-2', role='editor', expires_at=")
    assert "example.org" not in repr(invitation)


def test_a_page_is_iterable() -> None:
    """A page iterates over its items and counts them."""
    page = Page(["a", "b"], "cursor")

    assert list(page) == page.items == ["a", "b"]
    assert len(page) == 2
    assert page.cursor == "cursor"


def test_a_last_page_has_no_cursor() -> None:
    """Without a cursor a page is the last one."""
    assert Page([]).cursor is None
    assert len(Page([])) == 0


@pytest.mark.parametrize(
    ("enum", "values"),
    [
        (Role, ["owner", "editor", "viewer"]),
        (UserStatus, ["active", "suspended", "deleting"]),
        (WikiStatus, ["active", "moving", "arriving", "deleting"]),
    ],
)
def test_enums_are_strings(enum: type[StrEnum], values: list[str]) -> None:
    """Members compare equal to their values, print as them and are made of them."""
    assert list(enum) == values
    assert [str(member) for member in enum] == values
    assert [enum(value) for value in values] == list(enum)


@pytest.mark.parametrize("enum", [Role, UserStatus, WikiStatus])
def test_unknown_enum_strings_are_refused(enum: type[StrEnum]) -> None:
    """A text that is not the exact value of a member raises ValueError."""
    with pytest.raises(ValueError, match="OWNER"):
        enum("OWNER")
