"""The event stream of a page."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from examples.wiki_api.access import wiki_for
from examples.wiki_api.dependencies import CurrentUser, Events, Store
from examples.wiki_api.live import Subscription, user_topic, wiki_topic
from wikibot_store import Role, WikiKey

router = APIRouter()


async def _subscription(
    user: CurrentUser, store: Store, events: Events, wiki_id: str | None = None
) -> AsyncIterator[Subscription]:
    """Subscribe before the answer begins: a client that reads after the stream has opened misses no later change."""
    topics = [user_topic(user.id)]
    if wiki_id is not None:
        key = WikiKey.parse(wiki_id)
        await wiki_for(store, user, key.owner_id, key.wiki_slug, Role.OWNER)
        topics.append(wiki_topic(wiki_id))
    with events.subscribe(*topics) as subscription:
        yield subscription


@router.get("/events", response_class=EventSourceResponse)
async def listen(
    subscription: Annotated[Subscription, Depends(_subscription)],
) -> AsyncIterable[ServerSentEvent]:
    """Send "wikis", "shared" or, for the wiki in the query, "members" when there is something new to read."""
    async for what in subscription:
        yield ServerSentEvent(event=what, raw_data="changed")
