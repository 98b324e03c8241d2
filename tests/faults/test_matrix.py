"""Every public method under every kind of fault: a part of the matrix that `make faults` runs completely."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.access_patterns import WRITERS, AccessPattern
from tests.engines import Engine, engines, on_aws
from tests.faults.clients import CLIENTS
from tests.faults.matrix import CASES, COLUMNS, DOCUMENT, play
from tests.faults.table import BEGIN, CLIENT, END, RIGHT, STORE, TYPED, WRONG, Trial, rendered, update_document

ENGINES = [engine for engine in engines() if engine.missing is None]
LOST = ("answer lost",)
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def share(number: int) -> dict[AccessPattern, list[str]]:
    """Return the share of an engine: half of the kinds of faults for a method that writes, a sixth for any other."""
    parts = [(row, case, 2 if case.method in WRITERS else 6) for row, case in enumerate(CASES)]
    return {
        case: [kind for position, kind in enumerate(COLUMNS) if (row + position) % of == number % of]
        for row, case, of in parts
    }


@pytest.mark.skipif(on_aws(), reason="the proxy cannot be used in front of AWS")
@pytest.mark.parametrize(("number", "engine"), list(enumerate(ENGINES)), ids=[str(engine) for engine in ENGINES])
async def test_no_outcome_is_wrong(number: int, engine: Engine) -> None:
    """Under every fault a call is right or raises a typed error, and writes nothing partially or twice."""
    with engine.start() as url:
        trials = await play(engine.name, url or "", share(number), whole=False)

    assert [(trial.case, trial.kind, trial.why) for trial in trials if trial.verdict == WRONG] == []
    assert {trial.kind for trial in trials} == set(COLUMNS)


@pytest.mark.skipif(on_aws(), reason="the proxy cannot be used in front of AWS")
async def test_no_outcome_is_wrong_where_every_read_is_sent_twice() -> None:
    """A hedged read is never taken for another one, and no write is sent twice, whichever the fault strikes."""
    plan = dict.fromkeys(CASES, ("answer lost", "reset midway"))
    with ENGINES[0].start() as url:
        trials = await play("engine", url or "", plan, whole=False, hedged=True)

    assert [(trial.case, trial.kind, trial.why) for trial in trials if trial.verdict == WRONG] == []
    assert {trial.case for trial in trials} == {str(case) for case in CASES}


@pytest.mark.skipif(on_aws(), reason="the proxy cannot be used in front of AWS")
async def test_what_is_wrong_is_found() -> None:
    """The same judgement finds that the client of aiobotocore reports a successful write as a failure."""
    with ENGINES[0].start() as url:
        trials = await play("engine", url or "", dict.fromkeys(CLIENTS, LOST), whole=False)

    assert Counter(trial.verdict for trial in trials)[WRONG] >= 2
    assert all("ConditionalCheckFailed" in trial.why for trial in trials if trial.verdict == WRONG)


def unreleased() -> set[str]:
    """Return the words of what the changelog names as not yet released, such as `wikis` and `rename`."""
    _, _, changes = CHANGELOG.read_text().partition("## [Unreleased]")
    named = re.findall(r"`([\w.]+)", changes.partition("\n## [")[0])
    return {word for name in named for word in name.split(".")}


def test_the_documented_matrix_is_whole() -> None:
    """The committed table has a line for every call and a column for every kind of fault, and no call was wrong.

    Only an unreleased method may be missing: the whole matrix takes too long to be run for each new method.
    """
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = {line.split(" | ")[0].strip("| `*"): line for line in table.strip().splitlines()}

    missing = [case for case in CASES + CLIENTS if str(case) not in rows]
    words = {word for case in missing for word in case.method.split(".")}
    assert words - unreleased() == set(), "describe them in CHANGELOG.md, or run `make faults`"
    assert all(kind in rows[""] for kind in COLUMNS)
    assert rows[STORE].endswith("| 0 |")


def test_the_table() -> None:
    """A cell is right/typed, and wrong in bold; the sums are at the end of each line and below."""
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
    """The table is written between the markers; the rest of the document stays."""
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    update_document(document, "new")

    assert document.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
