"""Explore for as long as is asked: what `make explore` runs."""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from tests.exploration import plan, service
from tests.exploration.clients import surroundings
from tests.exploration.defects import DEFECTS, TAKEN_OUT
from tests.exploration.judge import Action
from tests.exploration.plan import Case, Finished

# Calls that move, delete, grant, revoke, invite, accept, count and sweep: what triples are made of.
_OF_TRIPLES = [*service.MOVES, *service.GRANTS, *service.ENDS, *service.COUNTS]
_CALLS: dict[tuple[str, str], Sequence[Action]] = {
    ("pairs", "wikis"): service.WIKI_SIDE,
    ("pairs", "users"): service.USER_SIDE,
    ("more pairs", "wikis"): service.WIKI_SIDE_TOO,
    ("more pairs", "users"): service.USER_SIDE_TOO,
    ("triples", "wikis"): _OF_TRIPLES,
    ("triples", "users"): service.USER_SIDE,
    ("sequences", "wikis"): service.WIKI_SIDE,
    ("sequences", "users"): service.USER_SIDE,
}


def main() -> int:
    """Explore what the command line says; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="for all, shared alike among the lines")
    parser.add_argument("--seed", type=int, default=0, help="of the order, and of the sequences")
    parser.add_argument("--kinds", nargs="*", default=["pairs", "more pairs", "triples", "sequences"])
    parser.add_argument("--sides", nargs="*", default=["wikis", "users"])
    parser.add_argument("--modes", nargs="*", default=["plain", "one answer lost", "one crash"], help="of the pairs")
    parser.add_argument("--starts", nargs="*", help="only these")
    parser.add_argument("--most", type=int, default=5000, help="the most sequences of a line")
    parser.add_argument("--most-states", type=int, default=60_000, help="of a pair that is explored in every order")
    parser.add_argument("--record", type=Path, help="a folder: all cases in order, and go on where another run stopped")
    parser.add_argument("--part", default="1/1", help="which part of them, such as 1/2")
    parser.add_argument("--again", help="one case, as a failure names it")
    parser.add_argument("--hedged", action="store_true", help="send every read twice; the first answer wins")
    parser.add_argument("--defects", action="store_true", help="take out what prevents each known defect")
    options = parser.parse_args()
    with surroundings(hedged=options.hedged):
        if options.again is not None:
            return _again(options.again)
        if options.defects:
            return _defects()
        lines = [
            (kind, side, mode)
            for kind in options.kinds
            for side in options.sides
            for mode in (options.modes if kind.endswith("pairs") else ["two preemptions"])
        ]
        print(
            "| calls | mode | cases | of | states | schedules | ends | recoveries | bounded | cut short | violations |"
        )
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        failures = [failure for line in lines for failure in _explore(*line, options, options.seconds / len(lines))]
    return int(bool(failures))


def _explore(kind: str, side: str, mode: str, options: argparse.Namespace, seconds: float) -> list[str]:
    """Explore one line of the table and print it; return what failed."""
    starts = service.starts() if side == "wikis" else service.user_starts()
    chosen = [name for name in starts if not options.starts or name in options.starts]
    calls = _CALLS[kind, side]
    if kind == "sequences":
        every = list(islice(plan.sequences(calls, chosen, options.seed), options.most))
    else:
        every = list(_every(kind, side, chosen, mode))
    finished: list[Finished] = []
    most_states = {"most_states": options.most_states} if kind.endswith("pairs") else {}
    cases = list(enumerate(every))
    if options.record is None:
        random.Random(options.seed).shuffle(cases)  # noqa: S311 - the same order for the same seed
        finished += plan.run(cases, starts, until=time.monotonic() + seconds, **most_states)
    else:
        options.record.mkdir(parents=True, exist_ok=True)
        path = options.record / f"{kind}, {side}, {mode}.jsonl"
        known = {each.number for each in _recorded(path)}
        part, parts = map(int, options.part.split("/"))
        cases = [
            case
            for case in cases[len(cases) * (part - 1) // parts : len(cases) * part // parts]
            if case[0] not in known
        ]
        with path.open("ab", buffering=0) as record:
            for each in plan.run(cases, starts, until=time.monotonic() + seconds, **most_states):
                record.write(msgspec.json.encode(each) + b"\n")
        finished += _recorded(path)
    failures = [each.failure for each in finished if each.failure is not None]
    numbers = [
        len(finished),
        len(every),
        sum(each.states for each in finished),
        sum(each.schedules for each in finished),
        sum(each.ends for each in finished),
        sum(each.recoveries for each in finished),
        sum(each.bounded for each in finished),
        sum(each.cut for each in finished),
        len(failures),
    ]
    print(f"| {kind}, {side} | {mode} |", " | ".join(f"{each:,}" for each in numbers), "|", flush=True)
    print("\n\n".join(failures), file=sys.stderr, end="", flush=True)
    return failures


def _every(kind: str, side: str, starts: Sequence[str], mode: str) -> Iterator[Case]:
    calls = _CALLS[kind, side]
    match kind:
        case "pairs":
            return plan.pairs(calls, starts, mode)
        case "more pairs":
            return plan.pairs_with(calls, _CALLS["pairs", side], starts, mode)
        case _:
            return plan.triples(calls, starts, mode)


def _recorded(path: Path) -> list[Finished]:
    """Return what runs have recorded; a line that another one is writing is not one yet."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Finished) for line in lines if line.endswith(b"\n")]


def _defects() -> int:
    """Print for each known defect how it is found when what prevents it is taken out; return 1 if one is not."""
    starts, missed = service.starts(), 0
    for name, case in DEFECTS.items():
        with TAKEN_OUT[name]():
            result, _ = plan.play_case(case, starts[case.start])
        found = result.failure
        missed += found is None
        told = "NOT FOUND" if found is None else f"{found.problem} (after {len(found.schedule)} requests)"
        print(f"{name}: {told}")
    return int(bool(missed))


def _again(line: str) -> int:
    """Explore one case by the line that names it."""
    mode, start, *calls = line.split(" | ")
    known = {action.name: action for actions in _CALLS.values() for action in actions}
    named = [call.partition(" after ") for call in calls]
    case = Case(
        start,
        [known[name] for name, _, _ in named],
        mode,
        [int(first) if first else None for _, _, first in named],
    )
    starts = {**service.starts(), **service.user_starts()}
    result, _ = plan.play_case(case, starts[start])
    print(f"{result.states:,} states, {result.schedules:,} schedules, {len(result.ends):,} ends")
    if result.failure is not None:
        print(plan.report(case, result))
    return int(result.failure is not None)


if __name__ == "__main__":
    sys.exit(main())
