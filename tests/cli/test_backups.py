"""`wikibot-store export`, `import` and `copy` move the tables, and say how to continue."""

import io
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.cli.runner import Run, on_store
from tests.half_done import snapshot
from tests.integration.samples import a_wiki
from wikibot_store import BackupError
from wikibot_store.backup import Progress, WrittenTable
from wikibot_store.cli import backups
from wikibot_store.local import local_engine
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES


@pytest.fixture(autouse=True)
def _tables(configured: str) -> None:
    """Create the tables that the commands use."""
    on_store(configured, create_tables)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Serve a second engine, with empty tables."""
    with local_engine() as url:
        on_store(url, create_tables)
        yield url


def test_out_and_in_again(run: Run, configured: str, elsewhere: str, tmp_path: Path) -> None:
    """What was exported from one engine is imported into another; both print a line per table."""
    on_store(configured, a_wiki)

    exported = run("export", str(tmp_path), "--segments", "2", "--max-rcu", "10000")
    imported = run("import", str(tmp_path), "--endpoint-url", elsewhere, "--max-wcu", "10000")

    assert (exported.status, imported.status) == (0, 0)
    assert [row.split()[:3] for row in exported.stdout.splitlines()[1:]] == [
        ["acls", "0", "0"],
        ["wikis", "1", "1"],
        ["users", "2", exported.stdout.splitlines()[-1].split()[2]],
    ]
    assert [row.split() for row in imported.stdout.splitlines()[1:]] == [
        ["users", "2", "0"],
        ["wikis", "1", "0"],
        ["acls", "0", "0"],
    ]
    assert on_store(elsewhere, snapshot) == on_store(configured, snapshot)


def test_as_json(run: Run, configured: str, tmp_path: Path) -> None:
    """With --json each command prints one document."""
    on_store(configured, a_wiki)

    exported = run("export", str(tmp_path), "--table", "users", "--json")
    imported = run("import", str(tmp_path), "--table", "users", "--if-absent", "--json")

    assert [table["items"] for table in exported.json["tables"]] == [2]
    assert imported.json == {"tables": [{"table": "users", "items": 2, "kept": 2}], "resume": None}


def test_copy_to_another_prefix_and_endpoint(run: Run, configured: str, elsewhere: str) -> None:
    """--from and --to name endpoint, region and prefix; what they leave out comes from the environment."""
    on_store(configured, a_wiki)

    there = run("copy", "--to", f"endpoint={elsewhere},region=us-east-1")
    run("copy", "--from", f"endpoint={elsewhere}", "--to", "", "--overwrite", "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIKIBOT_TABLE_PREFIX", "dev")
        assert run("tables", "create").status == 0
    prefixed = run("copy", "--from", "prefix=dev", "--to", f"endpoint={elsewhere}", "--if-absent", "--json")

    assert (there.status, on_store(elsewhere, snapshot)) == (0, on_store(configured, snapshot))
    assert [table["items"] for table in prefixed.json["tables"]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("copy", "--to", "table=x,url=y"),
            "--to takes endpoint=URL,region=NAME,profile=NAME,prefix=NAME, each of them",
        ),
        (("copy",), "both stores have the same table, 'users'"),
        (("copy", "--if-absent", "--overwrite"), "--if-absent and --overwrite cannot be given together"),
        (("export", "nowhere", "--table", "tables"), "tables must be of users, wikis, acls, not 'tables'"),
    ],
)
def test_wrong_arguments_are_one_line(run: Run, arguments: tuple[str, ...], error: str) -> None:
    """What is wrong with the arguments is one line."""
    assert run(*arguments).usage_error.startswith(f"error: {error}")


def test_errors_are_one_line(run: Run) -> None:
    """What is wrong with the folder is one line."""
    assert run("import", "nowhere").error.startswith("error: nowhere/users holds no export")


def test_full_tables_name_the_options(run: Run, configured: str, tmp_path: Path) -> None:
    """An import into tables that are not empty names the options that allow it."""
    on_store(configured, a_wiki)
    assert run("export", str(tmp_path)).status == 0

    error = run("import", str(tmp_path)).error

    assert error.endswith("use --if-absent to keep its items, or --overwrite to replace them")


def _cut_off(error: BaseException, resume: str | None) -> Callable[..., Any]:
    async def import_tables(*_: object, report: Callable[[Progress], None], **__: object) -> list[WrittenTable]:
        for items in (1, 2):
            report(Progress(step="import", table="users", items=items, total=3, resume=resume))
        raise error

    return import_tables


def test_cut_off_by_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the error stands the option to continue with, quoted for the shell."""
    monkeypatch.setattr(backups, "import_tables", _cut_off(BackupError("cut off", "{}"), '{"table":"users"}'))

    outcome = run("import", "backup")

    hint, error, _ = outcome.stderr.splitlines()
    assert shlex.split(hint)[-2:] == ["--resume", '{"table":"users"}']
    assert (outcome.status, error) == (1, "error: cut off")


def test_cut_off_by_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C prints the same, with --json as one document."""
    monkeypatch.setattr(backups, "import_tables", _cut_off(KeyboardInterrupt(), '{"table":"users"}'))

    outcome = run("import", "backup", "--json")

    assert outcome.status == 130
    assert outcome.json == {"resume": '{"table":"users"}'}


def test_cut_off_before_the_first_write(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing was written, there is nothing to resume."""
    monkeypatch.setattr(backups, "import_tables", _cut_off(BackupError("a file is torn"), None))

    assert run("import", "backup").error == "error: a file is torn"


def test_bars_on_a_terminal(run: Run, configured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows each step of each table."""
    on_store(configured, a_wiki)
    monkeypatch.setattr(backups, "shows_progress", lambda **_: True)
    output = io.StringIO()
    terminal = Console(file=output, force_terminal=True, width=80)
    monkeypatch.setattr(backups, "console", lambda: terminal)

    assert run("export", str(tmp_path)).status == 0

    assert all(f"export {schema.name}" in output.getvalue() for schema in TABLES)
