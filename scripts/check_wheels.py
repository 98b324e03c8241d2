"""Installs the wheel and the sdist in clean environments on every Python of this machine, tests them, prints a table.

    python -m scripts.check_wheels FOLDER [PYTHON …]

The packages and the environments are made in FOLDER. Without PYTHON arguments, the script uses each Python 3.11 to 3.14
that is on PATH or in pyenv. The wheel is built from the sdist. The tests and the sample project also come from the
sdist, without the library, so that they test the installed package.
"""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.testing.packages import CHECKOUT, bare_environment, build

_MINORS = range(11, 15)
_TOOLS = ["hypothesis", "pytest-asyncio", "pytest-randomly"]
_OUTSIDER = "tests/outsider"
_SUITES = {
    "unit": ["tests/unit"],
    "wire": ["tests/wire"],
    "outsider": ["-c", f"{_OUTSIDER}/pyproject.toml", f"--rootdir={_OUTSIDER}", "--asyncio-mode=auto"]
    + ["-o", "asyncio_default_fixture_loop_scope=function"]
    + [f"{_OUTSIDER}/test_{part}.py" for part in ("auto", "strict", "program")],
}


def interpreters() -> Iterator[Path]:
    """Yield one Python of each minor version that is installed."""
    pyenv = Path.home() / ".pyenv" / "versions"
    for minor in _MINORS:
        on_path = shutil.which(f"python3.{minor}")
        for python in [*pyenv.glob(f"3.{minor}.*/bin/python"), *([Path(on_path)] if on_path else [])]:
            if _version(python):
                yield python
                break


def _version(python: Path) -> str:
    """Return the version of a Python, or nothing if it does not start, such as a pyenv shim of an inactive version."""
    return _output(python, "-c", "import platform; print(platform.python_version())").stdout.strip()


def make_packages(folder: Path) -> tuple[dict[str, Path], Path]:
    """Build the sdist, and the wheel from it; return both, and the unpacked sdist without the library."""
    sdist = build("sdist", folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "tree", filter="data")
    (tree,) = (folder / "tree").iterdir()
    wheel = build("wheel", folder / "wheel", source=tree)
    shutil.rmtree(tree / "wikibot_store")
    (tree / "pytest_wikibot_store.py").unlink()
    return {"wheel": wheel, "sdist": sdist}, tree


def install(python: Path, package: Path, folder: Path) -> Path:
    """Install a package in a new environment, with the pinned versions; return the environment's Python."""
    subprocess.run([python, "-m", "venv", folder], check=True)  # noqa: S603 - a Python
    inside = folder / "bin" / "python"
    wanted = ["-c", str(CHECKOUT / "constraints.txt"), f"{package}[testing]", *_TOOLS]
    subprocess.run([inside, "-m", "pip", "install", "--quiet", *wanted], check=True)  # noqa: S603 - our own command
    return inside


def check(python: Path, tree: Path, arguments: list[str]) -> str:
    """Run a part of the tests; return pytest's last line. If a test fails, print pytest's output."""
    run = _output(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=tree)
    if run.returncode != 0:
        sys.stderr.write(run.stdout + run.stderr)
        return f"FAILED with status {run.returncode}"
    return run.stdout.splitlines()[-1]


def _output(python: Path, *arguments: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own commands
        [python, *arguments], cwd=cwd, env=bare_environment(), capture_output=True, text=True, check=False
    )


def main(folder: Path, pythons: Iterable[Path]) -> int:
    """Test every package on every Python; return the exit status."""
    packages, tree = make_packages(folder)
    rows = [("Python", "package", "tests", "outcome")]
    for python in pythons:
        version = _version(python)
        for kind, package in packages.items():
            inside = install(python, package, folder / f"{kind}-{version}")
            rows += [(version, kind, suite, check(inside, tree, arguments)) for suite, arguments in _SUITES.items()]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, (8, 8, 9, 0), strict=True)) + "\n")
    return len(rows) == 1 or any("FAILED" in outcome for *_, outcome in rows)


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    sys.exit(main(target, [Path(shutil.which(name) or name) for name in sys.argv[2:]] or interpreters()))
