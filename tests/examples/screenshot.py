"""Takes the tutorial's picture of the example's page: `make screenshot`."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, expect

from examples.wiki_api.__main__ import open_store
from tests.examples.browsing import chromium, visiting
from tests.examples.serving import Person, client, serve

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "wiki-api.png"
_WIKIS = ["Field notes", "Garden", "Reading list", "Recipes", "Travel", "Workshop"]


async def take(browser: Browser, picture: Path) -> None:
    """Set a scene on a server of its own and save what Ada sees."""
    with serve(open_store) as url:
        await _set_scene(url)
        async with visiting(browser, url, "Ada Lind") as page:
            await page.get_by_role("button", name="Members of Field notes").click()
            await expect(page.locator("#members .row")).to_have_count(3)
            await expect(page.locator("#shared .row")).to_have_count(2)
            await page.screenshot(path=picture, full_page=True)


async def _set_scene(url: str) -> None:
    async with client(url) as http:
        people = [await Person.log_in(http, name) for name in ("Ada Lind", "Bo Marsh", "Chidi Okoro", "Dana Reyes")]
        ada, bo, chidi, _ = people
        for name in _WIKIS:
            slug = name.lower().replace(" ", "-")
            await ada.create_wiki(slug, display_name=name, is_public=name == "Recipes")
        for member, role in zip(people[1:], ("editor", "viewer", "owner"), strict=True):
            await ada.grant(f"/api/wikis/{ada.id}/field-notes", member, role)
        await bo.grant(await bo.create_wiki("atlas", display_name="River atlas"), ada, "editor")
        await chidi.grant(await chidi.create_wiki("choir", display_name="Choir"), ada, "owner")


async def _main() -> None:
    async with chromium() as browser:
        await take(browser, PICTURE)


if __name__ == "__main__":
    asyncio.run(_main())
