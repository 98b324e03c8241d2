"""All users, wikis and grants, for jobs that need every one of them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Generic, Self, TypeVar

import msgspec

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.items import Item
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.scan import Position, parse, scan, start
from wikibot_store._dynamo.table import Table
from wikibot_store._wire import Pace, access_pattern, log_skipped, working_for
from wikibot_store.errors import CorruptItemError
from wikibot_store.keys import CLAIM
from wikibot_store.models import Acl, User, Wiki, WikiStatus
from wikibot_store.workflows.lifecycle import other_end
from wikibot_store.workflows.tables import Move, Tables

M = TypeVar("M", bound=msgspec.Struct)

_PAGE = 500


class Scan(Generic[M]):
    """An iterator over all items of a table, in no order. It reads ahead by at most one page per segment.

        users = store.admin.iter_users(max_rcu=50)
        async for user in users:
            await work(user)
            await save(users.resume)

    To stop early, call `aclose()`, which cancels the requests that are under way.
    """

    def __init__(
        self,
        name: str,
        table: Table[Any],
        give: Callable[[Item], Awaitable[M | None]],
        *,
        segments: int,
        max_rcu: float | None,
        resume: str | None,
    ) -> None:
        position = start(name, segments) if resume is None else parse(resume, {name: table})
        limit = _PAGE if max_rcu is None else max(1, min(_PAGE, int(max_rcu)))  # about a second's worth
        self._table = table
        self._give = give
        self._position: Position | None = position
        self._last: tuple[int, Key] | None = None
        self._pattern = access_pattern()  # later, the method that returns this iterator is not on the stack
        self._report: Callable[[CorruptItemError], None] = partial(log_skipped, "Scan")
        self._pages = scan({name: partial(table.scan, limit=limit)}, position, Pace(max_rcu))
        self._models = self._each()

    @property
    def resume(self) -> str | None:
        """The position after the item that was given last: save it when that item is done. None after the last item.

        To continue, pass it to the method that has returned this iterator.
        """
        if self._position is None:
            return None
        return (self._position if self._last is None else self._position.moved(*self._last)).text

    def wrapped(self, wrapper: Callable[[AsyncGenerator[M, None]], AsyncGenerator[M, None]]) -> Self:
        """Give the items through another generator from now on, such as one that measures; return this iterator."""
        self._models = wrapper(self._models)
        return self

    def reporting(self, report: Callable[[CorruptItemError], None]) -> Self:
        """Pass the error of each item that does not decode to `report` instead of the log; return this iterator."""
        self._report = report
        return self

    def __aiter__(self) -> Self:
        """Return the iterator itself."""
        return self

    async def __anext__(self) -> M:
        """Return the next item."""
        return await anext(self._models)

    async def aclose(self) -> None:
        """Stop; cancel the requests that are under way."""
        await self._models.aclose()
        await self._pages.aclose()

    async def _each(self) -> AsyncGenerator[M, None]:
        async with aclosing(self._pages) as pages:
            async for page in pages:
                for item in page.items:
                    model = await self._give_or_log(item)
                    if model is not None:
                        self._last = page.segment, self._table.key_in(item)
                        yield model
                self._position, self._last = page.position, None

    async def _give_or_log(self, item: Item) -> M | None:
        with working_for(self._pattern):
            try:
                return await self._give(item)
            except CorruptItemError as error:
                self._report(error)
                return None


def all_users(tables: Tables, *, segments: int, max_rcu: float | None, resume: str | None) -> Scan[User]:
    """Return all users. Claims, which are in the same table, are left out."""

    async def give(item: Item) -> User | None:
        return None if tables.users.key_in(item)[0].startswith(CLAIM) else tables.users.decode(item)

    return Scan("users", tables.users, give, segments=segments, max_rcu=max_rcu, resume=resume)


def all_wikis(tables: Tables, *, segments: int, max_rcu: float | None, resume: str | None) -> Scan[Wiki]:
    """Return all live wikis, each that is moving once."""
    give = partial(_give_wiki, tables, set())
    return Scan("wikis", tables.wikis, give, segments=segments, max_rcu=max_rcu, resume=resume)


async def _give_wiki(tables: Tables, moving: set[str], item: Item) -> Wiki | None:
    """Return the live wiki that an item belongs to, None if it was given already.

    A wiki that moves has an item at both ends. Whichever is read first stands for the wiki, and `moving` remembers it:
    the move may switch to the other end before the scan gets there.
    """
    state = tables.moves.decode(item)
    if state.uid in moving:
        return None
    is_live = state.status in {WikiStatus.ACTIVE, WikiStatus.MOVING}
    wiki = tables.wikis.decode(item) if is_live else await _live_end(tables, state)
    if wiki is not None and (state.status is not WikiStatus.ACTIVE or state.operation is not None):
        moving.add(state.uid)
    return wiki


async def _live_end(tables: Tables, state: Move) -> Wiki | None:
    """Return the live wiki of a move's end that is not live, None if it is the rest of a deleted wiki.

    Before the switch the wiki is live at the source, afterwards at the target. The target is read last, so that a
    switch between the two reads is noticed.
    """
    ends = (state.moving_from, state.wiki_id) if state.status is WikiStatus.ARRIVING else (state.moved_to,)
    for wiki_id in filter(None, ends):
        key = other_end(tables, state, wiki_id)
        wiki = await tables.wikis.get(key.owner_id, key.wiki_slug, consistent=True)
        if wiki is not None and wiki.is_live and wiki.uid == state.uid:
            return wiki
    return None


def all_acls(tables: Tables, *, segments: int, max_rcu: float | None, resume: str | None) -> Scan[Acl]:
    """Return all grants and invitations that have not expired."""

    async def give(item: Item) -> Acl | None:
        acl = tables.acls.decode(item)
        return None if acl.is_expired(utc_now()) else acl

    return Scan("acls", tables.acls, give, segments=segments, max_rcu=max_rcu, resume=resume)
