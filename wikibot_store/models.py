"""What the tables hold, as immutable typed values."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec

from wikibot_store._checks import check_choice
from wikibot_store.keys import WikiKey

T = TypeVar("T")

EPOCH = "epoch"
"""Marks a datetime that is stored as whole epoch seconds, the only form that DynamoDB's TTL reads."""


class Role(StrEnum):
    """What a grant allows."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class Identity(NamedTuple):
    """What a person can log in with: a provider and the provider's name for the person."""

    provider: str
    sub: str


class UserStatus(StrEnum):
    """Where a user is in its life."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


class WikiStatus(StrEnum):
    """Where a wiki is in its life.

    One that is renamed or transferred is `moving` under its old key, where it is live until the switch, and `arriving`
    under its new one.
    """

    ACTIVE = "active"
    MOVING = "moving"
    ARRIVING = "arriving"
    DELETING = "deleting"


# gc=False keeps instances off the collector's lists, which is safe where no field can refer back: here every field is
# a string, a number, a boolean, an enum member or a datetime.
class User(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One person. Times are aware and in UTC; `version` grows by one with every change of the profile."""

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

    def __repr__(self) -> str:
        """Name the user without the profile, so that a log line gives nothing away."""
        return f"User(id={self.id!r}, username={self.username!r}, status={str(self.status)!r}, version={self.version})"


class Wiki(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One wiki. `uid` is its incarnation: another one gets another uid, even under the same key."""

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

    @property
    def key(self) -> WikiKey:
        """The primary key."""
        return WikiKey(self.owner_id, self.wiki_slug)

    @property
    def is_live(self) -> bool:
        """Whether the wiki can be read and written: it is neither on its way out nor still arriving."""
        return self.status in {WikiStatus.ACTIVE, WikiStatus.MOVING}

    def __repr__(self) -> str:
        """Name the wiki without its token hash and paths."""
        return (
            f"Wiki(owner_id={self.owner_id!r}, wiki_slug={self.wiki_slug!r}, uid={self.uid!r}, "
            f"status={str(self.status)!r}, version={self.version})"
        )


class Acl(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One grant. `expires_at` has whole seconds; `wiki_uid` is the incarnation that the grant was given for.

    An invitation is a grant to whoever holds its token: it has `invited_email`, and opens nothing until it is accepted.
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
        """Name the grant without the email of an invitation."""
        return (
            f"Acl(wiki_id={self.wiki_id!r}, grantee_id={self.grantee_id!r}, role={str(self.role)!r}, "
            f"expires_at={self.expires_at!r})"
        )

    def is_expired(self, now: datetime) -> bool:
        """Tell whether the grant has run out."""
        return self.expires_at is not None and self.expires_at <= now


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may do in a wiki: `role` None is nothing.

    `wiki` and `user` are as they were found, None if missing, whatever the role: what to show comes from `wiki_for`.
    """

    role: Role | None
    wiki: Wiki | None
    user: User | None

    def allows(self, role: Role | str) -> bool:
        """Tell whether the access is at least that of `role`: an owner is an editor too, an editor a viewer.

        Raises:
            ValueError: There is no such role.

        """
        ranks = list(Role)
        asked = ranks.index(check_choice("role", Role, role))
        return self.role is not None and ranks.index(self.role) <= asked

    def wiki_for(self, role: Role | str) -> Wiki | None:
        """Return the wiki if the access is at least that of `role`, else None.

        Raises:
            ValueError: There is no such role.

        """
        return self.wiki if self.allows(role) else None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a listing. `cursor` leads to the next one and is None exactly when nothing follows."""

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the items."""
        return len(self.items)
