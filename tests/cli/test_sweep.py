"""`wikibot-store sweep` and `user reconcile` show and repair what crashes have left."""

import json
import shlex
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest

from tests.cli.runner import Run, on_store
from tests.half_done import MENDABLE, UNMENDABLE, Arrange, make_faults
from wikibot_store import UnavailableError, WikibotStore
from wikibot_store.daos.admin import AdminDao
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES
from wikibot_store.workflows.sweep import Finding, FindingKind, SweepPage

CLAIM = MENDABLE["claim of nobody"][1]
TAKEN = UNMENDABLE["claim of another user"][1]


@pytest.fixture(autouse=True)
def _tables(configured: str) -> None:
    """Create the tables that the commands use."""
    on_store(configured, create_tables)


def arrange(endpoint: str, finding: Arrange) -> dict[str, str]:
    """Make something wrong; return the key of the item that a sweep finds."""
    return on_store(endpoint, finding)


def test_nothing_found_is_one_line(run: Run) -> None:
    """If nothing is wrong, the sweep prints one line and its status is 0."""
    outcome = run("sweep")

    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "nothing found in 0 items\n", "")


def test_reports_first_and_repairs_if_asked(run: Run, configured: str) -> None:
    """Without --apply the finding is shown and the status is 1; --apply repairs it; the next sweep finds nothing."""
    claim = arrange(configured, CLAIM)["id"]

    dry, applied, again = run("sweep"), run("sweep", "--apply"), run("sweep")

    assert [outcome.status for outcome in (dry, applied, again)] == [1, 0, 0]
    heading, line, blank, headings, summary = dry.stdout.splitlines()
    assert (heading.split(), blank) == (["finding", "table", "key", "state"], "")
    assert line.split() == ["claim", "without", "its", "user", "users", claim, "repair", "it", "with", "--apply"]
    assert headings.split() == ["finding", "found", "repaired", "left"]
    assert summary.split()[-3:] == ["1", "0", "1"]
    assert applied.stdout.splitlines()[1].split()[-1] == "repaired"
    assert applied.stdout.splitlines()[-1].split()[-3:] == ["1", "1", "0"]
    assert again.stdout.startswith("nothing found in ")


def test_a_finding_that_cannot_be_repaired(run: Run, configured: str) -> None:
    """A finding that --apply does not repair is shown with the reason, and the status is 1."""
    arrange(configured, TAKEN)

    outcome = run("sweep", "--apply")

    assert outcome.status == 1
    assert "user without its claim" in outcome.stdout
    assert "somebody else holds claim#username#" in outcome.stdout


def test_as_json(run: Run, configured: str) -> None:
    """With --json all findings are one document, and the status is the same as without."""
    made = on_store(configured, make_faults)

    dry, applied = run("sweep", "--json"), run("sweep", "--json", "--apply")

    assert (dry.status, applied.status) == (1, 0)
    assert len(dry.json["findings"]) == len(applied.json["findings"]) == made.total()
    assert {finding["kind"] for finding in dry.json["findings"]} == {kind.value for kind in made}
    assert {finding["repaired"] for finding in applied.json["findings"]} == {True}
    assert dry.json["findings"][0].keys() == {"kind", "table", "key", "repaired", "problem"}
    assert dry.json["scanned"].keys() == {schema.name for schema in TABLES}
    assert (dry.json["resume"], dry.stderr) == (None, "")


@pytest.mark.usefixtures("configured")
def test_empty_tables_are_counted(run: Run) -> None:
    """A table without items has been scanned too."""
    run("tables", "create")

    assert run("sweep", "--json").json["scanned"] == {schema.name: 0 for schema in TABLES}


def test_continues_where_the_last_sweep_stopped(run: Run, configured: str) -> None:
    """--resume skips what an earlier sweep has scanned, and --max-rcu is passed on."""
    arrange(configured, CLAIM)
    behind = json.dumps({"table": "acls", "after": [None]})

    assert run("sweep", "--resume", behind, "--max-rcu", "1000").status == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--max-rcu", "0"), "--max-rcu must be more than 0"),
        (("--resume", "x"), "--resume must come from an earlier run"),
    ],
)
def test_bad_arguments_are_one_line(run: Run, arguments: tuple[str, ...], error: str) -> None:
    """An invalid rate or position is rejected by its name."""
    assert run("sweep", *arguments).usage_error.startswith(f"error: {error}")


def _cut_off(error: BaseException) -> Any:  # noqa: ANN401 - a method
    """Return a sweep that fails after its first page."""

    async def sweep(_admin: AdminDao, **_: Any) -> AsyncGenerator[SweepPage, None]:  # noqa: ANN401 - a sweep's
        found = Finding(kind=FindingKind.WRONG_COUNT, table="users", key={"id": "ada"}, repaired=True)
        yield SweepPage(table="users", scanned=7, findings=[found], resume='{"table":"users","after":[["ada"]]}')
        raise error

    return sweep


def test_cut_off_by_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the error stand the findings so far and the option to continue with, quoted for the shell."""
    monkeypatch.setattr(AdminDao, "sweep", _cut_off(UnavailableError("Scan", 5, "gone")))

    outcome = run("sweep", "--apply")

    hint, error, _ = outcome.stderr.splitlines()
    assert outcome.status == 1
    assert "wiki_count is wrong" in outcome.stdout
    assert shlex.split(hint)[-2:] == ["--resume", '{"table":"users","after":[["ada"]]}']
    assert error.startswith("error: Scan failed after 5 attempts")


def test_cut_off_by_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C prints the same, with --json as one document, and the status is the one that shells expect."""
    monkeypatch.setattr(AdminDao, "sweep", _cut_off(KeyboardInterrupt()))

    outcome = run("sweep", "--json")

    assert outcome.status == 130
    assert outcome.json["scanned"] == {"users": 7}
    assert outcome.json["resume"] == '{"table":"users","after":[["ada"]]}'


def test_progress_is_shown_on_a_terminal(run: Run, configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each table has a progress bar; in a pipe, and with --json, there is no bar."""
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
    """The user's count becomes the number of wikis, and the number is printed."""
    on_store(configured, partial(_with_a_wiki, wikis))

    assert run("user", "reconcile", "ada").stdout == line
    assert run("user", "reconcile", "ada", "--json").json == {"id": "ada", "wiki_count": wikis}
    assert run("user", "get", "ada", "--json").json["wiki_count"] == wikis


def test_reconcile_of_nobody_is_one_line(run: Run) -> None:
    """The error names a user who does not exist."""
    assert run("user", "reconcile", "ada").error == "error: not found: table 'users', key id='ada'"
