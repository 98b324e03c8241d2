"""Times in every class that others derive from `datetime`: what is returned is plain, in UTC and what is stored."""

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn

import msgspec
import pendulum
import pytest
from freezegun import freeze_time
from freezegun.api import FakeDatetime

from tests.engines import patient
from tests.integration.samples import a_user_id, a_wiki, fresh, key_of
from wikibot_store import Acl, User, Wiki, WikibotStore
from wikibot_store.local import local_store

EAST = timezone(timedelta(hours=2))
MOMENT = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=EAST)
VALUES = MOMENT.timetuple()[:6]


class Finer(datetime):
    """A datetime with nanoseconds, as those of pandas: they count when it is compared, and survive `replace`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Finer) and super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        """Return nine digits after the second."""
        return f"{super().isoformat(sep, timespec)[:26]}789{super().isoformat()[-6:]}"

    def replace(self, **_: Any) -> "Finer":  # type: ignore[override]  # noqa: ANN401 - as in the base class
        """Keep the nanoseconds, whatever is replaced."""
        return self


class Other(datetime):
    """A datetime with methods of its own, as those of pendulum: other parameters, other results."""

    def isoformat(self) -> str:  # type: ignore[override]
        """Take no parameters."""
        return "the second of January"

    def __sub__(self, other: object) -> NoReturn:
        raise TypeError("an interval is no timedelta")

    def astimezone(self, _: object = None) -> NoReturn:
        """Have no such method."""
        raise TypeError("in_timezone is meant")


class NotATime(datetime):
    """A datetime without a value, as NaT of pandas."""

    year = property(lambda _: float("nan"))


CLASSES = [
    Finer(*VALUES, 678901, EAST),
    Other(*VALUES, 678901, EAST),
    FakeDatetime(*VALUES, 678901, EAST),
    pendulum.instance(MOMENT),
]


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[WikibotStore]:
    """A store on the embedded engine."""
    async with local_store(patient()) as store:
        yield store


def times_of(model: User | Wiki | Acl) -> dict[str, datetime]:
    """Return the times of a model; each must be of the very class `datetime`, and in UTC."""
    times = {name: value for name, value in msgspec.structs.asdict(model).items() if isinstance(value, datetime)}
    assert {(type(moment), moment.tzinfo) for moment in times.values()} == {(datetime, UTC)}
    return times


@pytest.mark.parametrize("moment", CLASSES, ids=lambda moment: type(moment).__name__)
async def test_a_grant_ends_when_it_is_said_to_end(store: WikibotStore, moment: datetime) -> None:
    """`expires_at` may be of any class; it is returned as it is stored, in whole seconds."""
    wiki, grantee = await a_wiki(store), await a_user_id(store)

    acl = await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, expires_at=moment)
    invitation, _ = await store.acls.invite(
        wiki.key, "ada@example.com", "viewer", invited_by=wiki.owner_id, expires_at=moment
    )

    whole = MOMENT.replace(microsecond=0)
    assert times_of(acl)["expires_at"] == times_of(invitation)["expires_at"] == whole
    assert await store.acls.get(wiki.key, grantee, consistent=True) == acl
    assert (await store.acls.list_invitations(wiki.key)).items == [invitation]
    again = await store.acls.create(wiki.key, grantee, "viewer", granted_by=wiki.owner_id, expires_at=moment)
    assert again == acl


@pytest.mark.parametrize("moment", CLASSES, ids=lambda moment: type(moment).__name__)
async def test_figures_are_as_new_as_they_are_said_to_be(store: WikibotStore, moment: datetime) -> None:
    """`measured_at` may be of any class; the same moment is not newer, and one microsecond later is."""
    wiki = await a_wiki(store)
    figures: dict[str, Any] = {"uid": wiki.uid, "page_count": 1, "disk_usage_bytes": 1}

    stored = [
        await store.wikis.record_usage(wiki.owner_id, wiki.wiki_slug, **figures, measured_at=measured_at)
        for measured_at in (moment, MOMENT, MOMENT + timedelta(microseconds=1), moment)
    ]

    assert stored == [True, False, True, False]


async def test_a_time_without_a_value_is_refused(store: WikibotStore) -> None:
    """A datetime that is none is an error that names the argument."""
    with pytest.raises(ValueError, match="expires_at: the datetime has no value"):
        await store.acls.create(
            "ada:notes", "bob", "viewer", granted_by="ada", expires_at=NotATime(*VALUES, tzinfo=EAST)
        )


async def test_frozen_time(store: WikibotStore) -> None:
    """While the time is frozen, all times are those of the frozen clock, plain, and as they are stored."""
    frozen = datetime(2099, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

    with freeze_time(frozen, real_asyncio=True):
        assert datetime is FakeDatetime
        user = await store.users.create(oauth_provider="github", oauth_provider_sub=fresh())
        found, _ = await store.users.get_or_create_by_oauth("github", fresh())
        wiki = await a_wiki(store, user.id)
        acl = await store.acls.create(wiki.key, found.id, "viewer", granted_by=user.id)
        updated = await store.wikis.update(wiki.owner_id, wiki.wiki_slug, display_name="B")
        logged_in = await store.users.record_login(user.id)
    times = [times_of(model) for model in (user, found, wiki, acl, updated, logged_in)]

    assert {moment for each in times for moment in each.values()} == {frozen}
    assert await store.users.get_many([user.id, found.id]) == {user.id: logged_in, found.id: found}
    assert await store.wikis.get(**key_of(wiki), consistent=True) == updated
    assert await store.acls.get(wiki.key, found.id, consistent=True) == acl


async def test_a_time_that_others_stored(store: WikibotStore) -> None:
    """A stored time with another offset is returned in UTC, unless UTC cannot express it."""
    wiki = await a_wiki(store)
    client = await store.client()
    await client.update_item(
        TableName="wikis",
        Key={"owner_id": {"S": wiki.owner_id}, "wiki_slug": {"S": wiki.wiki_slug}},
        UpdateExpression="SET created_at = :c, last_accessed = :l",
        ExpressionAttributeValues={
            ":c": {"S": "2026-01-02T03:04:05+02:00"},
            ":l": {"S": "0001-01-01T00:00:00.000000+02:00"},
        },
    )

    read = await store.wikis.require(**key_of(wiki), consistent=True)

    assert (read.created_at, read.created_at.tzinfo) == (datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC), UTC)
    assert read.last_accessed == datetime(1, 1, 1, tzinfo=EAST)


IMPORTED_WHILE_FROZEN = """
import asyncio
import datetime
from freezegun import freeze_time

real = datetime.datetime
frozen = real(2026, 1, 2, tzinfo=datetime.UTC)
with freeze_time(frozen, real_asyncio=True):
    from wikibot_store.local import local_store

async def main():
    async with local_store() as store:
        with freeze_time(frozen, real_asyncio=True):
            user = await store.users.create(id="ada", oauth_provider="github", oauth_provider_sub="1")
            wiki = await store.wikis.create("ada", "a", display_name="A", repo_path="/a")
            ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
            await store.users.create(id="bob", oauth_provider="github", oauth_provider_sub="2")
            acl = await store.acls.create(wiki.key, "bob", "viewer", granted_by="ada", expires_at=ends)
            assert await store.acls.get(wiki.key, "bob", consistent=True) == acl
            assert acl.expires_at == ends
        assert {type(moment) for moment in (user.created_at, acl.granted_at, acl.expires_at)} == {real}
        assert (await store.users.get("ada")).created_at == user.created_at == frozen

asyncio.run(main())
"""


def test_imported_while_time_is_frozen() -> None:
    """The library works if it is imported while the time is frozen, as a lazy import in a test does."""
    ended = subprocess.run(  # noqa: S603 - the project's own code
        [sys.executable, "-c", IMPORTED_WHILE_FROZEN], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
