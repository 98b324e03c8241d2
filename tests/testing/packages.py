"""Build the distributions as for a release, and install them into new environments."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def build(target: str, folder: Path, *, source: Path = CHECKOUT) -> Path:
    """Build a wheel or sdist with the installed build backend, without downloads."""
    _run(sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder), cwd=source)
    (package,) = folder.iterdir()
    return package


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment and return its Python.

    The dependencies are those of this environment, by a path after the new one's own: nothing is fetched or copied, and
    the wheel comes before the checkout, whose own path file does not count there.
    """
    venv.create(folder)
    python = folder / "bin" / "python"
    _run(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return python


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, env=bare_environment(), timeout=120)  # noqa: S603 - our own commands


def bare_environment() -> dict[str, str]:
    """Return the environment variables, without those that show the checkout to another Python or measure coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "PYTEST_"))}
