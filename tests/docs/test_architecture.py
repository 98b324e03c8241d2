"""The page about the architecture shows the rooms that there are."""

import re
import tomllib

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
ROOMS = re.findall(r"^  (\w+)(/|\.py) +\S", PAGE.read_text(), re.MULTILINE)


def test_the_rooms_are_those_of_the_package() -> None:
    """The page names each module and folder of the package, and no other."""
    package = ROOT / "wikibot_store"

    shown = {f"{name}{kind.rstrip('/')}" for name, kind in ROOMS}
    assert shown == {path.name for path in package.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}
    assert all((package / name).is_dir() for name, kind in ROOMS if kind == "/")


def test_the_rooms_stand_in_the_order_of_the_layers() -> None:
    """The page has the rooms from top to bottom as import-linter checks them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]

    assert [name for name, _ in ROOMS] == [name for layer in layers for name in layer.split(" : ")]
