"""The example on a port of its own, and people who use it."""

import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import uvicorn

from examples.wiki_api.__main__ import Server
from examples.wiki_api.app import create_app
from tests.engines import patient
from wikibot_store import WikibotStore
from wikibot_store.local import local_session
from wikibot_store.provision import create_tables

SECRET = "a secret of the tests"
_STOP_SECONDS = 30


@contextmanager
def serve(open_store: Callable[[], AbstractAsyncContextManager[WikibotStore]]) -> Iterator[str]:
    """Serve the API in a thread, as its own command does, and yield its URL."""
    app = create_app(open_store, secret=SECRET)
    with running(Server(_config(app), app.state.live)) as url:
        yield url


@contextmanager
def serve_app(app: Callable[..., object]) -> Iterator[str]:
    """Serve any application in a thread and yield its URL."""
    with running(uvicorn.Server(_config(app))) as url:
        yield url


def _config(app: Callable[..., object]) -> uvicorn.Config:
    return uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=5)


@contextmanager
def running(server: uvicorn.Server) -> Iterator[str]:
    """Run a server in a thread and yield its URL.

    The socket listens before the server starts, so a first request waits for it by itself; where the server cannot
    start, the socket is closed and the request fails.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def run() -> None:
        with listener:
            server.run([listener])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        if thread.is_alive():
            raise RuntimeError("the server did not end")


@asynccontextmanager
async def store_on(engine: str) -> AsyncIterator[WikibotStore]:
    """Open a store on an engine, with its tables made, that does not try twice."""
    config = replace(patient(), endpoint_url=engine, max_attempts=1, grantee_index=True)
    async with WikibotStore.open(config, session=local_session()) as store:
        await create_tables(store)
        yield store


def client(url: str) -> httpx.AsyncClient:
    """Return a client that asks nothing of the machine, no proxies and no credentials, and keeps no cookies."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, cookies=no_cookies)


def cookie(answer: httpx.Response) -> dict[str, str]:
    """Return the header that sends the session cookie of an answer back."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with a session, who sends requests."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    id: str
    username: str | None

    @classmethod
    async def log_in(cls, http: httpx.AsyncClient, name: str | None = None) -> "Person":
        """Log in as somebody whom nobody else is, or who goes by `name` at the identity provider."""
        begun = await http.get("/login")
        name = name or f"p-{secrets.token_hex(8)}"
        picked = await http.post(begun.headers["location"], data={"name": name}, headers=cookie(begun))
        finished = await http.get(picked.headers["location"], headers=cookie(begun))
        headers = cookie(finished)
        me = (await http.get("/api/me", headers=headers)).raise_for_status().json()
        return cls(http=http, headers=headers, id=me["id"], username=me["username"])

    async def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None, **query: str | int
    ) -> httpx.Response:
        """Send a request in this person's session."""
        headers = self.headers | (headers or {})
        return await self.http.request(method, path, json=body, params=query or None, headers=headers)

    async def create_wiki(self, slug: str = "notes", **attributes: object) -> str:
        """Create a wiki and return its path."""
        path = f"/api/wikis/{self.id}/{slug}"
        (await self.send("PUT", path, {"display_name": "Notes"} | attributes)).raise_for_status()
        return path

    async def grant(self, wiki: str, grantee: "Person", role: str) -> None:
        """Give somebody a role in a wiki."""
        (await self.send("PUT", f"{wiki}/members/{grantee.id}", {"role": role})).raise_for_status()
