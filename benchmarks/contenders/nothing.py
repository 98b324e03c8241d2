"""No database: every call returns nothing at once. It is the limit of a web backend."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.contenders import Endpoint


class NothingClient:
    """Returns nothing."""

    async def get(self, owner_id: str, slug: str) -> None:
        pass

    async def create(self, owner_id: str, slug: str) -> None:
        pass

    async def update(self, wiki: None) -> None:
        pass

    async def page(self, owner_id: str, limit: int) -> Sequence[None]:  # noqa: ARG002 - as the other clients
        return []

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[None]:  # noqa: ARG002 - as the other clients
        for _ in range(0):
            yield None

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[None]:  # noqa: ARG002 - as the other clients
        return [None, None, None]

    async def login(self, sub: str) -> None:
        pass

    def plain(self, item: None) -> None:
        pass

    def values(self, item: None) -> dict[str, Any]:  # noqa: ARG002 - as the other clients
        return {}


@asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[NothingClient]:  # noqa: ARG001 - as the other clients
    """Return the client."""
    yield NothingClient()
