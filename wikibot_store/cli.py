"""The command `wikibot-store`: tables and look-ups for operators, the embedded engine and the demo."""

import asyncio
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import wraps
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import aioboto3
import msgspec
from botocore.exceptions import ProfileNotFound

try:
    import typer
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from wikibot_store.demo import DemoError, Step, play
    from wikibot_store.local import REGION, local_engine, local_session, local_store
except ModuleNotFoundError as missing:
    sys.exit(f"error: this command needs {missing.name}: pip install 'wikibot-store[cli]'")

from wikibot_store import __version__
from wikibot_store._wire import client_errors
from wikibot_store.config import StoreConfig
from wikibot_store.errors import NotFoundError, WikibotStoreError
from wikibot_store.models import Acl, Page, User, Wiki
from wikibot_store.provision import create_tables, delete_tables
from wikibot_store.schema import TABLES
from wikibot_store.store import WikibotStore
from wikibot_store.verify import verify_tables

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef

P = ParamSpec("P")
T = TypeVar("T")

_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_PROFILE"})
_WIKI_COLUMNS = ("wiki_slug", "display_name", "status", "is_public", "page_count", "disk_usage_bytes", "updated_at")
_ACL_COLUMNS = ("grantee_id", "role", "granted_by", "granted_at", "expires_at")


class CommandError(Exception):
    """The command cannot do what it was asked for; the message says what to do."""


_EXPECTED = (CommandError, DemoError, WikibotStoreError, ValueError)


# ---- what all commands share


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of every command, wherever in the line they stand."""

    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another endpoint; one on this machine needs no credentials.")
    ] = None
    region: Annotated[str | None, typer.Option(metavar="NAME", help="The AWS region.")] = None
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="A profile of AWS's configuration files.")] = None
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False

    def config(self) -> StoreConfig:
        """Return the environment's settings with those of the command line in their place."""
        config = StoreConfig.from_env()
        return replace(
            config, endpoint_url=self.endpoint_url or config.endpoint_url, region=self.region or config.region
        )

    def run(self, work: Callable[[WikibotStore], Awaitable[T]]) -> T:
        """Open the store, do `work` on it and return what came of it."""

        async def opened() -> T:
            config = self.config()
            async with WikibotStore.open(config, session=self._session(config.endpoint_url)) as store:
                return await work(store)

        return asyncio.run(opened())

    def _session(self, endpoint_url: str | None) -> aioboto3.Session:
        if _is_loopback(endpoint_url) and self.profile is None and not _CREDENTIALS & os.environ.keys():
            return local_session()
        try:
            return aioboto3.Session(profile_name=self.profile)
        except ProfileNotFound as error:
            raise CommandError(f"{error}: `aws configure list-profiles` shows which there are") from error


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def with_options(command: Callable[Concatenate[Options, P], None]) -> Callable[..., None]:
    """Give a command the common options as its first argument, and its errors one line.

    Options that stand before the command's name, and so belong to its groups, count as the command's own.
    """
    common = inspect.signature(Options).parameters
    _, *own = inspect.signature(command).parameters.values()

    @wraps(command)
    def run(context: typer.Context, **arguments: Any) -> None:  # noqa: ANN401 - whatever the command takes
        before = context.obj or Options()
        options = Options(**{name: arguments.pop(name) or getattr(before, name) for name in common})
        context.obj = options
        try:
            command(options, **arguments)  # type: ignore[call-arg]  # typer follows the signature
            sys.stdout.flush()  # a pipe that nobody reads any more shows here, and typer ends the command quietly
        except (BrokenPipeError, typer.Exit):
            raise
        except Exception as error:
            if options.debug:
                traceback.print_exception(error)
            raise typer.Exit(_fail(_describe(error), 1)) from error

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([*own, *common.values(), context])  # type: ignore[attr-defined]
    return run


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, _EXPECTED) else f"unexpected {error!r}; --debug shows where it comes from"


def _fail(message: str, status: int) -> int:
    """Print an error as one line; return the exit status."""
    _note(f"error: {' '.join(message.split())}")
    return status


def _note(text: str) -> None:
    """Print what is for people and not part of the result."""
    print(text, file=sys.stderr)


def _console() -> Console:
    """Return a console that is plain, and as wide as its lines, where stdout is no terminal."""
    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=terminal, width=None if terminal else 10_000, markup=False, emoji=False, highlight=False
    )


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    console = _console()
    table = Table(*columns, box=SIMPLE if console.is_terminal else None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _print_json(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), flush=True)


def _cell(value: object) -> str:
    """Return a value as text that cannot command a terminal."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else repr(text)


def _view(item: User | Wiki | Acl) -> dict[str, Any]:
    """Return an item's attributes for showing; of a secret only whether it is set."""
    view: dict[str, Any] = msgspec.to_builtins(item)
    if isinstance(item, Wiki):
        view["mcp_token_set"] = view.pop("mcp_token_hash") is not None
    return view


def _show(options: Options, item: User | Wiki | Acl) -> None:
    view = _view(item)
    if options.json:
        _print_json(view)
        return
    for name, value in view.items():
        print(f"{name:<20}{_cell(value)}")


def _show_page(options: Options, page: Page[Wiki] | Page[Acl], columns: Sequence[str]) -> None:
    views = [_view(item) for item in page]
    if options.json:
        _print_json({"items": views, "cursor": page.cursor})
        return
    _print_table(columns, [[view[name] for name in columns] for view in views])
    if page.cursor is not None:
        _note(f"more with --cursor {page.cursor}")


# ---- the root and its groups


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        print(f"wikibot-store {__version__}")
        raise typer.Exit


@with_options
def _group(_options: Options) -> None:
    """Take the options that stand before the command."""


def _new_group(name: str, purpose: str) -> typer.Typer:
    group = typer.Typer(help=purpose, callback=_group)
    app.add_typer(group, name=name)
    return group


app = typer.Typer(rich_markup_mode=None, epilog="Example: wikibot-store wiki list --help")
tables = _new_group("tables", "Create, compare or delete the tables.")
user = _new_group("user", "Look up users.")
wiki = _new_group("wiki", "Look up wikis.")
acl = _new_group("acl", "Look up grants.")

Limit = Annotated[int, typer.Option(metavar="NUMBER", help="How many at most, 1 to 10,000.")]
Cursor = Annotated[str | None, typer.Option(metavar="CURSOR", help="Where the page before ended.")]


@app.callback()
@with_options
def _root(
    _options: Options,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Look after the tables of wikibot.io and look into them.

    Table names and other settings come from WIKIBOT_USERS_TABLE and the like, credentials and region from AWS's usual
    places. --endpoint-url, --region, --profile, --json and --debug may stand before or after a command's name.
    """


# ---- tables


@tables.command("create", epilog="Example: wikibot-store tables create --endpoint-url http://127.0.0.1:8000")
@with_options
def create(
    options: Options,
    *,
    environment: Annotated[str, typer.Option(metavar="NAME", help="The tag `environment` of the tables.")] = "dev",
    deletion_protection: Annotated[bool, typer.Option("--deletion-protection", help="Protect the tables.")] = False,
) -> None:
    """Create the tables that are missing, and set up all of them."""
    with _console().status("Waiting until the tables are ACTIVE"):
        made = options.run(
            lambda store: create_tables(store, environment=environment, deletion_protection=deletion_protection)
        )
    if options.json:
        _print_json(made)
        return
    for table in made:
        lacks = f" (this engine has no {', '.join(table.unsupported)})" if table.unsupported else ""
        print(f"{table.name}: {'created' if table.created else 'already there'}{lacks}")


@tables.command("delete", epilog="Example: wikibot-store tables delete --endpoint-url http://127.0.0.1:8000")
@with_options
def delete(
    options: Options,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the tables with all that is in them, after showing them and asking."""
    found = options.run(_existing_tables)
    for table in found:
        if table.get("DeletionProtectionEnabled"):
            raise CommandError(
                f"table {table['TableName']!r} has deletion protection, nothing was deleted: switch it off first, with "
                f"aws dynamodb update-table --table-name {table['TableName']} --no-deletion-protection-enabled"
            )
    if found and not yes:
        for table in found:
            _note(f"{table['TableArn']} with about {table['ItemCount']} items")
        _note("Delete this for good? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("not confirmed, nothing was deleted: in a script, use --yes")
    options.run(delete_tables)
    deleted = [table["TableName"] for table in found]
    if options.json:
        _print_json({"deleted": deleted})
        return
    print("\n".join(f"{name}: deleted" for name in deleted) or "there are no tables to delete")


@tables.command("verify", epilog="Example: wikibot-store tables verify --environment prod --deletion-protection")
@with_options
def verify(
    options: Options,
    *,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the tag `environment` should be; any, if left out.")
    ] = None,
    deletion_protection: Annotated[
        bool | None, typer.Option(help="Whether the tables should be protected; either, if left out.")
    ] = None,
) -> None:
    """Compare the tables with the schema; the exit status is 1 if anything differs."""
    drift = options.run(
        lambda store: verify_tables(store, environment=environment, deletion_protection=deletion_protection)
    )
    if options.json:
        _print_json(drift)
    elif drift:
        columns = ("table", "setting", "expected", "found")
        _print_table(columns, [[getattr(difference, column) for column in columns] for difference in drift])
    else:
        print("the tables are as the schema says")
    if drift:
        raise typer.Exit(1)


async def _existing_tables(store: WikibotStore) -> list["TableDescriptionTypeDef"]:
    """Return DynamoDB's descriptions of those tables that exist."""
    found = []
    client = await store.client()
    with client_errors():
        for schema in TABLES:
            try:
                reply = await client.describe_table(TableName=store.config.table_name(schema.name))
            except client.exceptions.ResourceNotFoundException:
                continue
            found.append(reply["Table"])
    return found


# ---- look-ups: consistent reads, for what is there at this moment


@user.command("get", epilog="Example: wikibot-store user get 3f0c --json")
@with_options
def get_user(options: Options, user_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show the user with this id."""
    _show(options, options.run(lambda store: store.users.require(user_id, consistent=True)))


@user.command("by-oauth", epilog="Example: wikibot-store user by-oauth github 4711")
@with_options
def get_user_by_oauth(
    options: Options,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    sub: Annotated[str, typer.Argument(metavar="SUB")],
) -> None:
    """Show the user with this OAuth identity."""

    async def find(store: WikibotStore) -> User:
        found = await store.users.get_by_oauth(provider, sub, consistent=True)
        return _require(found, store.config.users_table, oauth_provider=provider, oauth_provider_sub=sub)

    _show(options, options.run(find))


@user.command("by-username", epilog="Example: wikibot-store user by-username ada")
@with_options
def get_user_by_username(options: Options, username: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show the user with this username."""

    async def find(store: WikibotStore) -> User:
        found = await store.users.get_by_username(username)
        return _require(found, store.config.users_table, username=username)

    _show(options, options.run(find))


@wiki.command("get", epilog="Example: wikibot-store wiki get 3f0c notes")
@with_options
def get_wiki(
    options: Options,
    owner_id: Annotated[str, typer.Argument(metavar="OWNER")],
    wiki_slug: Annotated[str, typer.Argument(metavar="SLUG")],
) -> None:
    """Show one wiki of an owner."""
    _show(options, options.run(lambda store: store.wikis.require(owner_id, wiki_slug, consistent=True)))


@wiki.command("list", epilog="Example: wikibot-store wiki list 3f0c --prefix no --limit 20")
@with_options
def list_wikis(
    options: Options,
    owner_id: Annotated[str, typer.Argument(metavar="OWNER")],
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    prefix: Annotated[str | None, typer.Option(metavar="TEXT", help="Only slugs that start so.")] = None,
) -> None:
    """Show a page of an owner's wikis."""
    page = options.run(
        lambda store: store.wikis.list_by_owner(owner_id, limit=limit, cursor=cursor, prefix=prefix, consistent=True)
    )
    _show_page(options, page, _WIKI_COLUMNS)


@acl.command("get", epilog="Example: wikibot-store acl get 3f0c:notes 81ab")
@with_options
def get_acl(
    options: Options,
    wiki_id: Annotated[str, typer.Argument(metavar="WIKI_ID")],
    grantee_id: Annotated[str, typer.Argument(metavar="GRANTEE")],
) -> None:
    """Show what somebody may do in a wiki; WIKI_ID is OWNER:SLUG."""

    async def find(store: WikibotStore) -> Acl:
        found = await store.acls.get(wiki_id, grantee_id, consistent=True)
        return _require(found, store.config.acls_table, wiki_id=wiki_id, grantee_id=grantee_id)

    _show(options, options.run(find))


@acl.command("list", epilog="Example: wikibot-store acl list 3f0c:notes --limit 20")
@with_options
def list_acls(
    options: Options,
    wiki_id: Annotated[str, typer.Argument(metavar="WIKI_ID")],
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """Show a page of a wiki's grants; WIKI_ID is OWNER:SLUG."""
    page = options.run(lambda store: store.acls.list_by_wiki(wiki_id, limit=limit, cursor=cursor, consistent=True))
    _show_page(options, page, _ACL_COLUMNS)


def _require(found: T | None, table: str, **key: str) -> T:
    if found is None:
        raise NotFoundError(table, key)
    return found


# ---- the embedded engine


@app.command("demo", epilog="Example: wikibot-store demo --people 20 --wikis 100")
@with_options
def demo(
    options: Options,
    *,
    people: Annotated[int, typer.Option(metavar="NUMBER", min=2, help="How many people log in.")] = 200,
    wikis: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="How many wikis one of them has.")] = 1000,
) -> None:
    """Play a day of the service and check what comes of it.

    It runs on an embedded engine or, with --endpoint-url, on that endpoint, where it makes the tables if they are
    missing and leaves its items behind.
    """

    async def day(store: WikibotStore) -> list[Step]:
        return await play(store, _console(), people=people, wikis=wikis)

    async def on_endpoint(store: WikibotStore) -> list[Step]:
        if len(await _existing_tables(store)) < len(TABLES):
            await create_tables(store)
        return await day(store)

    async def on_embedded_engine() -> list[Step]:
        async with local_store(StoreConfig.from_env()) as store:
            return await day(store)

    steps = asyncio.run(on_embedded_engine()) if options.endpoint_url is None else options.run(on_endpoint)
    report = [
        {"step": step.name, "done": step.done, "refused": step.refused, "seconds": round(step.seconds, 2)}
        for step in steps
    ]
    if options.json:
        _print_json(report)
        return
    _print_table(list(report[0]), [list(row.values()) for row in report])


@app.command("serve", epilog="Example: wikibot-store serve --port 8000")
@with_options
def serve(
    options: Options,
    *,
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="0 picks a free one.")] = 8000,
) -> None:
    """Run the embedded engine on 127.0.0.1 with the tables made, until Ctrl-C or SIGTERM; then all of it is gone."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            url = stack.enter_context(local_engine(port))
        except OSError as error:
            raise CommandError(f"port {port} is taken, or not for you: choose another with --port") from error
        region = options.config().region or REGION
        replace(options, endpoint_url=url, region=region, profile=None).run(create_tables)
        environment = {
            "WIKIBOT_ENDPOINT_URL": url,
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        if options.json:
            _print_json(environment)
        else:
            print("\n".join(f"export {name}={value}" for name, value in environment.items()), flush=True)
        _note(f"serving DynamoDB on {url} until Ctrl-C")
        stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        status: int | None = app(arguments, prog_name="wikibot-store", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(f"{error.format_message().removesuffix('.')}: see --help", error.exit_code)
    return status or 0
