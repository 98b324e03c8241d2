"""What all commands share: options, help, errors, and how they behave in scripts."""

import errno
import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from tests.cli.runner import Run
from wikibot_store import IndexNotConfiguredError, __version__, cli

COMMANDS = [
    "tables create",
    "tables delete",
    "tables verify",
    "user get",
    "user by-oauth",
    "user by-username",
    "user list",
    "user suspend",
    "user activate",
    "user reconcile",
    "wiki get",
    "wiki list",
    "acl get",
    "acl list",
    "export",
    "import",
    "copy",
    "acl revoke",
    "seed",
    "adopt",
    "sweep",
    "demo",
    "serve",
]
COMMON = ["--endpoint-url URL", "--region NAME", "--profile NAME", "--json", "--debug"]


def test_version(run: Run) -> None:
    """--version prints the version."""
    assert run("--version").stdout == f"wikibot-store {__version__}\n"


def _names(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:  # noqa: ANN401 - typer's own type is private
    if not hasattr(command, "commands"):
        yield " ".join(path)
        return
    for name, inner in command.commands.items():
        yield from _names(inner, (*path, name))


def test_these_are_all_commands() -> None:
    """The tests of help leave out no command."""
    assert sorted(_names(typer.main.get_command(cli.app))) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(run: Run, command: str) -> None:
    """Each command's help has an example and the common options."""
    outcome = run(*command.split(), "--help")

    assert outcome.status == 0
    assert f"Example: wikibot-store {command}" in outcome.stdout
    assert all(option in outcome.stdout for option in COMMON)


def test_root_help_lists_commands_and_options(run: Run) -> None:
    """The first help page names the groups and says where options may stand."""
    text = " ".join(run("--help").stdout.split())

    assert "--json and --debug may stand before or after a command's name" in text
    assert all(command.split()[0] in text for command in COMMANDS)
    assert "--install-completion" in text


def test_nearest_option_wins(run: Run, endpoint: str, dead_port: int) -> None:
    """An option after the command replaces the same option before it."""
    dead = f"http://127.0.0.1:{dead_port}"

    assert run("--endpoint-url", dead, "tables", "create", "--endpoint-url", endpoint).status == 0


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "Missing command: see --help"),
        ("user", "Missing command: see --help"),
        ("nope", "No such command 'nope': see --help"),
        ("user lst", "No such command 'lst'. Did you mean 'list'? See --help"),
        ("user get", "Missing argument 'ID': see --help"),
        ("user get a b", "Got unexpected extra argument(s) (b): see --help"),
        ("user get a --nope", "No such option: --nope: see --help"),
        ("wiki list a --limit", "Option '--limit' requires an argument: see --help"),
        ("serve --port 70000", "Invalid value for '--port': "),
        ("demo --people 1", "Invalid value for '--people': "),
        ("seed --users 0", "Invalid value for '--users': "),
        ("copy --from foo --to bar", "--from takes endpoint=URL"),
        ("import x --if-absent --overwrite", "--if-absent and --overwrite cannot be given together"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, line: str, error: str) -> None:
    """Wrong usage prints one line and exits with status 2."""
    outcome = run(*line.split())

    assert outcome.usage_error.startswith(f"error: {error}")


def test_dead_endpoint_is_one_line(run: Run, dead_port: int) -> None:
    """The error names an endpoint that does not answer, and says what to do."""
    for line in ("tables create", "user get u-1"):
        error = run(*line.split(), "--endpoint-url", f"http://127.0.0.1:{dead_port}").error

        assert f"http://127.0.0.1:{dead_port}" in error
        assert error.endswith("is the endpoint up and reachable?")


@pytest.mark.usefixtures("configured")
def test_missing_table_is_one_line(run: Run) -> None:
    """The error names a missing table, and the command that creates it."""
    error = run("wiki", "get", "u-1", "notes").error

    assert "no table 'wikis'" in error
    assert "`wikibot-store tables create` makes it" in error


def test_unknown_profile_is_one_line(run: Run) -> None:
    """The error names a profile that AWS's files do not have."""
    error = run("user", "get", "u-1", "--profile", "nope").error

    assert error.startswith("error: the AWS session cannot be used: The config profile (nope) could not be found")
    assert error.endswith("`aws configure list-profiles` lists them")


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("WIKIBOT_ENDPOINT_URL", "nope", "error: WIKIBOT_ENDPOINT_URL must be an http or https URL"),
        ("WIKIBOT_MAX_ATTEMPTS", "many", "error: WIKIBOT_MAX_ATTEMPTS: "),
    ],
)
def test_bad_setting_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, error: str
) -> None:
    """An invalid setting in the environment is rejected by its name."""
    monkeypatch.setenv(variable, value)

    assert run("user", "get", "u-1").error.startswith(error)


@pytest.mark.usefixtures("aws_files")
def test_profile_gives_credentials_and_region(run: Run, endpoint: str) -> None:
    """--profile sets the session's profile, even for an endpoint on this machine."""
    run("tables", "create", "--profile", "ops", "--endpoint-url", endpoint)

    shown = run("tables", "delete", "--profile", "ops", "--endpoint-url", endpoint).stderr

    assert shown.startswith("arn:aws:dynamodb:eu-west-1:")


def test_region_is_an_option(run: Run, endpoint: str) -> None:
    """The tables are created in the region of --region."""
    run("tables", "create", "--region", "eu-north-1", "--endpoint-url", endpoint)

    shown = run("tables", "delete", "--region", "eu-north-1", "--endpoint-url", endpoint).stderr

    assert shown.startswith("arn:aws:dynamodb:eu-north-1:")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_needs_no_credentials(run: Run, dead_port: int, host: str) -> None:
    """A request to a loopback host is sent without real credentials."""
    assert "Could not connect" in run("user", "get", "u-1", "--endpoint-url", f"http://{host}:{dead_port}").error


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example", "10.0.0.1"])
def test_other_machines_never_get_made_up_credentials(run: Run, host: str) -> None:
    """Any other host needs real credentials; without them nothing is sent."""
    error = run("user", "get", "u-1", "--region", "us-east-1", "--endpoint-url", f"http://{host}").error

    assert error.startswith("error: the AWS session cannot be used: Unable to locate credentials; set AWS_PROFILE")


def test_credentials_of_the_environment_are_used(run: Run, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment are used with the environment's region, also for an endpoint on this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    assert "region" in run("tables", "create", "--endpoint-url", endpoint).error


def test_debug_shows_where_an_error_comes_from(run: Run, dead_port: int) -> None:
    """With --debug the traceback is printed before the error line."""
    outcome = run("user", "get", "u-1", "--debug", "--endpoint-url", f"http://127.0.0.1:{dead_port}")

    first, *_, last, _ = outcome.stderr.splitlines()
    assert outcome.status == 1
    assert "Traceback" in outcome.stderr
    assert first != last
    assert last.startswith("error: GetItem failed after 1 attempt")


def test_unexpected_error_is_one_line() -> None:
    """An unexpected error is reported as such, with its type."""
    app = typer.Typer()

    @app.command()
    @cli.with_options
    def broken(_options: cli.Options) -> None:
        raise KeyError("id")

    outcome = CliRunner().invoke(app, [])

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "error: unexpected KeyError('id'); --debug shows the traceback\n"


def test_messages_speak_of_the_command_line() -> None:
    """Where a message of the library names a setting of Python, the command names the variable."""
    app = typer.Typer()

    @app.command()
    @cli.with_options
    def shared(_options: cli.Options) -> None:
        raise IndexNotConfiguredError("by-grantee", "grantee_index")

    outcome = CliRunner().invoke(app, [])

    assert outcome.stderr.splitlines() == [
        "error: this method needs the index 'by-grantee': provision it, then set WIKIBOT_GRANTEE_INDEX=true",
        "see docs/troubleshooting.md#indexnotconfigurederror",
    ]


def test_messages_name_the_option_that_was_given() -> None:
    """An option whose name differs from that of its parameter is named as it is written."""
    app = typer.Typer()

    @app.command()
    @cli.with_options
    def move(_options: cli.Options, *, source: Annotated[str, typer.Option("--from", help="From where.")] = "") -> None:
        raise ValueError(f"source must be a folder, not {source!r}")

    assert CliRunner().invoke(app, ["--from", "x"]).stderr == "error: --from must be a folder, not 'x'\n"


def test_missing_region_names_the_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region the error names --region, and without credentials --profile."""
    without_credentials = run("user", "get", "u-1", "--region", "us-east-1").error
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    assert run("user", "get", "u-1").error.endswith("You must specify a region; set AWS_REGION, or use --region")
    assert without_credentials.endswith("or use --profile")


def test_option_with_a_wrong_value_is_named(run: Run) -> None:
    """A value that a setting does not allow is reported under the option that gave it."""
    outcome = run("user", "get", "u-1", "--endpoint-url", "nope")

    assert outcome.usage_error.startswith("error: --endpoint-url must be an http")


def test_plain_http_is_a_warning_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that would cross a network unencrypted gets a warning without a line of Python."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    first, error = run("seed", "--region", "us-east-1", "--endpoint-url", "http://10.0.0.1").stderr.splitlines()

    assert first == "warning: http://10.0.0.1 is plain HTTP: others can read and change items on the way"
    assert error.startswith("error: http://10.0.0.1 is not on this machine")


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("user get", 2, {"type": "UsageError", "message": "Missing argument 'ID': see --help", "help": None}),
        (
            "acl get notes u-1",
            2,
            {
                "type": "InvalidKeyError",
                "message": "WIKI_ID must be '<owner_id>:<wiki_slug>'",
                "help": "docs/troubleshooting.md#invalidkeyerror",
            },
        ),
    ],
)
@pytest.mark.usefixtures("configured")
def test_errors_as_json(run: Run, line: str, status: int, error: dict[str, str | None]) -> None:
    """With --json an error is a document on stderr, with its type, and stdout stays empty."""
    outcome = run("--json", *line.split())

    assert (outcome.status, outcome.stdout) == (status, "")
    assert json.loads(outcome.stderr) == {"error": error}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_every_argument(command: str) -> None:
    """Each argument and each option has a text of its own."""
    found: Any = typer.main.get_command(cli.app)
    for word in command.split():
        found = found.commands[word]

    assert [parameter.name for parameter in found.params if not parameter.help] == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(run: Run, command: str) -> None:
    """No line of a help text is longer than a terminal of the usual width."""
    assert [line for line in run(*command.split(), "--help").stdout.splitlines() if len(line) > 80] == []


class _ClosedPipe(io.StringIO):
    """A stdout whose reader has ended."""

    def flush(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_closed_pipe_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], endpoint: str
) -> None:
    """If the reader of a pipe has ended, such as `head`, the command ends without an error message."""
    monkeypatch.setattr("sys.stdout", _ClosedPipe())

    with pytest.raises(SystemExit) as ended:
        cli.main(["tables", "delete", "--endpoint-url", endpoint])

    assert ended.value.code == 1
    assert capsys.readouterr().err == ""


def test_closed_pipe_ends_the_process_quietly(script: Path, endpoint: str) -> None:
    """The same holds for a real pipe, until the process's last flush."""
    read, write = os.pipe()
    os.close(read)

    process = subprocess.run(  # noqa: S603 - the project's own command
        [script, "tables", "delete", "--endpoint-url", endpoint],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(write)

    assert (process.returncode, process.stderr) == (1, "")


def test_interrupt_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Ctrl-C ends a command without a traceback, with the exit status that shells expect."""

    def interrupted() -> str:
        raise KeyboardInterrupt

    run("tables", "create", "--endpoint-url", endpoint)
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "readline", interrupted)
    monkeypatch.setattr("sys.stdin", stdin)

    assert cli.main(["tables", "delete", "--endpoint-url", endpoint]) == 130


@pytest.mark.parametrize("missing", ["typer", "rich.console"])
def test_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Without the extra `cli` the command says how to install it."""
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(cli.__file__)

    assert ended.value.code == f"error: this command needs {missing}: pip install 'wikibot-store[cli]'"


def test_library_does_not_load_the_command_line() -> None:
    """Importing the library loads neither the command line nor the engine, nor what only they need."""
    names = "{'moto', 'typer', 'werkzeug', 'wikibot_store.cli', 'wikibot_store.cli.demo', 'wikibot_store.local'}"
    code = f"import sys, wikibot_store; print({names} & set(sys.modules))"

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - fixed

    assert process.stdout == "set()\n"


def test_shell_completion(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The shell gets the commands that start with the typed text."""
    monkeypatch.setenv("_WIKIBOT_STORE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "wikibot-store user by")
    monkeypatch.setenv("COMP_CWORD", "2")

    with pytest.raises(SystemExit) as ended:
        cli.main([])

    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == ["by-oauth", "by-username"]
