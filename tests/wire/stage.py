"""A store that reaches a real engine through a scripted server, and other writers that use the engine directly."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.wire.scripted_server import Engine, ScriptedServer, Step, in_turn, on_first_write, reset
from wikibot_store import WikibotStore

GRANTEE = "ann"
"""A user who has a grant in the wiki of the fixture `home`."""

NEWCOMER = "bob"
"""A user who has none."""


def username_of(owner: str, prefix: str = "a") -> str:
    """Return a username that only this owner uses."""
    return f"{prefix}-{owner[-20:]}"


async def _nothing() -> None:
    """Do nothing: there is no other writer."""


@dataclass(frozen=True)
class Stage:
    """`store` reaches the engine through the scripted server, `direct` without it."""

    server: ScriptedServer
    store: WikibotStore
    direct: WikibotStore
    engine: Engine

    def lose_answer(self, meanwhile: Callable[[], Awaitable[object]] = _nothing, *, ending: Step = reset) -> None:
        """Apply the first write, let another writer write, and close the connection instead of answering."""
        self._fault(in_turn(self.engine.apply, lambda _: meanwhile(), ending))

    def lose_request(self, meanwhile: Callable[[], Awaitable[object]] = _nothing) -> None:
        """Let another writer write, and close the connection without applying the first write."""
        self._fault(in_turn(lambda _: meanwhile(), reset))

    def overtake(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        """Let another writer write just before the first write arrives."""
        self._fault(in_turn(lambda _: meanwhile(), self.engine.forward))

    def _fault(self, fault: Step) -> None:
        self.server.default = on_first_write(fault, otherwise=self.engine.forward)
