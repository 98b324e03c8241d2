"""The engines themselves: one line says what a run has to do without."""

import os

import pytest

from tests.engines import Engine, engines


@pytest.mark.parametrize("engine", engines(), ids=str)
def test_engine_can_run(engine: Engine) -> None:
    """An engine that is missing is left out by people, all its tests with this one; CI requires it."""
    if engine.missing is not None and os.environ.get("CI") != "true":
        pytest.skip(engine.missing)

    assert engine.missing is None
