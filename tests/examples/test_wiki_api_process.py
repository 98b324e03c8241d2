"""The example as a process of its own."""

import asyncio
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from examples.wiki_api.__main__ import main, open_store
from tests.examples.serving import Person, client
from wikibot_store.local import local_engine

ROOT = Path(__file__).parents[2]
_SECONDS = 60


async def announced_url(stderr: asyncio.StreamReader) -> str:
    """Return the URL that uvicorn announces once it serves."""
    log = b""
    async for line in stderr:
        log += line
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line.decode()):
            return found[1]
    raise RuntimeError(f"the process ended before it served:\n{log.decode()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """The command serves on the port that it is given, and ends with status 0 on Ctrl-C and SIGTERM."""
    command = [sys.executable, "-m", "examples.wiki_api", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=PIPE)
    try:
        async with asyncio.timeout(_SECONDS):
            assert process.stderr is not None
            async with client(await announced_url(process.stderr)) as http:
                ada = await Person.log_in(http)
            process.send_signal(number)
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()

    assert ada.id
    assert process.returncode == 0


def test_port_that_is_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that another program uses is an error that says what to do, before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["wiki_api", "--port", str(port)])
        with pytest.raises(SystemExit) as ended:
            main()

    assert ended.value.code == 2
    assert f"port {port}: Address already in use. Choose another one with --port" in capsys.readouterr().err


async def test_store_is_embedded_by_default() -> None:
    """Without settings the command brings an engine of its own, with its tables made."""
    async with open_store() as store:
        assert await store.users.get("nobody") is None


async def test_store_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """With WIKIBOT_ENDPOINT_URL the command uses that engine, if its tables have the index that the page needs."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("WIKIBOT_REGION", "us-east-1")
    with local_engine() as url:
        monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", url)
        with pytest.raises(ValueError, match="WIKIBOT_GRANTEE_INDEX=true"):
            open_store()
        monkeypatch.setenv("WIKIBOT_GRANTEE_INDEX", "true")
        async with open_store() as store:
            assert store.config.endpoint_url == url


def test_settings_that_are_wrong_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the index the command says at once what to set, instead of failing when a page asks for it."""
    monkeypatch.setattr("sys.argv", ["wiki_api", "--port", "0"])
    monkeypatch.setenv("WIKIBOT_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(SystemExit, match="2"):
        main()

    assert capsys.readouterr().err.endswith(
        "error: create the tables with WIKIBOT_GRANTEE_INDEX=true, and set it here too\n"
    )
