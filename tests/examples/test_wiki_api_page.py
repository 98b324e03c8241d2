"""The example's page, in a real browser."""

import os
import secrets
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.examples.browsing import chromium, create_wiki, missing_for_chromium, share, visiting
from tests.examples.screenshot import PICTURE, take
from tests.examples.serving import Person

MISSING = missing_for_chromium()
in_browser = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
ROOT = Path(__file__).parents[2]


def test_browser_can_run() -> None:
    """Chromium may be missing where a person tests, and the tests of the page are left out with it; CI requires it."""
    if MISSING is not None and os.environ.get("CI") != "true":
        pytest.skip(MISSING)

    assert MISSING is None


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Run a browser for the tests of this module."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
def name() -> str:
    """Give the name of somebody new, which is the username too."""
    return f"p-{secrets.token_hex(6)}"


@pytest.fixture
def other() -> str:
    """Give the name of somebody else."""
    return f"q-{secrets.token_hex(6)}"


@in_browser
async def test_login_and_logout(browser: Browser, api_url: str, name: str) -> None:
    """Who logs in is greeted by name, and gone after the logout, back button or not."""
    async with visiting(browser, api_url, name) as page:
        await expect(page.get_by_role("banner")).to_contain_text(name)
        await page.get_by_role("button", name="Log out").click()

        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()


@in_browser
async def test_wikis_are_loaded_page_by_page(browser: Browser, api_url: str, name: str) -> None:
    """The list shows its first page, grows by "load more" until all are there, and keeps its length afterwards."""
    async with visiting(browser, api_url, name) as page:
        me = await (await page.request.get("/api/me")).json()
        for number in range(12):
            path = f"/api/wikis/{me['id']}/wiki-{number:02}"
            await page.request.put(path, data={"display_name": f"Wiki {number:02}"})
        rows, more = page.locator("#mine .row"), page.locator("#mine").get_by_role("button", name="Load more")

        for shown in (5, 10):
            await expect(rows).to_have_count(shown)
            await more.click()
        await expect(rows).to_have_count(12)
        await expect(more).to_be_hidden()
        assert await page.locator("#mine .row .name").all_inner_texts() == [f"Wiki {number:02}" for number in range(12)]

        await create_wiki(page, "Wiki 12")
        await expect(page.locator("#mine").get_by_text("Wiki 11")).to_be_visible()


@in_browser
async def test_sharing_is_seen_live(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A grant, another role and a revoke show up in the other person's browser, which nobody touches."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await expect(bob.get_by_text("A wiki appears here")).to_be_visible()

        await share(ada, "Field notes", other, "viewer")
        seen = bob.locator("#shared .row")
        await expect(seen).to_contain_text("Field notes")
        await expect(seen).to_contain_text(f"by {name}")
        await expect(seen.locator(".badge")).to_have_text("viewer")
        await expect(seen.get_by_role("button")).to_be_hidden()

        await ada.get_by_label(f"Role of {other}").select_option("owner")
        await expect(seen.locator(".badge")).to_have_text("owner")
        await expect(seen.get_by_role("button", name="Members of Field notes")).to_be_visible()

        await ada.get_by_role("button", name=f"Revoke {other}").click()
        await expect(bob.get_by_text("A wiki appears here")).to_be_visible()
        await expect(ada.get_by_text("Nobody but its owner.")).to_be_visible()


@in_browser
async def test_owners_see_each_others_changes(
    browser: Browser, api_url: str, http: httpx.AsyncClient, name: str, other: str
) -> None:
    """Members that one owner adds appear at the other, until that one is an owner no more."""
    third = (await Person.log_in(http)).username or ""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, "Field notes", other, "owner")
        await bob.get_by_role("button", name="Members of Field notes").click()
        await expect(bob.locator("#members .row")).to_have_count(1)

        await share(ada, "Field notes", third, "editor")
        await expect(bob.get_by_label(f"Role of {third}")).to_have_value("editor")

        await ada.get_by_label(f"Role of {other}").select_option("viewer")
        await expect(bob.get_by_text("Select one of your wikis")).to_be_visible()


@in_browser
async def test_refusals_are_told(browser: Browser, api_url: str, name: str) -> None:
    """What the API refuses is said in words, where a screen reader hears it, and forgotten with the next act."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_label("New wiki").fill("Field  Notes!")
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_role("alert")).to_have_text("You already have a wiki named field-notes.")

        await page.get_by_role("button", name="Members of Field notes").click()
        await expect(page.get_by_role("alert")).to_be_empty()
        await page.get_by_label("Share with").fill("nobody-at-all")
        await page.get_by_role("button", name="Grant").click()
        await expect(page.get_by_role("alert")).to_have_text("No user has that username.")


@in_browser
async def test_deeds_are_told(browser: Browser, api_url: str, name: str, other: str) -> None:
    """What was done is said where a screen reader hears it: a wiki made, a role given, changed and taken."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        told = page.locator("#done")
        await create_wiki(page, "Field notes")
        await expect(told).to_have_text("Field notes was created.")

        await share(page, "Field notes", other, "viewer")
        await expect(told).to_have_text(f"{other} is now a viewer.")
        await page.get_by_label(f"Role of {other}").select_option("editor")
        await expect(told).to_have_text(f"{other} is now an editor.")
        await page.get_by_role("button", name=f"Revoke {other}").click()
        await expect(told).to_have_text(f"{other} no longer has a role.")


@in_browser
async def test_wikis_may_have_names_of_any_script(browser: Browser, api_url: str, name: str) -> None:
    """Accents are left out of a slug, and a name without Latin letters gets one of its own each time."""
    async with visiting(browser, api_url, name) as page:
        for wiki in ("Café Zürich", "日本語", "한국어"):
            await create_wiki(page, wiki)

        rows = page.locator("#mine .row")
        await expect(rows).to_have_count(3)
        await expect(rows.filter(has_text="Café Zürich").locator(".detail")).to_have_text("cafe-zurich")


@in_browser
async def test_misfits_are_told_at_the_field(browser: Browser, api_url: str, name: str) -> None:
    """A blank name and what cannot be a username are refused before anything is sent."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("button", name="Members of Field notes").click()

        for label, text, button in (("New wiki", "   ", "Create"), ("Share with", "Nobody Here", "Grant")):
            field = page.get_by_label(label)
            await field.fill(text)
            await page.get_by_role("button", name=button).click()
            await expect(field).to_be_focused()
            assert await field.evaluate("field => field.validity.patternMismatch")


@in_browser
async def test_page_fits_a_narrow_screen(browser: Browser, api_url: str, name: str, other: str) -> None:
    """At the width of a small telephone, or of a page that is enlarged a lot, nothing is cut off at the side."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await page.set_viewport_size({"width": 320, "height": 640})
        await create_wiki(page, "A name that takes more than the width of a small telephone")
        await share(page, "A name that", other, "editor")

        await expect(page.locator("#members .row")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == 320


@in_browser
async def test_names_are_shown_as_text(browser: Browser, api_url: str, name: str) -> None:
    """What people write is never run as part of the page."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "<img src=x onerror=alert(1)>")

        await expect(page.locator("#mine .row .name")).to_have_text("<img src=x onerror=alert(1)>")
        await expect(page.locator("#mine .row img")).to_have_count(0)


@in_browser
async def test_picture_in_the_tutorial_is_of_this_page(browser: Browser, tmp_path: Path) -> None:
    """The picture can be taken again as it was, and is small enough to be shown."""
    picture = tmp_path / PICTURE.name

    await take(browser, picture)

    assert _size(picture) == _size(PICTURE)
    assert PICTURE.stat().st_size < 200_000
    assert f"({PICTURE.relative_to(ROOT / 'docs')})" in (ROOT / "docs" / "tutorial.md").read_text()


def _size(picture: Path) -> tuple[int, ...]:
    """Return width and height, which stand at a fixed place in a PNG."""
    return struct.unpack_from(">II", picture.read_bytes(), 16)
