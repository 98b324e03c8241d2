"""What is explored in a run: which calls from which starts, in which mode; and the table of what came of it."""

import gc
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import msgspec

from tests.exploration.explorer import Job, Memory, Result, Step, explore
from tests.exploration.judge import Action, Judge
from tests.exploration.model import Database
from tests.exploration.service import SWEEP

_MOST_STATES = 300_000
_PREEMPTIONS = 2
_MOST_REMEMBERED = 200_000
LOST = frozenset({"answer lost", "lost"})
LATE = frozenset({"late"})
DIES = frozenset({"dies before", "dies after"})
DIES_LATE = frozenset({"dies, and it arrives late"})


@dataclass(frozen=True)
class Mode:
    """What may go wrong in an exploration, and how many orders are looked at."""

    fates: frozenset[str] = frozenset()
    preemptions: int | None = None
    torn: bool = False


MODES = {
    "plain": Mode(),
    "one answer lost": Mode(LOST),
    "one crash": Mode(DIES),
    "one late": Mode(LATE),
    "one late after a crash": Mode(DIES_LATE),
    "torn reads": Mode(torn=True),
    "two preemptions": Mode(preemptions=_PREEMPTIONS),
    "two preemptions, one answer lost": Mode(LOST, preemptions=_PREEMPTIONS),
    "two preemptions, one crash": Mode(DIES, preemptions=_PREEMPTIONS),
}


@dataclass(frozen=True)
class Case:
    """Calls from a start, in a mode; each call perhaps only after another one."""

    start: str
    actions: Sequence[Action]
    mode: str
    after: Sequence[int | None] = ()

    def __str__(self) -> str:
        """Return the line that plays it again."""
        then = [f"{action.name}{'' if first is None else f' after {first}'}" for action, first in self._ordered()]
        return f"{self.mode} | {self.start} | {' | '.join(then)}"

    def _ordered(self) -> Iterator[tuple[Action, int | None]]:
        yield from zip(self.actions, self.after or [None] * len(self.actions), strict=True)


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What the exploration of one case has come to; `seconds` are of the processor.

    `bounded` ones had too many states, and were explored again with two preemptions.
    """

    number: int
    case: str
    states: int
    schedules: int
    ends: int
    recoveries: int
    bounded: bool
    cut: bool
    seconds: float
    failure: str | None = None


def play_case(
    case: Case,
    start: Database,
    *,
    memory: Memory | None = None,
    reduced: bool = True,
    bounded: bool = False,
    most_states: int = _MOST_STATES,
) -> tuple[Result, int]:
    """Explore a case; return what was seen and how many ends after a crash were recovered from."""
    mode = MODES[case.mode]
    judge = Judge(start, case.actions, SWEEP.call, Memory() if memory is None else memory)
    job = Job(
        start=start,
        calls=[action.call for action in case.actions],
        after=case.after,
        fates=mode.fates,
        faults=1 if mode.fates else 0,
        preemptions=_PREEMPTIONS if bounded else mode.preemptions,
        torn=mode.torn,
        reduced=reduced,
        most_states=most_states,
    )
    result = explore(job, judge)
    return result, judge.recoveries


def run(
    cases: Iterable[tuple[int, Case]],
    starts: dict[str, Database],
    *,
    until: float | None = None,
    most_states: int = _MOST_STATES,
) -> Iterator[Finished]:
    """Explore case after case, until a moment of the machine's clock."""
    memories: dict[str, Memory] = {}
    gc.disable()  # an exploration makes millions of objects that live as long as it does
    try:
        for number, case in cases:
            if until is not None and time.monotonic() > until:
                return
            begun = time.process_time()
            memory = memories.setdefault(case.start, Memory())
            result, recoveries = play_case(case, starts[case.start], memory=memory, most_states=most_states)
            is_bounded = result.cut and MODES[case.mode].preemptions is None
            if is_bounded:
                result, recoveries = play_case(
                    case, starts[case.start], memory=memory, bounded=True, most_states=_MOST_STATES
                )
            yield Finished(
                number=number,
                case=str(case),
                states=result.states,
                schedules=result.schedules,
                ends=len(result.ends),
                recoveries=recoveries,
                bounded=is_bounded,
                cut=result.cut,
                seconds=time.process_time() - begun,
                failure=None if result.failure is None else report(case, result),
            )
            if sum(map(len, memories.values())) > _MOST_REMEMBERED:
                _forget(memories.values())
                gc.collect()
    finally:
        _forget(memories.values())
        gc.enable()


def _forget(memories: Iterable[Memory]) -> None:
    for memory in memories:
        memory.clear()


def pairs(actions: Sequence[Action], starts: Iterable[str], mode: str) -> Iterator[Case]:
    """Yield every pair of calls from every start."""
    for start in starts:
        for pair in combinations_with_replacement(actions, 2):
            yield Case(start, pair, mode)


def pairs_with(actions: Sequence[Action], others: Sequence[Action], starts: Iterable[str], mode: str) -> Iterator[Case]:
    """Yield every pair of calls, and of one with another one, from every start."""
    yield from pairs(actions, starts, mode)
    for start in starts:
        for pair in product(actions, others):
            yield Case(start, pair, mode)


def triples(actions: Sequence[Action], starts: Iterable[str], mode: str) -> Iterator[Case]:
    """Yield every triple of calls from every start."""
    for start in starts:
        for triple in combinations_with_replacement(actions, 3):
            yield Case(start, triple, mode)


def sequences(actions: Sequence[Action], starts: Sequence[str], seed: int) -> Iterator[Case]:
    """Yield calls of three clients at random, of which each makes one to three, with two preemptions."""
    rng = random.Random(seed)  # noqa: S311 - the same sequences for the same seed
    modes = ["two preemptions", "two preemptions", "two preemptions, one answer lost", "two preemptions, one crash"]
    while True:
        chosen: list[Action] = []
        after: list[int | None] = []
        for _ in range(3):
            for number in range(rng.randint(1, 2)):
                after.append(len(chosen) - 1 if number else None)
                chosen.append(rng.choice(actions))
        yield Case(rng.choice(starts), chosen, rng.choice(modes), after)


def report(case: Case, result: Result) -> str:
    """Return a failure as a table of who sends what, and the line that plays it again."""
    failure = result.failure
    assert failure is not None
    lines = [failure.problem, ""]
    lines += [f"  {number}: {action.name}" for number, action in enumerate(case.actions)]
    lines += [f"  {_row(step)}" for step in failure.schedule]
    return "\n".join([*lines, f"  again: make explore ARGS=\"--again '{case}'\""])


def _row(step: Step) -> str:
    who = "late" if step.actor < 0 else str(step.actor)
    what = step.request.operation
    if what == "TransactWriteItems":
        actions = step.request.members["TransactItems"]
        what += " " + ", ".join(f"{kind} {_key(action)}" for each in actions for kind, action in each.items())
    elif "Key" in step.request.members or "Item" in step.request.members:
        what += " " + _key(step.request.members)
    result = "" if step.reply is None else {200: ""}.get(step.reply.status, "refused")
    return f"{who:>4}  {what}  {step.fate} {result}".rstrip()


_KEYS = ("id", "owner_id", "wiki_slug", "wiki_id", "grantee_id")


def _key(action: dict[str, dict[str, dict[str, str]]]) -> str:
    key = action["Key"] if "Key" in action else action["Item"]
    return ":".join(key[name]["S"] for name in _KEYS if name in key)
