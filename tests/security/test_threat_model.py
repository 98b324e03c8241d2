"""SECURITY.md claims nothing that no test shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEXT = (ROOT / "SECURITY.md").read_text()
CLAIMS = re.findall(r"^- .+?(?=^- |^#|\Z)", _TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_names_its_tests(claim: str) -> None:
    """Whatever somebody can or cannot do is followed by the tests that show it, and these exist."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", claim)

    assert re.match(r"- (can|cannot)\b", claim)
    assert named
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"


def test_every_reference_is_part_of_a_claim() -> None:
    """No test is named where this file does not look."""
    assert "".join(CLAIMS).count("::") == _TEXT.count("::") > 0
