"""`wikibot-store adopt`: a report first, then the items of other programs are completed."""

import json
import shlex
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tests.cli.runner import Run, on_store
from tests.legacy import Times, an_old_acl, an_old_user, fill, old_items
from wikibot_store import AdoptPage, UnavailableError, WikibotStore
from wikibot_store.daos.admin import AdminDao
from wikibot_store.provision import create_tables

AT = datetime(2024, 5, 1, tzinfo=UTC)
RESUME = '{"table":"users","after":[["ada"]]}'


async def _old_tables(store: WikibotStore) -> None:
    await create_tables(store)
    await fill(store, old_items(Random(5), users=3))  # noqa: S311 - no secret


async def _few_undecided(store: WikibotStore) -> None:
    await create_tables(store)
    await fill(store, [("users", an_old_user(f"u-{number}", "github", "1", Times("naive"), AT)) for number in (1, 2)])


async def _undecided(store: WikibotStore) -> None:
    await _few_undecided(store)
    lost = [("acls", an_old_acl(f"nobody:{number}", "u-1", "viewer", Times("naive"), AT)) for number in range(60)]
    await fill(store, lost)


def test_a_report_before_a_repair(run: Run, configured: str) -> None:
    """Without --apply nothing is written; with it everything is completed; a third run finds nothing."""
    on_store(configured, _old_tables)

    dry, applied, again = run("adopt"), run("adopt", "--apply"), run("adopt")

    assert (dry.status, applied.status, again.status) == (1, 0, 0)
    assert [line.split() for line in dry.stdout.splitlines()] == [
        ["table", "scanned", "incomplete", "completed", "left"],
        ["users", "3", "3", "0", "3"],
        ["wikis", "6", "6", "0", "6"],
        ["acls", "12", "12", "0", "12"],
    ]
    assert dry.stderr == "nothing was written: fill it in with --apply\n"
    assert [line.split()[2:] for line in applied.stdout.splitlines()[1:]] == [
        ["3", "3", "0"],
        ["6", "6", "0"],
        ["12", "12", "0"],
    ]
    assert {line.split()[2] for line in again.stdout.splitlines()[1:]} == {"0"}
    assert applied.stderr == again.stderr == ""


def test_what_a_person_decides(run: Run, configured: str) -> None:
    """The summary counts what is left by kind, and names the first items; --json has all of them."""
    on_store(configured, _undecided)

    outcome, document = run("adopt", "--apply"), run("adopt", "--apply", "--json")

    assert (outcome.status, document.status) == (1, 1)
    assert "identity of two users" in outcome.stdout
    assert "grant without its wiki" in outcome.stdout
    assert "nobody:" in outcome.stdout
    assert outcome.stderr == "and 11 more: --json prints all of them\n"
    assert len(document.json["undecided"]) == 61
    assert document.json["undecided"][0].keys() == {"kind", "table", "key", "problem"}
    assert document.json["incomplete"] == {"users": 0, "wikis": 0, "acls": 0}
    assert document.json["resume"] is None


def test_few_are_all_named(run: Run, configured: str) -> None:
    """If the summary names everything that is left, it does not point to --json."""
    on_store(configured, _few_undecided)

    outcome = run("adopt", "--apply")

    assert outcome.status == 1
    assert outcome.stdout.count("identity of two users") == 2  # once in the counts, once with its key
    assert outcome.stderr == ""


def test_continues_where_the_last_one_stopped(run: Run, configured: str) -> None:
    """--resume skips what was adopted before, and the rates are passed on."""
    on_store(configured, _old_tables)
    behind = json.dumps({"table": "acls", "after": [None]})

    document = run("adopt", "--resume", behind, "--max-rcu", "1000", "--max-wcu", "1000", "--json").json

    assert document["scanned"] == {"acls": 12}


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--max-rcu", "0"), "--max-rcu must be more than 0"),
        (("--max-wcu", "0"), "--max-wcu must be more than 0"),
        (("--resume", "x"), "--resume must come from an earlier run"),
    ],
)
def test_bad_arguments_are_one_line(run: Run, arguments: tuple[str, ...], error: str) -> None:
    """An invalid rate or position is rejected by its name, and nothing is reported."""
    outcome = run("adopt", *arguments)

    assert outcome.usage_error.startswith(f"error: {error}")
    assert outcome.stdout == ""


@pytest.mark.usefixtures("configured")
def test_cut_off_by_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the error stand the figures so far and the option to continue with, quoted for the shell."""

    async def adopt(_admin: AdminDao, **_: Any) -> AsyncGenerator[AdoptPage, None]:  # noqa: ANN401 - those of adopt
        yield AdoptPage(table="users", scanned=7, incomplete=2, completed=2, undecided=[], resume=RESUME)
        raise UnavailableError("Scan", 5, "gone")

    monkeypatch.setattr(AdminDao, "adopt", adopt)
    outcome = run("adopt", "--apply")

    hint, error, _ = outcome.stderr.splitlines()
    assert outcome.status == 1
    assert outcome.stdout.splitlines()[1].split() == ["users", "7", "2", "2", "0"]
    assert shlex.split(hint)[-2:] == ["--resume", RESUME]
    assert error.startswith("error: Scan failed after 5 attempts")


def test_progress_is_shown_on_a_terminal(run: Run, configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each table has a bar with its rate and the time that is left; in a pipe there is none."""
    on_store(configured, _old_tables)
    monkeypatch.setenv("COLUMNS", "200")
    piped = run("adopt")
    with monkeypatch.context() as patch:
        patch.setattr("rich.console.Console.is_terminal", property(lambda _: True))
        shown = run("adopt")

    assert "/s" in shown.stdout
    assert "\x1b[" in shown.stdout
    assert "/s" not in piped.stdout
