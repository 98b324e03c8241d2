"""dynamoxy: models through repositories, on a Rust core."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import dynamoxy
from dynamoxy import Attr, field, partition_key, sort_key

from benchmarks.contenders import Endpoint, timestamp


class User(dynamoxy.Model, table="users", datetime_format="iso_z"):  # type: ignore[call-arg]  # mypy does not look into it
    """One user."""

    id: Attr[str] = partition_key()
    oauth_provider: Attr[str]
    oauth_provider_sub: Attr[str]
    username: Attr[str | None] = field(default=None)
    email: Attr[str | None] = field(default=None)
    display_name: Attr[str | None] = field(default=None)
    avatar_url: Attr[str | None] = field(default=None)
    tier: Attr[str] = field(default="free")
    status: Attr[str] = field(default="active")
    wiki_count: Attr[int] = field(default=0)
    created_at: Attr[datetime] = dynamoxy.created_at()
    updated_at: Attr[datetime] = dynamoxy.updated_at()
    last_login_at: Attr[datetime | None] = field(default=None)
    version: Attr[int] = dynamoxy.version()


class Claim(dynamoxy.Model, table="users"):  # type: ignore[call-arg]  # mypy does not look into it
    """A claim, which ties an identity to one user."""

    id: Attr[str] = partition_key()
    user_id: Attr[str]


class Wiki(dynamoxy.Model, table="wikis", datetime_format="iso_z"):  # type: ignore[call-arg]  # mypy does not look into it
    """One wiki."""

    owner_id: Attr[str] = partition_key()
    wiki_slug: Attr[str] = sort_key()
    uid: Attr[str]
    display_name: Attr[str]
    repo_path: Attr[str]
    mcp_token_hash: Attr[str | None] = field(default=None)
    is_public: Attr[bool] = field(default=False)
    status: Attr[str] = field(default="active")
    page_count: Attr[int] = field(default=0)
    disk_usage_bytes: Attr[int] = field(default=0)
    created_at: Attr[datetime] = dynamoxy.created_at()
    updated_at: Attr[datetime] = dynamoxy.updated_at()
    last_accessed: Attr[datetime | None] = field(default=None)
    version: Attr[int] = dynamoxy.version()


class Acl(dynamoxy.Model, table="acls", datetime_format="iso_z"):  # type: ignore[call-arg]  # mypy does not look into it
    """One grant."""

    wiki_id: Attr[str] = partition_key()
    grantee_id: Attr[str] = sort_key()
    role: Attr[str]
    granted_by: Attr[str]
    granted_at: Attr[datetime]
    expires_at: Attr[int | None] = field(default=None)
    wiki_uid: Attr[str | None] = field(default=None)


class DynamoxyClient:
    """Calls the three repositories."""

    def __init__(self, client: dynamoxy.Client) -> None:
        self._users = client.repository(User)
        self._wikis = client.repository(Wiki)
        self._acls = client.repository(Acl)
        self._claims = client.repository(Claim)

    async def get(self, owner_id: str, slug: str) -> Wiki | None:
        return await self._wikis.get(owner_id, slug)

    async def create(self, owner_id: str, slug: str) -> None:
        wiki = Wiki(
            owner_id=owner_id,
            wiki_slug=slug,
            uid=uuid4().hex,
            display_name="Field notes",
            repo_path="/srv/wikis/9f/1c/9f1c5a0e.git",
        )
        await self._wikis.create(wiki)

    async def update(self, wiki: Wiki) -> Wiki:
        return await self._wikis.update(wiki, Wiki.display_name.set("Field notes"))

    async def page(self, owner_id: str, limit: int) -> Sequence[Wiki]:
        return (await self._wikis.query(owner_id=owner_id).page_size(limit).page()).items

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Wiki]:
        return aiter(self._wikis.query(owner_id=owner_id).page_size(page_size))

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Any]:
        return await asyncio.gather(
            self._users.get(user_id, consistent=True),
            self._wikis.get(owner_id, slug, consistent=True),
            self._acls.get(f"{owner_id}:{slug}", user_id, consistent=True),
        )

    async def login(self, sub: str) -> User | None:
        claim = await self._claims.get(f"claim#oauth#github#{sub}", consistent=True)
        return None if claim is None else await self._users.get(claim.user_id, consistent=True)

    def plain(self, item: dynamoxy.Model) -> dict[str, Any]:
        return item.to_dict()

    def values(self, item: dynamoxy.Model) -> dict[str, Any]:
        values = {name: getattr(item, name) for name in type(item).__annotations__}
        return {
            name: timestamp(value) if isinstance(value, datetime) else value
            for name, value in values.items()
            if value is not None
        }


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[DynamoxyClient]:
    """Open a client. It has no setting for the size of its pool."""
    async with dynamoxy.Client(region=endpoint.region, endpoint_url=endpoint.url) as client:
        yield DynamoxyClient(client)
