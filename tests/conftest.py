"""What all tests share: an environment without AWS settings, and a word about the engines."""

import os

import pytest

from tests.engines import engines, on_aws


@pytest.fixture(scope="session", autouse=True)
def _isolated_environment() -> None:
    """Drop what the machine's environment says about AWS and the store, so that only a test's own settings count.

    A run on AWS keeps AWS's settings: they are what it runs with.
    """
    ours = ("WIKIBOT_",) if on_aws() else ("AWS_", "WIKIBOT_")
    for name in [name for name in os.environ if name.startswith(ours) and "_TEST_" not in name]:
        del os.environ[name]
    if not on_aws():
        os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def pytest_report_header() -> list[str]:
    """Say which engines the integration tests run on, and why not on others."""
    return [f"engine: {engine}" + (f" (left out: {engine.missing})" if engine.missing else "") for engine in engines()]
