"""Draws bars and curves as SVG, for light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

WIDTH = 760
LINE = 22
TITLE = 34
_LABELS = 190
_BARS = 420
_AXIS = 48
_PLOT = 540
_HEIGHT = 240
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { fill: #59636e }
.bar { fill: #b6bfc9 }
.limit { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
.store { fill: #0969da }
.whisker, .grid { stroke: #59636e; fill: none }
.grid { opacity: 0.25 }
.curve { stroke: #8c959f; stroke-width: 1.5; fill: none }
.curve.limit { stroke-dasharray: 3 2 }
.curve.store { stroke: #0969da; stroke-width: 2.5; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  .bar { fill: #656c76 }
  .limit { stroke: #9198a1 }
  .store { fill: #4493f8 }
  .whisker, .grid { stroke: #9198a1 }
  .curve { stroke: #656c76 }
  .curve.store { stroke: #4493f8 }
}
"""


@dataclass(frozen=True)
class Bar:
    """A bar with its label, the text behind it, and the lowest and highest value that was measured."""

    label: str
    value: float
    text: str
    kind: str = "bar"
    extra: str = ""
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curve:
    """A named line through points."""

    label: str
    points: Sequence[tuple[float, float]]
    kind: str = ""


def text(x: float, y: float, content: str, kind: str = "", extra: str = "") -> str:
    """Return a text, with a remark in a paler colour."""
    note = f' <tspan class="note">{escape(extra)}</tspan>' if extra else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(content)}{note}</text>'


def bars(y: float, title: str, lines: Sequence[Bar]) -> tuple[list[str], float]:
    """Return one bar below the other under a title, and where the next part begins."""
    parts = [text(0, y, title, "title")]
    scale = _BARS / max(line.span[1] if line.span else line.value for line in lines)
    y += 8
    for line in lines:
        width = line.value * scale
        end = _LABELS + width
        parts += [
            text(0, y + 15, line.label, extra=line.extra),
            f'<rect class="{line.kind}" x="{_LABELS}" y="{y + 3}" width="{width:.1f}" height="{LINE - 6}" rx="2"/>',
        ]
        if line.span is not None:
            low, high = (_LABELS + value * scale for value in line.span)
            parts.append(f'<path class="whisker" d="M{low:.1f} {y + 11}H{high:.1f}"/>')
            end = max(end, high)
        parts.append(text(end + 8, y + 15, line.text))
        y += LINE
    return parts, y + TITLE - 8


def curves(
    y: float, title: str, lines: Sequence[Curve], *, x_ticks: Sequence[float], y_ticks: Sequence[float]
) -> tuple[list[str], float]:
    """Return the curves on two logarithmic axes, and where the next part begins. The ticks are the axes' ends too."""
    parts = [text(0, y, title, "title")]
    y += 14

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return (
            _AXIS + _PLOT * _share(point[0], x_ticks),
            y + _HEIGHT * (1 - _share(point[1], y_ticks)),
        )

    for tick in x_ticks:
        x, bottom = place((tick, y_ticks[0]))
        parts += [
            f'<path class="grid" d="M{x:.1f} {y}V{bottom:.1f}"/>',
            text(x - 6, bottom + 18, f"{tick:,.10g}", "note"),
        ]
    for tick in y_ticks:
        _, height = place((x_ticks[0], tick))
        parts += [
            f'<path class="grid" d="M{_AXIS} {height:.1f}h{_PLOT}"/>',
            text(0, height + 4, f"{tick:,.10g}", "note"),
        ]
    ends = []
    for line in lines:
        placed = [place(point) for point in line.points]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in placed)
        parts.append(f'<polyline class="curve {line.kind}" points="{path}"/>')
        ends.append((placed[-1][1], placed[-1][0], line.label))
    below = float("-inf")
    for height, end, label in sorted(ends):
        below = max(height, below + 14)  # labels do not cover each other
        parts.append(text(end + 8, below + 4, label))
    return parts, max(y + _HEIGHT + 18, below) + TITLE


def _share(value: float, ticks: Sequence[float]) -> float:
    """Return where a value is on the logarithmic axis between the first tick and the last, from 0 to 1."""
    low, high = log10(ticks[0]), log10(ticks[-1])
    return (log10(min(max(value, ticks[0]), ticks[-1])) - low) / (high - low)


def page(parts: Sequence[str], height: float, note: str) -> str:
    """Return the SVG with a note at its bottom, which is also its description."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 {WIDTH + 24} {height + 14:.0f}" role="img" '
        f'aria-label="{escape(note)}">\n<style>{_STYLE}</style>\n'
        + "\n".join([*parts, text(0, height, note, "note")])
        + "\n</svg>\n"
    )
