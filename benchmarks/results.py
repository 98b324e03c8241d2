"""Summarizes the runs: medians over the rounds, and their ratios to the baseline and to the store."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import works
from benchmarks.contenders import BASELINE, OURS, Contender
from benchmarks.rounds import ENGINE, GUARDS, Plan, Run
from benchmarks.worker import Figures, medians

RESULTS = Path(__file__).parent / "results"
"""Where a full run writes its JSON and its chart."""
_CPUINFO = Path("/proc/cpuinfo")

Results = dict[str, Any]
"""The content of the JSON: `about`, `contenders`, and per setting `results`, `guards`, `connections`, `left_out`."""


def summarize(plan: Plan, runs: Iterable[Run]) -> Results:
    """Return the results of all runs."""
    before = circumstances(plan.kind.software)
    by_setting = defaultdict(list)
    for run in runs:
        by_setting[run.setting].append(run)
    return {
        "about": {
            "kind": plan.kind.name,
            "main": plan.kind.main,
            "server": "DynamoDB Local" if plan.kind == ENGINE else "canned answers",
            **before,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "stream": plan.wikis,
            "latency": plan.latency,
        },
        "contenders": [_describe(contender) for contender in plan.contenders],
        "settings": [asdict(setting) | _summarize(plan.kind.main, by_setting[setting]) for setting in by_setting],
    }


def circumstances(software: Iterable[str]) -> dict[str, Any]:
    """Return the Python, the machine with its load at this moment, and the versions of the software."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_processor()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "software": {name: metadata.version(name) for name in software},
    }


def _describe(contender: Contender) -> dict[str, str | None]:
    return {
        "name": contender.name,
        "library": contender.distribution,
        "version": contender.version(),
        "returns": contender.returns,
        "remark": contender.remark,
    }


def _processor() -> str:
    """Return the name of the processor, if the system knows it."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _summarize(usual: str, runs: list[Run]) -> Results:
    rounds: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    left_out: dict[tuple[str, str], str] = {}
    most_connections: dict[str, int] = defaultdict(int)
    for run in runs:
        for work, figures in run.outcome.figures.items():
            rounds[run.contender, work].append(figures)
        left_out |= {(run.contender, work): reason for work, reason in run.outcome.failures.items()}
        most_connections[run.contender] = max(most_connections[run.contender], run.connections)
    measured = {key: medians(figures) for key, figures in rounds.items() if key not in left_out}
    return {
        "results": [
            {"contender": contender, "work": work, **figures, **_compare(contender, work, usual, rounds, measured)}
            for (contender, work), figures in measured.items()
            if contender != GUARDS
        ],
        "guards": {work: figures for (contender, work), figures in measured.items() if contender == GUARDS},
        "connections": most_connections,
        "left_out": [
            {"contender": contender, "work": work, "reason": reason} for (contender, work), reason in left_out.items()
        ],
    }


def _compare(
    contender: str,
    work: str,
    usual: str,
    rounds: dict[tuple[str, str], list[Figures]],
    measured: dict[tuple[str, str], Figures],
) -> dict[str, Any]:
    """Return the main figure's lowest and highest round, and its ratios to the baseline and the store, if measured."""
    main = "total_ms" if work == works.COLD_START else usual
    all_rounds = [figures[main] for figures in rounds[contender, work]]
    others = {"to_baseline": measured.get((BASELINE, work)), "to_store": measured.get((OURS, work))}
    ratios = {name: measured[contender, work][main] / other[main] for name, other in others.items() if other}
    return {"spread": [min(all_rounds), max(all_rounds)], **ratios}
