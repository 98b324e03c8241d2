"""Word of changes, as an open page gets it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import httpx

from examples.wiki_api.__main__ import open_store
from examples.wiki_api.live import Live
from tests.examples.serving import Person, client, serve

_SECONDS = 30


@asynccontextmanager
async def listening(person: Person, **query: str) -> AsyncIterator[AsyncIterator[str]]:
    """Open the stream and give the names of its events."""
    async with person.http.stream("GET", "/api/events", params=query, headers=person.headers) as answer:
        assert answer.raise_for_status().headers["content-type"].startswith("text/event-stream")
        yield (line.removeprefix("event: ") async for line in answer.aiter_lines() if line.startswith("event: "))


async def first(events: AsyncIterator[str]) -> str:
    """Return the next event; a stream that stays silent is a failure and no wait forever."""
    async with asyncio.timeout(_SECONDS):
        return await anext(events)


async def test_grant_and_revoke_reach_the_grantee(ada: Person, bob: Person) -> None:
    """Whoever is granted a role, or loses one, hears that there is something to read again."""
    wiki = await ada.create_wiki()
    async with listening(bob) as events:
        await ada.grant(wiki, bob, "viewer")
        assert await first(events) == "shared"

        await ada.send("DELETE", f"{wiki}/members/{bob.id}")
        assert await first(events) == "shared"


async def test_change_of_members_reaches_who_watches_the_wiki(
    ada: Person, bob: Person, http: httpx.AsyncClient
) -> None:
    """Every owner of a wiki who has its members open hears of a change that another one makes."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "owner")
    carol = await Person.log_in(http)
    async with listening(bob, wiki_id=f"{ada.id}:notes") as events:
        await ada.grant(wiki, carol, "viewer")
        assert await first(events) == "members"


async def test_change_of_a_wiki_reaches_its_readers(ada: Person, bob: Person) -> None:
    """Members get an event for their list, and whoever has the wiki open gets one for the wiki."""
    wiki = await ada.create_wiki()
    await ada.grant(wiki, bob, "viewer")
    async with listening(bob) as lists, listening(bob, wiki_id=f"{ada.id}:notes") as opened:
        await ada.send("PATCH", wiki, {"display_name": "B"})
        assert await first(lists) == "shared"
        assert {await first(opened), await first(opened)} == {"shared", "wiki"}

        await ada.send("POST", f"{wiki}/rename", {"wiki_slug": "other"})
        assert {await first(opened), await first(opened)} == {"shared", "wiki"}
        assert await first(lists) == "shared"

        await ada.send("DELETE", f"/api/wikis/{ada.id}/other")
        assert await first(lists) == "shared"


async def test_change_of_a_profile_reaches_the_own_pages(ada: Person) -> None:
    """All open pages of a user get an event when the profile changes."""
    async with listening(ada) as events:
        await ada.send("PATCH", "/api/me", {"display_name": "Ada"})
        assert await first(events) == "me"


async def test_change_of_a_wiki_reaches_its_owner(ada: Person) -> None:
    """All of somebody's pages hear of a new wiki, a change and a deletion."""
    path = f"/api/wikis/{ada.id}/notes"
    async with listening(ada) as events:
        for method, body in (("PUT", {"display_name": "A"}), ("PATCH", {"display_name": "B"}), ("DELETE", None)):
            (await ada.send(method, path, body)).raise_for_status()
            assert await first(events) == "wikis"


async def test_refused_change_is_no_news(ada: Person, bob: Person) -> None:
    """What changed nothing is not announced."""
    path, other = await ada.create_wiki(), await bob.create_wiki()
    async with listening(ada) as events:
        await ada.send("PATCH", path, {"display_name": "B"}, headers={"If-Match": '"another"'})
        await ada.send("DELETE", path, headers={"If-Match": '"another"'})
        await bob.grant(other, ada, "viewer")

        assert await first(events) == "shared"


async def test_revoke_of_nothing_is_no_news(ada: Person, bob: Person) -> None:
    """Whoever had no role hears nothing when it is taken away."""
    path = await ada.create_wiki()
    async with listening(bob) as events:
        await ada.send("DELETE", f"{path}/members/{bob.id}")
        await bob.create_wiki()

        assert await first(events) == "wikis"


async def test_others_members_cannot_be_watched(ada: Person, bob: Person) -> None:
    """A stream about a wiki is for its readers, and only its owners get an event when its members change."""
    wiki = await ada.create_wiki()
    stranger = await bob.send("GET", "/api/events", wiki_id=f"{ada.id}:notes")
    await ada.grant(wiki, bob, "editor")
    async with listening(bob, wiki_id=f"{ada.id}:notes") as events:
        await ada.send(
            "POST",
            f"{wiki}/invitations",
            {"email": "x@example.org", "role": "viewer", "expires_at": "2999-01-01T00:00Z"},
        )
        await ada.send("PATCH", wiki, {"display_name": "B"})
        heard = {await first(events), await first(events)}

    assert stranger.status_code == HTTPStatus.NOT_FOUND
    assert heard == {"shared", "wiki"}


async def test_stream_needs_a_session(http: httpx.AsyncClient) -> None:
    """Without a session nothing is told."""
    assert (await http.get("/api/events")).status_code == HTTPStatus.UNAUTHORIZED


async def test_streams_end_with_the_server() -> None:
    """A server that shuts down ends the streams of its listeners cleanly and does not reset them."""
    async with AsyncExitStack() as stack:
        with serve(open_store) as url:
            http = await stack.enter_async_context(client(url))
            events = await stack.enter_async_context(listening(await Person.log_in(http)))

        assert [event async for event in events] == []


async def test_changes_that_wait_are_told_once() -> None:
    """A listener who is slow finds each name once, in the order of the first news, and nothing after the end."""
    live = Live()
    with live.subscribe("a", "b") as slow:
        with live.subscribe("a"):
            live.publish("a", "members")
        for topic, what in (("b", "shared"), ("a", "members"), ("nobody", "wikis")):
            live.publish(topic, what)
        told = aiter(slow)
        assert [await anext(told), await anext(told)] == ["members", "shared"]

        live.end()
        assert [what async for what in told] == []
