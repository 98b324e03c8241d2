"""The example's page in a real browser: Debian's Chromium, headless."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright, expect

Scheme = Literal["light", "dark"]
DESKTOP: ViewportSize = {"width": 1180, "height": 760}

expect.set_options(timeout=30_000)  # milliseconds; a busy machine is not what the tests are about


def missing_for_chromium() -> str | None:
    """Return what Chromium lacks to run here, or None."""
    if shutil.which("chromium") is None:
        return "Chromium is missing: scripts/install-chromium installs Debian's package"
    return None


MISSING = missing_for_chromium()
in_browser = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run the installed browser; none is downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opening(
    browser: Browser, url: str, *, viewport: ViewportSize = DESKTOP, scheme: Scheme = "light"
) -> AsyncIterator[Page]:
    """Open the page in a browser context of its own, with its own cookies.

    Any error in the page fails the visit, including a violation of its own security policy. Answers with an error
    status and requests that get no answer do not.
    """
    context = await browser.new_context(
        base_url=url, viewport=viewport, color_scheme=scheme, reduced_motion="reduce", locale="en-US"
    )
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if _is_fault(message) else None)
    try:
        yield page
    finally:
        await context.close()
    if errors:
        raise AssertionError(errors)


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, name: str, *, viewport: ViewportSize = DESKTOP, scheme: Scheme = "light"
) -> AsyncIterator[Page]:
    """Log in as `name` and give the page once it is live."""
    async with opening(browser, url, viewport=viewport, scheme=scheme) as page:
        await page.goto("/")
        await log_in(page, name)
        yield page


async def log_in(page: Page, name: str) -> None:
    """Log in as `name` from the welcome page, and wait until the page is live."""
    await page.get_by_role("link", name="Log in").click()
    await page.get_by_label("Somebody else").fill(name)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()


def _is_fault(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith("Failed to load resource")


async def create_wiki(page: Page, name: str, *, public: bool = False) -> None:
    """Create a wiki by the dialog, and wait until it is open."""
    await page.get_by_role("button", name="New wiki").click()
    dialog = page.get_by_role("dialog", name="New wiki")
    await dialog.get_by_label("Name").fill(name)
    if public:
        await dialog.get_by_label("Public").check()
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


async def share(page: Page, who: str, role: str) -> None:
    """Share the open wiki by the form, and wait until the form is empty again."""
    await page.get_by_label("Share with").fill(who)
    await page.get_by_role("combobox", name="Role", exact=True).select_option(role)
    await page.get_by_role("button", name=re.compile("^(Share|Invite)$")).click()
    await expect(page.get_by_label("Share with")).to_be_empty()


async def change_role(page: Page, member: str, role: str) -> None:
    """Change a member's role by the dialog."""
    await page.get_by_role("button", name=f"Access of {member}").click()
    dialog = page.locator("#access")
    await dialog.get_by_label(role).check()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()
