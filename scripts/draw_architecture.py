"""Draws docs/assets/architecture.svg from the package's own imports: `make docs`, or run this file.

Rows are the layers of the import contract in pyproject.toml, top to bottom; neighbours without an import between them
share a row. Boxes are the modules and packages of wikibot_store. An arrow is an import; one that follows from others is
left out. The layout is Sugiyama's: long arrows bend at a point in each row that they pass, each row is ordered by the
barycentres of what it is joined to, and then everything moves as close to what it is joined to as the order allows.
"""

import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "assets" / "architecture.svg"
PACKAGE = "wikibot_store"

# Whatever reaches none of these is pure: it waits for nothing and talks to nobody.
_IO = frozenset({"aioboto3", "aiobotocore", "aiohttp", "asyncio", "botocore", "moto", "socket", "threading"})

_TEXT_WIDTH = 24  # characters of the small print
_CHARACTER, _LINE, _PADDING = 5.9, 14, 10
_NAME_CHARACTER, _NAME_LINE = 8.0, 17
_GAP, _BEND_GAP, _ROW_GAP, _MARGIN, _HEAD = 18, 14, 40, 20, 8
_SWEEPS = 24


@dataclass(frozen=True)
class Box:
    """A module or package, with the modules inside and the third-party packages that it imports."""

    name: str
    modules: tuple[str, ...]
    libraries: tuple[str, ...]
    is_pure: bool

    @property
    def module_lines(self) -> list[str]:
        """The modules inside, as they are printed."""
        return textwrap.wrap(", ".join(self.modules), _TEXT_WIDTH)

    @property
    def library_lines(self) -> list[str]:
        """The third-party packages, as they are printed."""
        return textwrap.wrap(", ".join(self.libraries), _TEXT_WIDTH)

    @property
    def width(self) -> float:
        """How wide the box is."""
        longest = max(map(len, [*self.module_lines, *self.library_lines]), default=0)
        return 2 * _PADDING + max(_NAME_CHARACTER * len(self.name), _CHARACTER * longest, 56)

    @property
    def height(self) -> float:
        """How high the box is."""
        return 2 * _PADDING + _NAME_LINE + _LINE * (len(self.module_lines) + len(self.library_lines)) - 2


@dataclass(frozen=True)
class Bend:
    """Where an arrow passes a row."""

    importer: str
    imported: str
    width: float = 2
    height: float = 0


Node = Box | Bend
Rows = list[list[Node]]
Joints = Mapping[Node, Sequence[Node]]


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw())


def draw() -> str:
    """Return the picture of the package as it is now."""
    graph = grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    imports = _imports(graph)
    boxes = {name: _box(graph, name, imports) for name in imports if _is_inside(name)}
    arrows = _without_implied({name: {other for other in imports[name] if _is_inside(other)} for name in boxes})
    rows, paths = _with_bends([[boxes[name] for name in row] for row in _rows(arrows)], arrows)
    joints = _joints(paths)
    rows = _ordered(rows, joints)
    return _svg(rows, _placed(rows, joints), paths)


# ---- what is drawn


def _imports(graph: grimp.ImportGraph) -> dict[str, set[str]]:
    """Return what each module or package of the top level imports, by their short names."""
    imports: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        importer = _short(module)
        found = imports.setdefault(importer, set())
        found |= {_short(imported) for imported in graph.find_modules_directly_imported_by(module)} - {importer}
    return imports


def _short(module: str) -> str:
    """Return `.name` for what is inside of the package, and the name of the distribution's package for others."""
    top, _, rest = module.partition(".")
    return f".{rest.partition('.')[0]}" if top == PACKAGE else top


def _is_inside(name: str) -> bool:
    """Tell whether it is part of the package, and not the package's own namespace."""
    return len(name) > 1 and name.startswith(".")


def _box(graph: grimp.ImportGraph, name: str, imports: Mapping[str, set[str]]) -> Box:
    module = PACKAGE + name
    return Box(
        name=name.removeprefix("."),
        modules=tuple(sorted(child.removeprefix(f"{module}.") for child in graph.find_children(module))),
        libraries=tuple(
            sorted(other for other in imports[name] if other[0] != "." and other not in sys.stdlib_module_names)
        ),
        is_pure=not _IO & _reached(name, imports),
    )


def _reached(name: str, imports: Mapping[str, set[str]]) -> set[str]:
    """Return everything that a module imports, directly or through others."""
    found: set[str] = set()
    pending = {name}
    while pending:
        new = {other for one in pending if one == name or _is_inside(one) for other in imports[one]} - found
        found |= new
        pending = new
    return found


def _without_implied(imports: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Return the imports that do not follow from others."""
    return {
        name: sorted(
            other for other in others if not any(other in _reached(third, imports) for third in others - {other})
        )
        for name, others in imports.items()
    }


def _rows(arrows: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the contract's layers, those together that do not import each other."""
    rows: list[list[str]] = []
    for layer in _layers():
        if rows and not any(set(arrows[name]) & set(layer) for name in rows[-1]):
            rows[-1] += layer
        else:
            rows.append(layer)
    return rows


def _layers() -> Iterable[list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = [one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    for layer in contract["layers"]:
        yield [f".{name.strip()}" for name in layer.replace("|", ":").split(":")]


# ---- where it is drawn


def _with_bends(rows: Sequence[Sequence[Box]], arrows: Mapping[str, Sequence[str]]) -> tuple[Rows, list[list[Node]]]:
    """Return the rows with a bend for each arrow that passes them, and each arrow as the list of what it joins."""
    at = {f".{box.name}": (number, box) for number, row in enumerate(rows) for box in row}
    filled: Rows = [list(row) for row in rows]
    paths: list[list[Node]] = []
    for importer, (start, box) in at.items():
        for imported in arrows[importer]:
            end, target = at[imported]
            bends = [Bend(importer, f"{imported} {number}") for number in range(start + 1, end)]
            for number, bend in enumerate(bends, start + 1):
                filled[number].append(bend)
            paths.append([box, *bends, target])
    return filled, paths


def _joints(paths: Iterable[Sequence[Node]]) -> Joints:
    joints: dict[Node, list[Node]] = {}
    for path in paths:
        for upper, lower in pairwise(path):
            joints.setdefault(upper, []).append(lower)
            joints.setdefault(lower, []).append(upper)
    return joints


def _ordered(rows: Rows, joints: Joints) -> Rows:
    """Return the rows in the order with the fewest crossings that sweeping up and down finds."""
    best = rows
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        swept = list(rows) if downwards else list(reversed(rows))
        for number in range(1, len(swept)):
            place = {node: (position + 0.5) / len(swept[number - 1]) for position, node in enumerate(swept[number - 1])}
            own = {node: (position + 0.5) / len(swept[number]) for position, node in enumerate(swept[number])}
            wish = {
                node: fmean([place[other] for other in joints.get(node, ()) if other in place] or [own[node]])
                for node in swept[number]
            }
            swept[number] = sorted(swept[number], key=wish.__getitem__)
        rows = swept if downwards else list(reversed(swept))
        best = min(best, rows, key=lambda order: _crossings(order, joints))
    return best


def _crossings(rows: Rows, joints: Joints) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        place = {node: position for position, node in enumerate(lower)}
        ends = [
            (start, place[other])
            for start, node in enumerate(upper)
            for other in joints.get(node, ())
            if other in place
        ]
        count += sum((a - c) * (b - d) < 0 for a, b in ends for c, d in ends) // 2
    return count


def _placed(rows: Rows, joints: Joints) -> dict[Node, float]:
    """Return the middle of each node: as near to what it is joined to as order and gaps allow."""
    x: dict[Node, float] = {}
    for row in rows:
        offsets = _offsets(row)
        x |= {node: offset - offsets[-1] / 2 for node, offset in zip(row, offsets, strict=True)}
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            x |= zip(row, _apart([_wish(node, joints, x) for node in row], _offsets(row)), strict=True)
    return x


def _wish(node: Node, joints: Joints, x: Mapping[Node, float]) -> float:
    """Return where a node would be best; what keeps a long arrow straight counts most."""
    others = joints.get(node, ())
    weights = [8 if isinstance(node, Bend) and isinstance(other, Bend) else 1 for other in others]
    return fmean([x[other] for other in others], weights) if others else x[node]


def _offsets(row: Sequence[Node]) -> list[float]:
    """Return how far right of the first node each must be at least."""
    offsets = [0.0]
    for left, right in pairwise(row):
        gap = _BEND_GAP if isinstance(left, Bend) or isinstance(right, Bend) else _GAP
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + gap)
    return offsets


def _apart(wishes: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Return the places nearest to the wishes that keep the offsets (isotonic regression, pool adjacent violators)."""
    pools: list[list[float]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        pools.append([wish - offset])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return [fmean(pool) + offset for pool, offset in zip((p for p in pools for _ in p), offsets, strict=True)]


# ---- how it is drawn

_STYLE = """
svg { color-scheme: light dark; --paper: #ffffff; --ink: #1c2733; --dim: #5b6876; --line: #8a97a5;
      --box: #eef3f9; --edge: #6f8fb5; --pure: #eef7ee; --pure-edge: #6aa573; --library: #8a5a00 }
@media (prefers-color-scheme: dark) {
  svg { --paper: #16191f; --ink: #e6ebf1; --dim: #a3aebb; --line: #77838f;
        --box: #1f2a38; --edge: #5f83b3; --pure: #1d2f24; --pure-edge: #5d9a6a; --library: #e0b060 }
}
.paper { fill: var(--paper) }
.box { fill: var(--box); stroke: var(--edge) }
.pure { fill: var(--pure); stroke: var(--pure-edge) }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.3; marker-end: url(#head) }
.head { fill: var(--line) }
text { font: 11px ui-sans-serif, system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--dim) }
.middle { text-anchor: middle }
.name { font-size: 14px; font-weight: 600; fill: var(--ink) }
.library { fill: var(--library) }
"""
_TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>Layers and imports of {package}</title>
<style>{style}</style>
<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0.8 L8 4 L0 7.2 z"/>
</marker>
<rect class="paper" width="{width}" height="{height}" rx="10"/>
{arrows}
{boxes}
{legend}
</svg>
"""
_LEGEND = (
    ("", "An arrow is an import; imports that follow from other arrows are left out."),
    ("", "Green boxes are pure: nothing that they import waits or talks to anybody."),
    ("library", "Third-party packages that a box imports are in this colour."),
)


def _svg(rows: Rows, x: Mapping[Node, float], paths: Sequence[Sequence[Node]]) -> str:
    left = min(place - node.width / 2 for node, place in x.items()) - _MARGIN
    right = max(place + node.width / 2 for node, place in x.items()) + _MARGIN
    x = {node: place - left for node, place in x.items()}
    y = _heights(rows)
    legend_top = max(span[1] for span in y.values()) + _ROW_GAP / 2
    size = f"{right - left:.0f}", f"{legend_top + _LINE * len(_LEGEND) + _MARGIN / 2:.0f}"
    return _TEMPLATE.format(
        package=PACKAGE,
        style=_STYLE,
        width=size[0],
        height=size[1],
        arrows="\n".join(_arrow(path, paths, x, y) for path in paths),
        boxes="\n".join(_box_drawn(node, x[node], sum(y[node]) / 2) for node in x if isinstance(node, Box)),
        legend="\n".join(
            _text(_MARGIN, legend_top + _LINE * (number + 0.5), style, text)
            for number, (style, text) in enumerate(_LEGEND)
        ),
    )


def _heights(rows: Rows) -> dict[Node, tuple[float, float]]:
    """Return the upper and lower edge of each node's row."""
    spans: dict[Node, tuple[float, float]] = {}
    top = float(_MARGIN)
    for row in rows:
        bottom = top + max(node.height for node in row)
        spans |= dict.fromkeys(row, (top, bottom))
        top = bottom + _ROW_GAP
    return spans


def _arrow(
    path: Sequence[Node],
    paths: Sequence[Sequence[Node]],
    x: Mapping[Node, float],
    y: Mapping[Node, tuple[float, float]],
) -> str:
    """Draw straight through rows, and curved between them."""
    start, end = path[0], path[-1]
    places = [
        _port(start, path[1], [other[1] for other in paths if other[0] is start], x),
        *(x[bend] for bend in path[1:-1]),
        _port(end, path[-2], [other[-2] for other in paths if other[-1] is end], x),
    ]
    line = f"M{places[0]:.1f} {(sum(y[start]) + start.height) / 2:.1f}"
    for (upper, from_x), (lower, to_x) in pairwise(zip(path, places, strict=True)):
        from_y, to_y = y[upper][1], y[lower][0] - _HEAD
        middle = (from_y + to_y) / 2
        line += f" V{from_y:.1f} C{from_x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path class="arrow" d="{line} V{(sum(y[end]) - end.height) / 2 - 1:.1f}"/>'


def _port(box: Node, other: Node, others: Sequence[Node], x: Mapping[Node, float]) -> float:
    """Return where at a box's edge the arrow to one of its neighbours ends: side by side, in the neighbours' order."""
    ordered = sorted(others, key=x.__getitem__)
    step = min(22.0, (box.width - 2 * _PADDING) / max(len(ordered) - 1, 1))
    return x[box] + step * (ordered.index(other) - (len(ordered) - 1) / 2)


def _box_drawn(box: Box, x: float, y: float) -> str:
    """Draw a box around its middle."""
    top = y - box.height / 2
    lines = [("middle name", box.name), *(("middle", line) for line in box.module_lines)]
    lines += [("middle library", line) for line in box.library_lines]
    baseline = top + _PADDING + _NAME_LINE - 5
    rectangle = f'x="{x - box.width / 2:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return "\n".join(
        [
            f'<rect class="box{" pure" if box.is_pure else ""}" {rectangle} rx="6"/>',
            *(_text(x, baseline + _LINE * number, style, line) for number, (style, line) in enumerate(lines)),
        ]
    )


def _text(x: float, y: float, style: str, text: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


if __name__ == "__main__":
    main()
