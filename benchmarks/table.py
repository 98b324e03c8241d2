"""Formats the results as text."""

from collections.abc import Sequence
from typing import Any

from benchmarks import works
from benchmarks.contenders import OURS
from benchmarks.results import Results

_START = {
    "import_ms": "import ms",
    "open_ms": "open ms",
    "first_read_ms": "first read ms",
    "total_ms": "total ms",
    "to_store": "x store",
    "stall_ms": "stall ms",
    "memory_mib": "MiB",
}
_GUARDS = {"cpu_us": "CPU µs", "cpu_us_per_wiki": "per wiki", "to_unmetered": "x no telemetry", "per_second": "per s"}
_WORKS = {"cpu_us": "CPU µs", "to_baseline": "x baseline", "to_store": "x store", "per_second": "per s"}


def render(results: Results) -> str:
    """Return all tables. For each setting: the workloads, the cold starts, the guards, and what was not measured."""
    about = results["about"]
    lines = [
        f"Against {about['server']}, Python {about['python']}, medians of {about['rounds']} rounds.",
        f"CPU of the client per call, for the stream per wiki; also relative to the baseline and to {OURS}.",
        "",
        *_contenders(results["contenders"]),
    ]
    for setting in results["settings"]:
        lines += ["", f"== {setting['loop']}, {setting['scheme']}", *_works(setting["results"])]
        lines += ["", *_cold_starts(setting)]
        if setting["guards"]:
            lines += ["", *_guards(setting["guards"])]
        lines += [
            f"not measured: {each['contender']}, {each['work']}: {each['reason']}" for each in setting["left_out"]
        ]
    return "\n".join(lines)


def _contenders(contenders: list[dict[str, Any]]) -> list[str]:
    rows = [
        [each["name"], each["returns"], f"{each['library']} {each['version'] or 'is not installed'}", each["remark"]]
        for each in contenders
    ]
    return _columns(["contender", "returns", "library", "remark"], rows, numbers=False)


def _works(results: list[dict[str, Any]]) -> list[str]:
    rows = []
    for work in (*works.BY_NAME, works.STREAM):
        mine = [each for each in results if each["work"] == work]
        rows += [[work, *[""] * len(_WORKS)]] if mine else []
        rows += [[f"  {each['contender']}", *(_number(each.get(name)) for name in _WORKS)] for each in mine]
    return _columns(["work", *_WORKS.values()], rows)


def _cold_starts(setting: dict[str, Any]) -> list[str]:
    growth = {each["contender"]: each["growth_mib"] for each in setting["results"] if each["work"] == works.STREAM}
    rows = [
        [
            each["contender"],
            *(_number(each.get(name)) for name in _START),
            _number(growth.get(each["contender"])),
            str(setting["connections"][each["contender"]]),
        ]
        for each in setting["results"]
        if each["work"] == works.COLD_START
    ]
    return _columns(["cold start and memory", *_START.values(), "+ stream", "connections"], rows)


def _guards(guards: dict[str, dict[str, float]]) -> list[str]:
    rows = [[work, *(_number(figures.get(name)) for name in _GUARDS)] for work, figures in guards.items()]
    return _columns([f"{OURS} alone", *_GUARDS.values()], rows)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> list[str]:
    """Align the columns, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if numbers and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )
    return [line.rstrip() for line in lines]
