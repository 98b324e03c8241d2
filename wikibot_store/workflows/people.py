"""The end of a user: nothing that the user owned or claimed is left."""

import asyncio
from typing import Literal

from wikibot_store._expressions import Update, absent_or
from wikibot_store._items import WRITE_ID, Item, number, string
from wikibot_store._table import ConditionFailedError
from wikibot_store._tables import Tables
from wikibot_store._transaction import Transaction, TransactionRefusedError
from wikibot_store._wire import contention_delay
from wikibot_store.daos.users import claims_of, linked_identities, own_or_free
from wikibot_store.errors import UserOwnsWikisError
from wikibot_store.keys import WikiKey
from wikibot_store.models import User, UserStatus
from wikibot_store.workflows.lifecycle import delete_wiki

OwnedWikis = Literal["refuse", "delete"]
"""What to do if the user owns wikis."""

DELETION = "deletion"
"""The attribute of a user that `delete_user` has marked; it says what was to become of the wikis."""


async def delete_user(tables: Tables, user_id: str, *, wikis: OwnedWikis) -> None:
    """Mark the user, so that no wiki is created any more; delete the wikis; delete the user with all claims at once."""
    key = (user_id,)
    attempt = 0
    while True:
        attempt += 1
        item = await tables.users.get_item(key)
        if item is None:
            return
        try:
            if item.get(DELETION) != string(wikis) or item.get("status") != string(UserStatus.DELETING.value):
                await _mark(tables, item, wikis)
                continue
            if wikis == "delete":
                await _delete_wikis(tables, user_id)
            await _delete_with_claims(tables, item)
        except (ConditionFailedError, TransactionRefusedError):
            await asyncio.sleep(contention_delay(attempt))
        else:
            return


async def _mark(tables: Tables, item: Item, wikis: OwnedWikis) -> None:
    """Set the status, unless there are wikis that must not be deleted."""
    user = tables.users.codec.from_item(item, tables.users.name)
    condition = tables.users.unchanged(item, WRITE_ID)
    if wikis == "refuse":
        owned = max(user.wiki_count, await _count_wikis(tables, user.id))
        if owned:
            raise UserOwnsWikisError(tables.users.name, tables.users.key((user.id,)), owned)
        condition &= absent_or("wiki_count", "=", number(0))
    update = Update(set={"status": string(UserStatus.DELETING.value), DELETION: string(wikis)})
    await tables.users.patch((user.id,), update, condition)


async def _count_wikis(tables: Tables, user_id: str) -> int:
    return sum([len(wikis) async for wikis in tables.wikis.partition(user_id, keys_only=True)])


async def _delete_wikis(tables: Tables, user_id: str) -> None:
    async for wikis in tables.wikis.partition(user_id, keys_only=True):
        for wiki in wikis:
            await delete_wiki(tables, WikiKey(user_id, wiki["wiki_slug"]["S"]))


async def _delete_with_claims(tables: Tables, item: Item) -> None:
    """Delete the user as it was seen, and all that it claims.

    Raises:
        TransactionRefusedError: The user has changed.

    """
    user: User = tables.users.codec.from_item(item, tables.users.name)
    transaction = Transaction(tables.wire)
    transaction.delete("user", tables.users, (user.id,), tables.users.unchanged(item, WRITE_ID))
    for claim in claims_of(user, linked_identities(item)):
        transaction.delete(claim, tables.claims, (claim,), own_or_free(user))
    await transaction.commit(tables.users, (user.id,))
