"""Every public method under every kind of fault, a part of the matrix that `make faults` plays as a whole."""

from collections import Counter
from pathlib import Path

import pytest

from tests.engines import Engine, engines, on_aws
from tests.faults.cases import CLIENTS, NO_REQUESTS, READS, WRITES, Case
from tests.faults.matrix import COLUMNS, DOCUMENT, play
from tests.faults.table import BEGIN, CLIENT, END, RIGHT, STORE, TYPED, WRONG, Trial, rendered, update_document
from tests.infra.access_patterns import public_methods

ENGINES = [engine for engine in engines() if engine.missing is None]
LOST = ("answer lost",)


def share(number: int) -> dict[Case, list[str]]:
    """Return an engine's share: half of the kinds of faults for each write, a sixth for each read."""
    parts = [(cases, 2 if cases is WRITES else 6) for cases in (WRITES, READS)]
    return {
        case: [kind for position, kind in enumerate(COLUMNS) if (row + position) % of == number % of]
        for cases, of in parts
        for row, case in enumerate(cases)
    }


@pytest.mark.skipif(on_aws(), reason="a proxy cannot stand in front of AWS")
@pytest.mark.parametrize(("number", "engine"), list(enumerate(ENGINES)), ids=[str(engine) for engine in ENGINES])
async def test_no_outcome_is_wrong(number: int, engine: Engine) -> None:
    """Under every fault a call is right or raises a typed error, and nothing is written in part or twice."""
    with engine.start() as url:
        trials = await play(engine.name, url or "", share(number), whole=False)

    assert [(trial.case, trial.kind, trial.why) for trial in trials if trial.verdict == WRONG] == []
    assert {trial.kind for trial in trials} == set(COLUMNS)


@pytest.mark.skipif(on_aws(), reason="a proxy cannot stand in front of AWS")
async def test_what_is_wrong_is_found() -> None:
    """The same judgement finds that aiobotocore's own client calls a success of its own a failure."""
    with ENGINES[0].start() as url:
        trials = await play("engine", url or "", dict.fromkeys(CLIENTS, LOST), whole=False)

    assert Counter(trial.verdict for trial in trials)[WRONG] >= 2
    assert all("ConditionalCheckFailed" in trial.why for trial in trials if trial.verdict == WRONG)


def test_every_public_method_is_in_the_matrix() -> None:
    """A new method needs a case."""
    assert {case.method for case in WRITES + READS} | NO_REQUESTS == {*public_methods(), "sweep"}


def test_the_documented_matrix_is_whole() -> None:
    """The committed table has a line for every call and a column for every kind of fault; nothing of ours was wrong."""
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = {line.split(" | ")[0].strip("| `*"): line for line in table.strip().splitlines()}

    assert {str(case) for case in WRITES + READS + CLIENTS} <= rows.keys()
    assert all(kind in rows[""] for kind in COLUMNS)
    assert rows[STORE].endswith("| 0 |")


def test_the_table() -> None:
    """A cell is right/typed and, in bold, wrong; the sums are at the end of the line and below."""
    trials = [
        Trial(case="create", client=False, kind="a", verdict=RIGHT),
        Trial(case="create", client=False, kind="a", verdict=TYPED),
        Trial(case="create", client=False, kind="b", verdict=RIGHT),
        Trial(case="put_item", client=True, kind="b", verdict=WRONG, why="false"),
    ]

    assert rendered(trials, ["a", "b", "c"]).splitlines()[2:] == [
        "| `create` | 1/1 | 1/0 |  | 3 | 2 | 1 | 0 |",
        f"| **{STORE}** | 1/1 | 1/0 |  | 3 | 2 | 1 | 0 |",
        "| `put_item` |  | 0/0/**1** |  | 1 | 0 | 0 | 1 |",
        f"| **{CLIENT}** |  | 0/0/**1** |  | 1 | 0 | 0 | 1 |",
    ]


def test_the_document_is_updated(tmp_path: Path) -> None:
    """The table goes between the markers, and all around it stays."""
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    update_document(document, "new")

    assert document.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
