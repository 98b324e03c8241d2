"""A store on its way to a real engine, with a scripted server in between and other writers beside it."""

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
    """Do nothing: the other writer that is not there."""


@dataclass(frozen=True)
class Stage:
    """`store` sends by way of the scripted server to the engine, `direct` goes there directly."""

    server: ScriptedServer
    store: WikibotStore
    direct: WikibotStore
    engine: Engine

    def lose_answer(self, meanwhile: Callable[[], Awaitable[object]] = _nothing, *, ending: Step = reset) -> None:
        """Apply the first write, wait for what another writer does, and break off instead of answering."""
        self._fault(in_turn(self.engine.apply, lambda _: meanwhile(), ending))

    def lose_request(self, meanwhile: Callable[[], Awaitable[object]] = _nothing) -> None:
        """Wait for what another writer does, and break off without applying the first write."""
        self._fault(in_turn(lambda _: meanwhile(), reset))

    def overtake(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        """Let another writer write just before the first write arrives."""
        self._fault(in_turn(lambda _: meanwhile(), self.engine.forward))

    def _fault(self, fault: Step) -> None:
        self.server.default = on_first_write(fault, otherwise=self.engine.forward)
