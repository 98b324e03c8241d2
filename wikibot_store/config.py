"""The settings of a store, which are validated when they are made and read from variables or stack outputs."""

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints
from urllib.parse import urlsplit

from wikibot_store.schema import OPTIONAL_INDEXES, TABLES

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_TABLE_PREFIX = re.compile(r"[A-Za-z0-9_.-]+")
_TABLE_SETTINGS = {f"{schema.name}_table": schema.name for schema in TABLES}
_INDEX_SETTINGS = tuple(str(index.setting) for index in OPTIONAL_INDEXES)
_SWITCHES = (*_INDEX_SETTINGS, "coalesce_reads", "hedge_reads")
_SECONDS = ("connect_timeout", "read_timeout", "idle_timeout", "deadline")
_LONGEST_TIMEOUT = 3600
_LARGEST_BUDGET = 0.5
_SHORTEST_SECRET = 16
DEFAULT_MAX_ATTEMPTS = 5
"""How often a request is sent at most where neither the config nor the AWS session says so."""
_PREFIX = "WIKIBOT_"
_STACK_OUTPUTS = "WIKIBOT_STACK_OUTPUTS"
_FOR_TESTS = "WIKIBOT_TEST_"
ENDPOINT_RULE = "http or https URL without user or query, such as http://127.0.0.1:8000"
"""The rule of `is_endpoint` for messages."""
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class InsecureEndpointWarning(UserWarning):
    """Requests to the endpoint cross a network unencrypted, so others can read and change items on the way."""


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """The settings of a store. All times are in seconds.

    `from_env` reads each field from the variable WIKIBOT_<FIELD>, such as WIKIBOT_USERS_TABLE. Credentials, proxies and
    CA bundle always come from the AWS session.
    """

    region: str | None = None
    """The AWS region. None: the AWS session decides, from its profile and AWS_DEFAULT_REGION. `from_env` also reads
    AWS_REGION, which botocore ignores."""

    endpoint_url: str | None = None
    """The endpoint, if it is not AWS's own, such as http://127.0.0.1:8000. None: the AWS session decides, from its
    profile and AWS_ENDPOINT_URL_DYNAMODB."""

    table_prefix: str | None = None
    """The prefix of all table names: "wikibot-dev" stands for the tables wikibot-dev-users, wikibot-dev-wikis and so
    on; the hyphen is added. A table with a name of its own keeps that name."""

    users_table: str = "users"
    """The name of the users table: 3 to 255 characters of A-Z a-z 0-9 _ . -"""

    wikis_table: str = "wikis"
    """The name of the wikis table."""

    acls_table: str = "acls"
    """The name of the acls table."""

    grantee_index: bool = False
    """Whether the acls table has the index by-grantee, which "wikis shared with me" needs."""

    wiki_limit: int | None = None
    """The most wikis that one user may own, unless a call passes its own `limit`. None: no limit."""

    max_pool_connections: int = 64
    """The largest number of connections, and so of requests at the same time. Further requests wait for a
    connection."""

    connect_timeout: float = 2.0
    """The longest time in seconds to open a connection."""

    read_timeout: float = 5.0
    """The longest time in seconds of one attempt, from its connection to the last byte of the answer."""

    idle_timeout: float = 60.0
    """How long in seconds a connection is kept open that no request uses."""

    max_attempts: int | None = None
    """The largest number of times that a request is sent, including the first time. None: the AWS session decides, from
    its profile and AWS_MAX_ATTEMPTS, and else it is 5."""

    deadline: float = 10.0
    """The longest time in seconds of one DynamoDB request with all its attempts and the waits between them. A method
    that sends several requests one after the other may take several times as long."""

    coalesce_reads: bool = True
    """Whether reads by key, and calls of `authorize`, that have to wait anyway share a BatchGetItem: because all
    connections are in use, or because the event loop is behind with its work. Others are sent at once and alone."""

    hedge_reads: bool = False
    """Whether a GetItem, Query or BatchGetItem whose answer is late is sent once more on another connection. The first
    answer wins. A read is late if about 95 of 100 recent ones of its operation were faster. Nothing is sent twice while
    DynamoDB throttles, while all connections are in use, while most reads are late, or in the adaptive retry mode."""

    hedge_budget: float = 0.05
    """The most reads that are sent once more by `hedge_reads`, as a share of all reads. DynamoDB charges for them."""

    cursor_secret: str | tuple[str, ...] | None = field(default=None, repr=False)
    """The secret that signs cursors, at least 16 characters; nobody can forge a signed cursor. Every process that
    serves the same listing needs the same secret. A tuple holds several: the first one makes cursors, all of them open
    cursors. To replace a secret, first put the new one after the old one everywhere, then before it, and remove the old
    one when no cursor of it is in use. In WIKIBOT_CURSOR_SECRET commas separate several secrets."""

    def __post_init__(self) -> None:
        """Reject invalid settings; the error names the setting and its rule."""
        self._add_prefix()
        self._check_tables()
        self._check_numbers()
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False")
        if self.endpoint_url is not None and not is_endpoint(self.endpoint_url):
            raise ValueError(f"endpoint_url must be an {ENDPOINT_RULE}")
        self._check_secrets()

    def _add_prefix(self) -> None:
        if self.table_prefix is None:
            return
        if not isinstance(self.table_prefix, str) or not _TABLE_PREFIX.fullmatch(self.table_prefix):
            raise ValueError("table_prefix must be text of A-Z a-z 0-9 _ . -")
        for setting, table in _TABLE_SETTINGS.items():
            if getattr(self, setting) == table:
                object.__setattr__(self, setting, f"{self.table_prefix}-{table}")

    def _check_tables(self) -> None:
        for name in _TABLE_SETTINGS:
            if not isinstance(getattr(self, name), str) or not _TABLE_NAME.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} must be 3 to 255 characters of A-Z a-z 0-9 _ . -")
        if len({getattr(self, name) for name in _TABLE_SETTINGS}) != len(_TABLE_SETTINGS):
            raise ValueError(f"{', '.join(_TABLE_SETTINGS)} must be different tables")

    def _check_secrets(self) -> None:
        if self.cursor_secret is None:
            return
        secrets = self.cursor_secrets
        if not isinstance(secrets, tuple) or not secrets or not all(map(_is_secret, secrets)):
            raise ValueError(
                f"cursor_secret must be text of at least {_SHORTEST_SECRET} characters, or a tuple of such texts"
            )

    def _check_numbers(self) -> None:
        if not _is_integer(self.max_pool_connections, at_least=1):
            raise ValueError("max_pool_connections must be an integer of at least 1")
        if self.max_attempts is not None and not _is_integer(self.max_attempts, at_least=1):
            raise ValueError("max_attempts must be None or an integer of at least 1")
        if self.wiki_limit is not None and not _is_integer(self.wiki_limit, at_least=0):
            raise ValueError("wiki_limit must be None or an integer of at least 0")
        for name in _SECONDS:
            seconds = getattr(self, name)
            # This form of the comparison also rejects NaN.
            if not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_TIMEOUT:
                raise ValueError(f"{name} must be more than 0 and at most {_LONGEST_TIMEOUT} seconds")
        if not isinstance(self.hedge_budget, int | float) or not 0 < self.hedge_budget <= _LARGEST_BUDGET:
            raise ValueError(f"hedge_budget must be more than 0 and at most {_LARGEST_BUDGET}")

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        """All cursor secrets; the first one makes cursors."""
        return (self.cursor_secret,) if isinstance(self.cursor_secret, str) else self.cursor_secret or ()

    def table_name(self, table: str) -> str:
        """Return the configured name of one of the schema's tables, such as "users"."""
        name: str = getattr(self, f"{table}_table")
        return name

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read every field from its variable, such as WIKIBOT_USERS_TABLE, or keep its default.

        WIKIBOT_STACK_OUTPUTS may name a file with the output of `pulumi stack output --json`; its values replace the
        defaults. AWS_REGION is the region if nothing else names one.

        Raises:
            ValueError: A WIKIBOT_ variable has an invalid value, or there is no setting of its name; the message names
                the variable.

        """
        environ = os.environ if environ is None else environ
        settings: dict[str, Any] = {"region": environ.get("AWS_REGION")}
        if path := environ.get(_STACK_OUTPUTS):
            settings |= _parse(_STACK_OUTPUTS, path, _read_stack_outputs)
        variables = {f"{_PREFIX}{setting.name.upper()}": setting.name for setting in fields(cls)}
        _reject_unknown(environ, [*variables, _STACK_OUTPUTS])
        hints = get_type_hints(cls)
        for variable, name in variables.items():
            if value := environ.get(variable):
                settings[name] = _parse(variable, value, _parser(name, hints[name]))
        return cls(**settings)

    @classmethod
    def from_stack_outputs(cls, outputs: Mapping[str, Any]) -> Self:
        """Read the output of `pulumi stack output --json`: region, table names and opt-in indexes.

        The stack may be older than the library: a table or index that is not in the outputs keeps its default.

        Raises:
            ValueError: The outputs name no table of this library.

        """
        return cls(**_from_stack_outputs(outputs))


def _from_stack_outputs(outputs: Mapping[str, Any]) -> dict[str, Any]:
    if not outputs.keys() & _TABLE_SETTINGS.keys():
        raise ValueError(f"the stack outputs have none of {', '.join(_TABLE_SETTINGS)}: is this the wikibot stack?")
    return {name: outputs[name] for name in ("region", *_TABLE_SETTINGS, *_INDEX_SETTINGS) if name in outputs}


def _read_stack_outputs(path: str) -> dict[str, Any]:
    outputs = json.loads(Path(path).read_text())
    if not isinstance(outputs, dict):
        raise ValueError("the file must hold the output of `pulumi stack output --json`")  # noqa: TRY004 - bad content
    return _from_stack_outputs(outputs)


def _reject_unknown(environ: Mapping[str, str], known: list[str]) -> None:
    """Reject a misspelt variable, which would leave its setting at the default."""
    for variable in sorted(environ):
        if variable.startswith(_PREFIX) and variable not in known and not variable.startswith(_FOR_TESTS):
            nearest = difflib.get_close_matches(variable, known, n=1, cutoff=0)
            raise ValueError(f"{variable} is not a setting; did you mean {nearest[0]}?")


def is_endpoint(text: str) -> bool:
    """Return whether this is a valid endpoint: a URL of host, port and path only, because nothing else is signed."""
    try:
        url = urlsplit(text)
        has_more = url.username is not None or url.query or url.fragment or " " in text
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and not has_more
    except ValueError:  # an invalid port, or half an IPv6 address
        return False


def is_exposed(endpoint_url: str) -> bool:
    """Return whether requests to this endpoint leave the machine unencrypted."""
    return urlsplit(endpoint_url).scheme == "http" and not is_loopback(endpoint_url)


def is_loopback(endpoint_url: str) -> bool:
    """Return whether an endpoint is a loopback address, and so on this machine."""
    host = urlsplit(endpoint_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_integer(value: object, *, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and len(value) >= _SHORTEST_SECRET


def _parser(name: str, hint: Any) -> Callable[[str], Any]:  # noqa: ANN401 - annotations are of any type
    """Return the function that reads a field of this type from text."""
    if name == "cursor_secret":
        return _parse_secrets
    python_type = next((option for option in get_args(hint) if option is not type(None)), hint)
    return _parse_bool if python_type is bool else python_type


def _parse_secrets(text: str) -> str | tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if "," in text else text


def _parse_bool(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(f"must be one of {', '.join(_BOOLEANS)}") from None


def _parse(variable: str, text: str, parser: Callable[[str], Any]) -> Any:  # noqa: ANN401 - whatever the field holds
    try:
        return parser(text)
    except (OSError, ValueError) as error:
        raise ValueError(f"{variable}: {error}") from error
