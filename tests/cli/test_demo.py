"""`wikibot-store demo` simulates a day of traffic and verifies the results."""

import os
import pty
import subprocess
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
    """Without an endpoint the demo runs on its own engine; in a pipe it prints a plain table."""
    outcome = run("demo", *SIZE)

    header, *rows = outcome.stdout.splitlines()
    assert (outcome.status, outcome.stderr) == (0, "")
    assert header.split() == ["step", "done", "rejected", "seconds"]
    assert [tuple(row.rsplit(maxsplit=3)[:3]) for row in rows] == [
        (step, str(done), str(rejected)) for step, (done, rejected) in DONE_AND_REJECTED.items()
    ]
    assert outcome.stdout.isascii()


def test_demo_plays_on_an_endpoint_again_and_again(run: Run, endpoint: str) -> None:
    """On an endpoint the missing tables are created, and a second run has the same results."""
    for _ in range(2):
        report = run("demo", *SIZE, "--endpoint-url", endpoint, "--json").json

        assert {row["step"]: (row["done"], row["rejected"]) for row in report} == DONE_AND_REJECTED


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

    assert run("demo", "--people", "2").error == "error: create wikis: created: 0 instead of 2"


def test_step_ends_with_its_first_failure(endpoint: str) -> None:
    """An unexpected error ends the step and is raised unchanged."""

    async def play(store: WikibotStore) -> None:
        await demo.play(store, Console(), people=2, wikis=1)

    with pytest.raises(RequestFailedError, match="no table 'users'"):
        on_store(endpoint, play)


def test_terminal_gets_progress_and_colours(script: Path) -> None:
    """On a terminal the demo shows its progress while it runs, and a drawn table at the end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - the project's own command
        [script, "demo", "--people", "2", "--wikis", "1"], stdout=theirs, env={**os.environ, "TERM": "xterm"}
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

    text = output.decode()
    assert "\x1b[" in text
    assert "─" in text
    assert "damage a cursor" in text
