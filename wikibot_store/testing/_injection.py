"""An injected fault, and which requests it hits."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from wikibot_store._dynamo.checks import check_integer, check_number
from wikibot_store.testing._exchange import Exchange
from wikibot_store.testing._faults import EFFECTS, OPERATIONS, STATUSES, Fault, Play

_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - a header's name


@dataclass(eq=False, kw_only=True)
class InjectedFault:
    """A fault that `FaultProxy.inject` returned. It ends when it has hit `times` requests, or when it is released.

    `hit_count` is the number of requests that it has hit so far. Check it at the end of a test: a fault that hits no
    request tests nothing.
    """

    fault: Fault
    operation: str | None
    times: int | None
    probability: float
    skip: int
    options: Mapping[str, Any] = field(repr=False)
    hit_count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Reject a fault that would never hit a request, and options that it does not have."""
        effect = EFFECTS[self.fault]
        if self.operation is not None:
            check_one_of("operation", self.operation, sorted(effect.operations or OPERATIONS))
        if self.times is not None and check_integer("times", self.times) < 1:
            raise ValueError("times must be at least 1, or None for no limit")
        if check_integer("skip", self.skip) < 0:
            raise ValueError("skip must be at least 0")
        if not 0 < check_number("probability", self.probability) <= 1:
            raise ValueError("probability must be more than 0 and at most 1")
        for name, value in self.options.items():
            if name != effect.option:
                raise TypeError(f"Fault.{self.fault.name} has no option {name!r}")
            _CHECKS[name](value)
        if self.fault is Fault.DRIP and not self.options:
            raise TypeError("Fault.DRIP needs the option 'seconds'")

    def release(self) -> None:
        """End the fault."""
        self.times = 0

    @property
    def play(self) -> Play:
        """What happens to a request that the fault hits."""
        return partial(EFFECTS[self.fault].play, **self.options)

    def hits(self, exchange: Exchange) -> bool:
        """Return whether the fault hits this request, and count the request."""
        if self.times == 0 or not self._matches(exchange):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if exchange.random.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        self.hit_count += 1
        return True

    def _matches(self, exchange: Exchange) -> bool:
        operations = EFFECTS[self.fault].operations if self.operation is None else {self.operation}
        if operations is not None and exchange.operation not in operations:
            return False
        return self.options.get("session_token") in (None, exchange.request.headers.get(_TOKEN))


def check_seconds(seconds: float) -> float:
    """Return `seconds` if it is a positive, finite number."""
    if not 0 < check_number("seconds", seconds) < float("inf"):
        raise ValueError("seconds must be more than 0, and finite")
    return seconds


def check_one_of(name: str, value: object, choices: Collection[object]) -> None:
    """Reject a value that is not one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")


def _check_token(token: object) -> None:
    if not isinstance(token, str):
        raise TypeError(f"session_token must be str, not {type(token).__name__}")


_CHECKS: dict[str, Callable[[Any], object]] = {
    "seconds": check_seconds,
    "status": lambda status: check_one_of("status", status, STATUSES),
    "session_token": _check_token,
}
