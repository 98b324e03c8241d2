"""pydynox: models, on a Rust core."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydynox import DynamoDBClient, Model, ModelConfig, set_default_client
from pydynox.attributes import (
    BooleanAttribute,
    DatetimeAttribute,
    NumberAttribute,
    StringAttribute,
    VersionAttribute,
)

from benchmarks.contenders import Endpoint, timestamp


class User(Model):
    """One user."""

    model_config = ModelConfig(table="users")

    id = StringAttribute(partition_key=True)
    oauth_provider = StringAttribute()
    oauth_provider_sub = StringAttribute()
    username = StringAttribute()
    email = StringAttribute()
    display_name = StringAttribute()
    avatar_url = StringAttribute()
    tier = StringAttribute()
    status = StringAttribute()
    wiki_count = NumberAttribute()
    created_at = DatetimeAttribute()
    updated_at = DatetimeAttribute()
    last_login_at = DatetimeAttribute()
    version = VersionAttribute()


class Claim(Model):
    """A claim, which ties an identity to one user."""

    model_config = ModelConfig(table="users")

    id = StringAttribute(partition_key=True)
    user_id = StringAttribute()


class Wiki(Model):
    """One wiki."""

    model_config = ModelConfig(table="wikis")

    owner_id = StringAttribute(partition_key=True)
    wiki_slug = StringAttribute(sort_key=True)
    uid = StringAttribute()
    display_name = StringAttribute()
    repo_path = StringAttribute()
    mcp_token_hash = StringAttribute()
    is_public = BooleanAttribute()
    status = StringAttribute()
    page_count = NumberAttribute()
    disk_usage_bytes = NumberAttribute()
    created_at = DatetimeAttribute()
    updated_at = DatetimeAttribute()
    last_accessed = DatetimeAttribute()
    version = VersionAttribute()


class Acl(Model):
    """One grant."""

    model_config = ModelConfig(table="acls")

    wiki_id = StringAttribute(partition_key=True)
    grantee_id = StringAttribute(sort_key=True)
    role = StringAttribute()
    granted_by = StringAttribute()
    granted_at = DatetimeAttribute()
    expires_at = NumberAttribute()
    wiki_uid = StringAttribute()


class PydynoxClient:
    """Calls the three models, which return models or dicts."""

    def __init__(self, *, as_dict: bool) -> None:
        self._as_dict = as_dict

    async def get(self, owner_id: str, slug: str) -> Any:  # noqa: ANN401 - its methods are typed as unions
        return await Wiki.get(owner_id=owner_id, wiki_slug=slug, as_dict=self._as_dict)

    async def create(self, owner_id: str, slug: str) -> None:
        now = datetime.now(UTC)
        wiki = Wiki(
            owner_id=owner_id,
            wiki_slug=slug,
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
        await wiki.save(condition=Wiki.owner_id.not_exists())

    async def update(self, wiki: Any) -> Any:  # noqa: ANN401 - see get
        """Change the wiki and save it, because only `save` checks the version. It would not send an unchanged name."""
        wiki.display_name = f"Field notes {wiki.version}"
        wiki.updated_at = datetime.now(UTC)
        await wiki.save()
        return wiki

    async def page(self, owner_id: str, limit: int) -> Sequence[Any]:
        return [wiki async for wiki in Wiki.query(partition_key=owner_id, limit=limit, as_dict=self._as_dict)]

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Any]:
        wikis: AsyncIterator[Any] = aiter(
            Wiki.query(partition_key=owner_id, page_size=page_size, as_dict=self._as_dict)
        )
        return wikis

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Any]:
        return await asyncio.gather(
            User.get(id=user_id, consistent_read=True, as_dict=self._as_dict),
            Wiki.get(owner_id=owner_id, wiki_slug=slug, consistent_read=True, as_dict=self._as_dict),
            Acl.get(wiki_id=f"{owner_id}:{slug}", grantee_id=user_id, consistent_read=True, as_dict=self._as_dict),
        )

    async def login(self, sub: str) -> Any:  # noqa: ANN401 - see get
        claim: Any = await Claim.get(id=f"claim#oauth#github#{sub}", consistent_read=True)
        return await User.get(id=claim.user_id, consistent_read=True, as_dict=self._as_dict)

    def plain(self, item: Any) -> dict[str, Any]:  # noqa: ANN401 - see get
        return dict(item) if self._as_dict else item.to_dict()

    def values(self, item: Any) -> dict[str, Any]:  # noqa: ANN401 - see get
        if self._as_dict:
            return dict(item)
        values = {name: getattr(item, name) for name in item.to_dict()}
        return {name: timestamp(value) if isinstance(value, datetime) else value for name, value in values.items()}


def connect(endpoint: Endpoint) -> AbstractAsyncContextManager[PydynoxClient]:
    """Open a client that reads models."""
    return _connect(endpoint, as_dict=False)


def connect_as_dicts(endpoint: Endpoint) -> AbstractAsyncContextManager[PydynoxClient]:
    """Open a client that reads dicts."""
    return _connect(endpoint, as_dict=True)


@asynccontextmanager
async def _connect(endpoint: Endpoint, *, as_dict: bool) -> AsyncIterator[PydynoxClient]:
    """Make a client the default of the models. It need not be closed and has no setting for its connections."""
    set_default_client(DynamoDBClient(region=endpoint.region, endpoint_url=endpoint.url))
    yield PydynoxClient(as_dict=as_dict)
