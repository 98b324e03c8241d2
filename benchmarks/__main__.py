"""Compares the store with other libraries.

python -m benchmarks            # against a server of canned answers: measures only the client
python -m benchmarks --engine   # against DynamoDB Local: measures the client with a server that does real work
python -m benchmarks --quick    # one short round, to check that everything runs
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import chart, table, works
from benchmarks.contenders import BASELINE, CONTENDERS, OURS
from benchmarks.results import summarize
from benchmarks.rounds import Plan, Setting, play

_RESULTS = Path(__file__).parent / "results"
_WORKS = (works.STREAM, *works.BY_NAME)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare the store with other libraries.")
    parser.add_argument("--engine", action="store_true", help="use DynamoDB Local instead of canned answers")
    parser.add_argument("--quick", action="store_true", help="one short round, to check that everything runs")
    parser.add_argument("--loop", choices=("both", "uvloop", "asyncio"), default="both", help="event loop to run on")
    parser.add_argument("--scheme", choices=("both", "http", "https"), default="both", help="with or without TLS")
    parser.add_argument("--rounds", type=int, default=3, help="number of times that everything is measured")
    parser.add_argument("--seconds", type=float, default=0.2, help="seconds to repeat each workload in a round")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each canned answer")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=(*(contender.name for contender in CONTENDERS), *_WORKS),
        metavar="NAME",
        help="a library or a workload to measure; may be given several times",
    )
    parser.add_argument(
        "--output", type=Path, help=f"folder for JSON and chart; default of a full run: {_RESULTS.name}/"
    )
    return parser.parse_args()


def _plan(arguments: argparse.Namespace) -> Plan:
    wanted = set(arguments.only)
    contenders = tuple(c for c in CONTENDERS if c.name in wanted) or CONTENDERS
    if arguments.engine:
        contenders = tuple(c for c in contenders if c.name != BASELINE)  # DynamoDB Local requires signed requests
    loops = ("asyncio", "uvloop") if arguments.loop == "both" else (arguments.loop,)
    schemes = ("http", "https") if arguments.scheme == "both" else (arguments.scheme,)
    if arguments.engine:
        schemes = ("http",)
    return Plan(
        contenders=contenders,
        works=tuple(name for name in _WORKS if name in wanted) or _WORKS,
        settings=tuple(Setting(loop, scheme) for loop in loops for scheme in schemes),
        rounds=1 if arguments.quick else arguments.rounds,
        seconds=0.02 if arguments.quick else arguments.seconds,
        wikis=2_000 if arguments.quick else 10_000 if arguments.engine else 100_000,
        latency=arguments.latency,
        engine=arguments.engine,
        guards=not arguments.engine and OURS in {c.name for c in contenders} and wanted.isdisjoint(_WORKS),
    )


def main() -> None:
    """Measure, print the tables, and write JSON and chart."""
    arguments = _arguments()
    plan = _plan(arguments)
    results = summarize(plan, play(plan))
    print(table.render(results))
    folder = arguments.output or (None if arguments.quick or arguments.only else _RESULTS)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        version = "".join(map(str, sys.version_info[:2]))
        file = folder / f"{'engine' if plan.engine else 'canned'}-py{version}.json"
        file.write_text(json.dumps(results, indent=1) + "\n")
        file.with_suffix(".svg").write_text(chart.draw(results))


if __name__ == "__main__":
    main()
