"""Every public method under every fault: its result or error, and what was stored afterwards.

    python -m tests.faults.matrix

A call is *right* if it returned and stored the same as without a fault. It is a *typed error* if it raised
UnavailableError or RequestFailedError and wrote nothing, or raised WriteOutcomeUnknownError and the write was applied
completely or not at all; an operation of several steps may end between two of them. In both cases the invariants hold,
and a second call ends as if the first one had met no fault. Everything else is *wrong*.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.access_patterns import PATTERNS, WRITERS, AccessPattern
from tests.engines import engines
from tests.faults.arena import SLOW, Arena, Outcome, arena, comparable
from tests.faults.clients import CLIENTS
from tests.faults.invariants import violations_among
from tests.faults.table import RIGHT, TYPED, WRONG, Trial, rendered, update_document
from tests.world import NOTHING, WORLD
from wikibot_store import RequestFailedError, UnavailableError, WriteOutcomeUnknownError
from wikibot_store.schema import TABLES
from wikibot_store.testing import Fault, FaultProxy

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

_HOUR = 3600
_LONG = 8
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
_CONDITION_FAILED = "ConditionalCheckFailed"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault: the fault with its options, or None for a wrong clock.

    `among`: the operations that can meet it, None for any. `hasty`: it outlasts the caller's patience.
    """

    name: str
    fault: Fault | None
    options: Mapping[str, Any] = field(default_factory=dict)
    among: frozenset[str] | None = None
    hasty: bool = False

    def inject(self, proxy: FaultProxy, times: int | None, skip: int) -> None:
        """Inject the fault this many times, after this many requests that could meet it."""
        if self.fault is None:
            proxy.skew_clock(_HOUR)
        else:
            proxy.inject(self.fault, times=times, skip=skip, **self.options)


KINDS = [
    Kind(name="answer lost", fault=Fault.LOSE_ANSWER),
    Kind(name="reset before", fault=Fault.RESET_BEFORE),
    Kind(name="reset midway", fault=Fault.RESET_MIDWAY),
    Kind(name="too slow", fault=Fault.DRIP, options={"seconds": SLOW}, hasty=True),
    Kind(name="500 before", fault=Fault.FAIL_BEFORE),
    Kind(name="500 after", fault=Fault.FAIL_AFTER),
    Kind(name="503 before", fault=Fault.FAIL_BEFORE, options={"status": 503}),
    Kind(name="503 after", fault=Fault.FAIL_AFTER, options={"status": 503}),
    Kind(name="throttled", fault=Fault.THROTTLE),
    Kind(name="unprocessed", fault=Fault.UNPROCESSED, among=frozenset({"BatchGetItem", "BatchWriteItem"})),
    Kind(name="conflict", fault=Fault.TRANSACTION_CONFLICT, among=_WRITES),
    Kind(name="damaged", fault=Fault.CORRUPT),
    Kind(name="expired", fault=Fault.EXPIRE_CREDENTIALS),
    Kind(name="wrong clock", fault=None),
]
STALE = "stale index"
COLUMNS = [*[kind.name for kind in KINDS], STALE]
CASES = [pattern for pattern in PATTERNS if pattern.requests]
"""The calls that can meet a fault."""


@dataclass(frozen=True)
class Bench:
    """One case in an arena, with its outcome without a fault."""

    arena: Arena
    case: AccessPattern
    expected: Outcome
    requests: list[str]

    @classmethod
    async def prepare(cls, arena: Arena, case: AccessPattern) -> "Bench":
        """Make the call without a fault."""
        await arena.reset(WORLD)
        expected = await arena.call(case)
        if expected.error is not None:
            raise expected.error
        return cls(arena, case, expected, [seen.operation for seen in arena.proxy.requests])

    async def trials(self, kinds: Iterable[str], *, whole: bool) -> AsyncIterator[Trial]:
        """Try kinds of faults at the last request; in the whole matrix at each request, once, twice and without end."""
        for kind in [kind for kind in KINDS if kind.name in kinds]:
            for times, skip in self._plan(kind, whole=whole):
                await self.arena.reset(WORLD)
                kind.inject(self.arena.proxy, times, skip)
                outcome = await self.arena.call(self.case, hasty=kind.hasty)
                if self._struck():
                    yield await self._judged(kind.name, outcome)
        if STALE in kinds and "Query" in self.requests:
            outcome = await self._call_on_stale_indexes()
            if self._struck():
                yield await self._judged(STALE, outcome)

    def _plan(self, kind: Kind, *, whole: bool) -> list[tuple[int | None, int]]:
        """Return how often to inject the fault, and how many of the requests that can meet it to skip."""
        if kind.fault is None:  # a clock is wrong for all requests of a call
            return [(1, 0)]
        places = self._places([name for name in self.requests if kind.among is None or name in kind.among])
        if not whole:
            return [(1, skip) for skip in places[-1:]]
        return [*[(times, skip) for skip in places for times in (1, 2)], *[(None, 0) for _ in places[:1]]]

    def _places(self, requests: list[str]) -> list[int]:
        """Return the requests to hit: all of them, but in a long call only the first of several equal reads."""
        return [
            place
            for place, name in enumerate(requests)
            if len(requests) <= _LONG or name in _WRITES or place == 0 or name != requests[place - 1]
        ]

    def _struck(self) -> bool:
        return any(seen.fault is not None for seen in self.arena.proxy.requests)

    async def _call_on_stale_indexes(self) -> Outcome:
        """Make the call with indexes that are as old as the empty tables."""
        await self.arena.reset(NOTHING)
        for schema in (schema for schema in TABLES if schema.indexes):
            self.arena.proxy.stale_index(self.arena.direct.config.table_name(schema.name))
        await self.arena.stores.patient.users.get("nobody")  # copied now
        await self.arena.write(WORLD)
        return await self.arena.call(self.case)

    async def _judged(self, kind: str, outcome: Outcome) -> Trial:
        self.arena.proxy.clear()
        why = await self._wrong(kind, outcome)
        verdict = WRONG if why is not None else TYPED if outcome.failed else RIGHT
        return Trial(
            case=str(self.case),
            client=self.case in CLIENTS,
            kind=kind,
            verdict=verdict,
            why=f"{self.arena.engine}: {why}" if why else "",
        )

    async def _wrong(self, kind: str, outcome: Outcome) -> str | None:
        """Return what is wrong with an outcome, None if it is right."""
        if not outcome.failed:
            return await self._wrong_result(kind, outcome) or self._wrong_items(outcome)
        if outcome.error is not None and not self._is_typed(outcome.error):
            return f"{type(outcome.error).__name__}: {outcome.error}"
        return self._wrong_items(outcome) or await self._wrong_when_repeated()

    async def _wrong_result(self, kind: str, outcome: Outcome) -> str | None:
        if outcome.result == self.expected.result:
            return None
        if kind == STALE and self.case.method not in WRITERS:
            await self.arena.reset(NOTHING)
            if outcome.result == (await self.arena.call(self.case)).result:
                return None  # an index may not know yet
        return f"returned {outcome.result} instead of {self.expected.result}"

    def _is_typed(self, error: Exception) -> bool:
        if self.case not in CLIENTS:
            return isinstance(error, UnavailableError | RequestFailedError | WriteOutcomeUnknownError)
        # There is no other writer, so a failed condition is false.
        return isinstance(error, BotoCoreError | ClientError) and _CONDITION_FAILED not in str(error)

    def _wrong_items(self, outcome: Outcome) -> str | None:
        """Compare the stored items with those before and after the call; a saga may end in between."""
        before, after = comparable(WORLD), self.expected.state
        if not self.case.saga:
            allowed = [after]
            if outcome.failed:
                knows = isinstance(outcome.error, UnavailableError | RequestFailedError)
                allowed = [before] if knows else [before, after]
            if outcome.state not in allowed:
                return f"{type(outcome.error).__name__}, and stored is {outcome.state}"
        elif not outcome.failed and outcome.state != after:
            return f"stored is {outcome.state}"
        known = {*violations_among(WORLD), *violations_among(self.expected.stored)}
        return "; ".join(set(violations_among(outcome.stored)) - known) or None

    async def _wrong_when_repeated(self) -> str | None:
        """Call again, and compare the stored items with those of a call without a fault."""
        if not self.case.repeatable:
            return None
        again = await self.arena.call(self.case)
        return None if again.state == self.expected.state else f"after another call, stored is {again.state}"


async def play(
    engine: str, url: str, plan: Mapping[AccessPattern, Collection[str]], *, whole: bool, hedged: bool = False
) -> list[Trial]:
    """Return the outcomes of calls on an engine, each under its kinds of faults; `hedged`: every read is sent twice."""
    async with arena(engine, url, hedged=hedged) as here:
        benches = [(await Bench.prepare(here, case), kinds) for case, kinds in plan.items()]
        return [trial for bench, kinds in benches async for trial in bench.trials(kinds, whole=whole)]


def play_whole(name: str, *, hedged: bool) -> list[Trial]:
    """Run the whole matrix on one engine; the client of aiobotocore only where transactions have tokens, as on AWS."""
    (engine,) = [engine for engine in engines() if engine.name == name]
    clients = CLIENTS if name == "dynamodb-local" and not hedged else []
    plan = dict.fromkeys([*CASES, *clients], COLUMNS)
    with engine.start() as url:
        return asyncio.run(play(name, url or "", plan, whole=True, hedged=hedged))


def main() -> int:
    """Run on all engines in parallel, print the table and write it into the document; fail if a call was wrong."""
    parser = argparse.ArgumentParser(prog="make faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hedged", action="store_true", help="send every read twice; the document stays as it is")
    hedged = parser.parse_args().hedged
    if missing := [engine.missing for engine in engines() if engine.missing]:
        raise SystemExit(missing[0])
    play_all = partial(play_whole, hedged=hedged)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        trials = [trial for part in processes.map(play_all, map(str, engines())) for trial in part]
    text = rendered(trials, COLUMNS)
    print(text)  # noqa: T201 - a command prints
    if not hedged:
        update_document(DOCUMENT, text)
    wrong = [trial for trial in trials if trial.verdict == WRONG and not trial.client]
    for trial in wrong:
        print(f"{trial.case}, {trial.kind}: {trial.why}", file=sys.stderr)  # noqa: T201 - a command prints
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
