"""The pytest plugin in a project that has only the built wheel, with every kind of event loop.

Each test starts a pytest of its own and therefore takes seconds.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.testing.packages import CHECKOUT, bare_environment, install

PER_TEST = ("-o", "asyncio_default_fixture_loop_scope=function")
PER_SESSION = ("-o", "asyncio_default_fixture_loop_scope=session", "-o", "asyncio_default_test_loop_scope=session")
AUTO = "--asyncio-mode=auto"


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel."""
    return install(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sample project outside of the checkout."""
    return shutil.copytree(CHECKOUT / "tests" / "outsider", tmp_path_factory.mktemp("outside") / "project")


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        pytest.param(("test_strict.py", "test_anyio.py", *PER_TEST), 10, id="asyncio strict, anyio beside it"),
        pytest.param(("test_strict.py", *PER_SESSION), 8, id="asyncio strict, a loop per session"),
        pytest.param(("test_auto.py", AUTO, *PER_SESSION), 4, id="asyncio auto, a loop per session"),
        pytest.param(("test_auto.py", AUTO, *PER_TEST, "-n2"), 4, id="asyncio auto, in parallel"),
        pytest.param(("test_anyio.py", "test_program.py", "-p", "no:asyncio"), 4, id="anyio alone"),
    ],
)
def test_project_passes(python: Path, project: Path, arguments: tuple[str, ...], passed: int) -> None:
    """Every test of the project passes; none is skipped, and there is no warning."""
    run = subprocess.run(  # noqa: S603 - our own command
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        env=bare_environment(),
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith(f"{passed} passed in")


def test_pytest_starts_without_the_library(python: Path, project: Path) -> None:
    """A run that uses no fixture of the plugin imports neither the library nor its dependencies."""
    costly = ("wikibot_store", "aiobotocore", "aioboto3", "botocore", "moto", "werkzeug")
    (project / "test_nothing.py").write_text(f"""
import sys
def test_nothing(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("wikibot_store")
    assert not set({costly}) & set(sys.modules)
""")

    subprocess.run(  # noqa: S603 - our own command
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "test_nothing.py"],
        cwd=project,
        check=True,
        env=bare_environment(),
        timeout=60,
    )
