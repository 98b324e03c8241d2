"""Notifies open pages of changes, over server-sent events.

An event names what to read again, and contains no data. So events need not be stored, a late event does no harm, and
access is checked when the data is read. This works within one process. Several processes would need something that they
share, such as a stream of the tables or a message broker.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from wikibot_store import WikibotStore, WikiKey


class Subscription:
    """What has changed since the last iteration; each name is in it once, however many changes there were."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        self._ended = False

    def add(self, what: str) -> None:
        """Add a change."""
        self._changed[what] = None
        self._news.set()

    def end(self) -> None:
        """End the iteration."""
        self._ended = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Wait for changes and yield their names, until the end."""
        while not self._ended:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for what in changed:
                yield what


class Live:
    """Topics and their subscriptions."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Subscription]] = defaultdict(set)

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[Subscription]:
        """Subscribe to topics for the duration of the block."""
        subscription = Subscription()
        for topic in topics:
            self._listeners[topic].add(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._listeners[topic].discard(subscription)
                if not self._listeners[topic]:
                    del self._listeners[topic]

    def publish(self, topic: str, what: str) -> None:
        """Notify the subscriptions of a topic."""
        for subscription in self._listeners.get(topic, ()):
            subscription.add(what)

    def end(self) -> None:
        """End all subscriptions. Otherwise a server that waits for open connections would wait forever."""
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.end()


def user_topic(user_id: str) -> str:
    """Return the topic for one user: the lists "wikis" and "shared", and the profile, "me"."""
    return f"user:{user_id}"


def wiki_topic(wiki_id: str) -> str:
    """Return the topic for the attributes of one wiki: "wiki"."""
    return f"wiki:{wiki_id}"


def members_topic(wiki_id: str) -> str:
    """Return the topic for the members and invitations of one wiki: "members"."""
    return f"members:{wiki_id}"


async def wiki_changed(events: Live, store: WikibotStore, key: WikiKey) -> None:
    """Notify everybody whose page shows the wiki: its owner, its members, and those who have it open."""
    events.publish(user_topic(key.owner_id), "wikis")
    events.publish(wiki_topic(key.wiki_id), "wiki")
    async for acl in store.acls.iter_by_wiki(key):
        events.publish(user_topic(acl.grantee_id), "shared")
