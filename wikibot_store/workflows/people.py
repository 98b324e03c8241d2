"""Users and what is theirs: wikis are counted right, and nothing owned or claimed is left at the end."""

from typing import Literal, get_args

from wikibot_store._dynamo.expressions import Update, absent_or
from wikibot_store._dynamo.items import WRITE_ID, Item, number, string
from wikibot_store._dynamo.table import ConditionFailedError
from wikibot_store._dynamo.transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import Contention
from wikibot_store.errors import NotFoundError, UserOwnsWikisError
from wikibot_store.keys import WikiKey
from wikibot_store.models import UserStatus
from wikibot_store.workflows.claims import claims_of, own_or_free
from wikibot_store.workflows.lifecycle import delete_wiki
from wikibot_store.workflows.tables import Tables

OwnedWikis = Literal["refuse", "delete"]
"""What to do if the user owns wikis."""

_DELETION = "deletion"
DELETION_ATTRIBUTES = (_DELETION,)
"""The attributes of a user who is being deleted, besides the status: what is to become of the wikis."""

_DELETING = string(UserStatus.DELETING.value)


async def delete_user(tables: Tables, user_id: str, *, wikis: OwnedWikis, resume: bool = False) -> bool:
    """Mark the user, so that no wiki is created any more; delete the wikis; delete the user with all claims at once.

    With `resume`, a user who is not marked, or no longer, is left alone. Return whether there was a user.
    """
    contention = Contention()
    found = False
    while True:
        item = await tables.users.get_item((user_id,))
        if item is None:
            return found
        found = True
        try:
            if resume and deletion_of(item) != wikis:
                return found
            if deletion_of(item) != wikis:
                await _mark(tables, item, wikis)
            elif wikis == "refuse" or not await _delete_wikis(tables, user_id):
                await _delete_with_claims(tables, item)
                return found
        except (ConditionFailedError, TransactionRefusedError):
            await contention.pause()


def deletion_of(item: Item) -> OwnedWikis | None:
    """Return what is to become of the wikis of a user that `delete_user` has marked; None if it has not."""
    if item.get("status") != _DELETING:
        return None
    return next((choice for choice in get_args(OwnedWikis) if item.get(_DELETION) == string(choice)), None)


async def _mark(tables: Tables, item: Item, wikis: OwnedWikis) -> None:
    """Set the status, unless there are wikis that must not be deleted."""
    user = tables.users.decode(item)
    condition = tables.users.unchanged(item, WRITE_ID)
    if wikis == "refuse":
        owned = max(user.wiki_count, await count_wikis(tables, user.id))
        if owned:
            raise UserOwnsWikisError(*tables.users.where((user.id,)), owned)
        condition &= absent_or("wiki_count", "=", number(0))
    update = Update(set={"status": _DELETING, _DELETION: string(wikis)})
    await tables.users.patch((user.id,), update, condition)


async def count_wikis(tables: Tables, user_id: str) -> int:
    """Count the wikis of an owner; one that is being renamed has two items and counts once.

    Several pages are read until two passes agree: a wiki that is renamed between two of them may be on none.
    """
    seen: set[str] | None = None
    while True:
        pages = [wikis async for wikis in tables.wikis.partition(user_id)]
        wikis = {str(wiki.get("uid", wiki["wiki_slug"])) for page in pages for wiki in page}
        if len(pages) == 1 or wikis == seen:
            return len(wikis)
        seen = wikis


async def reconcile_wiki_count(tables: Tables, user_id: str) -> int:
    """Set a user's count to the number of wikis that are there; return it."""
    contention = Contention()
    while True:
        item = await tables.users.get_item((user_id,))
        if item is None:
            raise NotFoundError(*tables.users.where((user_id,)))
        wikis = await count_wikis(tables, user_id)
        if item.get("wiki_count", number(0)) == number(wikis):
            return wikis
        # Whatever is counted in or out stamps the user: the count is right only if nothing was since it was read.
        unchanged = tables.users.unchanged(item, WRITE_ID)
        try:
            await tables.users.patch((user_id,), Update(set={"wiki_count": number(wikis)}), unchanged)
        except ConditionFailedError:
            await contention.pause()
        else:
            return wikis


async def _delete_wikis(tables: Tables, user_id: str) -> bool:
    """Return whether there were any: then the user has been counted down, and there may be others behind them."""
    found = False
    async for wikis in tables.wikis.partition(user_id, keys_only=True):
        for wiki in wikis:
            found = True
            await delete_wiki(tables, WikiKey(user_id, wiki["wiki_slug"]["S"]))
    return found


async def _delete_with_claims(tables: Tables, item: Item) -> None:
    """Delete the user as it was seen, and all that it claims; what somebody else claims too stays theirs.

    Raises:
        TransactionRefusedError: The user has changed.

    """
    user_id, claims = item["id"]["S"], claims_of(tables.users, item)
    while True:
        transaction = Transaction(tables.wire)
        transaction.delete("user", tables.users, (user_id,), tables.users.unchanged(item, WRITE_ID))
        for claim in claims:
            transaction.delete(claim, tables.claims, (claim,), own_or_free(user_id))
        try:
            await transaction.commit(tables.users, (user_id,))
        except TransactionRefusedError as refused:
            if refused.failed("user"):
                raise
            claims = [claim for claim in claims if not refused.failed(claim)]
        else:
            return
