"""The example on a port of its own, and people who use it."""

import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass

import httpx
import uvicorn

from examples.wiki_api.app import create_app
from wikibot_store import WikibotStore

_STOP_SECONDS = 30


@contextmanager
def serve(open_store: Callable[[], AbstractAsyncContextManager[WikibotStore]]) -> Iterator[str]:
    """Serve the API in a thread and yield its URL.

    The socket listens before the server starts, so a first request waits for it by itself; where the server cannot
    start, the socket is closed and the request fails.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(create_app(open_store), lifespan="on", log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

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


def client(url: str) -> httpx.AsyncClient:
    """Return a client that asks nothing of the machine: no proxies, no credentials of its own."""
    return httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with a session, who sends requests."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    id: str

    @classmethod
    async def log_in(cls, http: httpx.AsyncClient, sub: str | None = None) -> "Person":
        """Log in as somebody whom nobody else is, or with the subject `sub`."""
        identity = {"provider": "github", "sub": sub or secrets.token_hex(8)}
        token = (await http.post("/login", json=identity)).raise_for_status().json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        me = (await http.get("/me", headers=headers)).raise_for_status().json()
        return cls(http=http, headers=headers, id=me["id"])

    async def send(self, method: str, path: str, body: object = None, **query: str | int) -> httpx.Response:
        """Send a request in this person's session."""
        return await self.http.request(method, path, json=body, params=query or None, headers=self.headers)

    async def create_wiki(self, slug: str = "notes", **attributes: object) -> str:
        """Create a wiki and return its path."""
        body = {"wiki_slug": slug, "display_name": "Notes"} | attributes
        (await self.send("POST", "/wikis", body)).raise_for_status()
        return f"/wikis/{self.id}/{slug}"

    async def grant(self, wiki: str, grantee: "Person", role: str) -> None:
        """Give somebody a role in a wiki."""
        (await self.send("PUT", f"{wiki}/grants/{grantee.id}", {"role": role})).raise_for_status()
