"""Stores that send nothing: a function answers their requests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiobotocore.credentials import AioCredentials
from hypothesis import HealthCheck, settings

from wikibot_store import StoreConfig, WikibotStore
from wikibot_store._wire import Wire
from wikibot_store._wire._http import Transport
from wikibot_store._wire._protocol import Answer
from wikibot_store._wire._signer import Signer

# Never judged by the clock or by the size of what is drawn.
fuzzed = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)

HEADERS = {"content-type": "application/x-amz-json-1.0"}
REFUSED = Answer(400, HEADERS, b'{"__type": "EnoughException"}')
# A call that has had so many answers gets no other than that it is refused.
_MOST_ANSWERS = 6


class FuzzedTransport(Transport):
    """Sends nothing, and answers each operation with what a function returns."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        super().__init__()
        self.requests: list[bytes] = []
        self._answer = answer

    async def post(self, headers: dict[str, str], body: bytes, *, seconds: float) -> Answer:  # noqa: ARG002 - the seam
        """Return the answer of the function."""
        self.requests.append(body)
        operation = headers["X-Amz-Target"].rpartition(".")[2]
        return self._answer(operation) if len(self.requests) <= _MOST_ANSWERS else REFUSED


@asynccontextmanager
async def store_on(answer: Callable[[str], Answer], *, attempts: int = 2) -> AsyncIterator[WikibotStore]:
    """Open a store whose requests a function answers by their operation."""

    async def no_client() -> None:
        pytest.fail("no DAO needs the ordinary client")

    async with FuzzedTransport(answer) as transport:
        wire = Wire(
            transport=transport,
            signer=Signer("http://127.0.0.1:1", "us-east-1"),
            credentials=AioCredentials("a", "b"),
            make_client=no_client,  # type: ignore[arg-type]
            endpoint_url="http://127.0.0.1:1",
            config=StoreConfig(grantee_index=True, max_attempts=attempts),
        )
        yield WikibotStore(wire)
        await wire.aclose()
