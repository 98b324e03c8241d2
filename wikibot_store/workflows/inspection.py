"""What crashes and restores may have left in each table, told from the items and what belongs to them.

A suspect is mended by the very call that was cut off, or by a transaction that checks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from wikibot_store._claims import claims_of, own_or_free
from wikibot_store._expressions import Condition, compare
from wikibot_store._items import WRITE_ID, Item, number, string
from wikibot_store._reads import KeyValues
from wikibot_store._table import Table
from wikibot_store._tables import Claim, Move, Tables
from wikibot_store._transaction import Transaction
from wikibot_store.errors import CorruptItemError, InvalidKeyError
from wikibot_store.keys import CLAIM, WikiKey, is_invite
from wikibot_store.models import WikiStatus
from wikibot_store.workflows.findings import Fault, Suspect, corrupt, key_in, to_remove
from wikibot_store.workflows.lifecycle import delete_wiki
from wikibot_store.workflows.moves import finish_move
from wikibot_store.workflows.people import count_wikis, delete_user, deletion_of, reconcile_wiki_count

_Found = Mapping[KeyValues, Item | None]

_UNREADABLE = (CorruptItemError, InvalidKeyError)


async def inspect_wikis(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find wikis that are half deleted or have half moved."""
    return await _each(tables.wikis, items, partial(_inspect_wiki, tables))


async def inspect_users(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find users that are half deleted, that lack a claim or are counted wrongly, and claims without their users."""
    return await _each(tables.users, items, partial(_inspect_user_or_claim, tables))


async def _each(
    table: Table[Any], items: Sequence[Item], inspect: Callable[[Item], Awaitable[list[Suspect]]]
) -> list[Suspect]:
    """Inspect all at once; what cannot be read is a suspect as well."""

    async def inspect_or_tell(item: Item) -> list[Suspect]:
        try:
            return await inspect(item)
        except _UNREADABLE as error:
            return [corrupt(table, item, error)]

    return list(chain.from_iterable(await asyncio.gather(*map(inspect_or_tell, items))))


# ---- wikis


async def _inspect_wiki(tables: Tables, item: Item) -> list[Suspect]:
    table, state = tables.wikis, tables.moves.decode(item)
    key = WikiKey(*state.key)
    if state.status is WikiStatus.MOVING:
        if state.moving_to is None:
            raise CorruptItemError(table.name, table.key(state.key), "it is moving, and `moving_to` is missing")
        finish = partial(finish_move, tables, item, WikiKey.parse(state.moving_to))
        return [Suspect(fault=Fault.WIKI_MOVING, table=table, key=state.key, mend=finish)]
    delete = partial(delete_wiki, tables, key, seen=state)
    if state.status is WikiStatus.DELETING:
        return [Suspect(fault=Fault.WIKI_DELETING, table=table, key=state.key, mend=delete)]
    if state.status is WikiStatus.ARRIVING and not await _is_awaited(tables, state):
        return [Suspect(fault=Fault.WIKI_MOVING, table=table, key=state.key, mend=delete)]
    table.decode(item)  # all of it
    return []


async def _is_awaited(tables: Tables, wiki: Move) -> bool:
    """Tell whether the wiki that is to arrive is still on its way; it is found and finished where it comes from."""
    if wiki.moving_from is None:
        return False
    source = WikiKey.parse(wiki.moving_from)
    item = await tables.wikis.get_item((source.owner_id, source.wiki_slug))
    return item is not None and (item.get("uid"), item.get("moving_to")) == (string(wiki.uid), string(wiki.wiki_id))


# ---- users


async def _inspect_user_or_claim(tables: Tables, item: Item) -> list[Suspect]:
    is_claim = key_in(tables.users, item)[0].startswith(CLAIM)
    return await (_inspect_claim if is_claim else _inspect_user)(tables, item)


async def _inspect_claim(tables: Tables, item: Item) -> list[Suspect]:
    claim = tables.claims.decode(item)
    user = await tables.users.get_item((claim.user_id,))
    if user is not None and _may_claim(tables, user, claim.id):
        return []
    unused = tables.users.absent if user is None else tables.users.unchanged(user, WRITE_ID)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, (claim.user_id,), unused)
    return [to_remove(Fault.CLAIM_WITHOUT_USER, tables.claims, item, transaction)]


def _may_claim(tables: Tables, user: Item, claim_id: str) -> bool:
    """Tell whether a claim is one of the user's, or the user's item, which is told by itself, does not say."""
    try:
        return claim_id in claims_of(tables.users, user)
    except _UNREADABLE:
        return True


async def _inspect_user(tables: Tables, item: Item) -> list[Suspect]:
    claims, user_id = claims_of(tables.users, item), key_in(tables.users, item)[0]
    if (wikis := deletion_of(item)) is not None:
        finish = partial(delete_user, tables, user_id, wikis=wikis, resume=True)
        return [Suspect(fault=Fault.USER_DELETING, table=tables.users, key=(user_id,), mend=finish)]
    suspects = []
    for claim_id in claims:
        claim = await tables.claims.get_item((claim_id,))
        if claim is None or claim.get("user_id") != string(user_id):
            suspects.append(_without_claim(tables, item, claim_id, claim))
    if item.get("wiki_count", number(0)) != number(await count_wikis(tables, user_id)):
        recount = partial(reconcile_wiki_count, tables, user_id)
        suspects.append(Suspect(fault=Fault.COUNT_IS_OFF, table=tables.users, key=(user_id,), mend=recount))
    return suspects


def _without_claim(tables: Tables, user: Item, claim_id: str, claim: Item | None) -> Suspect:
    fault, key = Fault.USER_WITHOUT_CLAIM, key_in(tables.users, user)
    if claim is not None:
        problem = f"somebody else holds {claim_id}: set_username or unlink_identity for one of them"
        return Suspect(fault=fault, table=tables.users, key=key, problem=problem)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, key, tables.users.unchanged(user, WRITE_ID))
    transaction.put("claim", tables.claims, Claim(id=claim_id, user_id=key[0]), own_or_free(key[0]))
    mend = partial(transaction.commit, tables.users, key)
    return Suspect(fault=fault, table=tables.users, key=key, mend=mend)


# ---- acls


async def inspect_acls(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find grants without their wiki or their user."""
    wikis = await _existing(tables.wikis, (key for key in map(_wiki_key, items) if key is not None))
    users = await _existing(tables.users, (_grantee(item) for item in items if not is_invite(*_grantee(item))))
    found = [_inspect_acl(tables, item, wikis, users) for item in items]
    return [suspect for suspect in found if suspect is not None]


def _inspect_acl(tables: Tables, grant: Item, wikis: _Found, users: _Found) -> Suspect | None:
    wiki_key = _wiki_key(grant)
    if wiki_key is None:
        return corrupt(tables.acls, grant, InvalidKeyError("wiki_id", "must be '<owner_id>:<wiki_slug>'"))
    wiki = wikis[wiki_key]
    if wiki is None:
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent)
    try:
        tables.acls.decode(grant)
    except CorruptItemError as error:
        return corrupt(tables.acls, grant, error)
    uid = grant.get("wiki_uid")
    if uid is not None and uid != wiki.get("uid"):
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent | compare("uid", "<>", uid))
    if users.get(_grantee(grant)) is None and not is_invite(*_grantee(grant)):
        return _without_user(tables, grant)
    return None


def _wiki_key(grant: Item) -> KeyValues | None:
    """Return the key of the grant's wiki, None if there cannot be one."""
    try:
        key = WikiKey.parse(grant["wiki_id"]["S"])
    except InvalidKeyError:
        return None
    return key.owner_id, key.wiki_slug


def _grantee(grant: Item) -> tuple[str]:
    return (grant["grantee_id"]["S"],)


async def _existing(table: Table[Any], keys: Iterable[KeyValues]) -> _Found:
    found: dict[KeyValues, Item | None] = dict.fromkeys(keys)

    async def look(key: KeyValues) -> None:
        found[key] = await table.get_item(key)

    # No task returns an item: asyncio's debug mode logs what tasks return.
    await asyncio.gather(*map(look, list(found)))
    return found


def _without_wiki(tables: Tables, grant: Item, wiki_key: KeyValues, another: Condition) -> Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, wiki_key, another)
    return to_remove(Fault.GRANT_WITHOUT_WIKI, tables.acls, grant, transaction)


def _without_user(tables: Tables, grant: Item) -> Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, _grantee(grant), tables.users.absent)
    return to_remove(Fault.GRANT_WITHOUT_USER, tables.acls, grant, transaction)
