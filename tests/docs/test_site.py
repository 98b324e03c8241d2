"""The site builds by itself and shows the whole public API."""

import functools
import inspect
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from playwright.async_api import Browser, expect

import wikibot_store
from tests.daos import DAOS
from tests.docs.pages import ROOT
from tests.examples.browsing import chromium, missing_for_chromium
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


def test_no_link_is_dead(site: Path) -> None:
    """Each link to a page of the site, to a part of a page, or to a file leads somewhere."""
    tags = {page: Tags(page).found for page in site.rglob("*.html")}
    ids = {page: {attributes["id"] for _, attributes in found if "id" in attributes} for page, found in tags.items()}
    dead = set()
    for page, found in tags.items():
        for href in (attributes.get("href") for tag, attributes in found if tag == "a"):
            address, anchor = urldefrag(href or "")
            if not href or urlsplit(address).scheme or page.name == "404.html":
                continue
            target = (page.parent / unquote(address)).resolve() if address else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (anchor and target in ids and unquote(anchor) not in ids[target]):
                dead.add(f"{page.name}: {href}")

    assert dead == set()


def test_reference_shows_the_cost_of_each_method(site: Path) -> None:
    """Below the heading of each method of a DAO stand its capacity units; its requests are in its description."""
    text = (site / "reference" / "daos.html").read_text()
    sections = dict(re.findall(r'<h\d id="wikibot_store\.daos\.\w+\.(\w+\.\w+)"(.*?)(?=<h\d id|\Z)', text, re.DOTALL))
    methods = {f"{dao.__name__}.{name}" for dao in DAOS.values() for name in vars(dao) if not name.startswith("_")}

    assert methods - sections.keys() == set()
    assert [name for name in methods if 'class="cost"' not in sections[name] or "Requests" not in sections[name]] == []


MISSING = missing_for_chromium()
in_chromium = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=MISSING or "")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the tests' output short."""


@pytest.fixture(scope="module")
def site_url(site: Path) -> Iterator[str]:
    """Serve the site, for what a browser does not do with files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Run the browser for these tests."""
    async with chromium() as browser:
        yield browser


def _paths(site: Path) -> list[str]:
    return [str(page.relative_to(site)) for page in sorted(site.rglob("*.html"))]


@in_chromium
@pytest.mark.parametrize("width", [360, 1280])
async def test_no_page_scrolls_sideways(site: Path, site_url: str, browser: Browser, width: int) -> None:
    """On a phone and on a desk, each page is as wide as the window; a wide table scrolls inside its own box."""
    page = await browser.new_page(viewport={"width": width, "height": 800})
    too_wide = []
    for path in _paths(site):
        await page.goto(f"{site_url}/{path}")
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(path)
    await page.close()

    assert too_wide == []


@in_chromium
@pytest.mark.parametrize(
    ("words", "title"),
    [("logging", "Log what goes wrong"), ("throttl", "Troubleshooting"), ("quota", "Glossary")],
)
async def test_search_finds_what_people_look_for(site_url: str, browser: Browser, words: str, title: str) -> None:
    """The search finds the page, also by the beginning of a word."""
    page = await browser.new_page()
    await page.goto(f"{site_url}/index.html")
    await page.get_by_role("textbox", name="Search").press_sequentially(words)  # it looks at the text after each key

    await expect(page.locator(".md-search-result__article h1", has_text=title)).to_be_visible()
    await page.close()


@in_chromium
async def test_calculator_adds_up_a_month(site_url: str, browser: Browser) -> None:
    """The sum follows the numbers of calls and the prices; an empty field counts as zero."""
    page = await browser.new_page()
    await page.goto(f"{site_url}/costs.html")
    for field in await page.locator("td input, .costs input").all():
        await field.fill("")
    nothing = await page.locator(".costs output").inner_text()
    await page.get_by_label("authorize a month", exact=True).fill("10000000")
    await page.get_by_label("wikis.create a month").fill("1000000")
    await page.get_by_label("dollars per million RRU").fill("0.25")
    await page.get_by_label("dollars per million WRU").fill("1.25")
    await page.get_by_label("GB stored").fill("8")
    await page.get_by_label("dollars per GB").fill("0.5")
    total = await page.locator(".costs output").inner_text()
    await page.close()

    # 10 million times 4 RRU, 1 million times 5 WRU, 8 GB
    assert (nothing, total) == ("$0.00 a month", "$20.25 a month")


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
