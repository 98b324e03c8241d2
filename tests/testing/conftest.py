"""The wheel and the sdist, each built once per session."""

from pathlib import Path

import pytest

from tests.testing.packages import build


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist."""
    return build("sdist", tmp_path_factory.mktemp("sdist"))
