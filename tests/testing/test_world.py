"""A made-up world is the same for the same numbers, and each of its items is written once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import pytest

from tests.engines import patient
from tests.half_done import assert_sound, snapshot
from wikibot_store import AlreadyExistsError, WikibotStore
from wikibot_store.keys import check_username
from wikibot_store.local import local_store
from wikibot_store.testing import World

WORLD = World.make(users=8, wikis=60, seed=7)
PEOPLE = World(people=WORLD.people, wikis=())
SIZES = Counter(
    users=8,
    wikis=60,
    grants=sum(len(wiki.grants) for wiki in WORLD.wikis),
    invitations=sum(wiki.invited is not None for wiki in WORLD.wikis),
)


@pytest.fixture
async def store() -> AsyncIterator[WikibotStore]:
    """Open a store on empty tables."""
    async with local_store(patient()) as store:
        yield store


def test_the_same_numbers_make_the_same_world() -> None:
    """People, wikis, grants and invitations are equal; another seed shares no person and no username with it."""
    other = World.make(users=8, wikis=60, seed=8)

    assert World.make(users=8, wikis=60, seed=7) == WORLD
    for attribute in ("id", "username", "oauth_provider_sub"):
        assert not {getattr(person, attribute) for person in WORLD.people} & {
            getattr(person, attribute) for person in other.people
        }


def test_a_world_is_believable() -> None:
    """A world has public and private wikis, all roles, expired and lasting grants, owners of many and of few wikis."""
    world = World.make()
    grants = [grant for wiki in world.wikis for grant in wiki.grants]
    owned = sorted(Counter(wiki.key.owner_id for wiki in world.wikis).values())

    assert (len(world.people), len(world.wikis)) == (50, 500)
    assert {wiki.is_public for wiki in world.wikis} == {True, False}
    assert {grant.role for grant in grants} == {"viewer", "editor", "owner"}
    assert {grant.expires_at is None for grant in grants} == {True, False}
    assert owned[0] * 10 < owned[-1]
    assert len({wiki.key for wiki in world.wikis}) == 500
    assert all(grant.grantee_id != wiki.key.owner_id for wiki in world.wikis for grant in wiki.grants)


def test_usernames_stay_valid_and_unique_in_a_large_world() -> None:
    """When all names are used up, namesakes get a number."""
    people = World.make(users=100_000, wikis=0, seed=99_999).people

    assert len({check_username(person.username) for person in people}) == 100_000


@pytest.mark.parametrize(("name", "value"), [("users", 0), ("users", 100_001), ("wikis", -1), ("seed", 100_000)])
def test_sizes_have_limits(name: str, value: int) -> None:
    """The error names the number that is too small or too large."""
    with pytest.raises(ValueError, match=f"^{name} must be "):
        World.make(**{name: value})


async def test_a_world_is_written_once(store: WikibotStore) -> None:
    """The tables then hold the world and are sound; a second run adds nothing and changes nothing."""
    first = await WORLD.write(store)
    before = await snapshot(store)
    second = await WORLD.write(store)

    assert (first.added, +first.kept) == (SIZES, Counter())
    assert (+second.added, second.kept) == (Counter(), SIZES)
    assert await snapshot(store) == before
    await assert_sound(store)


async def test_an_interrupted_world_is_completed(store: WikibotStore) -> None:
    """After an error the same call adds what is missing."""
    calls = count(1)

    def stop(_kind: str) -> None:
        if next(calls) == 30:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await WORLD.write(store, advance=stop)
    seeded = await WORLD.write(store)

    assert seeded.kept["users"] == 8
    assert seeded.added + seeded.kept == SIZES
    assert 0 < seeded.added["wikis"] < 60
    await assert_sound(store)


async def test_two_calls_at_once_add_each_person_once(store: WikibotStore) -> None:
    """Whoever is second finds the person there."""
    first, second = await asyncio.gather(PEOPLE.write(store), PEOPLE.write(store))

    assert first.added + second.added == Counter(users=8)
    assert first.kept + second.kept == Counter(users=8)
    await assert_sound(store)


async def test_a_person_who_has_changed_is_there(store: WikibotStore) -> None:
    """Who has another username and another first identity since then is still the same person, and stays so."""
    await PEOPLE.write(store)
    person = PEOPLE.people[0]
    await store.users.set_username(person.id, "renamed")
    await store.users.link_identity(person.id, "gitlab", "1")
    await store.users.unlink_identity(person.id, person.oauth_provider, person.oauth_provider_sub)
    before = await snapshot(store)

    seeded = await PEOPLE.write(store)

    assert (+seeded.added, seeded.kept) == (Counter(), Counter(users=8))
    assert await snapshot(store) == before


async def test_a_username_of_somebody_else_is_an_error(store: WikibotStore) -> None:
    """Real users keep their names: the error says what is taken."""
    await store.users.create(oauth_provider="github", oauth_provider_sub="1", username=WORLD.people[0].username)

    with pytest.raises(AlreadyExistsError) as caught:
        await WORLD.write(store)

    assert caught.value.field == "username"


async def test_an_identity_of_somebody_else_is_an_error(store: WikibotStore) -> None:
    """Nobody gets a second user: the error says what is taken."""
    person = WORLD.people[0]
    await store.users.create(oauth_provider=person.oauth_provider, oauth_provider_sub=person.oauth_provider_sub)

    with pytest.raises(AlreadyExistsError) as caught:
        await WORLD.write(store)

    assert caught.value.field == "oauth"
