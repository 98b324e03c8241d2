"""The models: the items of the tables as immutable typed values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from wikibot_store._dynamo.checks import check_choice
from wikibot_store._dynamo.items import EPOCH
from wikibot_store._dynamo.listing import Page
from wikibot_store.keys import WikiKey

__all__ = [
    "Access",
    "Acl",
    "Identity",
    "Member",
    "Page",
    "PublicUser",
    "PublicWiki",
    "Role",
    "RoleName",
    "Share",
    "User",
    "UserStatus",
    "Wiki",
    "WikiStatus",
]

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an item that was written without it, by another program."""


class Role(StrEnum):
    """What a grant allows. An owner may do what an editor may, an editor what a viewer may."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


RoleName = Literal["owner", "editor", "viewer"]
"""A role as text. A type checker rejects a misspelt one."""


class Identity(NamedTuple):
    """An OAuth identity that a user logs in with: the provider, and the provider's subject for the user."""

    provider: str
    sub: str


class UserStatus(StrEnum):
    """The state of a user. Only an active user has access to anything."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


class WikiStatus(StrEnum):
    """The state of a wiki.

    While a wiki is renamed or transferred, it is `moving` under its old key and `arriving` under its new key. It is
    live under the old key until the move switches to the new key.
    """

    ACTIVE = "active"
    MOVING = "moving"
    ARRIVING = "arriving"
    DELETING = "deleting"


class _Discreet(msgspec.Struct, frozen=True, gc=False):
    """A model whose repr leaves private attributes out."""

    def __rich_repr__(self) -> None:  # type: ignore[override]  # None makes rich print the repr, not all attributes
        """Show the repr in the tracebacks that rich prints, too."""


class _Refusal:
    """The default of a hidden field. Serializers reject it, and their error message shows its class name."""

    __slots__ = ("_arguments",)  # without a __dict__, which FastAPI would return as a JSON object

    def __init__(self, model: str, advice: str = "build a response of your own") -> None:
        name = f"{model}, which holds private attributes: {advice}"
        cls = type(name, (_Refusal,), {"__module__": __name__, "__slots__": ()})
        self.__class__ = cls  # noqa: PLE0237 - __class__ is no slot
        self._arguments = model, advice

    def __str__(self) -> str:
        """Refuse the text that a serializer with `default=str` or `enc_hook=str` asks for."""
        raise TypeError(type(self).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Refusal, self._arguments

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Refusal)

    def __hash__(self) -> int:
        return hash(_Refusal)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicUser:
    """The attributes of a user that everybody may see; safe to return from a web handler."""

    id: str
    username: str | None
    display_name: str | None
    avatar_url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicWiki:
    """The attributes of a wiki that all its readers may see; safe to return from a web handler. Times are in UTC."""

    owner_id: str
    wiki_slug: str
    uid: str
    display_name: str
    is_public: bool
    page_count: int
    disk_usage_bytes: int
    created_at: datetime
    updated_at: datetime
    last_accessed: datetime | None
    version: int


# gc=False: the garbage collector does not track instances. This is safe because no field can refer back to an instance:
# every field is a string, a number, a boolean, an enum member, a datetime or a constant.
class User(_Discreet, frozen=True, gc=False, kw_only=True):
    """One user. Times are aware and in UTC; `version` grows by one when the profile changes.

    A User cannot be serialized, because it holds an email address and an identity: return `user.public()`, or build a
    response of your own.
    """

    id: str
    oauth_provider: str
    oauth_provider_sub: str
    username: str | None = None
    email: str | None = None
    display_name: str | None = None
    avatar_url: str | None = None
    tier: str = "free"
    status: UserStatus = UserStatus.ACTIVE
    wiki_count: int = 0
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None
    version: int = 1
    _private: Any = _Refusal("User", "return user.public() instead")

    def __repr__(self) -> str:
        """Name the user without the profile, so that a log line reveals no private attribute."""
        return f"User(id={self.id!r}, username={self.username!r}, status={str(self.status)!r}, version={self.version})"

    def public(self) -> PublicUser:
        """Return the attributes that everybody may see."""
        return PublicUser(
            id=self.id, username=self.username, display_name=self.display_name, avatar_url=self.avatar_url
        )


class Wiki(_Discreet, frozen=True, gc=False, kw_only=True):
    """One wiki. `uid` is its incarnation: a later wiki under the same key has another `uid`.

    A Wiki cannot be serialized, because it holds `repo_path` and `mcp_token_hash`: return `wiki.public()`, or build a
    response of your own.
    """

    owner_id: str
    wiki_slug: str
    uid: str
    display_name: str
    repo_path: str
    mcp_token_hash: str | None = None
    is_public: bool = False
    status: WikiStatus = WikiStatus.ACTIVE
    page_count: int = 0
    disk_usage_bytes: int = 0
    created_at: datetime
    updated_at: datetime
    last_accessed: datetime | None = None
    version: int = 1
    _private: Any = _Refusal("Wiki", "return wiki.public() instead")

    @property
    def key(self) -> WikiKey:
        """The primary key."""
        return WikiKey(self.owner_id, self.wiki_slug)

    @property
    def is_live(self) -> bool:
        """Whether the wiki can be read and written: it is neither being deleted nor still arriving."""
        return self.status in {WikiStatus.ACTIVE, WikiStatus.MOVING}

    def __repr__(self) -> str:
        """Name the wiki without its token hash and path."""
        return (
            f"Wiki(owner_id={self.owner_id!r}, wiki_slug={self.wiki_slug!r}, uid={self.uid!r}, "
            f"status={str(self.status)!r}, version={self.version})"
        )

    def public(self) -> PublicWiki:
        """Return the attributes that all readers of the wiki may see."""
        return PublicWiki(
            owner_id=self.owner_id,
            wiki_slug=self.wiki_slug,
            uid=self.uid,
            display_name=self.display_name,
            is_public=self.is_public,
            page_count=self.page_count,
            disk_usage_bytes=self.disk_usage_bytes,
            created_at=self.created_at,
            updated_at=self.updated_at,
            last_accessed=self.last_accessed,
            version=self.version,
        )


class Acl(_Discreet, frozen=True, gc=False, kw_only=True):
    """One grant. `expires_at` has whole seconds; `wiki_uid` is the `uid` of the wiki that it was given for.

    An invitation is a grant to the person who has its token. It has `invited_email`, and allows nothing until it is
    accepted.
    """

    wiki_id: str
    grantee_id: str
    role: Role
    granted_by: str
    granted_at: datetime
    expires_at: Annotated[datetime, EPOCH] | None = None
    wiki_uid: str | None = None
    invited_email: str | None = None

    def __repr__(self) -> str:
        """Name the grant without the email address of an invitation."""
        return (
            f"Acl(wiki_id={self.wiki_id!r}, grantee_id={self.grantee_id!r}, role={str(self.role)!r}, "
            f"expires_at={self.expires_at!r})"
        )

    def is_expired(self, now: datetime) -> bool:
        """Return whether the grant has expired."""
        return self.expires_at is not None and self.expires_at <= now

    def is_for(self, wiki: Wiki) -> bool:
        """Return whether the grant was given for this wiki, and not for an earlier one under the same key.

        Other programs gave grants without `wiki_uid`. Such a grant is not for a wiki that was created after it. If it
        has no time either, it is for any wiki under the key.
        """
        if self.wiki_uid is not None:
            return self.wiki_uid == wiki.uid
        return self.granted_at == NO_TIME or self.granted_at >= wiki.created_at


class Member(NamedTuple):
    """A grant and the user who has it; `user` is None if the user no longer exists."""

    acl: Acl
    user: User | None


class Share(NamedTuple):
    """A grant and the wiki that it opens; `wiki` is None if the grant opens no live wiki."""

    acl: Acl
    wiki: Wiki | None


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do in a wiki: `role` is None if there is no access.

    `wiki` and `user` are the stored ones, or None if missing, even if there is no access. So get a wiki to show from
    `wiki_for` only.
    """

    role: Role | None
    wiki: Wiki | None
    user: User | None

    def allows(self, role: Role | RoleName) -> bool:
        """Return whether the access is at least that of `role`.

        Raises:
            ValueError: `role` is not a role.

        """
        ranks = list(Role)
        asked = ranks.index(check_choice("role", Role, role))
        return self.role is not None and ranks.index(self.role) <= asked

    def wiki_for(self, role: Role | RoleName) -> Wiki | None:
        """Return the wiki if the access is at least that of `role`, else None.

        Raises:
            ValueError: `role` is not a role.

        """
        return self.wiki if self.allows(role) else None
