"""The libraries that are compared. Each module uses one library as that library's documentation recommends.

This module imports none of them. So a missing library is reported, and the import time of each can be measured.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4


@dataclass(frozen=True)
class Endpoint:
    """The endpoint. Credentials, region and CA bundle are also in the environment, under AWS's names."""

    url: str
    region: str
    authority: Path | None = None
    connections: int = 64


class Client(Protocol):
    """The calls to compare. Wikis, users and grants have the library's own form: models, dicts or bytes."""

    async def get(self, owner_id: str, slug: str) -> Any:  # noqa: ANN401 - see above
        """Read one wiki, eventually consistent."""

    async def create(self, owner_id: str, slug: str) -> None:
        """Create a wiki on the condition that there is none with this key."""

    async def update(self, wiki: Any) -> Any:  # noqa: ANN401 - see above
        """Change a wiki's display name on the condition that its version is unchanged; return the new wiki."""

    async def page(self, owner_id: str, limit: int) -> Sequence[Any]:
        """Read the first wikis of an owner in one Query."""

    def stream(self, owner_id: str, page_size: int) -> AsyncIterator[Any]:
        """Read all wikis of an owner, page after page."""

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[Any]:
        """Read a user, a wiki and the user's grant consistently, in as few requests as the library allows."""

    def values(self, item: Any) -> dict[str, Any]:  # noqa: ANN401 - see above
        """Return an item's attributes as plain values, times as the stored text; for the checks only."""


@dataclass(frozen=True)
class Contender:
    """A library in the comparison. The function `connect` of its module takes an Endpoint and opens a client."""

    name: str
    distribution: str
    returns: str
    remark: str = ""
    module: str = ""
    connect: str = "connect"
    works: tuple[str, ...] | None = None

    def load(self) -> Any:  # noqa: ANN401 - a function from Endpoint to an async context manager
        """Import the library; return the function that opens a client."""
        return getattr(import_module(f"{__name__}.{self.module or self.name}"), self.connect)

    def version(self) -> str | None:
        """Return the version of the library, None if it is not installed."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None


BASELINE = "baseline"
OURS = "wikibot_store"

CONTENDERS = (
    Contender(BASELINE, "aiohttp", "bytes", "aiohttp alone: unsigned, body read and not parsed", module="floor"),
    Contender(OURS, "wikibot-store", "models", "default settings: concurrent point reads share a BatchGetItem"),
    Contender(
        "wikibot_store, apart",
        "wikibot-store",
        "models",
        "coalesce_reads=False: a GetItem per point read",
        module=OURS,
        connect="connect_apart",
        works=("point read", "32 in flight", "256 in flight"),
    ),
    Contender("aiobotocore", "aiobotocore", "dicts", "client; values in DynamoDB's notation"),
    Contender("aioboto3", "aioboto3", "dicts", "Table resource; numbers as Decimal"),
    Contender("aiodynamo", "aiodynamo", "dicts", "on aiohttp; numbers as float"),
    Contender("pydynox", "pydynox", "models", "Rust core; updates do not return the item"),
    Contender(
        "pydynox as_dict",
        "pydynox",
        "dicts",
        "reads return dicts instead of models",
        module="pydynox",
        connect="connect_as_dicts",
        works=("stream", "point read", "page of 100", "32 in flight", "256 in flight", "three tables"),
    ),
    Contender("aiopynamodb", "aiopynamodb", "models", "on aiobotocore"),
    Contender("dynamoxy", "dynamoxy", "models", "Rust core; needs Python 3.12"),
)


def new_wiki(owner_id: str, slug: str) -> dict[str, str | int | bool]:
    """Return the attributes of a new wiki, for libraries that take dicts."""
    now = timestamp(datetime.now(UTC))
    return {
        "owner_id": owner_id,
        "wiki_slug": slug,
        "uid": uuid4().hex,
        "display_name": "Field notes",
        "repo_path": "/srv/wikis/9f/1c/9f1c5a0e.git",
        "is_public": False,
        "status": "active",
        "page_count": 0,
        "disk_usage_bytes": 0,
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }


def timestamp(moment: datetime) -> str:
    """Return a time in the store's notation."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
