"""`wikibot-store demo` simulates a day of traffic and verifies the results."""

import os
import pty
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.runner import Run, on_store
from wikibot_store import RequestFailedError, WikibotStore
from wikibot_store.cli import demo
from wikibot_store.cli.demo import create_wikis, log_in
from wikibot_store.provision import create_tables

PEOPLE, WIKIS = 4, 60
SIZE = ("--people", str(PEOPLE), "--wikis", str(WIKIS))
DONE_AND_REJECTED = {
    "log in": (2 * PEOPLE, 0),
    "create wikis": (PEOPLE, PEOPLE),
    "fill a shelf": (WIKIS, 0),
    "page through the shelf": (WIKIS, 0),
    "share": (PEOPLE, 0),
    "edit at once": (2, 1),
    "claim a username": (1, 1),
    "damage a cursor": (0, 2),
}


def test_demo_plays_on_the_embedded_engine(run: Run) -> None:
    """Without an endpoint the demo runs on its own engine; in a pipe it prints plain lines."""
    outcome = run("demo", *SIZE)

    lines = outcome.stdout.splitlines()
    assert (outcome.status, outcome.stderr) == (0, "")
    steps = [re.fullmatch(r"(\w.*?\w) +(\d+) done(?:, (\d+) rejected)? +[\d.]+ s", line) for line in lines[:16:2]]
    assert [step and (step[1], int(step[2]), int(step[3] or 0)) for step in steps] == [
        (step, *counts) for step, counts in DONE_AND_REJECTED.items()
    ]
    assert all(line.startswith("    ") for line in lines[1:16:2])
    assert outcome.stdout.isascii()


def test_demo_says_why_something_is_rejected(run: Run) -> None:
    """Below each step with rejections stands the reason; the end says that all is as expected, and what to try next."""
    lines = run("demo", "--people", "2", "--wikis", "1").stdout.splitlines()

    reasons = [reason for line, reason in pairwise(lines) if " rejected" in line and " done" in line]
    assert len(reasons) == 4
    assert all("rejected, " in reason for reason in reasons)
    assert lines[16].startswith("everything as expected: 8 steps in ")
    assert [line.strip() for line in lines[-4::2]] == [
        "wikibot-store serve",
        "wikibot-store seed --endpoint-url URL",
    ]


def test_demo_leaves_sound_tables(run: Run, endpoint: str) -> None:
    """A sweep of what the demo leaves finds nothing; the demo names the command."""
    *_, sweep, _, _, _ = run("demo", *SIZE, "--endpoint-url", endpoint).stdout.splitlines()

    outcome = run(*sweep.split()[1:])

    assert (outcome.status, outcome.stdout[:13]) == (0, "nothing found")


def test_pipe_gets_each_line_as_it_comes(script: Path) -> None:
    """The first line arrives while the demo is running."""
    process = subprocess.Popen([script, "demo", *SIZE], stdout=subprocess.PIPE, text=True)  # noqa: S603 - the project's
    assert process.stdout is not None
    with process.stdout:
        first = process.stdout.readline()
        is_running = process.poll() is None
        rest = process.stdout.read()

    assert process.wait(timeout=30) == 0
    assert first.startswith("log in ")
    assert is_running
    assert "damage a cursor" in rest


def test_demo_plays_on_an_endpoint_again_and_again(run: Run, endpoint: str) -> None:
    """On an endpoint the missing tables are created, and a second run has the same results."""
    for _ in range(2):
        report = run("demo", *SIZE, "--endpoint-url", endpoint, "--json").json

        assert report["as_expected"]
        assert {row["step"]: (row["done"], row["rejected"]) for row in report["steps"]} == DONE_AND_REJECTED


def test_demo_leaves_existing_tables_as_they_are(run: Run, endpoint: str) -> None:
    """Existing tables keep their settings, such as the tag of their environment."""

    async def environment(store: WikibotStore) -> str:
        arn = (await (await store.client()).describe_table(TableName="users"))["Table"]["TableArn"]
        tags = (await (await store.client()).list_tags_of_resource(ResourceArn=arn))["Tags"]
        return next(tag["Value"] for tag in tags if tag["Key"] == "environment")

    on_store(endpoint, lambda store: create_tables(store, environment="prod"))

    assert run("demo", "--people", "2", "--wikis", "1", "--endpoint-url", endpoint).status == 0
    assert on_store(endpoint, environment) == "prod"


def test_demo_fails_when_something_differs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong count ends the demo with status 1 and a line that names the count."""
    monkeypatch.setattr(demo, "STEPS", (log_in, create_wikis, create_wikis))

    outcome = run("demo", "--people", "2")

    assert (outcome.status, len(outcome.stdout.splitlines())) == (1, 4)
    assert outcome.stderr == "error: not as expected: create wikis: created: 0 instead of 2\n"


def test_step_ends_with_its_first_failure(endpoint: str) -> None:
    """An unexpected error ends the step and is raised unchanged."""

    async def play(store: WikibotStore) -> None:
        await demo.play(store, Console(), people=2, wikis=1)

    with pytest.raises(RequestFailedError, match="no table 'users'"):
        on_store(endpoint, play)


def on_terminal(script: Path, variables: dict[str, str]) -> str:
    """Run the demo on a terminal of 80 columns, and return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - the project's own command
        [script, "demo", "--people", "2", "--wikis", "1"],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **variables},
    )
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 4096):
            output += chunk
    except OSError:  # Linux raises this when the other side has closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == 0
    return output.decode()


def test_terminal_gets_progress_and_colours(script: Path) -> None:
    """On a terminal the demo shows its progress while it runs; a line is as wide as the terminal at most."""
    text = on_terminal(script, {})

    assert "\x1b[" in text
    assert "damage a cursor" in text
    assert re.search(r"\x1b\[\d*;?3\d", text), "colours"


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_terminal_without_colours(script: Path, variables: dict[str, str]) -> None:
    """With NO_COLOR, and on a terminal that cannot show them, there are no colours."""
    text = on_terminal(script, variables)

    assert "everything as expected" in text
    assert not re.search(r"\x1b\[\d*;?[34]\d", text)
