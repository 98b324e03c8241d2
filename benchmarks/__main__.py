"""Compares the store with other libraries.

python -m benchmarks           # the cost of a call: the client's CPU against a server of canned answers
python -m benchmarks engine    # the same against DynamoDB Local, a server that does real work
python -m benchmarks backend   # requests per second of a web backend
python -m benchmarks scale     # many reads at the same time, long streams, memory
python -m benchmarks --quick   # one short round, to check that everything runs
"""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import chart, table, works
from benchmarks.contenders import BARE, CONTENDERS, NOTHING, OURS, Contender
from benchmarks.results import RESULTS, summarize
from benchmarks.rounds import BACKEND, CALLS, ENGINE, SCALE, Kind, Plan, Run, Setting, play

_KINDS = {kind.name: kind for kind in (CALLS, ENGINE, BACKEND, SCALE)}
_NAMES = {contender.name for contender in CONTENDERS}
_WORKS = {name for kind in _KINDS.values() for name in kind.works}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare the store with other libraries.")
    parser.add_argument("kind", nargs="?", choices=_KINDS, default=CALLS.name, help="what to compare")
    parser.add_argument("--quick", action="store_true", help="one short round, to check that everything runs")
    parser.add_argument("--loop", choices=("both", "uvloop", "asyncio"), help="event loop to run on")
    parser.add_argument("--scheme", choices=("both", "http", "https"), default="https", help="with TLS or not")
    parser.add_argument("--rounds", type=int, help="number of times that everything is measured")
    parser.add_argument("--seconds", type=float, help="seconds to repeat each workload in a round")
    parser.add_argument("--latency", type=float, help="seconds before each canned answer; in scale, to a point read")
    parser.add_argument("--longest", type=float, default=8.0, help="in scale, leave out streams of more seconds")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=sorted(_NAMES | _WORKS),
        metavar="NAME",
        help="a library or a workload to measure; may be given several times",
    )
    parser.add_argument(
        "--output", type=Path, help=f"folder for JSON and chart; default of a full run: {RESULTS.name}/"
    )
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> Plan:
    kind = _KINDS[arguments.kind]
    wanted = set(arguments.only)
    # The cost of calls is compared on both loops, the rest on the one that a backend should use.
    loops = _choices(arguments.loop or ("both" if kind in (CALLS, ENGINE) else "uvloop"), "asyncio", "uvloop")
    schemes = ("http",) if kind == ENGINE else _choices(arguments.scheme, "http", "https")
    selected = tuple(name for name in kind.works if name in (wanted & _WORKS or _WORKS))
    contenders = (c for c in CONTENDERS if _fits(kind, c) and c.name in (wanted & _NAMES or _NAMES))
    return Plan(
        kind=kind,
        contenders=tuple(c for c in contenders if any(map(c.does, selected))),
        works=selected,
        settings=tuple(Setting(loop, scheme) for loop in loops for scheme in schemes),
        rounds=1 if arguments.quick else arguments.rounds or kind.rounds,
        seconds=0.02 if arguments.quick else arguments.seconds or kind.seconds,
        wikis=2_000 if arguments.quick else 10_000 if kind == ENGINE else 20_000,
        latency=kind.latency if arguments.latency is None else arguments.latency,
        longest=0.1 if arguments.quick else arguments.longest,
        guards=kind == CALLS and not wanted & _WORKS and OURS in (wanted or _NAMES),
    )


def _choices(chosen: str, *known: str) -> tuple[str, ...]:
    return known if chosen == "both" else (chosen,)


def _fits(kind: Kind, contender: Contender) -> bool:
    """Return whether a contender is in a comparison. DynamoDB Local requires signed requests, and so does a backend."""
    if contender.name == NOTHING:
        return kind == BACKEND
    return contender.name not in BARE or kind in (CALLS, SCALE)


def _runs(plan: Plan) -> Iterator[Run]:
    """Run a plan. A server that waits before its answers would only slow streams down: it has none to wait for them."""
    if plan.kind != SCALE:
        yield from play(plan)
        return
    for sizes, latency in ((works.READERS, plan.latency), (works.STREAMS, 0.0), (works.SWEEPS, plan.latency)):
        contenders = [each for each in plan.contenders if sizes is not works.SWEEPS or each.name == OURS]
        selected = tuple(name for name in plan.works if name in sizes)
        yield from play(replace(plan, contenders=tuple(contenders), works=selected, latency=latency))


def main() -> None:
    """Measure, print the tables, and write JSON and chart."""
    arguments = _arguments()
    plan = _plan(arguments)
    if plan.kind == BACKEND and shutil.which("wrk") is None:
        raise SystemExit("This comparison needs wrk, which Debian and Homebrew have as a package.")
    results = summarize(plan, _runs(plan))
    print(table.render(results))
    folder = arguments.output or (None if arguments.quick or arguments.only else RESULTS)
    if folder is not None:
        chart.save(results, folder)


if __name__ == "__main__":
    main()
