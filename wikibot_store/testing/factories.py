"""Factories of users, wikis and grants for tests. They make up every value that a test does not give."""

from datetime import datetime
from itertools import count
from typing import TypeVar

from wikibot_store.models import Acl, Role, RoleName, User, Wiki
from wikibot_store.store import WikibotStore

M = TypeVar("M", User, Wiki)


def _check(name: str, model: type[M], value: M) -> M:
    """Return `value` if it is an instance of the model: an id is not one."""
    if not isinstance(value, model):
        raise TypeError(f"{name} must be {model.__name__}, not {type(value).__name__}")
    return value


class MakeUser:
    """Creates users: `user-1`, `user-2` and so on, each with its own identity."""

    def __init__(self, store: WikibotStore) -> None:
        self._store = store
        self._numbers = count(1)

    async def __call__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the attribute's name
        oauth_provider: str = "test",
        oauth_provider_sub: str | None = None,
        username: str | None = None,
        email: str | None = None,
        display_name: str | None = None,
        avatar_url: str | None = None,
    ) -> User:
        """Create a user; without `oauth_provider_sub`, the id is used.

        Requests: `users.create`.
        """
        user_id = f"user-{next(self._numbers)}" if id is None else id
        return await self._store.users.create(
            id=user_id,
            oauth_provider=oauth_provider,
            oauth_provider_sub=user_id if oauth_provider_sub is None else oauth_provider_sub,
            username=username,
            email=email,
            display_name=display_name,
            avatar_url=avatar_url,
        )


class MakeWiki:
    """Creates wikis: `wiki-1`, `wiki-2` and so on."""

    def __init__(self, store: WikibotStore, make_user: MakeUser) -> None:
        self._store = store
        self._make_user = make_user
        self._numbers = count(1)

    async def __call__(
        self,
        owner: User | None = None,
        *,
        wiki_slug: str | None = None,
        display_name: str | None = None,
        repo_path: str | None = None,
        mcp_token_hash: str | None = None,
        is_public: bool = False,
    ) -> Wiki:
        """Create a wiki; without an owner, create a new user who owns it.

        Requests: `wikis.create`, and before it `users.create` for a new owner.
        """
        owner = await self._make_user() if owner is None else _check("owner", User, owner)
        slug = f"wiki-{next(self._numbers)}" if wiki_slug is None else wiki_slug
        return await self._store.wikis.create(
            owner.id,
            slug,
            display_name=slug if display_name is None else display_name,
            repo_path=f"/srv/{owner.id}/{slug}" if repo_path is None else repo_path,
            mcp_token_hash=mcp_token_hash,
            is_public=is_public,
        )


class MakeGrant:
    """Creates grants."""

    def __init__(self, store: WikibotStore, make_user: MakeUser, make_wiki: MakeWiki) -> None:
        self._store = store
        self._make_user = make_user
        self._make_wiki = make_wiki

    async def __call__(
        self,
        wiki: Wiki | None = None,
        grantee: User | None = None,
        *,
        role: Role | RoleName = Role.VIEWER,
        granted_by: str | None = None,
        expires_at: datetime | None = None,
    ) -> Acl:
        """Grant a role in a wiki. A wiki or grantee that is not given is created; `granted_by` defaults to the owner.

        Requests: `acls.create`, and before it those that create a new wiki and a new grantee.
        """
        wiki = await self._make_wiki() if wiki is None else _check("wiki", Wiki, wiki)
        grantee = await self._make_user() if grantee is None else _check("grantee", User, grantee)
        return await self._store.acls.create(
            wiki.key,
            grantee.id,
            role,
            granted_by=wiki.owner_id if granted_by is None else granted_by,
            expires_at=expires_at,
        )
