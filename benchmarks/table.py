"""Formats the results as text."""

from collections.abc import Sequence
from typing import Any

from benchmarks import works
from benchmarks.contenders import OURS
from benchmarks.results import Results

_CALLS = "CPU of the client per call, for the stream per wiki"
_COMPARED = {
    "canned": _CALLS,
    "engine": _CALLS,
    "backend": "Requests per second of a web backend on one core, with 32 connections",
    "scale": "Reads per second, for the streams wikis and for the sweeps items per second",
}
_START = {
    "import_ms": "import ms",
    "open_ms": "open ms",
    "first_read_ms": "first read ms",
    "total_ms": "total ms",
    "to_store": "x store",
    "stall_ms": "stall ms",
    "memory_mib": "MiB",
}
_ORDER = (*works.BY_NAME, works.STREAM, *works.LINES, *works.READERS, *works.STREAMS, *works.SWEEPS)
_GUARDS = {"cpu_us": "CPU µs", "cpu_us_per_wiki": "per wiki", "to_unmetered": "x no telemetry", "per_second": "per s"}
_WORKS = {
    "cpu_us": "CPU µs",
    "to_baseline": "x baseline",
    "to_store": "x store",
    "per_second": "per s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "busy": "core busy",
    "growth_mib": "+ MiB",
}


def render(results: Results) -> str:
    """Return all tables. For each setting: the workloads, the cold starts, the guards, and what was not measured."""
    about = results["about"]
    lines = [
        *circumstances(about),
        f"{_COMPARED[about['kind']]}; the cost also relative to the baseline and to {OURS}.",
        f"Medians of {about['rounds']} rounds; ± is half the range of the rounds.",
        "",
        *_contenders(results["contenders"]),
    ]
    for setting in results["settings"]:
        lines += ["", f"== {setting['loop']}, {setting['scheme']}", *_works(about["main"], setting["results"])]
        cold_starts = _cold_starts(setting)
        lines += ["", *cold_starts] if cold_starts[1:] else []
        if setting["guards"]:
            lines += ["", *_guards(setting["guards"])]
        lines += [
            f"not measured: {each['contender']}, {each['work']}: {each['reason']}" for each in setting["left_out"]
        ]
    return "\n".join(lines)


def circumstances(about: Results) -> list[str]:
    """Return the lines that say on what a benchmark ran."""
    software = ", ".join(f"{name} {version}" for name, version in about["software"].items())
    return [
        f"Against {about['server']}, Python {about['python']}, {software}.",
        f"{about['cores']} cores, {about['machine']}; the load of the machine was {about['load']} at the start.",
    ]


def _contenders(contenders: list[dict[str, Any]]) -> list[str]:
    rows = [
        [each["name"], each["returns"], f"{each['library']} {each['version'] or 'is not installed'}", each["remark"]]
        for each in contenders
    ]
    return _columns(["contender", "returns", "library", "remark"], rows, numbers=False)


def _works(main: str, results: list[dict[str, Any]]) -> list[str]:
    """Return a row per workload and library, with the columns for which there are figures."""
    by_work: dict[str, list[dict[str, Any]]] = {}
    for each in results:
        if each["work"] != works.COLD_START:
            by_work.setdefault(each["work"], []).append(each)
    columns = [name for name in _WORKS if any(name in each for rows in by_work.values() for each in rows)]
    rows = []
    for work in sorted(by_work, key=_ORDER.index):
        rows.append([work, *[""] * (len(columns) + 1)])
        for each in by_work[work]:
            low, high = each["spread"]
            scatter = f"{(high - low) / 2 / each[main]:.0%}"
            rows.append([f"  {each['contender']}", *(_number(each.get(name)) for name in columns), scatter])
    return _columns(["work", *(_WORKS[name] for name in columns), "±"], rows)


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
