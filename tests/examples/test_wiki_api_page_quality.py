"""The example's page for everybody: by keyboard, with a screen reader, on a bad network, and within its budgets."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Locator, Page, Response, Route, ViewportSize, expect

from tests.examples.browsing import DESKTOP, Scheme, create_wiki, in_browser, log_in, opening, share, visiting

AXE = Path(__file__).parents[2] / ".cache" / "axe-core" / "axe.min.js"
PHONE: ViewportSize = {"width": 320, "height": 640}
MAX_BYTES = 100_000

# Adds the layout shifts that no input of the user explains, as Cumulative Layout Shift does.
OBSERVE_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

# Collects what the badge says of the connection.
OBSERVE_LIVE = """
window.said = [];
addEventListener("DOMContentLoaded", () => {
  const badge = document.querySelector("#live");
  new MutationObserver(() => window.said.push(badge.textContent)).observe(badge, { childList: true });
});
"""


def test_axe_can_run() -> None:
    """axe-core may be missing where a person tests, and its tests are skipped; CI requires it."""
    if not AXE.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"axe-core is missing: scripts/fetch-axe-core {AXE.parent} downloads it")

    assert AXE.exists()


needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing")


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now, with all its rules."""
    found: dict[str, Any] = await page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]


class Audit:
    """What axe-core finds in the views of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: dict[str, list[str]] = {}

    async def check(self, view: str) -> None:
        """Check the page as it is now."""
        await self.page.evaluate(AXE.read_text())
        self.found[view] = await violations(self.page)

    def is_clean(self, views: int) -> bool:
        """Return whether so many views were checked and none has a violation; the failing assertion shows which has."""
        assert {view: faults for view, faults in self.found.items() if faults} == {}
        return len(self.found) == views


schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
widths = pytest.mark.parametrize("width", [DESKTOP["width"], PHONE["width"]], ids=["desktop", "phone"])


@in_browser
@needs_axe
@schemes
@widths
async def test_axe_finds_nothing_before_the_login(
    browser: Browser, api_url: str, name: str, *, scheme: Scheme, width: int
) -> None:
    """The views of a visitor, and those of errors, violate no rule of axe-core."""
    size: ViewportSize = {"width": width, "height": 760}
    async with opening(browser, api_url, viewport=size, scheme=scheme) as page:
        audit = Audit(page)
        for path in ("/nowhere", "/docs", "/login"):
            await page.goto(path)
            await audit.check(path)
        await page.goto("/")
        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await audit.check("the welcome")
        await log_in(page, name)
        await page.goto("/?wiki=nobody:nothing")
        await expect(page.get_by_role("heading", name="Wiki not found")).to_be_visible()
        await audit.check("a wiki that is not there")
        await page.route("**/api/me", cut)
        await page.reload()
        await expect(page.get_by_role("heading", name="The page could not be loaded")).to_be_visible()
        await audit.check("no answer")

    assert audit.is_clean(6)


@in_browser
@needs_axe
@schemes
@widths
async def test_axe_finds_nothing_after_the_login(
    browser: Browser, api_url: str, name: str, other: str, *, scheme: Scheme, width: int
) -> None:
    """The views, dialogs and messages of a user violate no rule of axe-core."""
    size: ViewportSize = {"width": width, "height": 760}
    async with (
        visiting(browser, api_url, other),
        visiting(browser, api_url, name, viewport=size, scheme=scheme) as page,
    ):
        audit = Audit(page)
        await audit.check("no wikis")
        await page.get_by_role("button", name="New wiki").click()
        await audit.check("the dialog of a new wiki")
        await page.keyboard.press("Escape")
        await create_wiki(page, "Field notes")
        await share(page, other, "editor")
        await share(page, "bob@example.org", "viewer")
        await audit.check("a new invitation")
        await page.keyboard.press("Escape")
        await page.get_by_text("What each role may do").click()
        await audit.check("people")
        await page.get_by_role("button", name=f"Access of {other}").click()
        await audit.check("the dialog of an access")
        await page.keyboard.press("Escape")
        await page.get_by_label("Share with").fill("nobody-at-all")
        await page.get_by_role("button", name="Share", exact=True).click()
        await expect(page.locator("#share .error")).to_have_text("No user has that username.")
        await audit.check("a failure")
        await page.get_by_role("link", name="Settings").click()
        await audit.check("settings")
        for button in ("Delete this wiki", "Transfer this wiki"):
            await page.get_by_role("button", name=button).click()
            await audit.check(button)
            await page.keyboard.press("Escape")
        await page.get_by_role("link", name="Profile of").click()
        await expect(page.locator("#logins .row")).to_have_count(1)
        await audit.check("the profile")

    assert audit.is_clean(10)


@in_browser
async def test_everything_works_by_keyboard(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Somebody without a mouse creates a wiki, shares it, changes a role, undoes that, and always sees the focus."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:

        async def tab_to(wanted: str) -> None:
            """Press Tab until the control with this name has the focus, which must be visible."""
            for _ in range(40):
                await page.keyboard.press("Tab")
                focused = page.locator(":focus")
                if await focused.count() == 0:
                    continue  # after the last control the focus leaves the page, and starts again at the first one
                text = (await focused.get_attribute("aria-label") or await focused.inner_text()).strip()
                labels = await focused.evaluate("element => [...element.labels ?? []].map(l => l.innerText).join()")
                outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
                assert (text, outline) == (text, "solid")
                if wanted in f"{text} {labels}":
                    return
            raise AssertionError(f"{wanted} cannot be reached")

        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        await tab_to("New wiki")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Field notes")
        await page.keyboard.press("Enter")
        await expect(page.locator("#create")).to_be_hidden()
        await expect(page.get_by_role("heading", name="Field notes")).to_be_focused()

        await tab_to("Share with")
        await page.keyboard.type(other)
        await page.keyboard.press("Enter")
        await expect(page.locator("#members .row")).to_contain_text("Viewer")
        await tab_to(f"Access of {other}")
        await page.keyboard.press("Enter")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator("#members .row")).to_contain_text("Editor")
        await expect(page.get_by_role("button", name=f"Access of {other}")).to_be_focused()

        await tab_to("Undo")
        await page.keyboard.press("Enter")
        await expect(page.locator("#members .row")).to_contain_text("Viewer")


@in_browser
async def test_screen_reader_hears_what_is_there(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Landmarks, headings, lists and controls have roles and names that say what they are."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await share(page, other, "editor")

        await expect(page.locator("body")).to_match_aria_snapshot(f"""
            - banner:
              - link "Skip to the content"
              - link "Wikis"
              - status: live
              - search:
                - searchbox "Search wikis by name"
              - link "Profile of {name} {name}"
              - button "Log out"
            - main:
              - navigation "Wikis":
                - region "My wikis":
                  - heading "My wikis" [level=2]
                  - button "New wiki"
                  - list:
                    - listitem:
                      - link "Field notes field-notes"
                - region "Shared with me":
                  - heading "Shared with me" [level=2]
              - article:
                - heading "Field notes" [level=1]
                - navigation "Parts of this wiki":
                  - link "People"
                  - link "Settings"
                - region "People with access":
                  - textbox "Share with"
                  - combobox "Role"
                  - button "Share"
                  - list:
                    - listitem:
                      - strong: {name} (you)
                      - text: {name} Owner
                  - list:
                    - listitem:
                      - strong: {other}
                      - 'button "Access of {other}: Editor"'
            - alert
            - status:
              - text: {other} is now an editor.
              - button "Undo"
        """)


@in_browser
async def test_focus_follows_what_happens(browser: Browser, api_url: str, name: str, other: str) -> None:
    """After opening a wiki its heading has the focus; after a removal it is the heading of the list, not nothing."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Wikis", exact=True).click()
        await page.get_by_role("link", name="Field notes").click()
        await expect(page.locator("#wiki .opened h1")).to_be_focused()

        await share(page, other, "viewer")
        await page.get_by_role("button", name=f"Access of {other}").click()
        await page.get_by_role("button", name="Remove access").click()
        await expect(page.get_by_role("heading", name="People with access")).to_be_focused()


async def cut(route: Route) -> None:
    """Give no answer."""
    await route.abort()


async def hold(page: Page, pattern: re.Pattern[str]) -> asyncio.Event:
    """Keep the requests that match until the returned event is set."""
    release = asyncio.Event()

    async def wait(route: Route) -> None:
        await release.wait()
        await route.continue_()

    await page.route(pattern, wait)
    return release


async def fail(route: Route) -> None:
    """Answer as a proxy whose server is down."""
    await route.fulfill(status=502, body="<h1>Bad gateway</h1>", content_type="text/html")


@in_browser
@pytest.mark.parametrize("clicks", [True, False], ids=["Retry", "by itself"])
async def test_page_recovers_from_a_failed_start(browser: Browser, api_url: str, name: str, *, clicks: bool) -> None:
    """A first request that fails is told, and the page starts as soon as another attempt succeeds."""
    async with visiting(browser, api_url, name) as page:
        for broken in (fail, cut):
            await page.route("**/api/me", broken)
            await page.reload()
            await expect(page.get_by_role("heading", name="The page could not be loaded")).to_be_visible()
            await page.unroute("**/api/me")
            if clicks:
                await page.get_by_role("button", name="Retry").click()
            await expect(page.get_by_role("heading", name="My wikis")).to_be_visible()


@in_browser
async def test_list_that_cannot_be_read_says_so(browser: Browser, api_url: str, name: str) -> None:
    """A list whose request fails has a message and Retry, and the rest of the page works."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.route("**/api/wikis?*", fail)
        await page.goto("/")
        failed = page.locator("#mine .failed")
        await expect(failed).to_contain_text("The server answered with an error (502).")
        await expect(page.get_by_text("A wiki appears here")).to_be_visible()
        await page.unroute("**/api/wikis?*")
        await failed.get_by_role("button", name="Retry").click()
        await expect(page.locator("#mine .row")).to_have_count(1)
        await expect(failed).to_be_hidden()


@in_browser
async def test_wiki_that_cannot_be_read_says_so(browser: Browser, api_url: str, name: str) -> None:
    """A wiki whose request fails has a message and Retry in its place."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.route("**/access", fail)
        await page.reload()
        await expect(page.get_by_role("heading", name="The wiki could not be loaded")).to_be_visible()
        await page.unroute("**/access")
        await page.locator("#wiki .unread").get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("heading", name="Field notes")).to_be_visible()


@in_browser
async def test_offline_action_is_told_and_repeated(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Without a network the page says so, keeps what was typed, and Retry works once the network is back."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.context.set_offline(True)
        await expect(page.locator("#live")).to_have_text("offline")
        await page.get_by_label("Share with").fill(other)
        await page.get_by_role("button", name="Share", exact=True).click()
        await expect(page.locator("#alerts .text")).to_have_text("You are offline.")
        await expect(page.get_by_label("Share with")).to_have_value(other)

        await page.context.set_offline(False)
        await expect(page.locator("#live")).to_have_text("live")
        await page.locator("#alerts").get_by_role("button", name="Retry").click()
        await expect(page.locator("#members .row")).to_contain_text(other)
        await expect(page.locator("#alerts .toast")).to_have_count(0)


@in_browser
async def test_dialog_stays_open_after_a_failure(browser: Browser, api_url: str, name: str) -> None:
    """A dialog whose request fails says why and keeps its fields, so that its button can be pressed again."""
    async with visiting(browser, api_url, name) as page:
        await page.route("**/api/wikis/**", cut)
        await page.get_by_role("button", name="New wiki").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Field notes")
        await dialog.get_by_role("button", name="Create").click()
        await expect(dialog.get_by_role("alert")).to_have_text("The server cannot be reached.")
        await page.unroute("**/api/wikis/**")
        await dialog.get_by_role("button", name="Create").click()
        await expect(page.get_by_role("heading", name="Field notes")).to_be_visible()


async def lose_answer(route: Route) -> None:
    """Let the request arrive, and give no answer."""
    await route.fetch()
    await route.abort()


@in_browser
@pytest.mark.parametrize("wiki", ["Field notes", "日本語"])
async def test_change_whose_answer_is_lost_is_repeated(browser: Browser, api_url: str, name: str, wiki: str) -> None:
    """Whoever repeats a creation, another address or a deletion that was carried out unseen is told that it worked."""
    async with visiting(browser, api_url, name) as page:

        async def twice(dialog: Locator, button: str) -> None:
            """Press a button whose first answer is lost."""
            await page.route(re.compile("/api/wikis/"), lose_answer, times=1)
            await dialog.get_by_role("button", name=button).click()
            await expect(dialog.get_by_role("alert")).to_have_text("The server cannot be reached.")
            await dialog.get_by_role("button", name=button).click()
            await expect(dialog).to_be_hidden()

        await page.get_by_role("button", name="New wiki").click()
        await page.locator("#create").get_by_label("Name").fill(wiki)
        await twice(page.locator("#create"), "Create")
        await expect(page.locator("#news .text")).to_have_text(f"{wiki} was created.")
        await expect(page.locator("#mine .row")).to_have_count(1)

        # Without the stream of events, which would show the change while the dialog is open.
        await page.route("**/api/events*", cut)
        await page.reload()
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_label("Address").fill("Meadow")
        await page.get_by_role("button", name="Change").click()
        await twice(page.locator("#confirm"), "Change the address")
        await expect(page.locator("#wiki .by")).to_contain_text("meadow")
        await page.get_by_role("button", name="Delete this wiki").click()
        await page.locator("#confirm").get_by_label("Type meadow").fill(wiki)
        await twice(page.locator("#confirm"), "Delete the wiki")
        await expect(page.locator("#news .text")).to_have_text(f"{wiki} was deleted.")
        await expect(page.locator("#mine .row")).to_have_count(0)


@in_browser
async def test_server_that_hangs_is_told(browser: Browser, api_url: str, name: str) -> None:
    """While an answer is late, the button and the badge say so, and at last the dialog says that none came."""
    async with visiting(browser, api_url, name) as page:
        await page.clock.install()
        release = await hold(page, re.compile("/api/wikis/"))
        await page.get_by_role("button", name="New wiki").click()
        dialog = page.locator("#create")
        await dialog.get_by_label("Name").fill("Field notes")
        await dialog.get_by_role("button", name="Create").click()
        await page.clock.run_for(4000)
        await expect(dialog.get_by_role("button", name="Creating…")).to_be_visible()
        await expect(page.locator("#live")).to_have_text("waiting")
        await expect(dialog.get_by_role("alert")).to_have_text("The server did not answer.")
        await expect(dialog.get_by_role("button", name="Create")).to_be_visible()
        await expect(page.locator("#live")).to_have_text("live")
        release.set()


@in_browser
async def test_refused_wiki_is_no_broken_connection(browser: Browser, api_url: str, name: str) -> None:
    """A link to a wiki that this person may not see does not make the page say that it reconnects."""
    async with visiting(browser, api_url, name) as page:
        await page.add_init_script(OBSERVE_LIVE)
        await page.goto("/?wiki=nobody:nothing")
        await expect(page.get_by_role("heading", name="Wiki not found")).to_be_visible()
        await expect(page.get_by_text("live", exact=True)).to_be_visible()

        assert await page.evaluate("window.said") == ["live"]


@in_browser
async def test_message_and_retry_keep_their_place(browser: Browser, api_url: str, name: str) -> None:
    """On a small telephone the close button of a message is beside Undo, and Retry is below the middle of its text."""
    async with visiting(browser, api_url, name, viewport=PHONE) as page:
        await create_wiki(page, "Field notes")
        undo, close = [page.locator(f"#news .{part}") for part in ("act", "close")]
        assert await middle(undo, "y") == await middle(close, "y")

        await page.route("**/access", fail)
        await page.reload()
        unread = page.locator("#wiki .unread")
        retry = unread.get_by_role("button", name="Retry")
        await expect(retry).to_be_visible()
        assert await middle(retry, "x") == pytest.approx(await middle(unread, "x"), abs=1)


async def middle(part: Locator, axis: Literal["x", "y"]) -> float:
    """Return the middle of what is shown, from the left or from the top."""
    box = await part.bounding_box()
    assert box
    return box[axis] + box["width" if axis == "x" else "height"] / 2


@in_browser
async def test_switch_stays_while_its_change_is_on_its_way(browser: Browser, api_url: str, name: str) -> None:
    """An older answer does not turn the switch back, and a second click while the first is under way does nothing."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        switch = page.get_by_role("switch", name="Public")
        release = await hold(page, re.compile(r"/api/wikis/[^/]+/[^/]+$"))
        await switch.check()
        # The page reads the wiki again, and shows it.
        await page.locator("#wiki .pages").evaluate("(shown) => (shown.textContent = '')")
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("#wiki .pages")).to_have_text("0")
        await expect(switch).to_be_checked()
        await switch.dispatch_event("click")
        await expect(switch).to_be_checked()
        release.set()
        await expect(page.locator("#wiki .visibility")).to_have_text("Public")
        await expect(switch).to_be_checked()


@in_browser
async def test_ended_session_leads_to_the_login_and_back(browser: Browser, api_url: str, name: str) -> None:
    """Whoever is logged out elsewhere is told so with the next request, and returns to the same wiki by the login."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        await page.context.clear_cookies()
        # A request of the page's own may notice it first and hide the button, so this is no click at a place.
        await page.locator("#name").get_by_role("button", name="Save", include_hidden=True).dispatch_event("click")
        await expect(page.get_by_text("Your session has ended.")).to_be_visible()
        await log_in(page, name)
        await expect(page.get_by_role("heading", name="Field notes")).to_be_visible()


@in_browser
async def test_slow_network_shows_skeletons_and_moves_nothing(browser: Browser, api_url: str, name: str) -> None:
    """While answers are on their way the page shows where they will be, and nothing moves when they arrive."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await create_wiki(page, "Garden")
        await page.add_init_script(OBSERVE_SHIFTS)
        release = await hold(page, re.compile("/api/(?!.*access)"))
        await page.goto("/", wait_until="commit")
        await expect(page.locator("#loading")).to_be_visible()
        release.set()
        await expect(page.locator("#mine .row")).to_have_count(2)

        release = await hold(page, re.compile("/access"))
        await page.get_by_role("link", name="Garden").click()
        await expect(page.locator("#wiki .loading")).to_be_visible()
        await page.wait_for_timeout(600)  # after half a second a click no longer explains a shift
        release.set()
        await expect(page.get_by_role("heading", name="Garden")).to_be_visible()
        await page.get_by_role("link", name="Settings").click()
        await expect(page.locator("#settings")).to_be_visible()
        await page.wait_for_timeout(600)

        assert await page.evaluate("window.shifts") == 0


@in_browser
@widths
async def test_first_visit_stays_within_the_budgets(browser: Browser, api_url: str, name: str, width: int) -> None:
    """Everything that a first visit with an open wiki transfers is below the limit, and nothing moves meanwhile."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        address, state = page.url, await page.context.storage_state()
    context = await browser.new_context(viewport={"width": width, "height": 760}, storage_state=state)
    try:
        page = await context.new_page()
        await page.add_init_script(OBSERVE_SHIFTS)
        sizes: list[int] = []

        async def count(response: Response) -> None:
            if "/api/events" not in response.url:  # which does not end
                size = await response.request.sizes()
                sizes.append(size["responseBodySize"] + size["responseHeadersSize"])

        page.on("response", count)
        await page.goto(address)
        await expect(page.get_by_role("heading", name="Field notes")).to_be_visible()
        await expect(page.get_by_text("live", exact=True)).to_be_visible()
        await page.wait_for_timeout(300)
        shifts = await page.evaluate("window.shifts")
    finally:
        await context.close()

    assert shifts == 0
    assert 20_000 < sum(sizes) < MAX_BYTES
