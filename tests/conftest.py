"""Shared by all tests: removes AWS settings from the environment, and reports the engines in use."""

import os
import shutil

import pytest

from tests.engines import engines, on_aws
from tests.gathering import Gathering

# Programs that some tests need, and Debian's packages of them.
_PROGRAMS = {
    "java": "default-jre-headless",
    "npm": "npm",
    "chromium": "chromium",
    "docker-compose": "docker-compose",
}


@pytest.fixture(scope="session", autouse=True)
def _isolated_environment() -> None:
    """Remove the settings of AWS and of the store from the environment, so that only a test's own settings apply.

    A run on AWS keeps the AWS settings, because it needs them.
    """
    ours = ("WIKIBOT_",) if on_aws() else ("AWS_", "WIKIBOT_")
    for name in [name for name in os.environ if name.startswith(ours) and "_TEST_" not in name]:
        del os.environ[name]
    if not on_aws():
        os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def pytest_report_header() -> list[str]:
    """Report the engines that the integration tests run on, and why others are skipped."""
    return [f"engine: {engine}" + (f" (skipped: {engine.missing})" if engine.missing else "") for engine in engines()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report in one line how to install the programs whose absence has skipped tests."""
    packages = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if packages and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"To run the skipped tests: apt-get install {' '.join(packages)}")


def pytest_configure(config: pytest.Config) -> None:
    """Gather over the whole run what single tests cannot see."""
    config.pluginmanager.register(Gathering(config), "gathering")
