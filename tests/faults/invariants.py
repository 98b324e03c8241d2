"""The invariants between the stored items, checked on the tables."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from wikibot_store import InvalidKeyError, WikibotStore
from wikibot_store.keys import oauth_claim, username_claim
from wikibot_store.schema import TABLES
from wikibot_store.workflows.legacy import incarnation

Item = dict[str, Any]
"""An item as DynamoDB writes it."""

_CLAIM = "claim#"


@dataclass(frozen=True)
class Stored:
    """All that is stored, by the tables' names in the schema."""

    tables: Mapping[str, list[Item]]

    @classmethod
    def of(cls, **tables: list[Item]) -> Self:
        """Return these items; a table that is not given is empty."""
        return cls({schema.name: tables.get(schema.name, []) for schema in TABLES})

    @property
    def users(self) -> list[Item]:
        """The users and their claims."""
        return self.tables["users"]

    @property
    def wikis(self) -> list[Item]:
        """The wikis."""
        return self.tables["wikis"]

    @property
    def acls(self) -> list[Item]:
        """The grants and invitations."""
        return self.tables["acls"]

    @property
    def people(self) -> dict[str, Item]:
        """The items of the users table that are users, by id."""
        return {item["id"]["S"]: item for item in self.users if not item["id"]["S"].startswith(_CLAIM)}

    @property
    def claims(self) -> dict[str, str]:
        """The user id of each claim in the users table, by the id of the claim."""
        return {
            item["id"]["S"]: item.get("user_id", {}).get("S", "")
            for item in self.users
            if item["id"]["S"].startswith(_CLAIM)
        }


async def read_all(store: WikibotStore) -> Stored:
    """Scan all tables with consistent reads."""
    items = await asyncio.gather(*[_scan(store, schema.name) for schema in TABLES])
    return Stored({schema.name: found for schema, found in zip(TABLES, items, strict=True)})


async def _scan(store: WikibotStore, table: str) -> list[Item]:
    pages = (
        (await store.client())
        .get_paginator("scan")
        .paginate(TableName=store.config.table_name(table), ConsistentRead=True)
    )
    return [item async for page in pages for item in page["Items"]]


async def violations(store: WikibotStore) -> list[str]:
    """Return the violated invariants of the items in a store."""
    return violations_among(await read_all(store))


def violations_among(stored: Stored) -> list[str]:
    """Return the violated invariants of these items, each as a sentence."""
    return sorted([*_wrong_counts(stored), *_wrong_claims(stored), *_wrong_grants(stored)])


def _wrong_counts(stored: Stored) -> Iterator[str]:
    """Compare every user's `wiki_count` with the wikis that count: all but those that arrive or are being deleted."""
    counted = Counter(wiki["owner_id"]["S"] for wiki in stored.wikis if _counts(wiki))
    for user_id, user in stored.people.items():
        count = int(user.get("wiki_count", {}).get("N", "0"))
        if count != counted[user_id]:
            yield f"user {user_id} counts {count} wikis and has {counted[user_id]}"
    for owner_id in counted.keys() - stored.people.keys():
        yield f"wiki of {owner_id}: there is no such user"


def _counts(wiki: Item) -> bool:
    """Return whether a wiki's item counts; without an id of an operation it is as an earlier version left it."""
    is_live = wiki.get("status", {"S": "active"})["S"] in {"active", "moving"}
    return is_live or not wiki.keys() & {"operation", "uncounted"}


def _wrong_claims(stored: Stored) -> Iterator[str]:
    """Compare the claims with the identities and usernames of the users."""
    wanted = [(claim, user_id) for user_id, user in stored.people.items() for claim in _claims_of(user)]
    for claim, user_id in wanted:
        holder = stored.claims.get(claim)
        if holder != user_id:
            yield f"user {user_id} lacks {claim}" + ("" if holder is None else f", which {holder} has")
    for claim in stored.claims.keys() - dict(wanted).keys():
        yield f"{claim} of {stored.claims[claim]}: nobody has it"


def _claims_of(user: Item) -> Iterable[str]:
    """Return the claims that a user must have, for the identities and the username.

    Nobody can claim an identity of another program that breaks the rules.
    """
    with suppress(InvalidKeyError):
        yield oauth_claim(user["oauth_provider"]["S"], user["oauth_provider_sub"]["S"])
    for identity in user.get("identities", {}).get("S", "").split():
        provider, _, sub = identity.partition("#")
        yield oauth_claim(provider, sub)
    if "username" in user:
        yield username_claim(user["username"]["S"])


def _wrong_grants(stored: Stored) -> Iterator[str]:
    """Check that the wiki of each grant exists, in the incarnation that the grant was given for."""
    uids = {f"{wiki['owner_id']['S']}:{wiki['wiki_slug']['S']}": incarnation(wiki)["S"] for wiki in stored.wikis}
    for acl in stored.acls:
        wiki_id, grantee_id = acl["wiki_id"]["S"], acl["grantee_id"]["S"]
        if wiki_id not in uids:
            yield f"grant of {wiki_id} to {grantee_id}: there is no such wiki"
        elif acl.get("wiki_uid", {"S": uids[wiki_id]})["S"] != uids[wiki_id]:
            yield f"grant of {wiki_id} to {grantee_id}: it is for another wiki"
