"""The names of aiohttp, aiobotocore and botocore that are used without being documented are still what they were.

docs/explanation/dependencies.md lists them with the reason for each. A release of those libraries that changes one
fails here first, by its name.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session

from wikibot_store import WikibotStore
from wikibot_store._wire import _http

CHECKOUT = Path(__file__).parents[2]
WIRE = CHECKOUT / "wikibot_store" / "_wire"
_ROW = re.compile(r"^\| `([\w.]+)` \| `([^`]+)` \|", re.MULTILINE)
LISTED = _ROW.findall((CHECKOUT / "docs" / "explanation" / "dependencies.md").read_text())


def _resolve(dotted: str) -> Any:  # noqa: ANN401 - a class or function of any kind
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("owner", "members"), LISTED, ids=[owner for owner, _ in LISTED])
async def test_the_name_is_there(owner: str, members: str, store: WikibotStore) -> None:
    """Each listed class or function exists, and has the listed parameters or attributes."""
    if owner.startswith("aioboto3."):
        pytest.importorskip("aioboto3")
    found = _resolve(owner)
    for member in members.split(", "):
        if member.startswith("("):
            names = member.strip("()").split(" ")
            assert set(names) <= set(inspect.signature(found).parameters), member
        else:
            assert hasattr(_example_of(found, store), member), member


def _example_of(found: Any, store: WikibotStore) -> Any:  # noqa: ANN401 - one of the listed classes
    """Return an object of the class where its attributes are not on the class itself."""
    match found.__name__:
        case "AIOHTTPSession":
            return store._wire._transport
        case "AioDeferredRefreshableCredentials":
            return AioDeferredRefreshableCredentials(None, "test")
        case "Session":
            return found(botocore_session=get_session())
        case "ResponseHandler":
            return found(loop=store._wire._loop)
        case _:
            return found


def test_the_list_is_complete() -> None:
    """Every private name that the wire uses of another object is in the list."""
    listed = {member for _, members in LISTED for member in members.split(", ")}

    assert {*_private_names()} <= listed
    assert set(_http.Transport.__annotations__) <= listed | {"_endpoint_url", "_proxy_url"}


def _private_names() -> Iterator[str]:
    """Yield the private attributes of objects other than `self` that the wire's modules read."""
    for path in WIRE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or not re.match("_[a-z]", node.attr):
                continue
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield node.attr


def test_the_base_class_makes_its_sessions_as_the_transport_does() -> None:
    """The transport replaces how a session is made, so the base class still has to ask for one by that name."""
    assert "self._get_session(proxy_url)" in inspect.getsource(AIOHTTPSession.send)


def test_the_connector_gives_a_connection_for_a_request() -> None:
    """The connector of aiohttp still connects for a request that was made without a session's help."""
    assert list(inspect.signature(aiohttp.BaseConnector.connect).parameters) == ["self", "req", "traces", "timeout"]
