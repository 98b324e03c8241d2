"""aiopynamodb: models, on aiobotocore."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiopynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
    VersionAttribute,
)
from aiopynamodb.constants import STRING
from aiopynamodb.models import Model

from benchmarks.contenders import Endpoint, timestamp


class TimeAttribute(Attribute[datetime]):
    """A time in the store's notation; the library's own attribute has another notation."""

    attr_type = STRING

    def serialize(self, value: datetime) -> str:
        return timestamp(value)

    def deserialize(self, value: str) -> datetime:
        return datetime.fromisoformat(value)


class User(Model):
    """One user."""

    class Meta:
        """The table."""

        table_name = "users"

    id = UnicodeAttribute(hash_key=True)
    oauth_provider = UnicodeAttribute()
    oauth_provider_sub = UnicodeAttribute()
    username = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    display_name = UnicodeAttribute(null=True)
    avatar_url = UnicodeAttribute(null=True)
    tier = UnicodeAttribute()
    status = UnicodeAttribute()
    wiki_count = NumberAttribute()
    created_at = TimeAttribute()
    updated_at = TimeAttribute()
    last_login_at = TimeAttribute(null=True)
    version = VersionAttribute()


class Claim(Model):
    """A claim, which ties an identity to one user."""

    class Meta:
        """The table."""

        table_name = "users"

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()


class Wiki(Model):
    """One wiki."""

    class Meta:
        """The table."""

        table_name = "wikis"

    owner_id = UnicodeAttribute(hash_key=True)
    wiki_slug = UnicodeAttribute(range_key=True)
    uid = UnicodeAttribute()
    display_name = UnicodeAttribute()
    repo_path = UnicodeAttribute()
    mcp_token_hash = UnicodeAttribute(null=True)
    is_public = BooleanAttribute()
    status = UnicodeAttribute()
    page_count = NumberAttribute()
    disk_usage_bytes = NumberAttribute()
    created_at = TimeAttribute()
    updated_at = TimeAttribute()
    last_accessed = TimeAttribute(null=True)
    version = VersionAttribute()


class Acl(Model):
    """One grant."""

    class Meta:
        """The table."""

        table_name = "acls"

    wiki_id = UnicodeAttribute(hash_key=True)
    grantee_id = UnicodeAttribute(range_key=True)
    role = UnicodeAttribute()
    granted_by = UnicodeAttribute()
    granted_at = TimeAttribute()
    expires_at = NumberAttribute(null=True)
    wiki_uid = UnicodeAttribute(null=True)


class PynamoClient:
    """Calls the three models."""

    async def get(self, owner_id: str, slug: str) -> Wiki:
        return await Wiki.get(owner_id, slug)

    async def create(self, owner_id: str, slug: str) -> None:
        now = datetime.now(UTC)
        wiki = Wiki(
            owner_id,
            slug,
            uid=uuid4().hex,
            display_name="Field notes",
            repo_path="/srv/wikis/9f/1c/9f1c5a0e.git",
            is_public=False,
            status="active",
            page_count=0,
            disk_usage_bytes=0,
            created_at=now,
            updated_at=now,
        )
        await wiki.save(condition=Wiki.owner_id.does_not_exist())

    async def update(self, wiki: Wiki) -> Wiki:
        await wiki.update(actions=[Wiki.display_name.set("Field notes"), Wiki.updated_at.set(datetime.now(UTC))])
        return wiki

    async def page(self, owner_id: str, limit: int) -> Sequence[Wiki]:
        return [wiki async for wiki in Wiki.query(owner_id, limit=limit)]

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Wiki]:
        return aiter(Wiki.query(owner_id, page_size=page_size))

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Any]:
        return await asyncio.gather(
            User.get(user_id, consistent_read=True),
            Wiki.get(owner_id, slug, consistent_read=True),
            Acl.get(f"{owner_id}:{slug}", user_id, consistent_read=True),
        )

    async def login(self, sub: str) -> User:
        claim = await Claim.get(f"claim#oauth#github#{sub}", consistent_read=True)
        return await User.get(claim.user_id, consistent_read=True)

    def plain(self, item: Model) -> dict[str, Any]:
        return item.to_simple_dict()

    def values(self, item: Model) -> dict[str, Any]:
        values = {name: getattr(item, name) for name in item.get_attributes()}
        return {
            name: timestamp(value) if isinstance(value, datetime) else value
            for name, value in values.items()
            if value is not None
        }


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[PynamoClient]:
    """Configure the models, which connect by themselves. They read the CA bundle from AWS_CA_BUNDLE."""
    metas: tuple[Any, ...] = (User.Meta, Claim.Meta, Wiki.Meta, Acl.Meta)
    for meta in metas:
        meta.host = endpoint.url
        meta.region = endpoint.region
        meta.max_pool_connections = endpoint.connections
    yield PynamoClient()
