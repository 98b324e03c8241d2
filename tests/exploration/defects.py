"""Ten defects that an earlier version had, each as the shortest case in which an exploration finds it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest
from msgspec.structs import replace

from tests.exploration.plan import Case
from tests.exploration.service import (
    SWEEP,
    accept,
    count,
    delete,
    delete_user,
    rename,
    revoke,
    set_status,
    transfer,
)
from wikibot_store import Wiki, WikiKey, WriteOutcomeUnknownError
from wikibot_store._dynamo.expressions import Condition, Update, equals
from wikibot_store._dynamo.items import Item, string
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store._dynamo.transaction import TransactionRefusedError
from wikibot_store.daos.wikis import WikiDao
from wikibot_store.models import WikiStatus
from wikibot_store.workflows import lifecycle, moves, people, sharing
from wikibot_store.workflows.tables import OPERATION, Move, Tables

_TO_B = rename("ada", "a", "b")
_TO_CYD = transfer("ada", "a", "cyd")

DEFECTS = {
    "a late move goes on with a later one": Case(
        "one editor", [_TO_B, delete("ada", "b"), _TO_B], "two preemptions", [None, None, 1]
    ),
    "a late clean-up deletes a later move's remnant, and not its grants": Case(
        "one editor",
        [
            _TO_B,
            _TO_B,
            rename("ada", "b", "a"),
            rename("ada", "a", "c"),
            revoke("ada", "c", "bob"),
            rename("ada", "c", "a"),
        ],
        "two preemptions",
        [None, None, 1, 2, 3, 4],
    ),
    "a late clean-up counts a wiki out that has come back": Case(
        "one editor",
        [_TO_CYD, _TO_CYD, transfer("cyd", "a", "ada"), _TO_B],
        "two preemptions",
        [None, None, 1, 2],
    ),
    "a revoke does not follow a wiki that moved twice": Case(
        "rename, cut off after 7", [rename("ada", "b", "c"), revoke("ada", "a", "bob")], "plain", [None, 0]
    ),
    "a revoke takes a move for its own effect": Case(
        "one editor", [_TO_B, revoke("ada", "a", "bob")], "one answer lost"
    ),
    "a count takes what a move has left for a wiki": Case(
        "one editor", [_TO_B, delete("ada", "b"), count("ada")], "plain", [None, None, 1]
    ),
    "a move that took effect says that there is no wiki": Case("one editor", [_TO_B, rename("ada", "b", "c")], "plain"),
    "two deletions of a user keep each other from ending": Case(
        "no wiki", [delete_user("ada", "refuse"), delete_user("ada", "delete")], "plain"
    ),
    "a sweep goes on with a deletion that was called off": Case(
        "delete user, cut off after 2", [SWEEP, set_status("ada", "active")], "plain"
    ),
    "a count misses a wiki that moves while it reads": Case(
        "renamed", [rename("ada", "b", "a"), count("ada")], "torn reads"
    ),
}


FOUND_SINCE = {
    "an invitation is accepted twice by somebody who has its role": Case(
        "invitation", [accept("bob"), accept("cyd")], "one answer lost"
    ),
    "a rename does not find a wiki that moves there and back between its reads": Case(
        "renamed", [_TO_B, _TO_B, rename("ada", "b", "a")], "two preemptions"
    ),
}

# ---- what prevents them, taken out


@contextmanager
def _replaced(*replacements: tuple[object, str, object]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for where, name, value in replacements:
            patch.setattr(where, name, value)
        yield


def _one_id_for_all() -> AbstractContextManager[None]:
    """Give every move and every deletion the same id, so that steps are bound to the state alone."""
    return _replaced(*[(module, "new_write_id", lambda: "one id") for module in (lifecycle, moves)])


def _remnants_are_wikis() -> AbstractContextManager[None]:
    """Let a wiki move again before what the last move has left is deleted, and a revoke take that for the wiki."""

    async def place_of(tables: Tables, key: WikiKey, deadline: float) -> tuple[WikiKey, Move | None]:
        wiki = await lifecycle.read_move(tables, key, deadline=deadline)
        return key, None if wiki is None else replace(wiki, status=WikiStatus.ACTIVE)

    def same(wiki: Move) -> Condition:
        return equals("uid", string(wiki.uid))

    async def forget(tables: Tables, wiki: Move) -> None:
        await tables.moves.patch(wiki.key, Update(remove=(OPERATION,)))

    return _replaced((sharing, "_place_of", place_of), (sharing, "still", same), (moves, "settle", forget))


def _true_if_unknown() -> AbstractContextManager[None]:
    """Let a revoke be sure where it is not."""
    revoke = sharing.revoke

    async def be_sure(tables: Tables, key: WikiKey, grantee_id: str) -> bool:
        try:
            return await revoke(tables, key, grantee_id)
        except WriteOutcomeUnknownError:
            return True

    return _replaced((sharing, "revoke", be_sure))


def _everything_counts() -> AbstractContextManager[None]:
    """Count what moves have left."""
    return _replaced((people, "_counts", lambda _: True))


def _read_again() -> AbstractContextManager[None]:
    """Let a move return what is at the target afterwards."""
    switch = moves._switch

    async def switch_and_read(tables: Tables, wiki: Move, target: WikiKey, *, limit: int | None) -> Wiki:
        await switch(tables, wiki, target, limit=limit)
        return await WikiDao(tables).require(target.owner_id, target.wiki_slug, consistent=True)

    return _replaced((moves, "_switch", switch_and_read))


def _both_mark() -> AbstractContextManager[None]:
    """Let both kinds of deletion mark the user, each in its own way."""

    async def delete(tables: Tables, user_id: str, *, wikis: people.OwnedWikis, seen: Item | None = None) -> bool:
        del seen
        while True:
            item = await tables.users.get_item((user_id,))
            if item is None:
                return False
            with suppress(ConditionFailedError, TransactionRefusedError):
                if item.get("deletion") == string(wikis):
                    await people._delete_with_claims(tables, user_id, item)
                    return True
                mark = Update(set={"status": string("deleting"), "deletion": string(wikis)})
                await tables.users.patch((user_id,), mark, tables.users.unchanged(item))

    return _replaced((people, "delete_user", delete))


def _whatever_the_mark() -> AbstractContextManager[None]:
    """Delete the wikis of a user whatever has become of the deletion."""
    delete_wikis = people._delete_wikis

    async def delete_them(tables: Tables, user_id: str, mark: Item) -> bool:
        del mark
        return await delete_wikis(tables, user_id, {})

    return _replaced((people, "_delete_wikis", delete_them))


def _one_pass() -> AbstractContextManager[None]:
    """Count in one pass."""

    async def read(tables: Tables, user_id: str) -> tuple[Item | None, int]:
        return await tables.users.get_item((user_id,)), await people.count_wikis(tables, user_id)

    return _replaced((people, "_read_with_wikis", read))


TAKEN_OUT: dict[str, Callable[[], AbstractContextManager[None]]] = dict(
    zip(
        DEFECTS,
        [
            _one_id_for_all,
            _one_id_for_all,
            _one_id_for_all,
            _remnants_are_wikis,
            _true_if_unknown,
            _everything_counts,
            _read_again,
            _both_mark,
            _whatever_the_mark,
            _one_pass,
        ],
        strict=True,
    )
)
