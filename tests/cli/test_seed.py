"""`wikibot-store seed` fills the tables with a made-up world."""

import pytest

from tests.cli.runner import Run
from wikibot_store.testing import World

SIZE = ("--users", "3", "--wikis", "6", "--seed", "1")


@pytest.mark.usefixtures("configured")
def test_seed_adds_a_world_once(run: Run) -> None:
    """It prints what was added; the second time it says that everything is there."""
    run("tables", "create")

    first, second = run("seed", *SIZE), run("seed", *SIZE)

    assert [line.split() for line in first.stdout.splitlines()[1:3]] == [["users", "3", "0"], ["wikis", "6", "0"]]
    assert [line.split() for line in second.stdout.splitlines()[1:3]] == [["users", "0", "3"], ["wikis", "0", "6"]]
    assert run("sweep").stdout.startswith("nothing found")


@pytest.mark.usefixtures("configured")
def test_seed_names_a_user_to_look_at(run: Run) -> None:
    """The last line is a command that shows the wikis of the user who has most of them."""
    run("tables", "create")

    hint = run("seed", *SIZE).stderr

    person = World.make(users=3, wikis=6, seed=1).people[0]
    assert hint == f"the first user is {person.display_name}: wikibot-store wiki list {person.id}\n"
    assert run(*hint.split("wikibot-store ")[1].split()).status == 0


@pytest.mark.usefixtures("configured")
def test_seed_as_json(run: Run) -> None:
    """With --json the counts are one document."""
    run("tables", "create")

    document = run("seed", *SIZE, "--json").json

    assert list(document) == ["seed", "users", "wikis", "grants", "invitations"]
    assert (document["seed"], document["users"]) == (1, {"added": 3, "kept": 0})


def test_seed_asks_before_it_writes_elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that are not on this machine may be real ones: without --yes nothing is sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    assert run("seed", "--region", "eu-west-1").error == (
        "error: https://dynamodb.eu-west-1.amazonaws.com is not on this machine; use --yes to add made-up users there"
    )


@pytest.mark.usefixtures("configured")
def test_seed_shows_its_progress_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal users and wikis have a progress bar."""
    run("tables", "create")
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))

    assert "\x1b[" in run("seed", *SIZE).stdout
