"""The site builds by itself and shows the whole public API."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import wikibot_store
from tests.daos import DAOS
from tests.docs.pages import ROOT
from wikibot_store import testing

_NOWHERE = "http://127.0.0.1:1"


class Tags(HTMLParser):
    """Collects a page's tags with their attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built strictly and without a way to the network. It takes a few seconds, once."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(  # noqa: S603 - the project's own documentation
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """What a page loads by itself is part of the site; links that a reader follows may lead anywhere."""
    loaded = {
        f"{page.name}: {value}"
        for page in site.rglob("*.html")
        for tag, attributes in Tags(page).found
        for name, value in attributes.items()
        if tag != "a" and name in {"src", "srcset", "href", "data", "action", "poster"} and "//" in value
    }
    loaded |= {
        f"{sheet.name}: {address}"
        for sheet in site.rglob("*.css")
        for address in re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text())
    }

    assert loaded == set()


def test_no_page_asks_for_a_diagram_library(site: Path) -> None:
    """The theme would load Mermaid from a server for a block of that language."""
    classes = [attributes.get("class", "") for page in site.rglob("*.html") for _, attributes in Tags(page).found]

    assert not any("mermaid" in names for names in classes)


def test_reference_shows_the_whole_public_api(site: Path) -> None:
    """Each public class is there with all its public methods and properties."""
    shown = {tuple(anchor.split(".")[-2:]) for anchor in _anchors(site)}

    assert [name for name in _public_classes() if not any(last == name for *_, last in shown)] == []
    assert [member for member in _public_members() if member not in shown] == []


def test_reference_shows_nothing_private(site: Path) -> None:
    """Neither a private module nor a private member is there."""
    assert [anchor for anchor in _anchors(site) if re.search(r"\._(?!_)", anchor)] == []


def test_readme_is_the_first_page(site: Path) -> None:
    """The README's links to the repository's pages lead to those of the site."""
    links = {attributes["href"] for tag, attributes in Tags(site / "index.html").found if tag == "a"}

    assert {"changelog.html", "deploy.html"} <= links


def _anchors(site: Path) -> set[str]:
    ids = {
        attributes["id"]
        for page in (site / "reference").glob("*.html")
        for _, attributes in Tags(page).found
        if "id" in attributes
    }
    return {anchor for anchor in ids if anchor.startswith("wikibot_store.")}


def _public_classes() -> list[str]:
    return [*wikibot_store.__all__, *testing.__all__, *(dao.__name__ for dao in DAOS.values())]


def _public_members() -> Iterator[tuple[str, str]]:
    """Return class and name of all methods and properties of the public classes that the library defines."""
    for owner in [*(getattr(wikibot_store, name) for name in wikibot_store.__all__), *DAOS.values()]:
        for name, member in vars(owner).items():
            is_code = inspect.isroutine(member) or isinstance(member, property | classmethod)
            if is_code and not name.startswith("_"):
                yield owner.__name__, name
