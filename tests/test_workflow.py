"""The workflow runs the project's own targets, on every Python that the project is for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
JOBS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_commands_are_targets() -> None:
    """But for the audit, nothing is done in CI that a person could not do with the same target."""
    commands = [
        step["run"].split() for name, job in JOBS.items() if name != "audit" for step in job["steps"] if "run" in step
    ]

    assert {make for make, *_ in commands} == {"make"}
    assert {target for _, target, *_ in commands} == {"check", "demo", "docs", "explore", "soak", "test", "wheels"}
    assert {target for _, target, *_ in commands} <= TARGETS


@pytest.mark.parametrize("job", ["test", "packages"])
def test_pythons_are_those_of_the_project(job: str) -> None:
    """Every Python that the package says it is for is tested."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = [version for each in classifiers for version in re.findall(r"Python :: (3\.\d+)", each)]

    assert JOBS[job]["strategy"]["matrix"]["python-version"] == named
