"""`wikibot-store demo` and `serve`: the embedded engine."""

import asyncio
import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated

import typer

from wikibot_store.cli._app import CommandError, Options, UsageError, app, run, with_options
from wikibot_store.cli._output import console, note, print_json
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
        return await play(store, console(), people=people, wikis=wikis, quiet=options.json)

    async def on_endpoint(store: WikibotStore) -> list[Step]:
        if len(await existing_tables(store)) < len(TABLES):
            await create_tables(store)
        return await day(store)

    async def on_embedded_engine() -> list[Step]:
        async with local_store(StoreConfig.from_env()) as store:
            return await day(store)

    steps = asyncio.run(on_embedded_engine()) if options.endpoint_url is None else options.run(on_endpoint)
    if options.json:
        print_json({"as_expected": True, "steps": [step.report() for step in steps]})
        return
    seconds = sum(step.seconds for step in steps)
    print(f"everything as expected: {len(steps)} steps in {seconds:.1f} s", "", "Next:", *_next(options), sep="\n")


def _next(options: Options) -> tuple[str, str]:
    """Return two things to try."""
    if options.endpoint_url is None:
        return (
            "  wikibot-store serve\n    runs this engine for your program, and says how to open a store on it",
            "  wikibot-store seed --endpoint-url URL\n    fills the tables there with made-up people and wikis",
        )
    there = f"--endpoint-url {options.endpoint_url}"
    return (
        f"  wikibot-store sweep {there}\n    checks what the demo left in the tables",
        f"  wikibot-store seed {there}\n    adds made-up people and wikis",
    )


@app.command("serve", epilog="Example: wikibot-store serve --port 8000")
@with_options
def serve(
    options: Options,
    *,
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; 0 picks a free one.")] = 8000,
) -> None:
    """Run the embedded engine on 127.0.0.1 with its tables, until Ctrl-C or SIGTERM. Its items are then lost."""
    for option, value in (("--endpoint-url", options.endpoint_url), ("--profile", options.profile)):
        if value is not None:
            raise UsageError(f"{option} has no meaning here: serve starts an engine of its own; leave it out")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            url = stack.enter_context(local_engine(port))
        except OSError as error:
            raise CommandError(f"port {port} is in use or not permitted: choose another one with --port") from error
        config = options.config()
        region = config.region or REGION
        config = replace(config, endpoint_url=url, region=region, grantee_index=True)
        run(_make_tables(options, config))
        environment = {
            "WIKIBOT_ENDPOINT_URL": url,
            "WIKIBOT_GRANTEE_INDEX": "true",
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        if options.json:
            print_json(environment)
        else:
            print("\n".join(f"export {name}={value}" for name, value in environment.items()), flush=True)
        tables = ", ".join(config.table_name(schema.name) for schema in TABLES)
        note(f"moto, an engine in memory, on {url}, with the tables {tables}")
        note("WikibotStore.open() finds it in a shell with these variables; commands take --endpoint-url too")
        note("Ctrl-C ends it, and its items are then gone")
        stop.wait()
    note("ended")


async def _make_tables(options: Options, config: StoreConfig) -> None:
    async with options.open(config) as store:
        await create_tables(store)
