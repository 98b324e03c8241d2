"""A bounded part of the exploration, for every run of the tests; `make explore` goes on for as long as is asked."""

import random
import time
from collections.abc import Iterable

import pytest

from tests.exploration import service
from tests.exploration.clients import surroundings
from tests.exploration.defects import DEFECTS, TAKEN_OUT
from tests.exploration.explorer import Memory, State
from tests.exploration.model import Database
from tests.exploration.plan import MODES, Case, Finished, pairs, play_case, report, run, sequences, triples

pytestmark = pytest.mark.usefixtures("by_hand")

_SEED = 7  # the same cases in every run: new ones are for `make explore` and the nightly job
_SECONDS = 4.0  # of each of these tests; a case that has begun is finished
_MOST_STATES = 20_000
# A sweep beside a move takes half a minute.
_QUICK = {
    "wikis": [action for action in service.WIKI_SIDE if action is not service.SWEEP],
    "users": [action for action in service.USER_SIDE if action is not service.SWEEP],
}


def _some(cases: Iterable[Case], starts: dict[str, Database]) -> list[Finished]:
    until = time.monotonic() + _SECONDS
    return list(run(enumerate(cases), starts, until=until, most_states=_MOST_STATES))


_FEW = [service.rename("ada", "a", "b"), *service.GRANTS, service.write("ada", "a"), service.delete("ada", "b")]


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_defects_are_found(name: str) -> None:
    """The exploration finds each of them if what prevents it is taken out of the library."""
    case = DEFECTS[name]
    starts = service.starts()

    with TAKEN_OUT[name]():
        result, _ = play_case(case, starts[case.start])

    assert result.failure is not None
    assert f"--again '{case}'" in report(case, result)


@pytest.mark.parametrize("mode", ["plain", "one answer lost", "one crash"])
@pytest.mark.parametrize("side", ["wikis", "users"])
def test_some_pairs(side: str, mode: str) -> None:
    """Pairs of calls give results and tables that some order of them explains."""
    starts = service.starts() if side == "wikis" else service.user_starts()
    cases = list(pairs(_QUICK[side], starts, mode))
    random.Random(_SEED).shuffle(cases)  # noqa: S311 - no secret

    finished = _some(cases, starts)

    assert finished
    assert [each.failure for each in finished if each.failure is not None] == []


@pytest.mark.parametrize("mode", ["one answer lost", "one crash"])
def test_hedged_reads(mode: str) -> None:
    """Calls whose reads are sent twice give no other results and tables."""
    case = Case("one editor", [service.revoke("ada", "a", "bob"), service.rename("ada", "a", "b")], mode)
    starts = service.starts()
    alone, _ = play_case(case, starts[case.start])

    with surroundings(hedged=True):
        hedged, _ = play_case(case, starts[case.start])

    assert hedged.failure is None, report(case, hedged)
    assert hedged.states > alone.states


def test_some_sequences() -> None:
    """So do sequences of calls at random, by three clients, with two preemptions."""
    starts = service.starts()

    finished = _some(sequences(_QUICK["wikis"], list(starts), _SEED), starts)

    assert finished
    assert [each.failure for each in finished if each.failure is not None] == []


@pytest.mark.parametrize("mode", MODES)
def test_every_mode(mode: str) -> None:
    """Late requests, torn reads and crashes are explored too."""
    case = Case("one editor", [service.rename("ada", "a", "b"), service.revoke("ada", "a", "bob")], mode)

    result, recoveries = play_case(case, service.starts()["one editor"])

    assert result.failure is None, report(case, result)
    assert (recoveries > 0) == bool(MODES[mode].fates)


@pytest.mark.parametrize("kind", ["pairs", "triples"])
@pytest.mark.parametrize("mode", ["plain", "two preemptions", "two preemptions, one crash", "torn reads"])
def test_schedules_that_are_left_out_end_alike(kind: str, mode: str) -> None:
    """What is reached without the schedules that differ in the order of independent requests is all that is reached."""
    starts = service.starts()
    cases = list(pairs(_QUICK["wikis"], starts, mode) if kind == "pairs" else triples(_FEW, starts, mode))
    compared = 0

    for case in random.Random(_SEED).sample(cases, 5):  # noqa: S311 - no secret
        memory = Memory()
        few, every = [
            play_case(case, starts[case.start], memory=memory, reduced=reduced, most_states=_MOST_STATES)[0]
            for reduced in (True, False)
        ]
        if few.cut or every.cut:
            continue
        assert set(map(_ended, few.ends)) == set(map(_ended, every.ends)), str(case)
        compared += 1

    assert compared > 0


def _ended(state: State) -> object:
    return state.database, tuple((actor.node, actor.began_after) for actor in state.actors), state.noted
