"""The libraries that are compared. Each module uses one library as that library's documentation recommends.

This module imports none of them. So a missing library is reported, and the import time of each can be measured.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
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

    async def login(self, sub: str) -> Any:  # noqa: ANN401 - see above
        """Read the claim of a GitHub identity, and then the user who holds it, both consistently."""

    def plain(self, item: Any) -> Any:  # noqa: ANN401 - see above
        """Return an item as the library makes it ready for JSON: the body of a web backend's answer."""

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
    works: tuple[str, ...] = ("*",)

    def does(self, work: str) -> bool:
        """Return whether the library is compared in a workload; `works` has patterns of names."""
        return any(fnmatch(work, pattern) for pattern in self.works)

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
LIMIT = "limit"
NOTHING = "nothing"
BARE = (LIMIT, BASELINE)
"""Contenders that send unsigned requests and do not parse the answers."""
OURS = "wikibot_store"

CONTENDERS = (
    Contender(NOTHING, "starlette", "", "makes no call: the limit of a backend"),
    Contender(LIMIT, "httptools", "bytes", "a bare asyncio protocol: unsigned, body read and not parsed"),
    Contender(BASELINE, "aiohttp", "bytes", "aiohttp alone: unsigned, body read and not parsed"),
    Contender(OURS, "wikibot-store", "models", "default settings: concurrent point reads share a BatchGetItem"),
    Contender(
        "wikibot_store, apart",
        "wikibot-store",
        "models",
        "coalesce_reads=False: a GetItem per point read",
        module=OURS,
        connect="connect_apart",
        works=("point read", "*in flight", "read one wiki*", "authorize*"),
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
        works=("stream*", "point read", "page of 100", "*in flight", "three tables"),
    ),
    Contender("aiopynamodb", "aiopynamodb", "models", "on aiobotocore"),
    Contender("dynamoxy", "dynamoxy", "models", "Rust core; needs Python 3.12"),
    Contender(
        "aws-sdk-dynamodb",
        "aws-sdk-dynamodb",
        "dicts",
        "values as dataclasses; needs Python 3.12",
        module="aws_sdk",
    ),
    Contender("capo-dynamodb", "capo-dynamodb", "dicts", "values in DynamoDB's notation", module="capo"),
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
