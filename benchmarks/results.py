"""Summarizes the runs: medians over the rounds, and their ratios to the baseline and to the store."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from benchmarks import works
from benchmarks.contenders import BASELINE, OURS, Contender
from benchmarks.rounds import GUARDS, Plan, Run
from benchmarks.worker import Figures, medians

Results = dict[str, Any]
"""The content of the JSON: `about`, `contenders`, and per setting `results`, `guards`, `connections`, `left_out`."""


def summarize(plan: Plan, runs: Iterable[Run]) -> Results:
    """Return the results of all runs."""
    by_setting = defaultdict(list)
    for run in runs:
        by_setting[run.setting].append(run)
    return {
        "about": {
            "server": "DynamoDB Local" if plan.engine else "canned answers",
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "stream": plan.wikis,
            "latency": plan.latency,
        },
        "contenders": [_describe(contender) for contender in plan.contenders],
        "settings": [asdict(setting) | _summarize(setting_runs) for setting, setting_runs in by_setting.items()],
    }


def _describe(contender: Contender) -> dict[str, str | None]:
    return {
        "name": contender.name,
        "library": contender.distribution,
        "version": contender.version(),
        "returns": contender.returns,
        "remark": contender.remark,
    }


def _summarize(runs: list[Run]) -> Results:
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
            {"contender": contender, "work": work, **figures, **_ratios(work, figures, measured)}
            for (contender, work), figures in measured.items()
            if contender != GUARDS
        ],
        "guards": {work: figures for (contender, work), figures in measured.items() if contender == GUARDS},
        "connections": most_connections,
        "left_out": [
            {"contender": contender, "work": work, "reason": reason} for (contender, work), reason in left_out.items()
        ],
    }


def _ratios(work: str, figures: Figures, measured: dict[tuple[str, str], Figures]) -> Figures:
    """Return the ratios of the main figure to that of the baseline and of the store, if these were measured."""
    main = "total_ms" if work == works.COLD_START else "cpu_us"
    others = {"to_baseline": measured.get((BASELINE, work)), "to_store": measured.get((OURS, work))}
    return {name: figures[main] / other[main] for name, other in others.items() if other}
