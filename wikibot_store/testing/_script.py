"""When a fault strikes."""

from collections.abc import Collection
from dataclasses import dataclass, field

from wikibot_store._dynamo.checks import check_integer
from wikibot_store.testing._exchange import Exchange
from wikibot_store.testing._faults import Play

_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - a header's name


@dataclass(eq=False, kw_only=True)
class Fault:
    """A fault that is scripted: it strikes until it has struck `times` times, or is released."""

    name: str
    play: Play = field(repr=False)
    operations: Collection[str] | None = None
    session_token: str | None = field(default=None, repr=False)
    times: int | None
    probability: float
    skip: int

    def __post_init__(self) -> None:
        """Refuse what would never strike."""
        if self.times is not None and check_integer("times", self.times) < 1:
            raise ValueError("times must be at least 1, or None for always")
        if check_integer("skip", self.skip) < 0:
            raise ValueError("skip must be at least 0")
        if not 0 < check_number("probability", self.probability) <= 1:
            raise ValueError("probability must be more than 0 and at most 1")

    def release(self) -> None:
        """End the fault."""
        self.times = 0

    def strikes(self, exchange: Exchange) -> bool:
        """Decide about a request, and count it."""
        if self.times == 0 or not self._fits(exchange):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if exchange.random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def _fits(self, exchange: Exchange) -> bool:
        if self.operations is not None and exchange.operation not in self.operations:
            return False
        return self.session_token in (None, exchange.request.headers.get(_TOKEN))


def check_number(name: str, value: float) -> float:
    """Return `value` if it is a number; `bool` is rejected."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return value


def check_seconds(seconds: float) -> float:
    """Return a time that is not over at once."""
    if not 0 < check_number("seconds", seconds) < float("inf"):
        raise ValueError("seconds must be more than 0, and finite")
    return seconds


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Refuse what is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")
