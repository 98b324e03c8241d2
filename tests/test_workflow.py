"""The workflow runs the project's own targets, on every Python that the project is for."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(WORKFLOWS["ci"])["jobs"]
RELEASE: dict[str, dict[str, Any]] = yaml.safe_load(WORKFLOWS["release"])["jobs"]
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_commands_are_targets() -> None:
    """But for the audit, nothing is done in CI that a person could not do with the same target."""
    commands = [
        step["run"].split() for name, job in JOBS.items() if name != "audit" for step in job["steps"] if "run" in step
    ]

    assert {make for make, *_ in commands} == {"make"}
    targets = {target for _, target, *_ in commands}
    assert targets == {"check", "demo", "explore", "lines", "soak", "test-all", "wheels"}
    assert {target for _, target, *_ in commands} <= TARGETS


@pytest.mark.parametrize("job", ["test", "packages"])
def test_pythons_are_those_of_the_project(job: str) -> None:
    """Every Python that the package says it is for is tested."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = [version for each in classifiers for version in re.findall(r"Python :: (3\.\d+)", each)]

    assert JOBS[job]["strategy"]["matrix"]["python-version"] == named


def test_every_line_of_versions_is_tested() -> None:
    """CI tests the lines of versions that the Makefile knows, and what pip installs today."""
    (lines,) = re.findall(r"^LINES \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert JOBS["lines"]["strategy"]["matrix"]["line"] == lines.split()
    assert JOBS["today"]["steps"][-1]["run"] == "make lines LINES=newest CONSTRAINTS_newest=/dev/null"


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    """What `make lines LINES=lowest` installs is what pyproject.toml promises."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    tested = ("local", "testing", "cli", "example", "otel")
    wanted = [*project["project"]["dependencies"], *(each for name in tested for each in extras[name])]
    bounds = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?>=([\d.]+)", "\n".join(wanted), re.MULTILINE))
    pins = dict(re.findall(r"^([\w.-]+)==(.+)$", (ROOT / "constraints-lowest.txt").read_text(), re.MULTILINE))

    bounds.pop("botocore")  # which aiobotocore's version decides
    for name, bound in bounds.items():
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", pins[name]), name


def test_actions_are_pinned() -> None:
    """An action is used at a commit, which cannot be moved as a tag can; a comment names its version."""
    used = [action.strip() for text in WORKFLOWS.values() for action in re.findall(r"uses: (.+)", text)]

    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_a_release_needs_no_secret() -> None:
    """The release is built, attested and published by the workflow's own identity; only `publish` may publish."""
    assert "secrets." not in WORKFLOWS["release"]
    assert RELEASE["publish"]["permissions"] == {"id-token": "write"}
    assert RELEASE["publish"]["environment"] == "release"
    assert any("attest-build-provenance" in step.get("uses", "") for step in RELEASE["build"]["steps"])
