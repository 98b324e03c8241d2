"""A made-up world for demos, examples and load tests: people with wikis, grants and invitations."""

import asyncio
import random
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Self, TypeVar

from wikibot_store._dynamo.checks import check_integer, utc_now
from wikibot_store.errors import AlreadyExistsError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Role
from wikibot_store.store import WikibotStore

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16  # moto works on one request at a time; a longer queue would reach the read timeout
_MOST = 100_000
_INVITED_FOR = timedelta(days=14)

_GIVEN = (
    *("Ada", "Amir", "Anneke", "Béla", "Carmen", "Chidi", "Dilnoza", "Edsger", "Emeka", "Farah", "Grace", "Hana"),
    *("Inga", "Ivo", "Jun", "Kofi", "Leila", "Linnéa", "Mateo", "Mei", "Mira", "Nadia", "Noor", "Olu", "Priya"),
    *("Quentin", "Rosa", "Sami", "Søren", "Tariq", "Uma", "Vera", "Wanjiru", "Xenia", "Yusuf", "Zoë"),
)
_FAMILY = (
    *("Adeyemi", "Andersen", "Bianchi", "Castillo", "Chen", "Dubois", "Eriksson", "Fischer", "García", "Haddad"),
    *("Ibrahim", "Jansen", "Kaya", "Kowalski", "Lindqvist", "Mbeki", "Moreau", "Nakamura", "Novák", "Okafor"),
    *("Patel", "Quispe", "Rahman", "Rossi", "Sato", "Schäfer", "Silva", "Tanaka", "Ueda", "Varga", "Weber", "Yavuz"),
)
_TOPICS = (
    *("Notes", "Kitchen", "Home lab", "Garden", "Reading list", "Travel", "Team handbook", "Runbooks", "Research"),
    *("Meeting minutes", "Recipes", "Book club", "Board games", "Field guide", "Thesis", "Release plans", "Onboarding"),
    *("Photography", "Cycling", "Choir", "Bird list", "Genealogy", "House rules", "Workshop", "Language course"),
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user of the world."""

    id: str
    oauth_provider: str
    oauth_provider_sub: str
    username: str
    email: str
    display_name: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role of a person in a wiki of the world; one with `expires_at` has expired."""

    grantee_id: str
    role: Role
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PlannedWiki:
    """A wiki of the world with its grants, and the address that an invitation goes to."""

    key: WikiKey
    display_name: str
    is_public: bool
    page_count: int
    grants: tuple[Grant, ...]
    invited: str | None


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """How many items of each kind `World.write` added, and how many were there before."""

    added: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    def count(self, kind: str, *, is_new: bool) -> None:
        """Count an item of the kind "users", "wikis", "grants" or "invitations"."""
        (self.added if is_new else self.kept)[kind] += 1


@dataclass(frozen=True, kw_only=True)
class World:
    """People and their wikis. The same arguments of `make` make the same world."""

    people: tuple[Person, ...]
    wikis: tuple[PlannedWiki, ...]

    @classmethod
    def make(cls, *, users: int = 50, wikis: int = 500, seed: int = 7) -> Self:
        """Make up a world. A few people have many wikis, most people have few.

        Worlds of different seeds share no user, so that several can be in the same tables.

        Raises:
            ValueError: `users` is not 1 to 100,000, `wikis` not 0 to 100,000, or `seed` not 0 to 99,999.

        """
        for name, value, lowest, highest in [
            ("users", users, 1, _MOST),
            ("wikis", wikis, 0, _MOST),
            ("seed", seed, 0, _MOST - 1),
        ]:
            if not lowest <= check_integer(name, value) <= highest:
                raise ValueError(f"{name} must be {lowest} to {highest:,}")
        dice = random.Random(seed)  # noqa: S311 - reproducible on purpose
        people = tuple(_people(dice, users, seed))
        owners = sorted(dice.choices(range(users), [1 / rank for rank in range(1, users + 1)], k=wikis))
        return cls(people=people, wikis=tuple(_wikis(dice, people, [people[number] for number in owners])))

    async def write(self, store: WikibotStore, *, advance: Callable[[str], None] = lambda _kind: None) -> Seeded:
        """Add the world to the tables, but nothing that is there; return the counts.

        After an error or a crash, the same call adds what is missing. A grant that has expired is only added together
        with its wiki. `advance` is called with "users" or "wikis" after each of them.

        Requests: for each user `users.get`, and `users.create` if it is new; for each wiki `wikis.create`,
        `wikis.record_usage` if it is new, and `acls.create`, `acls.list_invitations` and `acls.invite` as the world has
        them.

        Raises:
            AlreadyExistsError: Another user has a username or an identity of this world.

        """
        seeded = Seeded()

        async def write_person(person: Person) -> None:
            seeded.count("users", is_new=await _add_user(store, person))
            advance("users")

        async def write_wikis(wikis: list[PlannedWiki]) -> None:  # one owner's: creating them at once would conflict
            for wiki in wikis:
                await _add_wiki(store, wiki, seeded)
                advance("wikis")

        await for_each(write_person, self.people)
        await for_each(write_wikis, [list(own) for _, own in groupby(self.wikis, lambda wiki: wiki.key.owner_id)])
        return seeded


async def for_each(work: Callable[[T], Awaitable[R]], items: Iterable[T], *, at_once: int = AT_ONCE) -> list[R]:
    """Do `work` for all items, some at a time, and return the results in the order of their ends.

    The first failure ends the rest and is raised.
    """
    gate = asyncio.Semaphore(at_once)
    results: list[R] = []

    async def one(item: T) -> None:
        async with gate:
            results.append(await work(item))

    try:
        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return results


def _people(dice: random.Random, count: int, seed: int) -> Iterable[Person]:
    names = [(given, family) for given in _GIVEN for family in _FAMILY]
    dice.shuffle(names)
    for number in range(count):
        namesakes, place = divmod(number, len(names))
        given, family = names[place]
        username = f"{_ascii(given)}-{_ascii(family)}{namesakes + 1 if namesakes else ''}-{seed}"
        yield Person(
            id=f"{dice.getrandbits(128):032x}",
            oauth_provider=dice.choice(("github", "github", "google")),
            oauth_provider_sub=f"seed-{seed}-{number + 1}",
            username=username,
            email=f"{username}@example.org",
            display_name=f"{given} {family}",
        )


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ø", "o"))
    return plain.encode("ascii", "ignore").decode().lower()


def _wikis(dice: random.Random, people: tuple[Person, ...], owners: list[Person]) -> Iterable[PlannedWiki]:
    used: Counter[tuple[str, str]] = Counter()
    for owner in owners:
        topic = dice.choice(_TOPICS)
        used[owner.id, topic] += 1
        number = used[owner.id, topic]
        name = topic if number == 1 else f"{topic} {number}"
        key = WikiKey(owner.id, name.lower().replace(" ", "-"))
        yield PlannedWiki(
            key=key,
            display_name=name,
            is_public=_happens(dice, 0.15),
            page_count=dice.randrange(1, 400),
            grants=tuple(_grants(dice, owner, people)),
            invited=f"guest-{dice.randrange(10_000)}@example.net" if _happens(dice, 0.1) else None,
        )


def _grants(dice: random.Random, owner: Person, people: tuple[Person, ...]) -> Iterable[Grant]:
    guests = dice.sample(people, min(dice.choice((0, 0, 1, 1, 2, 3, 5)), len(people)))
    for guest in guests:
        (role,) = dice.choices([Role.VIEWER, Role.EDITOR, Role.OWNER], [6, 3, 1])
        has_expired = _happens(dice, 0.15)
        day = datetime(2025, dice.randrange(1, 13), dice.randrange(1, 29), tzinfo=UTC)
        if guest is not owner:
            yield Grant(grantee_id=guest.id, role=role, expires_at=day if has_expired else None)


def _happens(dice: random.Random, probability: float) -> bool:
    return dice.random() < probability


async def _add_user(store: WikibotStore, person: Person) -> bool:
    if await _is_there(store, person):  # creating it again would write its claims again
        return False
    try:
        await store.users.create(
            id=person.id,
            oauth_provider=person.oauth_provider,
            oauth_provider_sub=person.oauth_provider_sub,
            username=person.username,
            email=person.email,
            display_name=person.display_name,
        )
    except AlreadyExistsError:
        if await _is_there(store, person):  # another call has created it since the read
            return False
        raise
    return True


async def _is_there(store: WikibotStore, person: Person) -> bool:
    return await store.users.get(person.id, consistent=True) is not None


async def _add_wiki(store: WikibotStore, wiki: PlannedWiki, seeded: Seeded) -> None:
    owner_id, slug = wiki.key.owner_id, wiki.key.wiki_slug
    is_new = True
    try:
        created = await store.wikis.create(
            owner_id,
            slug,
            display_name=wiki.display_name,
            repo_path=f"/srv/wikis/{owner_id}/{slug}",
            is_public=wiki.is_public,
            limit=None,
        )
        await store.wikis.record_usage(
            owner_id,
            slug,
            uid=created.uid,
            page_count=wiki.page_count,
            disk_usage_bytes=wiki.page_count * 2_300,
            measured_at=utc_now(),
        )
    except AlreadyExistsError:
        is_new = False
    seeded.count("wikis", is_new=is_new)
    for grant in wiki.grants:
        await _add_grant(store, wiki, grant, seeded, is_new_wiki=is_new)
    if wiki.invited is not None:
        await _add_invitation(store, wiki, wiki.invited, seeded)


async def _add_grant(
    store: WikibotStore, wiki: PlannedWiki, grant: Grant, seeded: Seeded, *, is_new_wiki: bool
) -> None:
    if grant.expires_at is not None and not is_new_wiki:  # DynamoDB may have deleted it
        seeded.count("grants", is_new=False)
        return
    started = utc_now()
    acl = await store.acls.create(
        wiki.key, grant.grantee_id, grant.role, granted_by=wiki.key.owner_id, expires_at=grant.expires_at
    )
    seeded.count("grants", is_new=acl.granted_at >= started)


async def _add_invitation(store: WikibotStore, wiki: PlannedWiki, email: str, seeded: Seeded) -> None:
    invitations = await store.acls.list_invitations(wiki.key)
    is_open = any(invitation.invited_email == email for invitation in invitations)
    if not is_open:
        owner_id, expires_at = wiki.key.owner_id, utc_now() + _INVITED_FOR
        await store.acls.invite(wiki.key, email, Role.EDITOR, invited_by=owner_id, expires_at=expires_at)
    seeded.count("invitations", is_new=not is_open)
