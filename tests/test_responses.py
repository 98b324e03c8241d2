"""Web handlers that return models: a private attribute is never published, and `public()` is a good response."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from fastapi.exceptions import FastAPIError
from fastapi.testclient import TestClient as FastAPIClient
from litestar import Litestar, get
from litestar.testing import TestClient as LitestarClient
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError
from rich.console import Console

from tests.unit.samples import NOW
from wikibot_store import Access, Acl, Member, Page, PublicUser, PublicWiki, Role, Share, User, Wiki

SECRET = "not-to-be-published"
WIKI = Wiki(
    owner_id="ada",
    wiki_slug="notes",
    uid="uid",
    display_name="Notes",
    repo_path=SECRET,
    mcp_token_hash=SECRET,
    created_at=NOW,
    updated_at=NOW,
)
USER = User(id="ada", oauth_provider="github", oauth_provider_sub=SECRET, email=SECRET, created_at=NOW, updated_at=NOW)
ACL = Acl(wiki_id="ada:notes", grantee_id="bob", role=Role.VIEWER, granted_by="ada", granted_at=NOW)
RESULTS: dict[str, Any] = {
    "a wiki": WIKI,
    "a user": USER,
    "a list": [WIKI],
    "a dict": {"wiki": WIKI, "user": USER},
    "a page": Page([WIKI]),
    "a member": Member(ACL, USER),
    "a page of members": Page([Member(ACL, USER)]),
    "a share": Share(ACL, WIKI),
    "an access": Access(role=Role.OWNER, wiki=WIKI, user=USER),
    "the attributes of a wiki": msgspec.structs.asdict(WIKI),
    "the attributes of a user": msgspec.structs.asdict(USER),
}
"""What a handler may return by mistake."""
UNANNOTATED = object()
ANNOTATIONS = {"none": UNANNOTATED, "Any": Any, "object": object, "dict": dict[str, Any], "list": list[Any]}

any_result = pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
any_annotation = pytest.mark.parametrize("annotation", ANNOTATIONS.values(), ids=ANNOTATIONS)


def handler(result: object, annotation: object) -> Callable[[], Any]:
    """Return a handler with this result and this annotation."""

    async def handle() -> Any:  # noqa: ANN401 - the annotation is replaced
        return result

    handle.__annotations__ = {} if annotation is UNANNOTATED else {"return": annotation}
    return handle


def from_fastapi(result: object, annotation: object) -> tuple[int, str]:
    """Return the status and the body of FastAPI's response."""
    app = FastAPI()
    app.get("/")(handler(result, annotation))
    with FastAPIClient(app, raise_server_exceptions=False) as client:
        response = client.get("/")
    return response.status_code, response.text


def from_litestar(result: object, annotation: object) -> tuple[int, str]:
    """Return the status and the body of Litestar's response."""
    app = Litestar([get("/")(handler(result, annotation))], logging_config=None)
    with LitestarClient(app, raise_server_exceptions=False) as client:
        response = client.get("/")
    return response.status_code, response.text


@any_result
@any_annotation
def test_fastapi_publishes_nothing(result: object, annotation: object) -> None:
    """A handler that returns a model, alone or in something else, is an error without a secret in its body."""
    status, body = from_fastapi(result, annotation)

    assert status == 500
    assert SECRET not in body


@pytest.mark.parametrize("model", [Wiki, User, list[Wiki], Page[User]], ids=str)
def test_fastapi_declares_no_route_of_a_model(model: object) -> None:
    """A handler that says that it returns a model fails when the route is declared."""
    with pytest.raises(FastAPIError, match="valid Pydantic field type"):
        FastAPI().get("/")(handler(WIKI, model))


@any_result
@pytest.mark.parametrize("annotation", [Any, object, dict[str, Any], Wiki, list[Wiki], PublicWiki], ids=str)
def test_litestar_publishes_nothing(result: object, annotation: object) -> None:
    """A handler that returns a model, whatever it says, is an error without a secret in its body."""
    status, body = from_litestar(result, annotation)

    assert status == 500
    assert SECRET not in body


@any_result
@pytest.mark.parametrize(
    "serialize",
    [
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        lambda result: msgspec.json.encode(result, enc_hook=str),
        lambda result: json.dumps(result, default=str),
        lambda result: json.dumps(msgspec.structs.asdict(result), default=str),
        lambda result: TypeAdapter(Any).dump_json(result),
    ],
    ids=["json", "msgpack", "builtins", "enc_hook", "json.dumps", "json.dumps of attributes", "Pydantic"],
)
def test_serializers_publish_nothing(result: object, serialize: Callable[[object], object]) -> None:
    """Every serializer fails, or writes no more than a model's repr; `str` as its fallback makes no difference."""
    try:
        written = str(serialize(result))
    except (TypeError, PydanticSerializationError):
        return
    assert SECRET not in written


@pytest.mark.parametrize("name", [name for name in RESULTS if "attributes" not in name])
def test_rich_shows_nothing(name: str) -> None:
    """Rich, which many command lines and servers print tracebacks with, shows a model's repr."""
    console = Console()
    with console.capture() as capture:
        console.print(RESULTS[name])

    assert "ada" in capture.get()
    assert SECRET not in capture.get()


@pytest.mark.parametrize("send", [from_fastapi, from_litestar])
@pytest.mark.parametrize(
    ("result", "annotation"), [(WIKI.public(), PublicWiki), (USER.public(), PublicUser)], ids=["wiki", "user"]
)
def test_public_is_a_response(
    send: Callable[[object, object], tuple[int, str]],
    result: PublicWiki | PublicUser,
    annotation: type[PublicWiki | PublicUser],
) -> None:
    """`public()` is returned as JSON by both frameworks, with all its attributes and no other."""
    status, body = send(result, annotation)

    assert status == 200
    assert json.loads(body) == json.loads(msgspec.json.encode(result))
    assert set(json.loads(body)) == set(annotation.__dataclass_fields__)
    assert SECRET not in body


def test_fastapi_describes_what_is_public() -> None:
    """The OpenAPI schema of a handler that returns a PublicWiki names its attributes."""
    app = FastAPI()
    app.get("/")(handler(WIKI.public(), PublicWiki))

    schema = app.openapi()["components"]["schemas"]["PublicWiki"]

    assert set(schema["properties"]) == set(PublicWiki.__dataclass_fields__)


class WikiOut(BaseModel):
    """A response model that names what it publishes."""

    model_config = ConfigDict(from_attributes=True)
    wiki_slug: str
    display_name: str


def test_fastapi_takes_a_model_for_a_response_model() -> None:
    """A handler with a response model of its own may return the wiki: what the model names is published."""
    status, body = from_fastapi(WIKI, WikiOut)

    assert (status, json.loads(body)) == (200, {"wiki_slug": "notes", "display_name": "Notes"})
