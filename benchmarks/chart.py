"""Draws the results: bars for the cost of calls and the requests of a backend, curves for the scale and the tail."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import works
from benchmarks.contenders import BASELINE, LIMIT, NOTHING, OURS
from benchmarks.drawing import TITLE, Bar, Curve, bars, curves, page
from benchmarks.results import Results

_SHOWN = {
    "point read": "Point read",
    "versioned update": "Versioned update",
    "page of 100": "Query, a page of 100",
    "32 in flight": "Point read, 32 in flight",
}
_KINDS = {BASELINE: "limit", LIMIT: "limit", NOTHING: "limit", OURS: "store"}
_ONE_IN = (2.0, 10.0, 100.0, 1_000.0)
_MILLISECONDS = (1.0, 10.0, 100.0, 1_000.0)
_MOST_READS = (100.0, 1_000.0, 10_000.0, 100_000.0)
_MOST_MEMORY = (0.1, 1.0, 10.0, 100.0, 1_000.0)


def save(results: Results, folder: Path) -> None:
    """Write the results of a benchmark as JSON, and their chart beside it; the name has its kind and this Python."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{results['about']['kind']}-py{''.join(map(str, sys.version_info[:2]))}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    file.with_suffix(".svg").write_text(draw(results))


def draw(results: Results) -> str:
    """Return the chart, of the last setting: it is closest to a deployment, with TLS and the faster event loop."""
    about = results["about"]
    if about["kind"] == "tail":
        return _tail(results)
    setting = results["settings"][-1]
    circumstances = f"{setting['loop']}, {setting['scheme']}, Python {about['python']}, against {about['server']}"
    match about["kind"]:
        case "backend":
            return _backend(results, setting, f"Requests per second on one core, more is better; {circumstances}")
        case "scale":
            return _scale(setting, f"{circumstances}; reads in flight are answered after {about['latency'] * 1e3:g} ms")
        case _:
            return _calls(results, setting, f"Client CPU per call in µs, less is better; {circumstances}")


def _calls(results: Results, setting: Results, note: str) -> str:
    parts: list[str] = []
    y: float = TITLE
    for work, title in _SHOWN.items():
        rows = sorted(_rows(setting, work), key=lambda row: row["cpu_us"])
        if rows:
            more, y = bars(y, title, [_bar(row, "cpu_us", results) for row in rows])
            parts += more
    return page(parts, y, note)


def _backend(results: Results, setting: Results, note: str) -> str:
    parts: list[str] = []
    y: float = TITLE
    for work in works.LINES:
        rows = sorted(_rows(setting, work), key=lambda row: -row["per_second"])
        if rows:
            more, y = bars(y, f"{work[0].upper()}{work[1:]}", [_bar(row, "per_second", results) for row in rows])
            parts += more
    return page(parts, y, note)


def _scale(setting: Results, note: str) -> str:
    reads, y = curves(
        TITLE,
        "Reads per second, by reads in flight",
        _curves(setting, works.READERS, "per_second"),
        x_ticks=tuple(works.READERS.values()),
        y_ticks=_MOST_READS,
    )
    memory, y = curves(
        y,
        "MiB that the process grows by, by items read as a stream",
        _curves(setting, works.STREAMS, "growth_mib"),
        x_ticks=tuple(works.STREAMS.values()),
        y_ticks=_MOST_MEMORY,
    )
    return page(reads + memory, y, note)


def _tail(results: Results) -> str:
    """Draw how long the slowest reads take: at 100 on the horizontal axis is the 99th percentile."""
    about = results["about"]
    parts: list[str] = []
    y: float = TITLE
    for work in dict.fromkeys(row["work"] for row in results["results"]):
        lines = [
            Curve(row["contender"], row["curve"], "store" if row["hedges"] else "")
            for row in results["results"]
            if row["work"] == work
        ]
        title = f"{work[0].upper()}{work[1:]}: time in ms that 1 read in 2, 10, 100 and 1,000 exceeds"
        more, y = curves(y, title, lines, x_ticks=_ONE_IN, y_ticks=_MILLISECONDS)
        parts += more
    note = (
        f"{about['rate']:g} reads per second; {about['loop']}, {about['scheme']}, Python {about['python']}, "
        f"against {about['server']} with random delays"
    )
    return page(parts, y, note)


def _rows(setting: Results, work: str) -> list[dict[str, Any]]:
    return [row for row in setting["results"] if row["work"] == work]


def _bar(row: dict[str, Any], figure: str, results: Results) -> Bar:
    name = row["contender"]
    returns = {each["name"]: each["returns"] for each in results["contenders"]}
    times = f" ({row['to_store']:.1f}x)" if "to_store" in row and name not in (OURS, NOTHING) else ""
    low, high = row["spread"]
    middle = row[results["about"]["main"]]
    factors = (low / middle, high / middle) if figure == results["about"]["main"] else (middle / high, middle / low)
    return Bar(
        label=name,
        value=row[figure],
        text=f"{_short(row[figure])}{times}",
        kind=_KINDS.get(name, "bar"),
        extra=returns[name],
        span=(row[figure] * factors[0], row[figure] * factors[1]),
    )


def _curves(setting: Results, sizes: dict[str, int], figure: str) -> list[Curve]:
    points: dict[str, list[tuple[float, float]]] = {}
    for work, size in sizes.items():
        for row in _rows(setting, work):
            points.setdefault(row["contender"], []).append((size, row[figure]))
    return [Curve(name, line, _KINDS.get(name, "")) for name, line in points.items()]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
