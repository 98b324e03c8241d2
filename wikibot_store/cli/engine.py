"""`wikibot-store demo` and `serve`: the embedded engine."""

import asyncio
import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

import typer

from wikibot_store.cli._app import CommandError, Options, app, with_options
from wikibot_store.cli._output import console, note, print_json, print_table
from wikibot_store.cli.demo import Step, play
from wikibot_store.cli.tables import existing_tables
from wikibot_store.config import StoreConfig
from wikibot_store.local import REGION, local_engine, local_store
from wikibot_store.provision import create_tables
from wikibot_store.schema import TABLES
from wikibot_store.store import WikibotStore


@app.command("demo", epilog="Example: wikibot-store demo --people 20 --wikis 100")
@with_options
def demo(
    options: Options,
    *,
    people: Annotated[int, typer.Option(metavar="NUMBER", min=2, help="How many people log in.")] = 100,
    wikis: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many wikis one of them has.")] = 300,
) -> None:
    """Simulate a day of traffic and verify the results.

    It runs on an embedded engine. With --endpoint-url it runs on that endpoint: it creates the tables if they are
    missing, and its items stay there.
    """

    async def day(store: WikibotStore) -> list[Step]:
        return await play(store, console(), people=people, wikis=wikis)

    async def on_endpoint(store: WikibotStore) -> list[Step]:
        if len(await existing_tables(store)) < len(TABLES):
            await create_tables(store)
        return await day(store)

    async def on_embedded_engine() -> list[Step]:
        async with local_store(StoreConfig.from_env()) as store:
            return await day(store)

    steps = asyncio.run(on_embedded_engine()) if options.endpoint_url is None else options.run(on_endpoint)
    report = [
        {"step": step.name, "done": step.done, "rejected": step.rejected, "seconds": round(step.seconds, 2)}
        for step in steps
    ]
    if options.json:
        print_json(report)
        return
    print_table(list(report[0]), [list(row.values()) for row in report])


@app.command("serve", epilog="Example: wikibot-store serve --port 8000")
@with_options
def serve(
    options: Options,
    *,
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; 0 picks a free one.")] = 8000,
) -> None:
    """Run the embedded engine on 127.0.0.1 with its tables, until Ctrl-C or SIGTERM. Its items are then lost."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            url = stack.enter_context(local_engine(port))
        except OSError as error:
            raise CommandError(f"port {port} is in use or not permitted: choose another one with --port") from error
        region = options.config().region or REGION
        replace(options, endpoint_url=url, region=region, profile=None).run(create_tables)
        environment = {
            "WIKIBOT_ENDPOINT_URL": url,
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        if options.json:
            print_json(environment)
        else:
            print("\n".join(f"export {name}={value}" for name, value in environment.items()), flush=True)
        note(f"serving DynamoDB on {url} until Ctrl-C")
        stop.wait()
