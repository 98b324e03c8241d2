"""What the plain boto3 models of docs/how-to/migrate-from-boto3.md wrote, and their writers.

Their items lack `uid`, `version`, `status`, `write_id`, `wiki_count`, `wiki_uid` and the claims. Times may be missing.
Several programs wrote the times, each in its own form.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from wikibot_store import WikibotStore

Item = dict[str, Any]
"""An item as DynamoDB writes it."""

NULL: Item = {"NULL": True}
"""What boto3 stores for None."""

_BATCH_WRITE = 25
_SOME_DAY = datetime(2024, 5, 1, 9, tzinfo=UTC)
_FAR_OFF = datetime(2100, 1, 1, tzinfo=UTC)
_EAST = timezone(timedelta(hours=9))
_WEST = timezone(timedelta(hours=-5))

SPELLINGS: Mapping[str, Callable[[datetime], Item]] = {
    "seconds": lambda moment: {"S": f"{moment:%Y-%m-%dT%H:%M:%SZ}"},
    "JavaScript": lambda moment: {"S": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"},
    "Python": lambda moment: {"S": moment.isoformat()},
    "naive": lambda moment: {"S": moment.replace(tzinfo=None).isoformat()},
    "naive with a blank": lambda moment: {"S": str(moment.replace(tzinfo=None))},
    "east": lambda moment: {"S": moment.astimezone(_EAST).isoformat()},
    "west": lambda moment: {"S": moment.astimezone(_WEST).isoformat()},
    "epoch": lambda moment: {"N": str(int(moment.timestamp()))},
    "JavaScript epoch": lambda moment: {"N": str(int(moment.timestamp() * 1000))},
}
"""How old programs wrote a time, always one in UTC, as an attribute."""

EXPIRIES: Mapping[str, Callable[[datetime], Item]] = {
    name: SPELLINGS[name] for name in ("epoch", "JavaScript epoch", "seconds", "naive")
}
"""How they wrote the time at which a grant expires."""

NEW_ATTRIBUTES: Mapping[str, Item] = {
    "users": {
        "status": {"S": "active"},
        "tier": {"S": "free"},
        "version": {"N": "1"},
        "wiki_count": {"N": "0"},
        "write_id": {"S": "w-1"},
    },
    "wikis": {
        "disk_usage_bytes": {"N": "0"},
        "is_public": {"BOOL": False},
        "page_count": {"N": "0"},
        "status": {"S": "active"},
        "uid": {"S": "0f"},
        "version": {"N": "1"},
        "write_id": {"S": "w-1"},
    },
    "acls": {"granted_by": {"S": "somebody"}, "write_id": {"S": "w-1"}},
}
"""What a writer of both kinds may have added to an old item, by table."""


class Times(NamedTuple):
    """The spelling of one program's times; `spelled` returns no attribute where it wrote none."""

    spelling: str | None

    def spelled(self, **moments: datetime | None) -> Item:
        """Return the attributes of these times."""
        if self.spelling is None:
            return {}
        spell = SPELLINGS[self.spelling]
        return {name: spell(moment) for name, moment in moments.items() if moment is not None}


def an_old_user(user_id: str, provider: str, sub: str, times: Times, at: datetime, **attributes: Item) -> Item:
    """Return a user as UserModel wrote it."""
    identity = {"oauth_provider": {"S": provider}, "oauth_provider_sub": {"S": sub}}
    return {"id": {"S": user_id}, **identity, **times.spelled(created_at=at, updated_at=at), **attributes}


def an_old_wiki(owner_id: str, wiki_slug: str, times: Times, at: datetime, **attributes: Item) -> Item:
    """Return a wiki as WikiModel wrote it."""
    key = {"owner_id": {"S": owner_id}, "wiki_slug": {"S": wiki_slug}}
    told = {"display_name": {"S": wiki_slug.title()}, "repo_path": {"S": f"/srv/{owner_id}/{wiki_slug}"}}
    return {**key, **told, **times.spelled(created_at=at, updated_at=at), **attributes}


def an_old_acl(wiki_id: str, grantee_id: str, role: str, times: Times, at: datetime | None, **attributes: Item) -> Item:
    """Return a grant as AclModel wrote it."""
    key = {"wiki_id": {"S": wiki_id}, "grantee_id": {"S": grantee_id}}
    return {**key, "role": {"S": role}, **times.spelled(granted_at=at), **attributes}


# ---- tables that are there already


def old_items(random: Random, *, users: int, wikis: int = 2, grants: int = 2) -> Iterator[tuple[str, Item]]:
    """Yield what the old models left, table name and item, one after the other: `users` users, each with `wikis` wikis.

    Every wiki has `grants` grants to other users, some of which have expired. The same `random` yields the same items.
    Ids are `old-0`, `old-1`, …; each user's identity is `github` and the number; slugs are `wiki-0`, `wiki-1`, …
    """
    for number in range(users):
        yield "users", _user(random, number)
        for position in range(wikis):
            made = _some_time(random)
            yield "wikis", _wiki(random, number, position, made)
            # Nobody twice, and never the owner.
            others = sorted(random.sample(range(1, users), min(grants, users - 1)))
            for step in others:
                yield "acls", _acl(random, number, position, (number + step) % users, made)


def _user(random: Random, number: int) -> Item:
    profile: Item = {"email": {"S": f"user{number}@example.org"}, "display_name": {"S": f"User {number}"}}
    for name in ("email", "display_name", "avatar_url"):
        if random.random() < 0.2:
            profile[name] = NULL
    return an_old_user(f"old-{number}", "github", str(number), _times(random), _some_time(random), **profile)


def _wiki(random: Random, owner: int, position: int, made: datetime) -> Item:
    attributes = random.choice([{}, {"is_public": {"BOOL": True}}, {"last_accessed": NULL}, {"color": {"S": "blue"}}])
    return an_old_wiki(f"old-{owner}", f"wiki-{position}", _times(random), made, **attributes)


def _acl(random: Random, owner: int, position: int, grantee: int, made: datetime) -> Item:
    expiry = random.choice([None, None, made + timedelta(days=1), _FAR_OFF])
    attributes = {} if expiry is None else {"expires_at": EXPIRIES[random.choice(list(EXPIRIES))](expiry)}
    role, given = random.choice(["owner", "editor", "viewer"]), made + timedelta(hours=1)
    return an_old_acl(f"old-{owner}:wiki-{position}", f"old-{grantee}", role, _times(random), given, **attributes)


def _times(random: Random) -> Times:
    return Times(random.choice([None, *SPELLINGS]))


def _some_time(random: Random) -> datetime:
    return _SOME_DAY + timedelta(seconds=random.randrange(40_000_000), milliseconds=random.randrange(1000))


async def fill(store: WikibotStore, items: Iterable[tuple[str, Item]]) -> int:
    """Store items, a batch after the other; return how many."""
    client, items, count = await store.client(), iter(items), 0
    while batch := list(islice(items, _BATCH_WRITE)):
        count += len(batch)
        pending: dict[str, Any] = {}
        for table, item in batch:
            pending.setdefault(store.config.table_name(table), []).append({"PutRequest": {"Item": item}})
        while pending:
            pending = (await client.batch_write_item(RequestItems=pending))["UnprocessedItems"]
    return count


# ---- old writers


@dataclass
class OldWriters:
    """Loops that write as the old models did, beside the library: whole items and single attributes, unconditionally.

    They write to the users `old-…` and their wikis and grants. `made` lists the keys of the wikis that they created;
    `rounds` counts what they did.
    """

    store: WikibotStore
    random: Random
    users: int
    made: list[tuple[str, str]] = field(default_factory=list)
    rounds: int = 0

    async def write(self) -> None:
        """Do everything once that the old models did."""
        await self._update_profile()
        await self._create_wiki()
        await self._touch_wiki()
        await self._grant()
        self.rounds += 1

    async def _update_profile(self) -> None:
        await self._set("users", {"id": self._user()}, "display_name", {"S": f"Renamed {self.rounds}"})

    async def _create_wiki(self) -> None:
        owner, slug = self._user(), f"late-{self.rounds}"
        wiki = an_old_wiki(owner["S"], slug, _times(self.random), datetime.now(UTC))
        await self._put("wikis", wiki)
        self.made.append((owner["S"], slug))

    async def _touch_wiki(self) -> None:
        spell = SPELLINGS[self.random.choice(list(SPELLINGS))]
        owner, slug = self.random.choice(self.made)
        key = {"owner_id": {"S": owner}, "wiki_slug": {"S": slug}}
        await self._set("wikis", key, "last_accessed", spell(datetime.now(UTC)))

    async def _grant(self) -> None:
        owner, slug = self.random.choice(self.made)
        grantee, times = self._user()["S"], _times(self.random)
        if grantee != owner:
            await self._put("acls", an_old_acl(f"{owner}:{slug}", grantee, "viewer", times, datetime.now(UTC)))

    def _user(self) -> Item:
        return {"S": f"old-{self.random.randrange(self.users)}"}

    async def _put(self, table: str, item: Item) -> None:
        await (await self.store.client()).put_item(TableName=self.store.config.table_name(table), Item=item)

    async def _set(self, table: str, key: Item, attribute: str, value: Item) -> None:
        client = await self.store.client()
        with suppress(client.exceptions.ConditionalCheckFailedException):  # it was moved or deleted
            await client.update_item(
                TableName=self.store.config.table_name(table),
                Key=key,
                UpdateExpression="SET #attribute = :value",
                ConditionExpression=" AND ".join(f"attribute_exists({name})" for name in key),
                ExpressionAttributeNames={"#attribute": attribute},
                ExpressionAttributeValues={":value": value},
            )


@asynccontextmanager
async def old_writers(store: WikibotStore, random: Random, *, users: int) -> AsyncIterator[OldWriters]:
    """Run a loop of old writers for as long as the block lasts; it does at least one round."""
    writers = OldWriters(store, random, users)
    is_over = asyncio.Event()

    async def loop() -> None:
        while not is_over.is_set():
            await writers.write()

    await writers.write()
    async with asyncio.TaskGroup() as group:
        group.create_task(loop())
        try:
            yield writers
        finally:
            is_over.set()
