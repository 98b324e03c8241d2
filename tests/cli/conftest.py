"""Runs the command line inside the test's process, against an embedded engine."""

import io
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.runner import Outcome, Run
from wikibot_store.cli import main
from wikibot_store.local import local_engine


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process."""

    def invoke(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        status = main(arguments)
        return Outcome(status, *capsys.readouterr())

    return invoke


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Serve an engine without tables."""
    with local_engine() as url:
        yield url


@pytest.fixture
def configured(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the commands' endpoint in the environment, as an operator does."""
    monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", endpoint)
    return endpoint


@pytest.fixture
def dead_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return a port that nothing listens on, and make the commands try it only once."""
    monkeypatch.setenv("WIKIBOT_MAX_ATTEMPTS", "1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a profile `ops` with credentials and a region into AWS's files."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[ops]\naws_access_key_id = ops\naws_secret_access_key = ops\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Restore the signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def script() -> Path:
    """Return the installed command."""
    return Path(sys.executable).with_name("wikibot-store")
