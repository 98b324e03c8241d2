"""What all tests share: an environment without AWS settings."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _isolated_environment() -> None:
    """Drop what the machine's environment says about AWS and the store, so that only a test's own settings count."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "WIKIBOT_")) and "_TEST_" not in name]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
