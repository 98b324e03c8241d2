"""The engines: a test that is skipped reports a missing engine."""

import os

import pytest

from tests.engines import Engine, engines


@pytest.mark.parametrize("engine", engines(), ids=str)
def test_engine_can_run(engine: Engine) -> None:
    """A missing engine is skipped on a developer's machine and fails in CI."""
    if engine.missing is not None and os.environ.get("CI") != "true":
        pytest.skip(engine.missing)

    assert engine.missing is None
