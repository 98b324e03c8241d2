"""Explore for as long as is asked: what `make explore` runs."""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from tests.exploration import plan, service
from tests.exploration.clients import surroundings
from tests.exploration.judge import Action
from tests.exploration.plan import Case, Tally

# Calls that move, delete, grant, revoke, invite, accept, count and sweep: what triples are made of.
_OF_TRIPLES = [*service.MOVES, *service.GRANTS, *service.ENDS, *service.COUNTS]
_CALLS: dict[tuple[str, str], Sequence[Action]] = {
    ("pairs", "wikis"): service.WIKI_SIDE,
    ("pairs", "users"): service.USER_SIDE,
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
    parser.add_argument("--kinds", nargs="*", default=["pairs", "triples", "sequences"])
    parser.add_argument("--sides", nargs="*", default=["wikis", "users"])
    parser.add_argument("--modes", nargs="*", default=["plain", "one answer lost", "one crash"], help="of the pairs")
    parser.add_argument("--starts", nargs="*", help="only these")
    parser.add_argument("--most", type=int, help="the most cases of a line")
    parser.add_argument("--again", help="one case, as a failure names it")
    options = parser.parse_args()
    with surroundings():
        if options.again is not None:
            return _again(options.again)
        lines = [
            (kind, side, mode)
            for kind in options.kinds
            for side in options.sides
            for mode in (options.modes if kind == "pairs" else ["two preemptions"])
        ]
        print("| calls | mode | cases | of | states | interleavings | crash recoveries | cut short | violations |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        failures = [failure for line in lines for failure in _explore(*line, options, options.seconds / len(lines))]
    return int(bool(failures))


def _explore(kind: str, side: str, mode: str, options: argparse.Namespace, seconds: float) -> list[str]:
    """Explore one line of the table and print it; return what failed."""
    starts = service.starts() if side == "wikis" else service.user_starts()
    chosen = [name for name in starts if not options.starts or name in options.starts]
    calls = _CALLS[kind, side]
    of: int | str
    if kind == "sequences":
        cases: Iterator[Case] = plan.sequences(calls, chosen, options.seed)
        of = "any"
    else:
        every = list((plan.pairs if kind == "pairs" else plan.triples)(calls, chosen, mode))
        random.Random(options.seed).shuffle(every)  # noqa: S311 - the same order for the same seed
        cases, of = iter(every), len(every)
    tally = Tally()
    plan.run(islice(cases, options.most), starts, tally, until=time.monotonic() + seconds)
    numbers = [tally.cases, of, tally.states, tally.interleavings, tally.recoveries, tally.cut, len(tally.failures)]
    print(f"| {kind}, {side} | {mode if kind != 'sequences' else 'two preemptions'} | ", end="")
    print(" | ".join(f"{each:,}" if isinstance(each, int) else each for each in numbers), "|", flush=True)
    print("\n\n".join(tally.failures), file=sys.stderr, end="", flush=True)
    return tally.failures


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
    print(f"{result.states:,} states, {result.interleavings:,} interleavings")
    if result.failure is not None:
        print(plan.report(case, result))
    return int(result.failure is not None)


if __name__ == "__main__":
    sys.exit(main())
