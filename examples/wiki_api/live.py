"""Word to open pages that something changed, over server-sent events.

An event says what to read again and nothing else. So none of it needs to be kept, none is lost by being late, and who
may see what is decided where it is read. This serves one process; several would pass the word on by what they share,
such as a stream of the tables or a message broker.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager


class Subscription:
    """What changed since it was last asked for; however much happens, it holds each name once."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        self._ended = False

    def add(self, what: str) -> None:
        """Note a change."""
        self._changed[what] = None
        self._news.set()

    def end(self) -> None:
        """Let the iteration end."""
        self._ended = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Wait for changes and name them, until the end."""
        while not self._ended:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for what in changed:
                yield what


class Live:
    """Topics, and who listens to them."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Subscription]] = defaultdict(set)

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[Subscription]:
        """Listen to topics while the block lasts."""
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
        """Tell those who listen to a topic."""
        for subscription in self._listeners.get(topic, ()):
            subscription.add(what)

    def end(self) -> None:
        """Let all who listen go: a server that waits for open connections would wait for these forever."""
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.end()


def user_topic(user_id: str) -> str:
    """Return the topic of what one user sees: "wikis" and "shared"."""
    return f"user:{user_id}"


def wiki_topic(wiki_id: str) -> str:
    """Return the topic of what the owners of one wiki see: "members"."""
    return f"wiki:{wiki_id}"
