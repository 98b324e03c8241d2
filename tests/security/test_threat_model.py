"""A test shows every claim of SECURITY.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEXT = (ROOT / "SECURITY.md").read_text()
CLAIMS = re.findall(r"^- .+?(?=^- |^#|\Z)", _TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_names_its_tests(claim: str) -> None:
    """Every claim names the tests that show it, and the tests exist."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", claim)

    assert re.match(r"- (can|cannot)\b", claim)
    assert named
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"


def test_every_reference_is_part_of_a_claim() -> None:
    """Every test that is named is in a claim that this file checks."""
    assert "".join(CLAIMS).count("::") == _TEXT.count("::") > 0
