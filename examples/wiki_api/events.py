"""The event stream of a page."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from examples.wiki_api.access import access_for
from examples.wiki_api.dependencies import CurrentUser, Events, Store
from examples.wiki_api.live import Subscription, members_topic, user_topic, wiki_topic
from wikibot_store import Role, WikiKey

router = APIRouter()


async def _subscription(
    user: CurrentUser, store: Store, events: Events, wiki_id: str | None = None
) -> AsyncIterator[Subscription]:
    """Subscribe before the answer begins: a client that reads after the stream has opened misses no later change."""
    topics = [user_topic(user.id)]
    if wiki_id is not None:
        key = WikiKey.parse(wiki_id)
        access, _ = await access_for(store, user, key.owner_id, key.wiki_slug, Role.VIEWER)
        topics.append(wiki_topic(wiki_id))
        if access.allows(Role.OWNER):
            topics.append(members_topic(wiki_id))
    with events.subscribe(*topics) as subscription:
        yield subscription


@router.get("/events", response_class=EventSourceResponse)
async def listen(
    subscription: Annotated[Subscription, Depends(_subscription)],
) -> AsyncIterable[ServerSentEvent]:
    """Send "wikis", "shared", "me" or, for the wiki in the query, "wiki" and "members" when it has changed.

    "members" goes to the owners of the wiki only.
    """
    async for what in subscription:
        yield ServerSentEvent(event=what, raw_data="changed")
