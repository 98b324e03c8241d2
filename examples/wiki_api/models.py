"""What the API takes and gives: less than the store holds, so that internals and secrets stay inside."""

from datetime import datetime
from typing import Annotated, Generic, Required, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from wikibot_store import Role

T = TypeVar("T")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
WebAddress = Annotated[str, StringConstraints(pattern="^https://", max_length=2000)]
Version = Annotated[int, Field(ge=1, lt=2**53)]


class Identity(BaseModel):
    """Who an OAuth provider says is logging in."""

    provider: str
    sub: str


class NewWiki(BaseModel):
    """A wiki to create; the library checks the slug."""

    wiki_slug: str
    display_name: Name
    is_public: bool = False


class Grant(BaseModel):
    """A role to give."""

    role: Role


# Changes are the keyword arguments of a DAO's `update`: what is left out stays as it is. They are the version and at
# least one attribute.


class _UserChanges(TypedDict, total=False):
    expected_version: Required[Version]
    display_name: Name | None
    avatar_url: WebAddress | None


class _WikiChanges(TypedDict, total=False):
    expected_version: Required[Version]
    display_name: Name
    is_public: bool


UserChanges = Annotated[_UserChanges, Field(min_length=2)]
WikiChanges = Annotated[_WikiChanges, Field(min_length=2)]


class _Out(BaseModel):
    """Reads its fields off the library's structs."""

    model_config = ConfigDict(from_attributes=True)


class SessionOut(BaseModel):
    """What to send as `Authorization: Bearer <token>`."""

    token: str


class UserOut(_Out):
    """A user, without the identity at the OAuth provider."""

    id: str
    username: str | None
    email: str | None
    display_name: str | None
    avatar_url: str | None
    tier: str
    created_at: datetime
    version: int


class WikiOut(_Out):
    """A wiki, without its place on disk and its token hash."""

    owner_id: str
    wiki_slug: str
    display_name: str
    is_public: bool
    page_count: int
    disk_usage_bytes: int
    created_at: datetime
    updated_at: datetime
    version: int


class GrantOut(_Out):
    """Who may do what, since when and by whom."""

    grantee_id: str
    role: Role
    granted_by: str
    granted_at: datetime


class PageOut(_Out, Generic[T]):
    """One page of a listing; `cursor` asks for the next one and is null on the last."""

    items: list[T]
    cursor: str | None
