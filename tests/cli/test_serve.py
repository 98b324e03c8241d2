"""`wikibot-store serve` runs the embedded engine until a signal stops it."""

import asyncio
import io
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.runner import Run
from wikibot_store import Share, StoreConfig, WikibotStore, cli
from wikibot_store.local import local_session


class _StopsWhenServing(io.StringIO):
    """A stderr that sends this process a signal when the message arrives that the engine is ready."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        if "Ctrl-C ends it" in text:
            os.kill(os.getpid(), self._number)
        return super().write(text)


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_on_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    """It prints the variables for a store, reports that it is ready, and ends with status 0 on Ctrl-C and SIGTERM."""
    stderr = _StopsWhenServing(number)
    monkeypatch.setattr("sys.stderr", stderr)

    status = cli.main(["serve", "--port", "0"])

    url, *rest = capsys.readouterr().out.splitlines()
    assert status == 0
    assert url.startswith("export WIKIBOT_ENDPOINT_URL=http://127.0.0.1:")
    assert rest == [
        "export WIKIBOT_GRANTEE_INDEX=true",
        "export AWS_REGION=us-east-1",
        "export AWS_ACCESS_KEY_ID=local",
        "export AWS_SECRET_ACCESS_KEY=local",
    ]
    assert stderr.getvalue().splitlines() == [
        f"moto, an engine in memory, on {url.partition('=')[2]}, with the tables users, wikis, acls",
        "WikibotStore.open() finds it in a shell with these variables; commands take --endpoint-url too",
        "Ctrl-C ends it, and its items are then gone",
        "ended",
    ]
    assert _refuses_connections(url.rpartition(":")[2])


def _refuses_connections(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) != 0


@pytest.mark.usefixtures("signal_handlers")
def test_serve_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the variables are one document; the region is that of --region."""
    monkeypatch.setattr("sys.stderr", _StopsWhenServing(signal.SIGTERM))

    document = run("serve", "--port", "0", "--json", "--region", "eu-west-1").json

    assert list(document) == [
        "WIKIBOT_ENDPOINT_URL",
        "WIKIBOT_GRANTEE_INDEX",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]
    assert document["AWS_REGION"] == "eu-west-1"


def test_served_engine_is_ready(script: Path) -> None:
    """A store opens with the printed variables and finds the tables and the index; SIGTERM ends the process."""
    process = subprocess.Popen(  # noqa: S603 - the project's own command
        [script, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            environment = dict(line.removeprefix("export ").rstrip().split("=", 1) for line in lines)
            assert asyncio.run(_create_user(environment)) == ("ada", [])
        finally:
            process.terminate()
            status = process.wait(timeout=30)
    assert status == 0


async def _create_user(environment: dict[str, str]) -> tuple[str | None, list[Share]]:
    config = StoreConfig.from_env(environment)
    async with WikibotStore.open(config, session=local_session()) as store:
        user = await store.users.create(oauth_provider="github", oauth_provider_sub="1", username="ada")
        return user.username, list(await store.acls.list_shared_with(user.id))


@pytest.mark.parametrize("option", ["--endpoint-url", "--profile"])
def test_where_to_serve_cannot_be_chosen(run: Run, option: str) -> None:
    """The options that choose another endpoint are rejected, not ignored."""
    error = run("serve", option, "http://127.0.0.1:1").usage_error

    assert error == f"error: {option} has no meaning here: serve starts an engine of its own; leave it out"


@pytest.mark.usefixtures("signal_handlers")
def test_port_in_use_is_one_line(run: Run) -> None:
    """The error names a port that is in use, and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert run("serve", "--port", str(port)).error == (
            f"error: port {port} is in use or not permitted: choose another one with --port"
        )
