"""The request and response bodies of the API. They leave out the secrets and internals of the store's models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from wikibot_store import Acl, Role, User, Wiki

T = TypeVar("T")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
WebAddress = Annotated[str, StringConstraints(pattern="^https://", max_length=2000)]


class WikiIn(BaseModel):
    """The attributes of a wiki that its owner sets."""

    display_name: Name
    is_public: bool = False


class GrantIn(BaseModel):
    """A role to grant."""

    role: Role


# Changes are keyword arguments of a DAO's `update`; an attribute that is left out stays. At least one is required.


class _UserChanges(TypedDict, total=False):
    display_name: Name | None
    avatar_url: WebAddress | None


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


class WikiOut(_Out):
    """A wiki, without its path on disk and its token hash."""

    owner_id: str
    wiki_slug: str
    display_name: str
    is_public: bool
    page_count: int
    disk_usage_bytes: int
    created_at: datetime
    updated_at: datetime
    version: int


class MemberOut(BaseModel):
    """A member with the role, and who granted it when; `user` is null if the user was deleted."""

    user_id: str
    user: ProfileOut | None
    role: Role
    granted_by: str
    granted_at: datetime

    @classmethod
    def of(cls, acl: Acl, user: User | None) -> Self:
        """Combine a grant and its user."""
        return cls(
            user_id=acl.grantee_id,
            user=None if user is None else ProfileOut.model_validate(user),
            role=acl.role,
            granted_by=acl.granted_by,
            granted_at=acl.granted_at,
        )


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
