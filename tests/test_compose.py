"""docker-compose.yml agrees with the project's pins and documentation, and its moto works."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engines import throw_away_store
from wikibot_store import AlreadyExistsError, Wiki
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
HEAD = COMPOSE.read_text().partition("services:")[0]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
_SECONDS = 60


def health_url(service: str) -> str:
    """Return the URL that a service's healthcheck asks for."""
    url: str = SERVICES[service]["healthcheck"]["test"][-1]
    return url


def container_url(service: str) -> str:
    """Return the URL of an engine for other services."""
    (port,) = SERVICES[service]["ports"]
    return f"http://{service}:{port.rpartition(':')[2]}"


@pytest.fixture(scope="module")
async def moto() -> AsyncIterator[str]:
    """Run the moto service's command on a free port, without its container, and give its URL."""
    _, *arguments = SERVICES["moto"]["entrypoint"]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, "127.0.0.1", "0", stderr=PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_SECONDS):
            log = (await process.stderr.readuntil(b"CTRL+C")).decode()
        draining = asyncio.create_task(process.stderr.read())  # so that it never waits for someone to read its log
        (url,) = re.findall(r"Running on (http://127\.0\.0\.1:\d+)", log)
        yield url
    finally:
        process.kill()
        await process.wait()
    await draining


def test_images_are_the_pinned_ones() -> None:
    """Every image has a version, and moto's is that of the moto that the project is tested with."""
    (moto,) = re.findall(r"^moto==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

    assert SERVICES["moto"]["image"] == f"motoserver/moto:{moto}"
    assert re.fullmatch(r"amazon/dynamodb-local:\d+\.\d+\.\d+", SERVICES["dynamodb-local"]["image"])
    assert re.fullmatch(r"aaronshaf/dynamodb-admin:\d+\.\d+\.\d+", SERVICES["browser"]["image"])


def test_only_moto_starts_by_default() -> None:
    """The others wait to be asked for by their profiles."""
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "moto": None,
        "dynamodb-local": ["dynamodb-local"],
        "browser": ["browser"],
    }


@pytest.mark.parametrize(("service", "port"), [("moto", 5000), ("dynamodb-local", 8000), ("browser", 8001)])
def test_port_is_on_loopback_and_documented(service: str, port: int) -> None:
    """A service is published on 127.0.0.1 alone, checked on its own port, and the file's head names its URL."""
    url = f"http://127.0.0.1:{port}"

    assert SERVICES[service]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert health_url(service).startswith(f"{url}/")
    assert url in HEAD


@pytest.mark.parametrize("port", [5000, 8000])
def test_the_guide_names_the_engines(port: int) -> None:
    """The guide has the URL of each engine."""
    assert f"http://127.0.0.1:{port}" in (ROOT / "docs" / "how-to" / "run-an-engine.md").read_text()


def test_the_browser_sees_what_the_store_sees() -> None:
    """It goes to moto unless told otherwise, with the region and keys that the file's head gives to the store."""
    environment = dict(SERVICES["browser"]["environment"])
    endpoint = environment.pop("DYNAMO_ENDPOINT")

    assert endpoint == f"${{DYNAMO_ENDPOINT:-{container_url('moto')}}}"
    assert container_url("dynamodb-local") in HEAD
    assert all(f"{name}={value}" in HEAD for name, value in environment.items())
    assert environment.keys() == {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_moto_listens_on_the_published_port() -> None:
    """Moto's command listens, inside the container, where the port leads."""
    assert SERVICES["moto"]["command"] == ["0.0.0.0", "5000"]  # noqa: S104 - of the container


async def test_moto_is_healthy(moto: str) -> None:
    """The page that moto's healthcheck asks for is there, and comes from a server without threads."""
    page = health_url("moto").removeprefix("http://127.0.0.1:5000")

    with await asyncio.to_thread(urllib.request.urlopen, moto + page, timeout=10) as answer:
        assert answer.status == 200
        assert answer.version == 10  # werkzeug speaks HTTP/1.1 where it has threads, else 1.0


async def test_moto_refuses_duplicates(moto: str) -> None:
    """The tables can be made on it, and of many creates of one wiki at once one succeeds."""
    async with throw_away_store(moto, local_session()) as store:
        await create_tables(store)
        await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")
        creates = (store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/ada") for _ in range(32))
        results = await asyncio.gather(*creates, return_exceptions=True)

    assert sum(isinstance(result, Wiki) for result in results) == 1
    assert sum(isinstance(result, AlreadyExistsError) for result in results) == 31


def test_compose_accepts_the_file() -> None:
    """The compose command reads the file without complaint, where there is one."""
    command = _compose_command()
    if command is None:
        assert os.environ.get("CI") != "true", "CI installs docker-compose"
        pytest.skip("neither `docker compose` nor docker-compose is installed")

    run = subprocess.run(  # noqa: S603 - the tool that the file is for
        [*command, "--file", str(COMPOSE), "--profile", "dynamodb-local", "--profile", "browser", "config", "--quiet"],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")


def _compose_command() -> list[str] | None:
    docker, standalone = shutil.which("docker"), shutil.which("docker-compose")
    if docker is not None:
        version = [docker, "compose", "version"]
        plugin = subprocess.run(version, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - asks for it
        if plugin.returncode == 0:
            return [docker, "compose"]
    return None if standalone is None else [standalone]
