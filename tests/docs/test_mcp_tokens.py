"""The middleware of the page about MCP tokens answers as the authorization part of MCP asks."""

import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.docs.pages import ROOT, python
from tests.engines import patient
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import local_session, local_store

PAGE = ROOT / "docs" / "how-to" / "check-mcp-tokens.md"
URL = "/mcp/ada/notes"
METADATA = 'resource_metadata="https://wikibot.example/.well-known/oauth-protected-resource/mcp/ada/notes"'
INVALID = f'Bearer error="invalid_token", error_description="the token is not valid for this wiki", {METADATA}'


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """Return the names of the page's code."""
    module = ModuleType("check_mcp_tokens")
    sys.modules[module.__name__] = module  # where dataclasses look for it
    for block in python(PAGE)[:2]:
        exec(compile(block.code, PAGE, "exec"), vars(module))  # noqa: S102 - the project's own documentation
    del sys.modules[module.__name__]
    return vars(module)


@pytest.fixture(scope="module")
def app(page: dict[str, Any]) -> ASGIApp:
    """Return the application of the page."""
    application: ASGIApp = page["app"]
    return application


@pytest.fixture
async def store() -> AsyncIterator[WikibotStore]:
    """Open a store with the wiki `notes` of ada, which has no token."""
    async with local_store(patient()) as store:
        await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")
        await store.wikis.create("ada", "notes", display_name="Notes", repo_path="/srv/notes")
        yield store


async def send(app: ASGIApp, store: WikibotStore, authorization: str | None, url: str = URL) -> httpx.Response:
    """Send a request to the application, which finds this store in its state."""

    async def opened(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {"store": store}}, receive, send)

    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(opened), base_url="http://127.0.0.1") as client:
        return await client.get(url, headers=headers)


async def test_the_right_token_opens_the_wiki(app: ASGIApp, store: WikibotStore) -> None:
    """The request reaches the MCP server, which knows the wiki; the scheme's case does not matter."""
    _, token = await store.wikis.set_mcp_token("ada", "notes")

    for scheme in ("Bearer", "bearer"):
        answer = await send(app, store, f"{scheme} {token}")

        assert (answer.status_code, answer.json()) == (200, {"wiki": "notes"})


@pytest.mark.parametrize("authorization", [None, "", "Basic YWRhOmFkYQ=="])
async def test_without_a_bearer_token(app: ASGIApp, store: WikibotStore, authorization: str | None) -> None:
    """The challenge has no error code, only the address of the metadata, as for a client that does not know yet."""
    answer = await send(app, store, authorization)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, f"Bearer {METADATA}")


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Bearer two words"])
async def test_malformed_header(app: ASGIApp, store: WikibotStore, authorization: str) -> None:
    """A Bearer header without one token is an invalid request."""
    answer = await send(app, store, authorization)

    assert answer.status_code == 400
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_request", ')


@pytest.mark.parametrize("url", [URL, "/mcp/ada/none", "/mcp/ada/No_Slug"])
async def test_wrong_token(app: ASGIApp, store: WikibotStore, url: str) -> None:
    """A wrong token and a missing wiki have the same answer, but for the address of the metadata."""
    await store.wikis.set_mcp_token("ada", "notes")

    answer = await send(app, store, "Bearer guessed", url)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == INVALID.replace(URL, url)


async def test_replaced_and_revoked_tokens(app: ASGIApp, store: WikibotStore) -> None:
    """After a rotation only the new token works, and after a revocation none does."""
    _, old = await store.wikis.set_mcp_token("ada", "notes")
    _, new = await store.wikis.set_mcp_token("ada", "notes")
    after_rotation = [(await send(app, store, f"Bearer {token}")).status_code for token in (old, new)]
    await store.wikis.update("ada", "notes", mcp_token_hash=None)
    answer = await send(app, store, f"Bearer {new}")

    assert after_rotation == [401, 200]
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)


async def test_suspended_owner(app: ASGIApp, store: WikibotStore) -> None:
    """Whoever has the right token hears that the wiki is closed, and is not sent to get another token."""
    _, token = await store.wikis.set_mcp_token("ada", "notes")
    await store.users.update("ada", status="suspended")

    right, wrong = await send(app, store, f"Bearer {token}"), await send(app, store, "Bearer guessed")

    assert (right.status_code, "WWW-Authenticate" in right.headers) == (403, False)
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, INVALID)


async def test_unavailable_store(app: ASGIApp) -> None:
    """The client should try again; its token may be right."""
    config = StoreConfig(endpoint_url="http://127.0.0.1:1", max_attempts=1)
    async with WikibotStore.open(config, session=local_session()) as store:
        answer = await send(app, store, "Bearer token")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_websocket_is_refused(page: dict[str, Any]) -> None:
    """A websocket, which the middleware does not check, is closed, also if the middleware is mounted on a path."""
    sent = []

    async def note(message: object) -> None:
        sent.append(message)

    async def connect() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": URL, "headers": [], "query_string": b""}
    await page["McpToken"](page["app"], "https://wikibot.example")(scope, connect, note)

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_metadata(app: ASGIApp, store: WikibotStore) -> None:
    """The address in the challenge leads to the metadata of the protected resource."""
    challenge = (await send(app, store, None)).headers["WWW-Authenticate"]
    address = challenge.split('"')[1].removeprefix("https://wikibot.example")

    answer = await send(app, store, None, address)

    assert answer.json() == {"resource": f"https://wikibot.example{URL}", "bearer_methods_supported": ["header"]}
