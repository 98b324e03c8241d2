"""The store's settings, checked when they are made, and the two places that they can be read from."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_TABLES = ("users", "wikis", "acls")
_STACK_OUTPUTS = "WIKIBOT_STACK_OUTPUTS"
_LONGEST_TIMEOUT = 3600
_SHORTEST_SECRET = 16
ENDPOINT_RULE = "http or https URL without user or query, such as http://127.0.0.1:8000"
"""What is_endpoint takes, in words."""
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class InsecureEndpointWarning(UserWarning):
    """Requests to the endpoint travel unencrypted over a network: items can be read and changed on the way."""


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where the tables are and how patient the store is. Times are in seconds.

    `region` and `endpoint_url` may stay None: the AWS session then decides, from its profile and environment
    (AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_DYNAMODB, …), as it does for credentials, proxies and CA bundle in any case.
    AWS_REGION is read by `from_env` only.

    `deadline` bounds one request of DynamoDB, all attempts and waits between them included; a method that sends several
    in turn may take several. `read_timeout` bounds one attempt, from its connection to the last byte of its answer, and
    `connect_timeout` the making of a connection. `coalesce_reads` turns point reads that are issued in one turn of the
    event loop into one BatchGetItem.
    With a `cursor_secret`, cursors cannot be forged; every process that serves the same listing needs the same secret.
    It may be a tuple of them: the first one makes cursors, each one opens them. To replace a secret, put the new one
    behind the old one everywhere, then before it, and drop the old one when no cursor of it is in use.
    """

    region: str | None = None
    endpoint_url: str | None = None
    users_table: str = "users"
    wikis_table: str = "wikis"
    acls_table: str = "acls"
    grantee_index: bool = False
    max_pool_connections: int = 64
    connect_timeout: float = 2.0
    read_timeout: float = 5.0
    max_attempts: int = 5
    deadline: float = 10.0
    coalesce_reads: bool = True
    cursor_secret: str | tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work, naming the setting and its rule."""
        self._check_tables()
        self._check_numbers()
        self._check_switches()
        if self.endpoint_url is not None and not is_endpoint(self.endpoint_url):
            raise ValueError(f"endpoint_url must be an {ENDPOINT_RULE}")
        self._check_secrets()

    def _check_tables(self) -> None:
        names = [f"{table}_table" for table in _TABLES]
        for name in names:
            if not isinstance(getattr(self, name), str) or not _TABLE_NAME.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} must be 3 to 255 characters of A-Z a-z 0-9 _ . -")
        if len({getattr(self, name) for name in names}) != len(names):
            raise ValueError(f"{', '.join(names)} must be different tables")

    def _check_secrets(self) -> None:
        if self.cursor_secret is None:
            return
        secrets = self.cursor_secrets
        if not isinstance(secrets, tuple) or not secrets or not all(map(_is_secret, secrets)):
            raise ValueError(
                f"cursor_secret must be text of at least {_SHORTEST_SECRET} characters, or a tuple of such"
            )

    def _check_switches(self) -> None:
        for name in ("grantee_index", "coalesce_reads"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False")

    def _check_numbers(self) -> None:
        for name in ("max_pool_connections", "max_attempts"):
            number = getattr(self, name)
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise ValueError(f"{name} must be a whole number of at least 1")
        for name in ("connect_timeout", "read_timeout", "deadline"):
            seconds = getattr(self, name)
            # Written so that NaN is refused too.
            if not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_TIMEOUT:
                raise ValueError(f"{name} must be more than 0 and at most {_LONGEST_TIMEOUT} seconds")

    @property
    def cursor_secrets(self) -> tuple[str, ...]:
        """All cursor secrets; the first one makes cursors."""
        return (self.cursor_secret,) if isinstance(self.cursor_secret, str) else self.cursor_secret or ()

    def table_name(self, table: str) -> str:
        """Return the name that one of the schema's tables (users, wikis, acls) has here."""
        name: str = getattr(self, f"{table}_table")
        return name

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read `WIKIBOT_<FIELD>` for every field, such as WIKIBOT_USERS_TABLE; what is not set keeps its default.

        Several secrets in WIKIBOT_CURSOR_SECRET are separated by commas, so that none may contain one.

        WIKIBOT_STACK_OUTPUTS may name a file with what `pulumi stack output --json` printed; it takes the place of the
        defaults. AWS_REGION, which botocore does not read, is the region that nothing else names.

        Raises:
            ValueError: A value does not fit; the message names the variable or the field.

        """
        environ = os.environ if environ is None else environ
        settings: dict[str, Any] = {"region": environ.get("AWS_REGION")}
        if path := environ.get(_STACK_OUTPUTS):
            settings |= _parse(_STACK_OUTPUTS, path, _read_stack_outputs)
        for setting in fields(cls):
            variable = f"WIKIBOT_{setting.name.upper()}"
            if value := environ.get(variable):
                settings[setting.name] = _parse(variable, value, _PARSERS.get(setting.name, str))
        return cls(**settings)

    @classmethod
    def from_stack_outputs(cls, outputs: Mapping[str, Any]) -> Self:
        """Read what `pulumi stack output --json` prints: region, the three tables' names and grantee_index.

        Raises:
            ValueError: An output is missing; the message names it.

        """
        return cls(**_from_stack_outputs(outputs))


def _from_stack_outputs(outputs: Mapping[str, Any]) -> dict[str, Any]:
    names = ("region", *(f"{table}_table" for table in _TABLES), "grantee_index")
    if missing := [name for name in names if name not in outputs]:
        raise ValueError(f"the stack outputs lack {', '.join(missing)}: are they those of the wikibot stack?")
    return {name: outputs[name] for name in names}


def _read_stack_outputs(path: str) -> dict[str, Any]:
    outputs = json.loads(Path(path).read_text())
    if not isinstance(outputs, dict):
        raise ValueError("the file must hold what `pulumi stack output --json` prints")  # noqa: TRY004 - bad content
    return _from_stack_outputs(outputs)


def is_endpoint(text: str) -> bool:
    """Tell whether this is the URL of an endpoint: of host, port and path, and nothing that signing leaves out."""
    try:
        url = urlsplit(text)
        has_more = url.username is not None or url.query or url.fragment or " " in text
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and not has_more
    except ValueError:  # a port that is none, or half an IPv6 address
        return False


def is_exposed(endpoint_url: str) -> bool:
    """Tell whether requests to this endpoint leave the machine unencrypted."""
    return urlsplit(endpoint_url).scheme == "http" and not is_loopback(endpoint_url)


def is_loopback(endpoint_url: str) -> bool:
    """Tell whether an endpoint is on this machine, for certain."""
    host = urlsplit(endpoint_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and len(value) >= _SHORTEST_SECRET


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


_PARSERS: dict[str, Callable[[str], Any]] = {
    "grantee_index": _parse_bool,
    "coalesce_reads": _parse_bool,
    "max_pool_connections": int,
    "max_attempts": int,
    "connect_timeout": float,
    "read_timeout": float,
    "deadline": float,
    "cursor_secret": _parse_secrets,
}
