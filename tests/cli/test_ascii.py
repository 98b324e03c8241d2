"""The command in a process of its own, on a stdout and in a locale that know only ASCII: no name makes it fail."""

import io
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runner import Run, on_store
from wikibot_store import WikibotStore
from wikibot_store.cli import main
from wikibot_store.local import local_engine
from wikibot_store.provision import create_tables

NAMES = ["Zoë", "名前", "Ада", "עדה", "e\u0301", "🦀 👩‍👩‍👧", "\x1b[31m\u202e"]
USER = "ada-名前-🦀"
ENVIRONMENTS = {
    "ascii": ({"PYTHONIOENCODING": "ascii"}, "ascii"),
    "strict ascii": ({"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"}, "ascii"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    "utf-8": ({"PYTHONIOENCODING": "utf-8"}, "utf-8"),
    "C": ({"LC_ALL": "C"}, "utf-8"),
    "C without UTF-8": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
}
"""The variables of each environment, and the encoding of stdout that they make."""


async def _seed(store: WikibotStore) -> None:
    await create_tables(store, environment="名前")
    await store.users.create(id=USER, oauth_provider="github", oauth_provider_sub="🦀", display_name=NAMES[-2])
    for number, name in enumerate(NAMES):
        await store.wikis.create(USER, f"w-{number}", display_name=name, repo_path=f"/srv/{name}")
        await store.users.create(id=f"u-{number}", oauth_provider="github", oauth_provider_sub=str(number))
        await store.acls.create(f"{USER}:w-0", f"u-{number}", "viewer", granted_by=USER)
    client = await store.client()  # a claim without a user, for the sweep
    claim = f"claim#oauth#github#{USER}"
    await client.put_item(TableName="users", Item={"id": {"S": claim}, "user_id": {"S": "名前"}})


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """Serve an engine with items whose names are of many scripts."""
    with local_engine() as url:
        on_store(url, _seed)
        yield url


@dataclass(frozen=True)
class Shell:
    """Runs the command in a process of its own."""

    script: Path
    environ: dict[str, str]
    encoding: str

    def run(self, *arguments: str | bytes, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
        """Run the command to its end; no text of its input or output is a reason to fail."""
        ended = subprocess.run(  # noqa: S603 - the project's own command
            [self.script, *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in ended.stderr
        assert b"unexpected" not in ended.stderr
        return ended

    def json(self, *arguments: str | bytes) -> Any:  # noqa: ANN401 - any JSON
        """Run the command and return the one document that it prints."""
        ended = self.run(*arguments)
        assert ended.stderr == b""
        return json.loads(ended.stdout.decode(self.encoding))


def shell_in(environment: str, script: Path, engine: str) -> Shell:
    """Return a shell whose locale is one of those above."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    variables, encoding = ENVIRONMENTS[environment]
    return Shell(script, usual | {"WIKIBOT_ENDPOINT_URL": engine} | variables, encoding)


@pytest.fixture(params=ENVIRONMENTS)
def shell(request: pytest.FixtureRequest, script: Path, engine: str) -> Shell:
    """Return a shell in each of the environments."""
    return shell_in(request.param, script, engine)


@pytest.fixture
def ascii_shell(script: Path, engine: str) -> Shell:
    """Return a shell that knows only ASCII: for arguments, stdin and stdout."""
    return shell_in("C without UTF-8", script, engine)


def test_documents_hold_every_name(shell: Shell) -> None:
    """With --json, each name reads back as it is stored."""
    wikis = shell.json("wiki", "list", USER, "--json")["items"]

    assert [wiki["display_name"] for wiki in wikis] == NAMES


@pytest.mark.parametrize(("environment", "shown"), [("ascii", r"\u540d\u524d"), ("utf-8", "名前")])
def test_tables_show_every_name(script: Path, engine: str, environment: str, shown: str) -> None:
    """Without --json, each item is a line; what cannot be printed is escaped."""
    shell = shell_in(environment, script, engine)

    ended = shell.run("wiki", "list", USER)

    lines = ended.stdout.decode(shell.encoding).splitlines()
    assert (ended.returncode, ended.stderr, len(lines)) == (0, b"", len(NAMES) + 1)
    assert shown in lines[2]
    assert repr(NAMES[-1]) in lines[-1]


LINES: list[tuple[tuple[str | bytes, ...], str]] = [
    (("user", "get", USER), ""),
    (("user", "by-oauth", "github", "🦀"), ""),
    (("user", "by-oauth", "github", "nobody-🦀"), "not found: table 'users'"),
    (("user", "by-username", "名前"), "NAME must be"),
    (("user", "get", b"\xff\xfe"), "ID must be"),
    (("user", "by-oauth", b"\xff", "1"), "PROVIDER must be"),
    (("user", "reconcile", USER), ""),
    (("user", "reconcile", "nobody-名前"), "not found: table 'users'"),
    (("wiki", "get", USER, "w-1"), ""),
    (("wiki", "get", USER, "名前"), "SLUG must be"),
    (("wiki", "list", USER), ""),
    (("wiki", "list", USER, "--prefix", "名"), "--prefix must be"),
    (("wiki", "list", USER, "--cursor", "名前"), "the cursor is damaged"),
    (("wiki", "list", USER, "--limit", "名前"), "Invalid value for '--limit'"),
    (("acl", "list", f"{USER}:w-0"), ""),
    (("acl", "get", f"{USER}:w-0", b"\xff"), "GRANTEE must be"),
    (("tables", "verify", "--environment", "🦀"), ""),
    (("tables", "verify", "--environment", b"\xff"), ""),
    (("sweep",), ""),
    (("sweep", "--resume", "名前"), "--resume must come from"),
    (("nope-名前",), "No such command 'nope-"),
    (("user", b"\xff"), "No such command '"),
    (("user", "get", USER, "--profile", "名前"), "the AWS session cannot be used: The config profile ("),
    (("wiki", "list", "--help"), ""),
    (("--help",), ""),
]


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(("line", "error"), LINES, ids=ascii)
def test_no_name_makes_a_command_fail(  # noqa: PLR0917 - three parameters and three fixtures
    line: tuple[str | bytes, ...],
    error: str,
    as_json: tuple[str, ...],
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command takes and prints names of any script and bytes that are no text; an error is about the argument."""
    monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", engine)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)

    status = main([*as_json, *map(os.fsdecode, line)])

    stdout.seek(0)
    printed, stderr = stdout.read(), capsys.readouterr().err
    if error:
        assert (status, printed) in {(1, ""), (2, "")}
        said = json.loads(stderr)["error"]["message"] if as_json else stderr.removeprefix("error: ")
        assert said.startswith(error)
    else:
        assert (bool(printed), stderr) == (True, "")
        assert "--help" in line or not as_json or json.loads(printed)


def test_arguments_are_utf_8(ascii_shell: Shell) -> None:
    """In an ASCII locale too, an argument means what was typed in UTF-8."""
    assert ascii_shell.json("user", "by-oauth", "github", "🦀", "--json")["id"] == USER
    assert ascii_shell.json("user", "reconcile", USER, "--json") == {"id": USER, "wiki_count": len(NAMES)}
    assert b"ID must be" in ascii_shell.run("user", "get", b"\xff").stderr


def test_a_tag_that_is_no_text(ascii_shell: Shell) -> None:
    """Bytes that are no text are shown escaped, in a table and in a document."""
    (first, *_) = ascii_shell.json("tables", "verify", "--json", "--environment", b"\xff")
    table = ascii_shell.run("tables", "verify", "--environment", b"\xff").stdout

    assert first["expected"] == "\udcff"
    assert rb"\udcff" in table


def test_a_terminal_that_knows_only_ascii(ascii_shell: Shell) -> None:
    """On a terminal, with its boxes and progress bars, the command prints ASCII too."""
    terminal, its_end = pty.openpty()
    try:
        ended = ascii_shell.run("sweep", stdout=its_end)
        shown = os.read(terminal, 65_536)
    finally:
        os.close(terminal)
        os.close(its_end)

    assert (ended.returncode, ended.stderr) == (1, b"")
    assert shown.isascii()
    assert b"claim" in shown


@pytest.mark.parametrize("argument", ["\ud800", "a\udcff"])
def test_lone_surrogates_in_this_process(run: Run, engine: str, argument: str) -> None:
    """A program that calls the command with half a character gets the error of the argument."""
    assert run("user", "get", argument, "--endpoint-url", engine).usage_error.startswith("error: ID must be 1 to 256")
