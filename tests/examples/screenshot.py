"""Takes the pictures of the example's page for the documentation: `make screenshot`."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, ViewportSize, expect

from examples.wiki_api.__main__ import open_store
from tests.examples.browsing import DESKTOP, Scheme, chromium, visiting
from tests.examples.serving import Person, client, serve

IMAGES = Path(__file__).parents[2] / "docs" / "images"
_WIKIS = ["Field notes", "Garden", "Reading list", "Recipes", "Travel", "Workshop"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A file, and how the page is seen in it."""

    name: str
    scheme: Scheme = "light"
    viewport: ViewportSize | None = None
    tab: str = ""


PICTURES = [
    Picture(name="wiki-api.png"),
    Picture(name="wiki-api-dark.png", scheme="dark", tab="Settings"),
    Picture(name="wiki-api-phone.png", viewport={"width": 360, "height": 740}),
]


async def take(browser: Browser, folder: Path) -> None:
    """Set a scene on a server of its own and save what Ada sees, in each of the pictures."""
    with serve(open_store) as url:
        await _set_scene(url)
        for picture in PICTURES:
            async with visiting(
                browser, url, "Ada Lind", viewport=picture.viewport or DESKTOP, scheme=picture.scheme
            ) as page:
                await page.get_by_role("link", name="Field notes").click()
                await expect(page.locator("#members .row")).to_have_count(3)
                if picture.tab:
                    await page.get_by_role("link", name=picture.tab, exact=True).click()
                await expect(page.get_by_text("live", exact=True)).to_be_visible()
                await page.screenshot(path=folder / picture.name, full_page=True)


async def _set_scene(url: str) -> None:
    async with client(url) as http:
        people = [await Person.log_in(http, name) for name in ("Ada Lind", "Bo Marsh", "Chidi Okoro", "Dana Reyes")]
        ada, bo, chidi, _ = people
        for person, animal in zip(people, ("owl", "fox", "whale", None), strict=True):
            if animal:
                await person.send("PATCH", "/api/me", {"avatar_url": f"/static/avatars/{animal}.svg"})
        for name in _WIKIS:
            slug = name.lower().replace(" ", "-")
            await ada.create_wiki(slug, display_name=name, is_public=name == "Recipes")
        notes = f"/api/wikis/{ada.id}/field-notes"
        for member, role in zip(people[1:], ("editor", "viewer", "owner"), strict=True):
            await ada.grant(notes, member, role)
        invitation = {"email": "eve@b.example", "role": "editor", "expires_at": "2999-12-31T12:00:00Z"}
        (await ada.send("POST", f"{notes}/invitations", invitation)).raise_for_status()
        await bo.grant(await bo.create_wiki("atlas", display_name="River atlas"), ada, "editor")
        await chidi.grant(await chidi.create_wiki("choir", display_name="Choir"), ada, "owner")


async def _main() -> None:
    async with chromium() as browser:
        await take(browser, IMAGES)


if __name__ == "__main__":
    asyncio.run(_main())
