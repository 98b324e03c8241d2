"""The development container has what the project's commands need."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.test_compose import SERVICES

ROOT = Path(__file__).parents[1]
CONTAINER: dict[str, Any] = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
FEATURES: dict[str, dict[str, str]] = CONTAINER["features"]


def test_python_is_the_oldest_supported() -> None:
    """What runs in the container runs on every Python that the project is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert CONTAINER["image"].rpartition(":")[2] == project["requires-python"].removeprefix(">=")


def test_java_and_node_are_those_of_ci() -> None:
    """DynamoDB Local is fetched and started by the same versions as in the workflow."""
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["test"]["steps"]
    wanted = {name: value for step in steps for name, value in step.get("with", {}).items()}

    for tool in ("java", "node"):
        assert FEATURES[f"ghcr.io/devcontainers/features/{tool}:1"]["version"] == wanted[f"{tool}-version"]


def test_ports_of_the_services_are_forwarded() -> None:
    """The engines and their browser, and the example's page, can be seen from outside; each port has its name."""
    published = {int(port.rpartition(":")[2]) for service in SERVICES.values() for port in service["ports"]}

    assert set(CONTAINER["forwardPorts"]) == {*published, 8080}
    assert {int(port) for port in CONTAINER["portsAttributes"]} == set(CONTAINER["forwardPorts"])


def test_setup_is_made_of_targets() -> None:
    """What prepares the container are targets of the Makefile."""
    make = shutil.which("make")
    assert make is not None
    command, *targets = CONTAINER["postCreateCommand"].split()
    run = subprocess.run([make, "--dry-run", "--always-make", *targets], cwd=ROOT, capture_output=True, check=False)  # noqa: S603 - runs nothing

    assert command == "make"
    assert (run.returncode, run.stderr) == (0, b"")
    assert b"--group dev" in run.stdout
    assert b"scripts/fetch-dynamodb-local" in run.stdout
