"""A simulated day of the service on a store, which checks its own results."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from wikibot_store.errors import AlreadyExistsError, ConflictError, InvalidCursorError, WikibotStoreError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Role, User, Wiki
from wikibot_store.store import WikibotStore

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16  # moto works on one request at a time; a longer queue would reach the read timeout
_AT_ONE_OWNER = 8  # transactions on one item conflict with each other on AWS


class DemoError(Exception):
    """A step had another result than expected."""


@dataclass(kw_only=True)
class Day:
    """What the steps share; `run` separates this day's people from those of earlier days on the same tables."""

    store: WikibotStore
    people: int
    wikis: int
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    users: list[User] = field(default_factory=list)


@dataclass(kw_only=True)
class Step:
    """The counts of one step; `show` updates its progress bar."""

    name: str
    show: Callable[..., None]
    done: int = 0
    rejected: int = 0
    seconds: float = 0.0

    async def each(
        self,
        work: Callable[[T], Awaitable[R]],
        items: Sequence[T],
        *,
        rejection: type[WikibotStoreError] | tuple[()] = (),
        at_once: int = _AT_ONCE,
    ) -> list[R]:
        """Do `work` for all items, some at a time, and return the results of those that were not rejected."""
        gate = asyncio.Semaphore(at_once)
        results: list[R] = []

        async def one(item: T) -> None:
            async with gate:
                try:
                    results.append(await work(item))
                    self.done += 1
                except rejection:
                    self.rejected += 1
            self.show(advance=1)

        self.show(total=len(items))
        try:
            async with asyncio.TaskGroup() as group:
                for item in items:
                    group.create_task(one(item))
        except ExceptionGroup as failed:  # one failure ends the rest
            raise failed.exceptions[0] from failed
        return results

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Raise DemoError unless `found` is `wanted`."""
        if found != wanted:
            raise DemoError(f"{self.name}: {what}: {found} instead of {wanted}")


async def log_in(day: Day, step: Step) -> None:
    """Everybody logs in twice at the same time and becomes one user."""
    users = day.store.users

    async def login(sub: str) -> tuple[User, bool]:
        user, created = await users.get_or_create_by_oauth("demo", sub)
        return await users.record_login(user.id), created

    logins = await step.each(login, [f"{day.run}-{number // 2}" for number in range(2 * day.people)])
    step.expect("users created", sum(created for _, created in logins), day.people)
    day.users = list({user.id: user for user, _ in logins}.values())
    step.expect("users", len(day.users), day.people)


async def create_wikis(day: Day, step: Step) -> None:
    """Everybody creates the same wiki twice; the second one is rejected."""

    async def create(user: User) -> Wiki:
        return await day.store.wikis.create(
            user.id, "notes", display_name="Notes", repo_path=f"/srv/wikis/{user.id}/notes"
        )

    await step.each(create, 2 * day.users, rejection=AlreadyExistsError)
    step.expect("created", step.done, day.people)
    step.expect("duplicates rejected", step.rejected, day.people)


async def fill_a_shelf(day: Day, step: Step) -> None:
    """One owner creates many wikis."""
    owner = day.users[0]

    async def create(number: int) -> Wiki:
        slug = f"volume-{number:05}"
        return await day.store.wikis.create(
            owner.id, slug, display_name=f"Volume {number}", repo_path=f"/srv/wikis/{owner.id}/{slug}"
        )

    await step.each(create, range(day.wikis), at_once=_AT_ONE_OWNER)


async def page_through_the_shelf(day: Day, step: Step) -> None:
    """The owner pages through them by cursor; each appears once, in order."""
    slugs: list[str] = []
    cursor = None
    step.show(total=day.wikis)
    while True:
        # Consistent, because they were created a moment ago.
        page = await day.store.wikis.list_by_owner(day.users[0].id, prefix="volume-", cursor=cursor, consistent=True)
        slugs += [wiki.wiki_slug for wiki in page]
        step.done += len(page)
        step.show(advance=len(page))
        cursor = page.cursor
        if cursor is None:
            break
    step.expect("wikis listed", len(slugs), day.wikis)
    step.expect("in order, each once", slugs == sorted(set(slugs)), wanted=True)


async def share(day: Day, step: Step) -> None:
    """Everybody lets somebody else read, then edit, and then revokes the grant."""
    acls = day.store.acls

    async def lend(pair: tuple[User, User]) -> None:
        owner, guest = pair
        wiki_id = WikiKey(owner.id, "notes").wiki_id
        await acls.create(wiki_id, guest.id, Role.VIEWER, granted_by=owner.id)
        await acls.create(wiki_id, guest.id, Role.EDITOR, granted_by=owner.id)
        page = await acls.list_by_wiki(wiki_id, consistent=True)
        step.expect("roles granted", [acl.role for acl in page], [Role.EDITOR])
        step.expect("revoked", await acls.delete(wiki_id, guest.id), wanted=True)
        step.expect("left over", await acls.get(wiki_id, guest.id, consistent=True), None)

    guests = day.users[1:] + day.users[:1]
    await step.each(lend, list(zip(day.users, guests, strict=True)))


async def edit_at_once(day: Day, step: Step) -> None:
    """Two editors change the same version of a wiki; the slower one is rejected, reads again and succeeds."""
    wikis = day.store.wikis
    read = await wikis.require(day.users[0].id, "notes", consistent=True)

    async def rename(display_name: str) -> None:
        wiki = read
        while True:
            try:
                await wikis.update(*_key(wiki), expected_version=wiki.version, display_name=display_name)
            except ConflictError:
                step.rejected += 1
                wiki = await wikis.require(*_key(wiki), consistent=True)
            else:
                return

    await step.each(rename, ["Notes of the first", "Notes of the second"])
    step.expect("conflicts", step.rejected, 1)
    written = await wikis.require(*_key(read), consistent=True)
    step.expect("version", written.version, read.version + 2)


async def claim_a_username(day: Day, step: Step) -> None:
    """Two people claim one username; one of them gets it."""
    users, username = day.store.users, f"ada-{day.run}"

    async def claim(user: User) -> User:
        return await users.set_username(user.id, username)

    winners = await step.each(claim, day.users[:2], rejection=AlreadyExistsError)
    step.expect("rejected", step.rejected, 1)
    step.expect("holder of the name", [await users.get_by_username(username)], winners)


async def damage_a_cursor(day: Day, step: Step) -> None:
    """A cursor that was cut short and a cursor of another owner's listing are rejected."""
    owner, other = day.users[:2]
    cursor = (await day.store.wikis.list_by_owner(owner.id, limit=1, consistent=True)).cursor or ""

    async def follow(attempt: tuple[User, str]) -> None:
        user, cursor = attempt
        await day.store.wikis.list_by_owner(user.id, cursor=cursor)

    await step.each(follow, [(owner, cursor[:-1]), (other, cursor)], rejection=InvalidCursorError)
    step.expect("rejected", step.rejected, 2)


STEPS = (
    log_in,
    create_wikis,
    fill_a_shelf,
    page_through_the_shelf,
    share,
    edit_at_once,
    claim_a_username,
    damage_a_cursor,
)


async def play(store: WikibotStore, console: Console, *, people: int, wikis: int) -> list[Step]:
    """Simulate the day and return the counts of its steps; it takes at least two people and one wiki.

    Raises:
        DemoError: A step had another result than expected.

    """
    day = Day(store=store, people=people, wikis=wikis)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        return [await _play_step(step, day, progress) for step in STEPS]


async def _play_step(play_it: Callable[[Day, Step], Awaitable[None]], day: Day, progress: Progress) -> Step:
    name = play_it.__name__.replace("_", " ")
    step = Step(name=name, show=partial(progress.update, progress.add_task(name, total=None)))
    started = time.perf_counter()
    await play_it(day, step)
    step.seconds = time.perf_counter() - started
    return step


def _key(wiki: Wiki) -> tuple[str, str]:
    return wiki.owner_id, wiki.wiki_slug
