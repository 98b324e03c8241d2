"""Draws the results as SVG for light and dark pages."""

from typing import Any
from xml.sax.saxutils import escape

from benchmarks.contenders import BASELINE, OURS
from benchmarks.results import Results

_SHOWN = {
    "point read": "Point read",
    "versioned update": "Versioned update",
    "page of 100": "Query, a page of 100",
    "32 in flight": "Point read, 32 in flight",
}
_WIDTH = 760
_LABELS = 190
_BARS = 420
_LINE = 22
_TITLE = 34
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { fill: #59636e }
.bar { fill: #b6bfc9 }
.baseline { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
.store { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  .bar { fill: #656c76 }
  .baseline { stroke: #9198a1 }
  .store { fill: #4493f8 }
}
"""


def draw(results: Results) -> str:
    """Return the chart of the last setting, which is closest to a deployment: TLS and the faster event loop."""
    about, setting = results["about"], results["settings"][-1]
    parts: list[str] = []
    y = _TITLE
    for work, title in _SHOWN.items():
        figures = {each["contender"]: each for each in setting["results"] if each["work"] == work}
        if figures:
            parts.append(_text(0, y, title, "title"))
            parts += _bars(y + 8, figures, results["contenders"])
            y += _TITLE + len(figures) * _LINE
    note = (
        f"Client CPU per call in µs, less is better; {setting['loop']}, {setting['scheme']}, "
        f"Python {about['python']}, against {about['server']}"
    )
    parts.append(_text(0, y, note, "note"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 {_WIDTH + 24} {y + 14}" role="img" '
        f'aria-label="{escape(note)}">\n<style>{_STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(y: float, figures: dict[str, Any], contenders: list[dict[str, Any]]) -> list[str]:
    """Return one bar per library, the shortest first, with what it returns and its ratio to the store."""
    returns = {each["name"]: each["returns"] for each in contenders}
    longest = max(each["cpu_us"] for each in figures.values())
    parts = []
    for name, each in sorted(figures.items(), key=lambda item: item[1]["cpu_us"]):
        width = _BARS * each["cpu_us"] / longest
        kind = {BASELINE: "baseline", OURS: "store"}.get(name, "bar")
        times = f" ({each['to_store']:.1f}x)" if "to_store" in each and name != OURS else ""
        parts += [
            _text(0, y + 15, name, extra=returns[name]),
            f'<rect class="{kind}" x="{_LABELS}" y="{y + 3}" width="{width:.1f}" height="{_LINE - 6}" rx="2"/>',
            _text(_LABELS + width + 8, y + 15, f"{_short(each['cpu_us'])}{times}"),
        ]
        y += _LINE
    return parts


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _text(x: float, y: float, text: str, kind: str = "", extra: str = "") -> str:
    note = f' <tspan class="note">{escape(extra)}</tspan>' if extra else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}{note}</text>'
