"""The request and response bodies of the API. They leave out the secrets and internals of the store's models."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from wikibot_store import Acl, Role, User, Wiki
from wikibot_store.keys import INVITE

T = TypeVar("T")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# An address on the web, or one of the pictures that the page brings along. The page shows only these, because its
# Content-Security-Policy forbids pictures from other servers.
Picture = Annotated[str, StringConstraints(pattern=r"^(https://|/static/avatars/[a-z]+\.svg$)", max_length=2000)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
_MARGIN_SECONDS = 60


def _in_future(moment: datetime) -> datetime:
    """Reject a time that is over, or nearly: the store rounds it down and compares it a moment later."""
    if moment.timestamp() < time.time() + _MARGIN_SECONDS:
        raise ValueError("must be at least a minute in the future")
    return moment


Future = Annotated[AwareDatetime, AfterValidator(_in_future)]


class WikiIn(BaseModel):
    """The attributes of a wiki that its owner sets."""

    display_name: Name
    is_public: bool = False


class GrantIn(BaseModel):
    """A role to grant; without `expires_at` it does not end."""

    role: Role
    expires_at: Future | None = None


class InvitationIn(BaseModel):
    """An invitation; the grant that it becomes does not expire."""

    email: Email
    role: Role
    expires_at: Future


class TokenIn(BaseModel):
    """The token of an invitation."""

    token: Annotated[str, StringConstraints(max_length=2000)]


class SlugIn(BaseModel):
    """Another slug for a wiki."""

    wiki_slug: str


class OwnerIn(BaseModel):
    """Another owner for a wiki."""

    owner_id: str


class UsernameIn(BaseModel):
    """Another username; null removes it."""

    username: str | None


# Changes are keyword arguments of a DAO's `update`; an attribute that is left out stays. At least one is required.


class _UserChanges(TypedDict, total=False):
    display_name: Name | None
    avatar_url: Picture | None


class _WikiChanges(TypedDict, total=False):
    display_name: Name
    is_public: bool


UserChanges = Annotated[_UserChanges, Field(min_length=1)]
WikiChanges = Annotated[_WikiChanges, Field(min_length=1)]


class _Out(BaseModel):
    """Reads its fields from the library's structs."""

    model_config = ConfigDict(from_attributes=True)


class UserOut(_Out):
    """A user, without the OAuth identity."""

    id: str
    username: str | None
    email: str | None
    display_name: str | None
    avatar_url: str | None
    tier: str
    created_at: datetime
    version: int


class ProfileOut(_Out):
    """The public attributes of a user."""

    id: str
    username: str | None
    display_name: str | None
    avatar_url: str | None


class IdentityOut(_Out):
    """A login of mine: the provider, and the provider's subject for me."""

    provider: str
    sub: str


class WikiOut(_Out):
    """A wiki, without its path on disk and its token hash. It keeps its `uid` when it moves."""

    uid: str
    owner_id: str
    wiki_slug: str
    display_name: str
    is_public: bool
    page_count: int
    disk_usage_bytes: int
    created_at: datetime
    updated_at: datetime
    has_mcp_token: Annotated[
        bool, BeforeValidator(lambda token_hash: token_hash is not None), Field(validation_alias="mcp_token_hash")
    ]
    version: int


class MemberOut(BaseModel):
    """A member with the role, who granted it, when and until when; `user` is null if the user was deleted."""

    user_id: str
    user: ProfileOut | None
    role: Role
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, acl: Acl, user: User | None) -> Self:
        """Combine a grant and its user."""
        return cls(
            user_id=acl.grantee_id,
            user=None if user is None else ProfileOut.model_validate(user),
            role=acl.role,
            granted_by=acl.granted_by,
            granted_at=acl.granted_at,
            expires_at=acl.expires_at,
        )


class InvitationOut(BaseModel):
    """An open invitation. Its `id` names it, and opens nothing."""

    id: str
    email: str | None
    role: Role
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, acl: Acl) -> Self:
        """Describe the stored invitation."""
        return cls(
            id=acl.grantee_id.removeprefix(INVITE),
            email=acl.invited_email,
            role=acl.role,
            granted_by=acl.granted_by,
            granted_at=acl.granted_at,
            expires_at=acl.expires_at,
        )


class NewInvitationOut(BaseModel):
    """A new invitation and its token, which is not stored and so cannot be shown again."""

    invitation: InvitationOut
    token: str


class McpTokenOut(BaseModel):
    """A new MCP token, which is not stored and so cannot be shown again."""

    token: str


class AccessOut(BaseModel):
    """A wiki with its owner, my role in it, and whether the wiki is mine."""

    wiki: WikiOut
    owner: ProfileOut
    role: Role
    is_mine: bool


class SharedOut(BaseModel):
    """A wiki of another user and my role in it; `wiki` is null if it no longer exists."""

    wiki_id: str
    wiki: WikiOut | None
    owner: ProfileOut | None
    role: Role

    @classmethod
    def of(cls, acl: Acl, wiki: Wiki | None, owners: Mapping[str, User]) -> Self:
        """Combine a grant, its wiki and the wiki's owner."""
        owner = None if wiki is None else owners.get(wiki.owner_id)
        return cls(
            wiki_id=acl.wiki_id,
            wiki=None if wiki is None else WikiOut.model_validate(wiki),
            owner=None if owner is None else ProfileOut.model_validate(owner),
            role=acl.role,
        )


class PageOut(_Out, Generic[T]):
    """One page of a listing; `cursor` requests the next page and is null on the last one."""

    items: list[T]
    cursor: str | None
