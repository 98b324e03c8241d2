"""The matrix as a table of Markdown, and its place in the document."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- make faults: begin -->", "<!-- make faults: end -->"
RIGHT, TYPED, WRONG = "right", "typed error", "wrong"
STORE, CLIENT = "wikibot_store", "aiobotocore's client"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One call under one fault, and its verdict. `client`: by the client of aiobotocore; `why`: what was wrong."""

    case: str
    client: bool
    kind: str
    verdict: str
    why: str = ""


def rendered(trials: Sequence[Trial], kinds: Sequence[str]) -> str:
    """Return the table, with a line per call, a column per kind of fault, and sums."""
    lines = [_line(["", *kinds, "tried", RIGHT, TYPED, WRONG]), _line(["---", *["---:"] * (len(kinds) + 4)])]
    for name, of_client in ((STORE, False), (CLIENT, True)):
        rows: dict[str, list[Trial]] = defaultdict(list)
        for trial in trials:
            if trial.client is of_client:
                rows[f"`{trial.case}`"].append(trial)
                rows[f"**{name}**"].append(trial)
        lines += [_row(title, row, kinds) for title, row in sorted(rows.items(), key=lambda row: "**" in row[0])]
    return "\n".join(lines)


def _row(title: str, trials: Iterable[Trial], kinds: Sequence[str]) -> str:
    counts = Counter((trial.kind, trial.verdict) for trial in trials)
    cells = [_cell(*[counts[kind, verdict] for verdict in (RIGHT, TYPED, WRONG)]) for kind in kinds]
    sums = [sum(counts[kind, verdict] for kind in kinds) for verdict in (RIGHT, TYPED, WRONG)]
    return _line([title, *cells, *map(str, [sum(sums), *sums])])


def _cell(right: int, typed: int, wrong: int) -> str:
    """Return right/typed, and wrong in bold."""
    if not right + typed + wrong:
        return ""
    return f"{right}/{typed}" + (f"/**{wrong}**" if wrong else "")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def update_document(document: Path, table: str) -> None:
    """Write the table between the markers in the document."""
    before, _, rest = document.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
