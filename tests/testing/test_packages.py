"""The contents of the wheel and of the sdist."""

import tarfile
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

from tests.testing.packages import CHECKOUT


def sources(folder: str) -> set[str]:
    """Return the files below a folder of the checkout, as packages name them."""
    return {
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_library_and_its_plugin(wheel: Path) -> None:
    """The wheel holds every file of the library, py.typed and the licence, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())

    about = {name for name in names if ".dist-info/" in name}
    assert names - about == sources("wikibot_store") | {"pytest_wikibot_store.py"}
    assert "wikibot_store/py.typed" in names
    assert {name.partition(".dist-info/")[2] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


def test_the_wheel_says_what_it_offers(wheel: Path, tmp_path: Path) -> None:
    """The metadata has the pytest plugin, the command, the extras and the version."""
    zipfile.ZipFile(wheel).extractall(tmp_path)  # noqa: S202 - our own archive
    (about,) = tmp_path.glob("*.dist-info")
    distribution = PathDistribution(about)

    assert {(point.group, point.name, point.value) for point in distribution.entry_points} == {
        ("console_scripts", "wikibot-store", "wikibot_store.cli:main"),
        ("pytest11", "wikibot_store", "pytest_wikibot_store"),
    }
    assert {"cli", "local", "testing"} <= set(distribution.metadata.get_all("Provides-Extra") or ())
    assert wheel.name == f"wikibot_store-{distribution.version}-py3-none-any.whl"


def test_the_sdist_holds_what_its_tests_need(sdist: Path) -> None:
    """The sdist holds everything that is needed to build, check and test the library."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    texts = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"}
    settings = {
        "Makefile",
        "constraints.txt",
        "constraints-lowest.txt",
        "constraints-newest.txt",
        "docker-compose.yml",
        "mkdocs.yml",
        "pyproject.toml",
    }
    assert texts | settings | {"pytest_wikibot_store.py", "PKG-INFO"} <= names
    for folder in ("wikibot_store", "tests", "benchmarks", "docs", "examples", "infra", "scripts"):
        assert sources(folder) <= names


def test_the_sdist_holds_nothing_else(sdist: Path) -> None:
    """The sdist holds no cache, no environment and no settings of this machine."""
    with tarfile.open(sdist) as archive:
        hidden = {part for name in archive.getnames() for part in name.split("/") if part.startswith(".")}

    assert hidden == {".gitignore"}
