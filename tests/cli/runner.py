"""The result of a command, and a store on the endpoint that the command uses."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from tests.engines import patient
from wikibot_store import WikibotStore
from wikibot_store.local import local_session

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit status."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the document holds
        """The document on stdout."""
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The one line of a command that failed with status 1 and no result, without the line about where to read."""
        return self._line(1)

    @property
    def usage_error(self) -> str:
        """The one line of a command that was called with wrong arguments."""
        return self._line(2)

    def _line(self, status: int) -> str:
        assert (self.status, self.stdout) == (status, "")
        line, *more = self.stderr.splitlines()
        assert all(re.fullmatch(r"see docs/troubleshooting\.md#[a-z]+", other) for other in more)
        return line


class Run(Protocol):
    """Runs `wikibot-store` with these arguments."""

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome:
        """Return the outcome."""


def on_store(endpoint: str, work: Callable[[WikibotStore], Awaitable[T]]) -> T:
    """Open a store on the endpoint, do `work` on it and return the result."""

    async def opened() -> T:
        async with WikibotStore.open(replace(patient(), endpoint_url=endpoint), session=local_session()) as store:
            return await work(store)

    return asyncio.run(opened())
