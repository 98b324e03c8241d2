"""How the fuzz tests run: never judged by the clock, and without waiting for retries."""

import pytest
from hypothesis import HealthCheck, settings

from wikibot_store._wire import _retry

settings.register_profile("fuzz", deadline=None, suppress_health_check=list(HealthCheck), database=None)
settings.load_profile("fuzz")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send again at once."""
    monkeypatch.setattr(_retry, "_BASE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_BASE_YIELD", 0.0)
