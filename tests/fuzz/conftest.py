"""The fuzz tests do not wait for retries."""

import pytest

from wikibot_store._wire import _retry


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a pause."""
    monkeypatch.setattr(_retry, "_BASE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_THROTTLE_DELAY", 0.0)
    monkeypatch.setattr(_retry, "_BASE_YIELD", 0.0)
