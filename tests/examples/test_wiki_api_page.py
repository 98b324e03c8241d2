"""The example's page, in a real browser."""

import os
import re
import struct
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.examples.browsing import MISSING, change_role, create_wiki, in_browser, log_in, opening, share, visiting
from tests.examples.screenshot import IMAGES, PICTURES, take
from tests.examples.serving import Person

DOCS = IMAGES.parent
LONG_NAME = "A name of sixty letters is more than a small telephone shows"


def test_browser_can_run() -> None:
    """Chromium may be missing where a person tests, and the tests of the page are skipped; CI requires it."""
    if MISSING is not None and os.environ.get("CI") != "true":
        pytest.skip(MISSING)

    assert MISSING is None


def success(page: Page) -> Locator:
    """Return the message of the last success."""
    return page.locator("#news .text")


def failure(page: Page) -> Locator:
    """Return the message of the last failure."""
    return page.locator("#alerts .text")


@in_browser
async def test_login_and_logout(browser: Browser, api_url: str, name: str) -> None:
    """A visitor who logs in sees the own name, and after the logout the welcome page."""
    async with visiting(browser, api_url, name) as page:
        await expect(page.get_by_role("banner")).to_contain_text(name)
        await page.get_by_role("button", name="Log out").click()

        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()


@in_browser
async def test_back_after_login_leads_to_no_error(browser: Browser, api_url: str, name: str, other: str) -> None:
    """The Back button leads to the login page again, where a visitor can become somebody else."""
    async with visiting(browser, api_url, name) as page:
        await page.go_back()
        await page.get_by_label("Somebody else").fill(other)
        await page.get_by_role("button", name="Continue").click()

        await expect(page.get_by_role("banner")).to_contain_text(other)


@in_browser
async def test_wikis_are_loaded_page_by_page(browser: Browser, api_url: str, name: str) -> None:
    """The list grows by "Load more" until all wikis are there, and has the same length after a reload of the page."""
    async with visiting(browser, api_url, name) as page:
        me = await (await page.request.get("/api/me")).json()
        for number in range(22):
            path = f"/api/wikis/{me['id']}/wiki-{number:02}"
            await page.request.put(path, data={"display_name": f"Wiki {number:02}"})
        rows, more = page.locator("#mine .row"), page.locator("#mine").get_by_role("button", name="Load more")

        for shown in (10, 20):
            await expect(rows).to_have_count(shown)
            await more.click()
        await expect(rows).to_have_count(22)
        await expect(more).to_be_hidden()
        assert await page.locator("#mine .row .name").all_inner_texts() == [f"Wiki {number:02}" for number in range(22)]

        await page.reload()
        await expect(rows).to_have_count(22)


@in_browser
async def test_new_wiki_is_shown_in_a_long_list(browser: Browser, api_url: str, name: str) -> None:
    """A new wiki that belongs far down in the list is opened, scrolled to and highlighted; it can be removed again."""
    async with visiting(browser, api_url, name) as page:
        me = await (await page.request.get("/api/me")).json()
        for number in range(14):
            path = f"/api/wikis/{me['id']}/wiki-{number:02}"
            await page.request.put(path, data={"display_name": f"Wiki {number:02}"})
        await create_wiki(page, "Zoo")

        row = page.locator("#mine .row", has_text="Zoo")
        await expect(row).to_be_in_viewport()
        await expect(row).to_have_class(re.compile(r"\bnew\b"))
        await expect(row.get_by_role("link")).to_have_attribute("aria-current", "")
        await expect(success(page)).to_have_text("Zoo was created.")

        await page.get_by_role("button", name="Undo").click()
        await expect(success(page)).to_have_text("Zoo was removed again.")
        await expect(row).to_have_count(0)
        await expect(page.get_by_role("heading", name="Open a wiki")).to_be_visible()


@in_browser
async def test_double_click_creates_one_wiki(browser: Browser, api_url: str, name: str) -> None:
    """A double click on a button sends one request, and its success is the only message."""
    async with visiting(browser, api_url, name) as page:
        await page.get_by_role("button", name="New wiki").click()
        await page.locator("#create").get_by_label("Name").fill("Field notes")
        await page.locator("#create").get_by_role("button", name="Create").dblclick()

        await expect(success(page)).to_have_text("Field notes was created.")
        await expect(page.locator("#create .error")).to_be_empty()
        await expect(page.locator("#mine .row")).to_have_count(1)


@in_browser
async def test_sharing_is_seen_live(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A grant, another role and a revocation appear in the other person's browser, which nobody touches."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await expect(bob.get_by_text("A wiki appears here")).to_be_visible()

        await share(ada, other, "viewer")
        seen = bob.locator("#shared .row")
        await expect(seen).to_contain_text("Field notes")
        await expect(seen).to_contain_text(f"by {name}")
        await expect(seen.locator(".badge")).to_have_text("Viewer")

        await seen.get_by_role("link").click()
        await expect(bob.get_by_text("You are a viewer.")).to_be_visible()
        await expect(bob.get_by_role("link", name="Settings")).to_be_hidden()
        await expect(bob.locator("#settings")).to_be_hidden()

        await change_role(ada, other, "Editor")
        await expect(bob.get_by_text("You are an editor.")).to_be_visible()
        await expect(bob.locator("#name")).to_be_visible()
        await expect(bob.locator("#danger")).to_be_hidden()

        await change_role(ada, other, "Co-owner")
        await expect(bob.get_by_role("link", name="Settings")).to_be_visible()

        await ada.get_by_role("button", name=f"Access of {other}").click()
        await ada.get_by_role("button", name="Remove access").click()
        await expect(bob.get_by_role("heading", name="Wiki not found")).to_be_visible()
        await expect(bob.get_by_text("A wiki appears here")).to_be_visible()
        await expect(ada.get_by_text("Nobody else has access.")).to_be_visible()


@in_browser
async def test_owners_see_each_others_changes(
    browser: Browser, api_url: str, http: httpx.AsyncClient, name: str, other: str
) -> None:
    """Members that one owner adds and names that one owner changes appear at the other."""
    third = (await Person.log_in(http)).username or ""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, other, "owner")
        await bob.get_by_role("link", name="Field notes").click()
        await expect(bob.locator("#members .row")).to_have_count(1)

        await share(ada, third, "editor")
        await expect(bob.get_by_role("button", name=f"Access of {third}: Editor")).to_be_visible()

        await ada.get_by_role("link", name="Settings").click()
        await ada.locator("#name").get_by_label("Name").fill("Meadow notes")
        await ada.locator("#name").get_by_role("button", name="Save").click()
        await expect(bob.get_by_role("heading", name="Meadow notes")).to_be_visible()
        await expect(bob.locator("#shared .row")).to_contain_text("Meadow notes")


@in_browser
async def test_co_owner_leaves_without_an_error(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A co-owner who removes the own access is led to the list, and is told that this worked."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, other, "owner")
        await bob.get_by_role("link", name="Field notes").click()

        await bob.get_by_role("button", name=f"Access of {other}").click()
        await bob.locator("#access").get_by_role("button", name="Leave the wiki").click()

        await expect(success(bob)).to_have_text("You left Field notes.")
        await expect(bob.get_by_role("heading", name="Open a wiki")).to_be_visible()
        await expect(bob.locator("#shared .row")).to_have_count(0)
        await expect(bob.locator("#alerts .toast")).to_have_count(0)


@in_browser
async def test_member_leaves_after_a_question(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A viewer leaves a wiki by its button, which asks first."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, other, "viewer")
        await bob.get_by_role("link", name="Field notes").click()
        await bob.get_by_role("button", name="Leave this wiki").click()
        await bob.get_by_role("button", name="Cancel").click()
        await expect(bob.locator("#shared .row")).to_have_count(1)

        await bob.get_by_role("button", name="Leave this wiki").click()
        await bob.get_by_role("dialog").get_by_role("button", name="Leave the wiki").click()
        await expect(success(bob)).to_have_text("You left Field notes.")
        await expect(bob.locator("#shared .row")).to_have_count(0)


@in_browser
async def test_rejections_are_told(browser: Browser, api_url: str, name: str) -> None:
    """What the API rejects is said in words, in the dialog or in a message, and forgotten with the next action."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("button", name="New wiki").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Field  Notes!")
        await dialog.get_by_role("button", name="Create").click()
        await expect(dialog.get_by_role("alert")).to_have_text("You already have a wiki with the address field-notes.")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="New wiki").click()
        await expect(dialog.locator(".error")).to_be_empty()
        await page.keyboard.press("Escape")

        await page.get_by_label("Share with").fill("nobody-at-all")
        await page.get_by_role("button", name="Share", exact=True).click()
        told = page.locator("#share .error")
        await expect(told).to_have_text("No user has that username.")
        await page.get_by_label("Share with").press_sequentially("s")
        await expect(told).to_be_empty()
        await expect(page.locator("#alerts .toast")).to_have_count(0)


@in_browser
async def test_actions_are_told_and_undone(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Sharing, another role and a revocation are told at the place, and each can be undone."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        undo, row = page.get_by_role("button", name="Undo"), page.locator("#members .row")

        await share(page, other, "viewer")
        await expect(success(page)).to_have_text(f"{other} is now a viewer.")
        await expect(row).to_have_class(re.compile(r"\bnew\b"))
        await undo.click()
        await expect(success(page)).to_have_text(f"{other} no longer has access.")
        await expect(row).to_have_count(0)

        await share(page, other, "viewer")
        await change_role(page, other, "Co-owner")
        await expect(success(page)).to_have_text(f"{other} is now a co-owner.")
        await undo.click()
        await expect(success(page)).to_have_text(f"{other} is a viewer again.")
        await expect(row).to_contain_text("Viewer")

        await page.get_by_role("button", name=f"Access of {other}").click()
        await page.get_by_role("button", name="Remove access").click()
        await expect(success(page)).to_have_text(f"{other} no longer has access.")
        await undo.click()
        await expect(success(page)).to_have_text(f"{other} is a viewer again.")
        await expect(row).to_contain_text("Viewer")


@in_browser
async def test_arrow_key_changes_no_role(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Arrow keys only select a role; without Save the role stays."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await share(page, other, "viewer")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method))

        await page.get_by_role("button", name=f"Access of {other}").click()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator("#access").get_by_label("Editor")).to_be_checked()
        await page.keyboard.press("Escape")

        await expect(page.locator("#access")).to_be_hidden()
        await expect(page.locator("#members .row")).to_contain_text("Viewer")
        assert not {"PUT", "DELETE"} & set(sent)


@in_browser
async def test_access_may_end(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Access until a day is shown with that day, and the end can be removed again."""
    async with visiting(browser, api_url, other), visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.locator("#share").get_by_label("Until").fill("2999-12-05")
        await share(page, other, "viewer")
        row = page.locator("#members .row")
        await expect(row).to_contain_text("until Dec 5, 2999")

        await page.get_by_role("button", name=f"Access of {other}").click()
        await page.locator("#access").get_by_label("Until").fill("")
        await page.locator("#access").get_by_role("button", name="Save").click()
        await expect(row).not_to_contain_text("until")


@in_browser
async def test_invitation_by_link(browser: Browser, api_url: str, name: str, other: str) -> None:
    """An invitation by email is pending until somebody opens its link, logs in and accepts it."""
    async with visiting(browser, api_url, name) as ada, opening(browser, api_url) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, "bob@example.org", "editor")
        secret = ada.locator("#secret")
        link = await secret.get_by_label("Link").input_value()
        await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await secret.get_by_role("button", name="Copy").click()
        await expect(secret.get_by_role("status")).to_have_text("Copied.")
        assert await ada.evaluate("navigator.clipboard.readText()") == link
        await secret.get_by_role("button", name="Done").click()
        pending = ada.locator("#invitations .row")
        await expect(pending).to_contain_text("bob@example.org")
        await expect(pending).to_contain_text("Editor · open until")

        await bob.goto(link)
        await expect(bob.get_by_text("You have been invited to a wiki.")).to_be_visible()
        assert "invite" not in bob.url
        await log_in(bob, other)
        dialog = bob.get_by_role("dialog", name="Accept the invitation?")
        await expect(dialog).to_contain_text(f"{name} invites you to Field notes.")
        await dialog.get_by_role("button", name="Cancel").click()
        await bob.reload()
        await expect(dialog.get_by_role("button", name="Accept")).to_be_focused()
        await bob.keyboard.press("Enter")

        await expect(success(bob)).to_have_text("You are now an editor of Field notes.")
        await expect(bob.get_by_role("heading", name="Field notes")).to_be_visible()
        await expect(bob.locator("#shared .row")).to_contain_text("Field notes")
        await expect(pending).to_have_count(0)
        await expect(ada.locator("#members .row")).to_contain_text(other)


@in_browser
async def test_invitation_is_revoked_after_a_question(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A revoked invitation is no longer pending, and its link says so to whoever opens it."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, "bob@example.org", "viewer")
        link = await ada.locator("#secret").get_by_label("Link").input_value()
        await ada.keyboard.press("Escape")
        await ada.get_by_role("button", name="Revoke the invitation of bob@example.org").click()
        await ada.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(success(ada)).to_have_text("The invitation of bob@example.org was revoked.")
        await expect(ada.locator("#invitations")).to_be_hidden()

        await bob.goto(link)
        await bob.get_by_role("button", name="Accept").click()
        await expect(bob.get_by_role("dialog").get_by_role("alert")).to_contain_text("used or revoked")


@in_browser
async def test_settings_of_a_wiki(browser: Browser, api_url: str, name: str) -> None:
    """Name, address and visibility change where they are shown; name and visibility can be undone."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        undo, heading = page.get_by_role("button", name="Undo"), page.locator("#wiki .opened h1")

        await page.locator("#name").get_by_label("Name").fill("Meadow notes")
        await page.keyboard.press("Enter")
        await expect(success(page)).to_have_text("The name was saved.")
        await expect(heading).to_have_text("Meadow notes")
        await expect(page.locator("#mine .row")).to_contain_text("Meadow notes")
        await undo.click()
        await expect(success(page)).to_have_text("The old name is back.")
        await expect(heading).to_have_text("Field notes")

        public = page.get_by_role("switch", name="Public")
        await public.check()
        await expect(success(page)).to_have_text("The wiki is now public.")
        await expect(page.locator("#mine .badge")).to_have_text("Public")
        await undo.click()
        await expect(success(page)).to_have_text("The wiki is now private.")
        await expect(public).not_to_be_checked()

        await page.get_by_label("Address").fill("meadow")
        await page.get_by_role("button", name="Change").click()
        await page.get_by_role("dialog").get_by_role("button", name="Change the address").click()
        await expect(success(page)).to_have_text("The address is now meadow.")
        await expect(page.locator("#mine .row")).to_contain_text("meadow")
        await expect(page.locator("#wiki .by")).to_contain_text("meadow")
        assert page.url.endswith("%3Ameadow&tab=settings")


@in_browser
async def test_change_of_an_old_version_is_not_saved(browser: Browser, api_url: str, name: str) -> None:
    """A name that somebody else has changed in the meantime is shown, and not overwritten."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        me = await (await page.request.get("/api/me")).json()

        async def overtake(route: Route) -> None:
            """Let another change arrive before the page's own one."""
            await page.request.patch(f"/api/wikis/{me['id']}/field-notes", data={"display_name": "Changed elsewhere"})
            await route.continue_()

        await page.route("**/field-notes", overtake)
        await page.locator("#name").get_by_label("Name").fill("Mine")
        await page.locator("#name").get_by_role("button", name="Save").click()

        told = page.locator("#name .error")
        await expect(told).to_contain_text("Somebody else has changed the name to Changed elsewhere in the meantime.")
        await expect(page.locator("#wiki .opened h1")).to_have_text("Changed elsewhere")
        await expect(page.locator("#name").get_by_label("Name")).to_have_value("Mine")
        await page.unroute("**/field-notes")
        await page.locator("#name").get_by_role("button", name="Save").click()
        await expect(page.locator("#wiki .opened h1")).to_have_text("Mine")


@in_browser
async def test_typing_goes_on_while_another_saves(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A name that is being typed stays while another name arrives, and its Save does not overwrite that one."""
    async with visiting(browser, api_url, other) as bob, visiting(browser, api_url, name) as ada:
        await create_wiki(ada, "Field notes")
        await share(ada, other, "editor")
        await ada.get_by_role("link", name="Settings").click()
        field, save = ada.locator("#name").get_by_label("Name"), ada.locator("#name").get_by_role("button", name="Save")
        await field.fill("Ada's name")
        await ada.get_by_role("switch", name="Public").check()  # her own change is no conflict
        await expect(success(ada)).to_have_text("The wiki is now public.")

        await bob.get_by_role("link", name="Field notes").click()
        await bob.locator("#name").get_by_label("Name").fill("Bob's name")
        await bob.locator("#name").get_by_role("button", name="Save").click()
        await expect(ada.locator("#wiki .opened h1")).to_have_text("Bob's name")
        await ada.wait_for_timeout(2500)  # the page reads everything again after two seconds
        await expect(field).to_have_value("Ada's name")
        await save.click()
        await expect(ada.locator("#name .error")).to_contain_text("has changed the name to Bob's name")
        await expect(bob.locator("#wiki .opened h1")).to_have_text("Bob's name")

        await save.click()
        await expect(bob.locator("#wiki .opened h1")).to_have_text("Ada's name")


@in_browser
async def test_undo_is_gone_after_leaving_the_wiki(browser: Browser, api_url: str, name: str) -> None:
    """The message of a change, whose Undo belongs to one wiki, goes when another wiki is opened."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Garden")
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("switch", name="Public").check()
        await expect(success(page)).to_have_text("The wiki is now public.")
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        await page.get_by_role("link", name="Garden").click()
        await expect(page.locator("#wiki .opened h1")).to_have_text("Garden")
        await expect(page.get_by_role("button", name="Undo")).to_have_count(0)


@in_browser
async def test_deletion_needs_the_typed_name(browser: Browser, api_url: str, name: str) -> None:
    """A wiki is deleted only by a person who types its address."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("button", name="Delete this wiki").click()
        dialog = page.get_by_role("dialog", name="Delete Field notes?")
        field, button = dialog.get_by_label("Type field-notes"), dialog.get_by_role("button", name="Delete the wiki")
        await expect(field).to_be_focused()
        await field.fill("field")
        await button.click()
        await expect(dialog).to_be_visible()
        await expect(page.locator("#mine .row")).to_have_count(1)

        await field.fill("field-notes")
        await button.click()
        await expect(success(page)).to_have_text("Field notes was deleted.")
        await expect(page.get_by_text("You have no wikis yet.")).to_be_visible()


@in_browser
async def test_transfer_gives_the_wiki_away(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A transferred wiki leaves the list of its old owner and appears in the list of the new one."""
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await ada.get_by_role("link", name="Settings").click()
        await ada.get_by_role("button", name="Transfer this wiki").click()
        dialog = ada.get_by_role("dialog", name="Transfer Field notes")
        await dialog.get_by_label("Type field-notes").fill("field-notes")
        await dialog.get_by_label("Username of the new owner").fill("nobody-at-all")
        await dialog.get_by_role("button", name="Transfer the wiki").click()
        await expect(dialog.get_by_role("alert")).to_have_text("No user has that username.")
        await dialog.get_by_label("Username of the new owner").fill(other)
        await dialog.get_by_role("button", name="Transfer the wiki").click()

        await expect(success(ada)).to_have_text(f"Field notes now belongs to {other}.")
        await expect(ada.locator("#mine .row")).to_have_count(0)
        await expect(bob.locator("#mine .row")).to_contain_text("Field notes")


@in_browser
async def test_member_follows_a_transferred_wiki(
    browser: Browser, api_url: str, http: httpx.AsyncClient, name: str, other: str
) -> None:
    """A member who has a wiki open sees it under its new owner. Capitals in a username do no harm."""
    heir = await Person.log_in(http)
    async with visiting(browser, api_url, name) as ada, visiting(browser, api_url, other) as bob:
        await create_wiki(ada, "Field notes")
        await share(ada, other.upper(), "owner")
        await bob.get_by_role("link", name="Field notes").click()
        await ada.get_by_role("link", name="Settings").click()
        await ada.get_by_role("button", name="Transfer this wiki").click()
        dialog = ada.get_by_role("dialog", name="Transfer Field notes")
        await dialog.get_by_label("Type field-notes or Field notes").fill("Field notes")
        await dialog.get_by_label("Username of the new owner").fill((heir.username or "").upper())
        await dialog.get_by_role("button", name="Transfer the wiki").click()

        await expect(bob.locator("#wiki .by")).to_have_text(f"field-notes · by {heir.username}")
        await expect(success(bob)).to_have_text("Field notes has moved. This is its new address.")


@in_browser
async def test_mcp_token_is_shown_once(browser: Browser, api_url: str, name: str) -> None:
    """A token is shown when it is made and never again; replacing and revoking ask first."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("button", name="Create a token").click()
        secret, dialog = page.locator("#secret"), page.locator("#confirm")
        first = await secret.get_by_label("Token").input_value()
        await secret.get_by_role("button", name="Done").click()
        await expect(page.get_by_text("This wiki has a token.")).to_be_visible()

        await page.get_by_role("button", name="Replace the token").click()
        await dialog.get_by_role("button", name="Replace the token").click()
        await expect(secret).to_be_visible()
        second = await secret.get_by_label("Token").input_value()
        await secret.get_by_role("button", name="Done").click()
        assert len({first, second, ""}) == 3
        assert second not in await page.content()

        await page.get_by_role("button", name="Revoke the token").click()
        await dialog.get_by_role("button", name="Revoke the token").click()
        await expect(success(page)).to_have_text("The token was revoked.")
        await expect(page.get_by_text("This wiki has no token.")).to_be_visible()


@in_browser
async def test_search_by_name(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A search narrows both lists while its text is typed, and ends when the text is removed."""
    async with visiting(browser, api_url, other) as bob, visiting(browser, api_url, name) as page:
        await create_wiki(bob, "Garden plans")
        await share(bob, name, "viewer")
        for wiki in ("Garden", "Field notes"):
            await create_wiki(page, wiki)
        box = page.get_by_role("searchbox", name="Search wikis by name")
        await box.press_sequentially("GARDEN")
        await expect(page.locator("#mine .row")).to_have_count(1)
        await expect(page.locator("#shared .row")).to_contain_text("Garden plans")

        await page.reload()
        await expect(box).to_have_value("GARDEN")
        await expect(page.locator("#mine .row")).to_have_count(1)
        await box.fill("nothing")
        await expect(page.get_by_text("None of your wikis has this name.")).to_be_visible()
        await expect(page.get_by_text("No shared wiki has this name.")).to_be_visible()
        await box.fill("")
        await expect(page.locator("#mine .row")).to_have_count(2)


@in_browser
async def test_search_shows_all_matches(browser: Browser, api_url: str, name: str) -> None:
    """A search shows more matches than a page of the list has, and one that is created later."""
    async with visiting(browser, api_url, name) as page:
        me = await (await page.request.get("/api/me")).json()

        async def create(number: int) -> None:
            path = f"/api/wikis/{me['id']}/wiki-{number:02}"
            await page.request.put(path, data={"display_name": f"Wiki {number:02}"})

        for number in range(12):
            await create(number)
        await page.goto("/?q=wiki")
        await expect(page.locator("#mine .row")).to_have_count(12)
        await create(12)
        await expect(page.locator("#mine .row")).to_have_count(13)


@in_browser
async def test_address_holds_what_is_shown(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Reload, Back and Forward keep the wiki and the tab; the link works for others, also through the login."""
    async with visiting(browser, api_url, name) as ada, opening(browser, api_url) as bob:
        await create_wiki(ada, "Garden")
        await create_wiki(ada, "Field notes", public=True)
        heading = ada.locator("#wiki .opened h1")
        await ada.get_by_role("link", name="Settings").click()
        await ada.reload()
        await expect(ada.locator("#settings")).to_be_visible()
        await expect(heading).to_have_text("Field notes")
        await expect(ada).to_have_title("Field notes · Wikis")

        await ada.go_back()
        await expect(ada.locator("#people")).to_be_visible()
        await ada.go_back()
        await expect(heading).to_have_text("Garden")
        await ada.go_forward()
        await expect(heading).to_have_text("Field notes")

        await bob.goto(ada.url)
        await log_in(bob, other)
        await expect(bob.locator("#wiki .opened h1")).to_have_text("Field notes")
        await expect(bob.get_by_text("You are a viewer.")).to_be_visible()


@in_browser
@pytest.mark.parametrize("wiki", ["nobody:nothing", "garbage", ":", "a:No Slug"])
async def test_link_to_nothing_says_so(browser: Browser, api_url: str, name: str, wiki: str) -> None:
    """A link to a wiki that does not exist leads to a page that says so and has a way back."""
    async with visiting(browser, api_url, name) as page:
        await page.goto(f"/?wiki={wiki}")
        await expect(page.get_by_role("heading", name="Wiki not found")).to_be_visible()
        await page.get_by_role("link", name="Show all wikis").click()
        await expect(page.get_by_role("heading", name="Open a wiki")).to_be_visible()


@in_browser
async def test_profile(browser: Browser, api_url: str, name: str, other: str) -> None:
    """Name, username and picture are changed together, shown at once, and can be undone."""
    async with visiting(browser, api_url, name) as page:
        form = page.locator("#profile")
        await page.get_by_role("link", name=f"Profile of {name}").click()
        await form.get_by_label("Name", exact=True).fill("Ada Lovelace")
        await form.get_by_label("Username").fill(other)
        await page.get_by_role("radio", name="Owl").check()
        await page.get_by_role("button", name="Save the profile").click()

        await expect(success(page)).to_have_text("Your profile was saved.")
        me = page.get_by_role("link", name="Profile of")
        await expect(me).to_contain_text("Ada Lovelace")
        await expect(me).to_contain_text(other)
        await expect(me.locator("img")).to_have_attribute("src", "/static/avatars/owl.svg")
        await page.reload()
        await expect(page.get_by_role("radio", name="Owl")).to_be_checked()

        await page.get_by_role("radio", name="Fox").check()
        await page.get_by_role("button", name="Save the profile").click()
        await expect(me.locator("img")).to_have_attribute("src", "/static/avatars/fox.svg")
        await page.get_by_role("button", name="Undo").click()
        await expect(success(page)).to_have_text("Your old profile is back.")
        await expect(page.get_by_role("radio", name="Owl")).to_be_checked()


@in_browser
async def test_taken_username_is_told(browser: Browser, api_url: str, name: str, http: httpx.AsyncClient) -> None:
    """A username that another user has is rejected in words."""
    taken = (await Person.log_in(http)).username or ""
    async with visiting(browser, api_url, name) as page:
        await page.get_by_role("link", name=f"Profile of {name}").click()
        await page.locator("#profile").get_by_label("Username").fill(taken)
        await page.get_by_role("button", name="Save the profile").click()
        await expect(page.locator("#profile .error")).to_have_text("This username is taken.")
        await expect(page.locator("#profile").get_by_label("Username")).to_have_accessible_description(
            "This username is taken. Others share wikis with you by this name."
        )


@in_browser
async def test_logins_of_an_account(browser: Browser, api_url: str, name: str, other: str) -> None:
    """A login is added by logging in with it, and removed after a question; the last one has no button."""
    async with visiting(browser, api_url, name) as page:
        await page.get_by_role("link", name=f"Profile of {name}").click()
        logins = page.locator("#logins .row")
        await expect(logins).to_have_count(1)
        await expect(logins.get_by_role("button")).to_have_count(0)
        await page.get_by_role("button", name="Add a login").click()
        await page.get_by_label("Somebody else").fill(other)
        await page.get_by_role("button", name="Continue").click()

        await expect(success(page)).to_have_text("The login was added.")
        await expect(logins).to_have_count(2)
        assert page.url.endswith("/?view=profile")
        await page.get_by_role("button", name=f"Remove the login {other}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove the login").click()
        await expect(success(page)).to_have_text(f"The login {other} was removed.")
        await expect(logins).to_have_count(1)


@in_browser
async def test_account_is_deleted_after_typing_its_name(browser: Browser, api_url: str, name: str) -> None:
    """An account is deleted with its wikis by a person who types the username and agrees to lose the wikis."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name=f"Profile of {name}").click()
        await page.get_by_role("button", name="Delete my account").click()
        dialog = page.get_by_role("dialog", name="Delete your account?")
        await dialog.get_by_label(f"Type {name}").fill(name)
        await dialog.get_by_role("button", name="Delete my account").click()
        await expect(dialog).to_be_visible()
        await expect(dialog).to_contain_text("your username and your wiki are deleted")
        await dialog.get_by_label("Yes, delete your wiki too (required)").check()
        await dialog.get_by_role("button", name="Delete my account").click()

        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await expect(success(page)).to_have_text("Your account was deleted.")
        assert (await page.request.get("/api/me")).status == 401


@in_browser
async def test_wikis_may_have_names_of_any_script(browser: Browser, api_url: str, name: str) -> None:
    """Accents are left out of a slug, other scripts get a generated one, and each picture is one letter."""
    names = {
        "Café Zürich": "C",
        "日本語": "日",
        "한국어": "한",
        "ßtraße": "ß",
        "🇫🇷 France": "🇫🇷",
        "e\u0301tude": "E\u0301",
        "हिन्दी": "हि",
        "㎢" * 60: "㎢",  # km2, sixty times, is too long for a slug
    }
    async with visiting(browser, api_url, name) as page:
        for wiki in names:
            await create_wiki(page, wiki)

        rows = page.locator("#mine .row")
        await expect(rows).to_have_count(len(names))
        await expect(rows.filter(has_text="Café Zürich").locator(".detail")).to_have_text("cafe-zurich")
        shown = {
            await row.locator(".name").inner_text(): await row.locator(".face").inner_text() for row in await rows.all()
        }
        assert shown == names


@in_browser
async def test_misfits_are_told_at_the_field(browser: Browser, api_url: str, name: str) -> None:
    """A blank name and text that cannot be a username are rejected before anything is sent."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "Field notes")
        await page.get_by_role("link", name="Settings").click()
        for label, text, button in (("Name", "   ", "Save"), ("Address", "No Slug", "Change")):
            field = page.locator("#settings").get_by_label(label, exact=True)
            await field.fill(text)
            await page.get_by_role("button", name=button).click()
            await expect(field).to_be_focused()
            assert await field.evaluate("field => field.validity.patternMismatch")
        await page.get_by_role("link", name="People").click()
        field = page.get_by_label("Share with")
        await field.fill("Nobody Here")
        await page.get_by_role("button", name="Share", exact=True).click()
        assert await field.evaluate("field => field.validity.patternMismatch")


@in_browser
@pytest.mark.parametrize("width", [320, 360])
async def test_page_fits_a_narrow_screen(browser: Browser, api_url: str, name: str, other: str, width: int) -> None:
    """At the width of a small telephone nothing is wider than the screen, and the longest name stays in its card."""
    narrow: ViewportSize = {"width": width, "height": 640}
    async with visiting(browser, api_url, other), visiting(browser, api_url, name, viewport=narrow) as page:

        async def fits() -> bool:
            return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))

        assert await fits()
        for wiki in (LONG_NAME, "W" * 60):
            await create_wiki(page, wiki)
            box, card = [await page.locator(f"#wiki .opened {part}").bounding_box() for part in ("h1", ".top")]
            assert box
            assert card
            assert box["x"] + box["width"] <= card["x"] + card["width"] <= width
            await expect(page.locator("#mine")).to_be_hidden()
            await page.get_by_role("link", name="All wikis").click()
            await expect(page.locator("#mine")).to_be_visible()
            assert await fits()
        await page.get_by_role("link", name="A name of sixty").click()
        await share(page, other, "editor")
        await expect(page.locator("#members .row")).to_be_visible()
        assert await fits()
        await page.get_by_role("link", name="Settings").click()
        assert await fits()
        await page.get_by_role("button", name="Delete this wiki").click()
        assert await fits()
        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="Profile of").click()
        await expect(page.get_by_role("heading", name="Profile")).to_be_visible()
        assert await fits()


@in_browser
async def test_names_are_shown_as_text(browser: Browser, api_url: str, name: str) -> None:
    """What people write never runs as part of the page."""
    async with visiting(browser, api_url, name) as page:
        await create_wiki(page, "<img src=x onerror=alert(1)>")

        await expect(page.locator("#mine .row .name")).to_have_text("<img src=x onerror=alert(1)>")
        await expect(page.locator("#mine .row img")).to_have_count(0)


@in_browser
async def test_pictures_in_the_documentation_are_of_this_page(browser: Browser, tmp_path: Path) -> None:
    """The pictures can be taken again as they are, are small enough to be shown, and the tutorial shows them."""
    await take(browser, tmp_path)

    for picture in PICTURES:
        stored = IMAGES / picture.name
        assert _size(tmp_path / picture.name) == _size(stored)
        assert stored.stat().st_size < 200_000
        assert f"({stored.relative_to(DOCS)})" in (DOCS / "tutorial.md").read_text()


def _size(picture: Path) -> tuple[int, ...]:
    """Return width and height, which stand at a fixed place in a PNG."""
    return struct.unpack_from(">II", picture.read_bytes(), 16)
