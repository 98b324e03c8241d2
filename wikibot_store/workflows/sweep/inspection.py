"""What crashes and restores may have left in each table, recognised from the items and what belongs to them.

An inspection decides by fresh consistent reads of single items. A suspect is repaired by the very call that was cut
off, or by a transaction that checks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from wikibot_store._dynamo.expressions import Condition, compare
from wikibot_store._dynamo.items import Item, number, string
from wikibot_store._dynamo.reads import Key
from wikibot_store._dynamo.table import Table
from wikibot_store._dynamo.transaction import Transaction
from wikibot_store._wire import access_pattern, working_for
from wikibot_store.errors import CorruptItemError, InvalidKeyError
from wikibot_store.keys import CLAIM, WikiKey, check_id, is_invite, oauth_claim
from wikibot_store.models import Identity, WikiStatus
from wikibot_store.workflows.claims import claims_of, may_claim, own_or_free
from wikibot_store.workflows.identities import find_unclaimed
from wikibot_store.workflows.legacy import incarnation
from wikibot_store.workflows.lifecycle import ends_of, finish_delete, give_up_move
from wikibot_store.workflows.moves import settle
from wikibot_store.workflows.people import (
    count_wikis,
    delete_user,
    deletion_of,
    is_count_wrong,
    reconcile_wiki_count,
)
from wikibot_store.workflows.sharing import FOREIGN
from wikibot_store.workflows.sweep.findings import FindingKind, Suspect, corrupt, to_remove
from wikibot_store.workflows.tables import Claim, Move, Tables

Found = Mapping[Key, Item | None]
"""What was read, by key: None, or nothing, for a key without an item."""

UNREADABLE = (CorruptItemError, InvalidKeyError)
"""What is raised for items that only a person can repair."""


async def inspect_wikis(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find wikis that are half deleted, have half moved, or whose owner is missing."""
    owners = await existing(tables.users, ((item["owner_id"]["S"],) for item in items))
    return await _each(tables.wikis, items, partial(_inspect_wiki, tables, owners))


async def inspect_users(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find users that are half deleted, that lack a claim or are counted wrongly, and claims without their users."""
    return await _each(tables.users, items, partial(_inspect_user_or_claim, tables))


async def inspect_items(name: str, tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find items that do not decode in a table that needs no other inspection."""
    table: Table[Any] = getattr(tables, name)

    async def decode(item: Item) -> list[Suspect]:
        table.decode(item)
        return []

    return await _each(table, items, decode)


async def _each(
    table: Table[Any], items: Sequence[Item], inspect: Callable[[Item], Awaitable[list[Suspect]]]
) -> list[Suspect]:
    """Inspect all items at once; an item that does not decode is a suspect too."""

    async def inspect_or_report(item: Item) -> list[Suspect]:
        try:
            return await inspect(item)
        except UNREADABLE as error:
            return [corrupt(table, item, error)]

    with working_for(access_pattern()):
        return list(chain.from_iterable(await asyncio.gather(*map(inspect_or_report, items))))


# ---- wikis


async def _inspect_wiki(tables: Tables, owners: Found, item: Item) -> list[Suspect]:
    table, state = tables.wikis, tables.moves.decode(item)
    if state.status is WikiStatus.DELETING:
        finish = partial(_repair_wiki, tables, item, partial(finish_delete, tables, state))
        return [Suspect(kind=FindingKind.WIKI_DELETING, table=table, key=state.key, repair=finish)]
    WikiKey(*state.key)  # it may be none
    table.decode(item)  # the rest of it
    if is_at_rest(state):
        return [] if owners[(state.owner_id,)] is not None else [_without_owner(tables, state)]
    if state.status is WikiStatus.ACTIVE:
        repair = partial(_repair_wiki, tables, item, partial(settle, tables, state))
    else:
        source, target = await ends_of(tables, state)
        if state is target and source is not None:  # it is found there
            return []
        repair = partial(_repair_wiki, tables, item, partial(give_up_move, tables, state))
    return [Suspect(kind=FindingKind.WIKI_MOVING, table=table, key=state.key, repair=repair)]


def is_at_rest(wiki: Move) -> bool:
    """Return whether a wiki neither moves nor is being deleted."""
    return wiki.status is WikiStatus.ACTIVE and wiki.operation is None


def _without_owner(tables: Tables, wiki: Move) -> Suspect:
    """Return the suspect of a wiki whose owner is missing, perhaps only until the users are restored too.

    So a person decides: the deletion of a wiki cannot be taken back.
    """
    problem = "nobody can open it: create its owner, or delete it"
    return Suspect(kind=FindingKind.WIKI_WITHOUT_OWNER, table=tables.wikis, key=wiki.key, problem=problem)


async def _repair_wiki(tables: Tables, item: Item, repair: Callable[[], Awaitable[object]]) -> None:
    """Repair a wiki, which gets its `uid` first if another program has left it out."""
    await tables.moves.complete(item)
    await repair()


# ---- users


async def _inspect_user_or_claim(tables: Tables, item: Item) -> list[Suspect]:
    is_claim = tables.users.key_in(item)[0].startswith(CLAIM)
    return await (_inspect_claim if is_claim else _inspect_user)(tables, item)


def claim_in(tables: Tables, item: Item) -> Claim:
    """Return the claim that an item is.

    Raises:
        CorruptItemError: It does not decode.
        InvalidKeyError: Its user_id cannot be the id of a user.

    """
    claim = tables.claims.decode(item)
    check_id("user_id", claim.user_id)
    return claim


def holds(user_id: str, claim: Item | None) -> bool:
    """Return whether a claim that was read belongs to a user."""
    return claim is not None and claim.get("user_id") == string(user_id)


async def _inspect_claim(tables: Tables, item: Item) -> list[Suspect]:
    claim = claim_in(tables, item)
    user = await tables.users.get_item((claim.user_id,))
    if user is not None and may_claim(tables.users, user, claim.id):
        return []
    unused = tables.users.absent if user is None else tables.users.unchanged(user)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, (claim.user_id,), unused)
    return [to_remove(FindingKind.CLAIM_WITHOUT_USER, tables.claims, item, transaction)]


async def _inspect_user(tables: Tables, item: Item) -> list[Suspect]:
    user_id = tables.users.key_in(item)[0]
    if (wikis := deletion_of(item)) is not None:
        finish = partial(delete_user, tables, user_id, wikis=wikis, seen=item)
        return [Suspect(kind=FindingKind.USER_DELETING, table=tables.users, key=(user_id,), repair=finish)]
    suspects = []
    for claim_id in claims_of(tables.users, item):
        claim = await tables.claims.get_item((claim_id,))
        if not holds(user_id, claim):
            suspects.append(await _without_claim(tables, item, claim_id, claim))
    is_suspect = item.get("wiki_count", number(0)) != number(await count_wikis(tables, user_id))
    if is_suspect and await is_count_wrong(tables, user_id):
        recount = partial(reconcile_wiki_count, tables, user_id)
        suspects.append(Suspect(kind=FindingKind.WRONG_COUNT, table=tables.users, key=(user_id,), repair=recount))
    return suspects


async def _without_claim(tables: Tables, user: Item, claim_id: str, claim: Item | None) -> Suspect:
    kind, key = FindingKind.USER_WITHOUT_CLAIM, tables.users.key_in(user)
    first = Identity(user["oauth_provider"]["S"], user["oauth_provider_sub"]["S"])
    if claim is None and claim_id == oauth_claim(*first):
        oldest = await find_unclaimed(tables, first)
        if oldest is not None and tables.users.key_in(oldest) != key:
            problem = f"{tables.users.key_in(oldest)[0]} is older and has the same identity: delete one of the two"
            return Suspect(kind=kind, table=tables.users, key=key, problem=problem)
    if claim is not None:
        problem = f"somebody else holds {claim_id}: set_username or unlink_identity for one of them"
        return Suspect(kind=kind, table=tables.users, key=key, problem=problem)
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, key, tables.users.unchanged(user))
    transaction.put("claim", tables.claims, Claim(id=claim_id, user_id=key[0]), own_or_free(key[0]))
    repair = partial(transaction.commit, tables.users, key)
    return Suspect(kind=kind, table=tables.users, key=key, repair=repair)


# ---- acls


async def inspect_acls(tables: Tables, items: Sequence[Item]) -> list[Suspect]:
    """Find grants without their wiki or their user."""
    wikis = await existing(tables.wikis, (key for key in map(wiki_key_of, items) if key is not None))
    users = await existing(tables.users, (key for key in map(grantee_of, items) if not is_invite(*key)))
    found = [inspect_acl(tables, item, wikis, users) for item in items]
    return [suspect for suspect in found if suspect is not None]


def inspect_acl(tables: Tables, grant: Item, wikis: Found, users: Found) -> Suspect | None:
    """Return a grant as a suspect if something is wrong with it, by the wikis and users that were read."""
    wiki_key = wiki_key_of(grant)
    if wiki_key is None:
        return corrupt(tables.acls, grant, InvalidKeyError("wiki_id", "must be '<owner_id>:<wiki_slug>'"))
    wiki = wikis.get(wiki_key)
    if wiki is None:
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent)
    try:
        tables.acls.decode(grant)
    except CorruptItemError as error:
        return corrupt(tables.acls, grant, error)
    uid = grant.get("wiki_uid")
    if uid is not None and uid != incarnation(wiki):
        another = compare("uid", "<>", uid) if "uid" in wiki else tables.wikis.unchanged(wiki)
        return _without_wiki(tables, grant, wiki_key, tables.wikis.absent | another)
    if users.get(grantee_of(grant)) is None and not is_invite(*grantee_of(grant)) and FOREIGN not in grant:
        return _without_user(tables, grant)
    return None


def wiki_key_of(grant: Item) -> Key | None:
    """Return the key of the grant's wiki, None if the wiki_id is invalid."""
    try:
        key = WikiKey.parse(grant["wiki_id"]["S"])
    except InvalidKeyError:
        return None
    return key.owner_id, key.wiki_slug


def grantee_of(grant: Item) -> tuple[str]:
    """Return the key that the grantee has if it is a user."""
    return (grant["grantee_id"]["S"],)


async def existing(table: Table[Any], keys: Iterable[Key]) -> Found:
    """Read items consistently, one by one and all at the same time."""
    found: dict[Key, Item | None] = dict.fromkeys(keys)

    async def look(key: Key) -> None:
        found[key] = await table.get_item(key)

    # No task returns an item: asyncio's debug mode logs what tasks return.
    with working_for(access_pattern()):
        await asyncio.gather(*map(look, list(found)))
    return found


def _without_wiki(tables: Tables, grant: Item, wiki_key: Key, another: Condition) -> Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("wiki", tables.wikis, wiki_key, another)
    return to_remove(FindingKind.GRANT_WITHOUT_WIKI, tables.acls, grant, transaction)


def _without_user(tables: Tables, grant: Item) -> Suspect:
    transaction = Transaction(tables.wire)
    transaction.check("user", tables.users, grantee_of(grant), tables.users.absent)
    return to_remove(FindingKind.GRANT_WITHOUT_USER, tables.acls, grant, transaction)
