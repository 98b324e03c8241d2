"""`wikibot-store seed`: fill the tables with a made-up world."""

from typing import Annotated

import typer
from rich.progress import Progress

from wikibot_store.cli._app import CommandError, Options, app, with_options
from wikibot_store.cli._output import console, note, print_json, print_table, shows_progress
from wikibot_store.config import is_loopback
from wikibot_store.store import WikibotStore
from wikibot_store.testing import Seeded, World

_KINDS = ("users", "wikis", "grants", "invitations")


@app.command("seed", epilog="Example: wikibot-store seed --users 50 --wikis 500 --seed 7")
@with_options
def seed(
    options: Options,
    *,
    users: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=100_000, help="How many people there are.")] = 50,
    wikis: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=100_000, help="How many wikis they have together.")
    ] = 500,
    seed: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=99_999, help="Another number makes another world.")
    ] = 7,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also write to tables that are not on this machine, without asking.")
    ] = False,
) -> None:
    """Add made-up people, wikis, grants and invitations to the tables.

    The same numbers make the same world. If it is there already, nothing is added; after an interruption, what is
    missing is added. For demos and load tests, not for tables with real users.
    """
    world = World.make(users=users, wikis=wikis, seed=seed)

    async def write(store: WikibotStore) -> Seeded:
        endpoint_url = str((await store.client()).meta.endpoint_url)
        if not yes and not is_loopback(endpoint_url):
            raise CommandError(f"{endpoint_url} is not on this machine; use --yes to add made-up users there")
        with Progress(console=console(), transient=True, disable=not shows_progress(json=options.json)) as progress:
            bars = {kind: progress.add_task(kind, total=total) for kind, total in (("users", users), ("wikis", wikis))}
            return await world.write(store, advance=lambda kind: progress.advance(bars[kind]))

    seeded = options.run(write)
    if options.json:
        print_json(
            {"seed": seed, **{kind: {"added": seeded.added[kind], "kept": seeded.kept[kind]} for kind in _KINDS}}
        )
        return
    print_table(("", "added", "there already"), [(kind, seeded.added[kind], seeded.kept[kind]) for kind in _KINDS])
    note(f"the first user is {world.people[0].display_name}: wikibot-store wiki list {world.people[0].id}")
