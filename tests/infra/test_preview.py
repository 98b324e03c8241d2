"""Pulumi itself, where it is installed."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.infra.program import COMPONENT_TYPE, INFRA, STACK_TYPE, TABLE_TYPE


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="the pulumi CLI is not installed, and no registry has it")
def test_preview_shows_a_component_with_three_tables(tmp_path: Path) -> None:
    """`pulumi preview` of a new stack creates the component and its tables, without an account to create them in."""
    program = shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "state").mkdir()
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "",
    }

    def pulumi(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603 - the project's own program
            ["pulumi", "--non-interactive", *arguments],  # noqa: S607 - found on PATH, as by a person
            cwd=program,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        ).stdout

    pulumi("stack", "init", "dev")
    for setting in ("skipCredentialsValidation", "skipMetadataApiCheck", "skipRequestingAccountId"):
        pulumi("config", "set", f"aws:{setting}", "true")
    steps = json.loads(pulumi("preview", "--json"))["steps"]

    types = Counter(step["newState"]["type"] for step in steps)
    assert {step["op"] for step in steps} == {"create"}
    assert {type_: count for type_, count in types.items() if not type_.startswith("pulumi:providers:")} == {
        STACK_TYPE: 1,
        COMPONENT_TYPE: 1,
        TABLE_TYPE: 3,
    }
