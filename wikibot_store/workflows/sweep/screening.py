"""Which items of a page have to be inspected: those that a few batch reads do not show to be sound.

The reads are consistent, but a batch is not a snapshot of several items, and the inspection may come much later. So
what they return is never a reason to report or repair anything, only to inspect the item (inspection.py).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

from wikibot_store._dynamo.items import Item, number
from wikibot_store._dynamo.reads import Key, batch_get_items
from wikibot_store._dynamo.table import Table
from wikibot_store.keys import CLAIM, WikiKey, is_invite
from wikibot_store.schema import USERS
from wikibot_store.workflows.claims import claims_of, is_deleting
from wikibot_store.workflows.legacy import INCARNATION
from wikibot_store.workflows.people import count_wikis
from wikibot_store.workflows.sweep.inspection import (
    UNREADABLE,
    claim_in,
    grantee_of,
    holds,
    inspect_acl,
    is_at_rest,
    wiki_key_of,
)
from wikibot_store.workflows.tables import Tables

_BATCH = 100


class Screening:
    """Screens so many pages at the same time, with no more requests than there are connections.

    Each method returns the items that it cannot show to be sound.
    """

    def __init__(self, tables: Tables, pages: int) -> None:
        self._tables = tables
        self._at_once = max(1, tables.wire.config.max_pool_connections // pages)

    async def wikis(self, items: Sequence[Item]) -> list[Item]:
        """Return the wikis that are deleted or move, and those whose owner is not found."""
        tables = self._tables
        owners = await self._read(
            ((tables.users, (item["owner_id"]["S"],)) for item in items), names={tables.users: USERS.key}
        )

        def is_sound(item: Item) -> bool:
            state = tables.moves.decode(item)
            WikiKey(*state.key)  # it may be none
            tables.wikis.decode(item)
            return is_at_rest(state) and (state.owner_id,) in owners[tables.users]

        return [item for item in items if not _holds(is_sound, item)]

    async def users(self, items: Sequence[Item]) -> list[Item]:
        """Return the users whose claims or count are wrong, and the claims whose users do not have them."""
        users = self._tables.users
        keys = [users.key_in(item) for item in items]
        named = [self._named_by(item) for item in items]
        found = (await self._read((users, key) for key in chain(*filter(None, named))))[users]
        claims = {key: self._named_by(item) for key, item in found.items() if not key[0].startswith(CLAIM)}
        sound = [False] * len(items)

        async def count(place: int) -> None:
            wikis = await count_wikis(self._tables, *keys[place])
            sound[place] = items[place].get("wiki_count", number(0)) == number(wikis)

        to_count: list[int] = []
        for place, (key, names) in enumerate(zip(keys, named, strict=True)):
            if names is None:
                continue
            if key[0].startswith(CLAIM):
                sound[place] = key in (claims.get(names[0]) or ())
            elif all(holds(key[0], found.get(claim)) for claim in names):
                to_count.append(place)
        await self._each(map(count, to_count))
        return [item for place, item in enumerate(items) if not sound[place]]

    def _named_by(self, item: Item) -> list[Key] | None:
        """Return the keys of a user's claims, or of a claim's user; None for what has to be inspected anyway."""
        users = self._tables.users
        try:
            if users.key_in(item)[0].startswith(CLAIM):
                return [(claim_in(self._tables, item).user_id,)]
            claims = claims_of(users, item)
        except UNREADABLE:
            return None
        return None if is_deleting(item) else [(claim,) for claim in claims]

    async def acls(self, items: Sequence[Item]) -> list[Item]:
        """Return the grants whose wiki or user is not found, and those of an earlier wiki."""
        wikis, users = self._tables.wikis, self._tables.users
        found = await self._read(
            chain(
                ((wikis, key) for key in map(wiki_key_of, items) if key is not None),
                ((users, key) for key in map(grantee_of, items) if not is_invite(*key)),
            ),
            names={wikis: INCARNATION, users: USERS.key},
        )
        return [item for item in items if inspect_acl(self._tables, item, found[wikis], found[users]) is not None]

    async def others(self, items: Sequence[Item]) -> list[Item]:
        """Return all items of any other table: their inspection sends no request."""
        return list(items)

    async def _read(
        self, wanted: Iterable[tuple[Table[Any], Key]], names: Mapping[Any, Sequence[str]] = MappingProxyType({})
    ) -> Mapping[Table[Any], Mapping[Key, Item]]:
        """Read items consistently, each once, as they are stored; of the tables in `names` only these attributes."""
        keys = list(dict.fromkeys(wanted))
        found: dict[Table[Any], dict[Key, Item]] = defaultdict(dict)

        async def read(batch: Sequence[tuple[Table[Any], Key]]) -> None:
            by_table: dict[Any, list[Key]] = defaultdict(list)
            for table, key in batch:
                by_table[table].append(key)
            answer = await batch_get_items(self._tables.wire, by_table, consistent=True, names=names)
            for table in by_table:
                found[table] |= answer[table]

        await self._each(read(keys[begin : begin + _BATCH]) for begin in range(0, len(keys), _BATCH))
        return found

    async def _each(self, work: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Do all of it, several at the same time; if one fails, cancel the others."""
        left = iter(work)

        async def some() -> None:
            for each in left:
                await each

        # They return no items: asyncio's debug mode would log them.
        tasks = [asyncio.create_task(some()) for _ in range(self._at_once)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _holds(test: Callable[[Item], bool], item: Item) -> bool:
    """Return whether an item passes a test; one that does not decode does not."""
    try:
        return test(item)
    except UNREADABLE:
        return False
