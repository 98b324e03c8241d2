"""`wikibot-store sweep` and `user reconcile` show and mend what crashes have left."""

import json
import shlex
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest

from tests.cli.runner import Run, on_store
from tests.half_done import MENDABLE, UNMENDABLE, Arrange, make_faults
from wikibot_store import UnavailableError, WikibotStore
from wikibot_store.provision import create_tables
from wikibot_store.workflows.sweep import Finding, FindingKind, SweepPage

CLAIM = MENDABLE["claim of nobody"][1]
TAKEN = UNMENDABLE["moving to a key that is taken"][1]


@pytest.fixture(autouse=True)
def _tables(configured: str) -> None:
    """Make the tables of the engine that the commands are pointed at."""
    on_store(configured, create_tables)


def arrange(endpoint: str, fault: Arrange) -> dict[str, str]:
    """Make a fault; return the key of the item that has it."""
    return on_store(endpoint, fault)


def test_nothing_found_is_one_line(run: Run) -> None:
    """Tables without faults are one line and status 0."""
    outcome = run("sweep")

    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "nothing found in 0 items\n", "")


def test_looks_first_and_mends_when_told(run: Run, configured: str) -> None:
    """Without --apply the fault is shown, left and a failure; with it the fault is mended; then there is none."""
    claim = arrange(configured, CLAIM)["id"]

    dry, mended, again = run("sweep"), run("sweep", "--apply"), run("sweep")

    assert [outcome.status for outcome in (dry, mended, again)] == [1, 0, 0]
    heading, line, blank, headings, summary = dry.stdout.splitlines()
    assert (heading.split(), blank) == (["fault", "table", "key", "state"], "")
    assert line.split() == ["claim", "without", "its", "user", "users", claim, "mend", "it", "with", "--apply"]
    assert headings.split() == ["fault", "found", "mended", "left"]
    assert summary.split()[-3:] == ["1", "0", "1"]
    assert mended.stdout.splitlines()[1].split()[-1] == "mended"
    assert mended.stdout.splitlines()[-1].split()[-3:] == ["1", "1", "0"]
    assert again.stdout.startswith("nothing found in ")


def test_what_cannot_be_mended_is_a_failure(run: Run, configured: str) -> None:
    """A fault that --apply leaves is told with its reason, and the status is 1."""
    arrange(configured, TAKEN)

    outcome = run("sweep", "--apply")

    assert outcome.status == 1
    assert "wiki has half moved" in outcome.stdout
    assert "already exists (wiki_slug is taken)" in outcome.stdout


def test_as_json(run: Run, configured: str) -> None:
    """With --json the findings are one document, whole, and the status counts all the same."""
    made = on_store(configured, make_faults)

    dry, mended = run("sweep", "--json"), run("sweep", "--json", "--apply")

    assert (dry.status, mended.status) == (1, 0)
    assert len(dry.json["findings"]) == len(mended.json["findings"]) == made.total()
    assert {finding["fault"] for finding in dry.json["findings"]} == {fault.value for fault in made}
    assert {finding["mended"] for finding in mended.json["findings"]} == {True}
    assert dry.json["findings"][0].keys() == {"fault", "table", "key", "mended", "problem"}
    assert dry.json["scanned"].keys() == {"wikis", "users", "acls"}
    assert (dry.json["resume"], dry.stderr) == (None, "")


def test_goes_on_where_it_was(run: Run, configured: str) -> None:
    """--resume leaves out what an earlier sweep has seen, and --max-rcu is taken as it is."""
    arrange(configured, CLAIM)
    behind = json.dumps({"table": "acls"})

    assert run("sweep", "--resume", behind, "--max-rcu", "1000").status == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("--max-rcu", "0"), "max_rcu must be more than 0"), (("--resume", "x"), "resume must be what an earlier sweep")],
)
def test_bad_arguments_are_one_line(run: Run, arguments: tuple[str, ...], error: str) -> None:
    """A rate or position that cannot be is refused by its name."""
    assert run("sweep", *arguments).error.startswith(f"error: {error}")


def _cut_off(error: BaseException) -> Any:  # noqa: ANN401 - a method
    """Return a sweep that ends with an error behind its first page."""

    async def sweep(_store: WikibotStore, **_: Any) -> AsyncGenerator[SweepPage, None]:  # noqa: ANN401 - a sweep's
        found = Finding(kind=FindingKind.WRONG_COUNT, table="users", key={"id": "ada"}, repaired=True)
        yield SweepPage(table="users", scanned=7, findings=[found], resume='{"table":"users","after":["ada"]}')
        raise error

    return sweep


def test_cut_off_by_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found until an error is shown with where to go on, quoted for the shell, before the error."""
    monkeypatch.setattr(WikibotStore, "sweep", _cut_off(UnavailableError("Scan", 5, "gone")))

    outcome = run("sweep", "--apply")

    go_on, error = outcome.stderr.splitlines()
    assert outcome.status == 1
    assert "wiki_count is off" in outcome.stdout
    assert shlex.split(go_on)[-2:] == ["--resume", '{"table":"users","after":["ada"]}']
    assert error.startswith("error: Scan failed after 5 attempts")


def test_cut_off_by_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C shows the same, as one document with --json, and ends with the status that shells expect."""
    monkeypatch.setattr(WikibotStore, "sweep", _cut_off(KeyboardInterrupt()))

    outcome = run("sweep", "--json")

    assert outcome.status == 130
    assert outcome.json["scanned"] == {"users": 7}
    assert outcome.json["resume"] == '{"table":"users","after":["ada"]}'


def test_progress_is_shown_on_a_terminal(run: Run, configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar moves for each table, as long as the table is; elsewhere, and for --json, there is none."""
    arrange(configured, CLAIM)
    monkeypatch.setenv("COLUMNS", "200")
    run("sweep", "--json")
    piped = run("sweep")
    with monkeypatch.context() as patch:
        patch.setattr("rich.console.Console.is_terminal", property(lambda _: True))
        shown, document = run("sweep"), run("sweep", "--json")

    assert "users" in shown.stdout.replace("claim", "")
    assert "\x1b[" in shown.stdout
    assert "\x1b[" not in piped.stdout + document.stdout
    assert shown.status == document.status == 1


async def _with_a_wiki(wiki_count: int, store: WikibotStore) -> None:
    await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")
    for number in range(wiki_count):
        await store.wikis.create("ada", f"wiki-{number}", display_name="W", repo_path="/srv/w")


@pytest.mark.parametrize(("wikis", "line"), [(1, "ada: 1 wiki\n"), (2, "ada: 2 wikis\n")])
def test_reconcile_sets_the_count(run: Run, configured: str, wikis: int, line: str) -> None:
    """The count of a user becomes the number of wikis, which is printed."""
    on_store(configured, partial(_with_a_wiki, wikis))

    assert run("user", "reconcile", "ada").stdout == line
    assert run("user", "reconcile", "ada", "--json").json == {"id": "ada", "wiki_count": wikis}
    assert run("user", "get", "ada", "--json").json["wiki_count"] == wikis


def test_reconcile_of_nobody_is_one_line(run: Run) -> None:
    """A user who is not there is named."""
    assert run("user", "reconcile", "ada").error == "error: not found: table 'users', key id='ada'"
