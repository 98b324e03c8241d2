"""What all commands share: the root with its groups, the common options, and errors in one line."""

import asyncio
import inspect
import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args

import typer
from aiobotocore.session import AioSession, get_session

from wikibot_store import __version__
from wikibot_store.cli._output import note
from wikibot_store.cli.demo import DemoError
from wikibot_store.config import InsecureEndpointWarning, StoreConfig, is_exposed, is_loopback
from wikibot_store.errors import WikibotStoreError
from wikibot_store.local import local_session
from wikibot_store.store import WikibotStore

P = ParamSpec("P")
T = TypeVar("T")

_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_PROFILE"})


class CommandError(Exception):
    """The command cannot do what it was asked for; the message says what to do."""


class UsageError(CommandError):
    """The command was called with arguments that it does not take."""


_EXPECTED = (CommandError, DemoError, WikibotStoreError, ValueError)
# The library's messages speak of Python, where a command has options and variables.
_IN_OPTIONS = (
    (re.compile(r"give open\(\) a StoreConfig\(region=…\)"), "use --region"),
    (re.compile(r"give open\(\) a session"), "use --profile"),
    (re.compile(r"choose if_absent to (.*), or overwrite"), r"use --if-absent to \1, or --overwrite"),
    (re.compile(r", key ((?:username|oauth_provider)=)"), r", \1"),  # no key of the table
    (re.compile(r"StoreConfig\((\w+)=True\)"), lambda found: f"WIKIBOT_{found[1].upper()}=true"),
)
_VARIABLES = {field.name: f"WIKIBOT_{field.name.upper()}" for field in fields(StoreConfig)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of every command; they may stand anywhere in the line."""

    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another endpoint. One on this machine needs no credentials.")
    ] = None
    region: Annotated[str | None, typer.Option(metavar="NAME", help="The AWS region.")] = None
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="A profile in AWS's configuration files.")] = None
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False

    def config(self) -> StoreConfig:
        """Return the environment's settings, replaced by those of the command line."""
        try:
            config = StoreConfig.from_env()
        except ValueError as error:
            raise CommandError(_renamed(str(error), _VARIABLES)) from error
        return replace(
            config, endpoint_url=self.endpoint_url or config.endpoint_url, region=self.region or config.region
        )

    def run(self, work: Callable[[WikibotStore], Awaitable[T]]) -> T:
        """Open the store, do `work` on it and return the result."""

        async def opened() -> T:
            async with self.open(self.config()) as store:
                return await work(store)

        return run(opened())

    @asynccontextmanager
    async def open(self, config: StoreConfig) -> AsyncIterator[WikibotStore]:
        """Open a store with these settings and the credentials of the command line."""
        async with WikibotStore.open(config, session=self._session(config.endpoint_url)) as store:
            if config.endpoint_url is not None and is_exposed(config.endpoint_url):
                note(f"warning: {config.endpoint_url} is plain HTTP: others can read and change items on the way")
            yield store

    def _session(self, endpoint_url: str | None) -> AioSession:
        if is_loopback(endpoint_url or "") and self.profile is None and not _CREDENTIALS & os.environ.keys():
            return local_session()
        session = get_session()
        session.set_config_variable("profile", self.profile)
        return session


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work on an event loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureEndpointWarning)  # `open` says it, without a line of Python
        return asyncio.run(work)


def with_options(command: Callable[Concatenate[Options, P], None]) -> Callable[..., None]:
    """Give a command the common options as its first argument, and print its errors as one line.

    Options before the command's name, which belong to its groups, also apply to the command.
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
            sys.stdout.flush()  # fails if nobody reads the pipe any more; typer then ends the command quietly
        except (BrokenPipeError, typer.Exit):
            raise
        except Exception as error:
            if options.debug:
                traceback.print_exception(error)
            raise typer.Exit(_fail_with(error, _labels([*own, *common.values()]), as_json=options.json)) from error

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    run.__signature__ = inspect.Signature([*own, *common.values(), context])  # type: ignore[attr-defined]
    return run


def _labels(parameters: Iterable[inspect.Parameter]) -> dict[str, str]:
    """Return how a person writes each parameter of a command: `--max-rcu`, or the name of an argument."""
    labels = {}
    for parameter in parameters:
        (kind,) = [part for part in get_args(parameter.annotation) if hasattr(part, "param_decls")]
        is_option = type(kind) is type(typer.Option())
        given = kind.default  # in an Annotated type, where there is no default, typer has the option's name here
        name = given if isinstance(given, str) else f"--{parameter.name.replace('_', '-')}"
        labels[parameter.name] = name if is_option else kind.metavar
    return labels


def _renamed(message: str, labels: Mapping[str, str]) -> str:
    """Return a message whose first word, if it is a name of Python, is the label."""
    name, blank, rest = message.partition(" ")
    return labels.get(name, name) + blank + rest


def _fail_with(error: Exception, labels: Mapping[str, str], *, as_json: bool) -> int:
    if not isinstance(error, _EXPECTED):
        return fail(f"unexpected {error!r}; --debug shows the traceback", 1, as_json=as_json, kind=type(error).__name__)
    message = str(error) if isinstance(error, CommandError) else _renamed(str(error), labels)
    for pattern, replacement in _IN_OPTIONS:
        message = pattern.sub(replacement, message)
    about = error.help if isinstance(error, WikibotStoreError) else None
    status = 2 if isinstance(error, (UsageError, ValueError)) else 1
    return fail(message, status, as_json=as_json, kind=type(error).__name__, about=about)


def fail(message: str, status: int, *, as_json: bool, kind: str, about: str | None = None) -> int:
    """Print an error on stderr, as one line and where to read more, or as JSON; return the exit status."""
    message = " ".join(message.split())
    if as_json:
        note(json.dumps({"error": {"type": kind, "message": message, "help": about}}))
        return status
    note(f"error: {message}")
    if about is not None:
        note(f"see {about}")
    return status


# ---- the root and its groups


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        print(f"wikibot-store {__version__}")
        raise typer.Exit


@with_options
def _group(_options: Options) -> None:
    """Take the options before the command."""


def _new_group(name: str, purpose: str) -> typer.Typer:
    group = typer.Typer(help=purpose, callback=_group)
    app.add_typer(group, name=name)
    return group


app = typer.Typer(rich_markup_mode=None, epilog="Example: wikibot-store wiki list --help")
tables = _new_group("tables", "Create, verify or delete the tables.")
user = _new_group("user", "Look up users, suspend them, and correct their counts.")
wiki = _new_group("wiki", "Look up wikis.")
acl = _new_group("acl", "Look up grants, and revoke them.")


@app.callback()
@with_options
def _root(
    _options: Options,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Manage the tables of wikibot.io, and show what they hold.

    Table names and other settings come from WIKIBOT_USERS_TABLE and so on, credentials and region from AWS's usual
    places. --endpoint-url, --region, --profile, --json and --debug may stand before or after a command's name.
    """
