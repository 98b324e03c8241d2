"""The example's page in a real browser: Debian's Chromium, headless."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

expect.set_options(timeout=30_000)  # milliseconds; a busy machine is not what the tests are about


def missing_for_chromium() -> str | None:
    """Return what Chromium lacks to run here, or None."""
    if shutil.which("chromium") is None:
        return "Chromium is missing: scripts/install-chromium installs Debian's package"
    return None


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
async def visiting(browser: Browser, url: str, name: str) -> AsyncIterator[Page]:
    """Log in as `name` in a browser context of its own, with its own cookies, and give the page once it is live.

    Whatever goes wrong in the page, refusals by its own security policy among it, fails the visit; answers with an
    error status do not.
    """
    context = await browser.new_context(base_url=url, viewport={"width": 1180, "height": 760}, reduced_motion="reduce")
    page = await context.new_page()
    try:
        await page.goto("/")
        await page.get_by_role("link", name="Log in").click()
        await page.get_by_label("Somebody else").fill(name)
        await page.get_by_role("button", name="Continue").click()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_fault(message) else None)
        await expect(page.get_by_text("live", exact=True)).to_be_visible()
        yield page
    finally:
        await context.close()
    if errors:
        raise AssertionError(errors)


def _is_fault(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.text.startswith("Failed to load resource")


async def create_wiki(page: Page, name: str) -> None:
    """Create a wiki by the form, and wait until it was taken."""
    await page.get_by_label("New wiki").fill(name)
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_label("New wiki")).to_be_empty()


async def share(page: Page, wiki: str, username: str, role: str) -> None:
    """Grant a role in a wiki by the form, and wait until the member is listed."""
    await page.get_by_role("button", name=f"Members of {wiki}").click()
    await page.get_by_label("Share with").fill(username)
    await page.get_by_role("combobox", name="Role", exact=True).select_option(role)
    await page.get_by_role("button", name="Grant").click()
    await expect(page.get_by_label("Share with")).to_be_empty()
