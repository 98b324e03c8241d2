"""A simulated day of the service on a store, which checks its own results."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from wikibot_store.errors import AlreadyExistsError, ConflictError, InvalidCursorError, WikibotStoreError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Role, User, Wiki
from wikibot_store.store import WikibotStore
from wikibot_store.testing import Person, World
from wikibot_store.testing._world import AT_ONCE, for_each

T = TypeVar("T")
R = TypeVar("R")

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
    about: str
    show: Callable[..., None]
    done: int = 0
    rejected: int = 0
    seconds: float = 0.0

    @property
    def line(self) -> str:
        """What the step did and what was rejected, and why that is right."""
        counts = f"{self.done:>5} done" + (f", {self.rejected} rejected" if self.rejected else "")
        return f"{self.name:<24}{counts:<28}{self.seconds:>6.2f} s\n    {self.about}"

    def report(self) -> dict[str, Any]:
        """Return the counts."""
        return {"step": self.name, "done": self.done, "rejected": self.rejected, "seconds": round(self.seconds, 2)}

    async def each(
        self,
        work: Callable[[T], Awaitable[R]],
        items: Sequence[T],
        *,
        rejection: type[WikibotStoreError] | tuple[()] = (),
        at_once: int = AT_ONCE,
    ) -> list[R]:
        """Do `work` for all items, some at a time, and return the results of those that were not rejected."""
        results: list[R] = []

        async def one(item: T) -> None:
            try:
                results.append(await work(item))
                self.done += 1
            except rejection:
                self.rejected += 1
            self.show(advance=1)

        self.show(total=len(items))
        await for_each(one, items, at_once=at_once)
        return results

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Raise DemoError unless `found` is `wanted`."""
        if found != wanted:
            raise DemoError(f"not as expected: {self.name}: {what}: {found} instead of {wanted}")


async def log_in(day: Day, step: Step) -> None:
    """Everybody logs in twice at the same time and becomes one user."""
    users = day.store.users

    async def login(person: Person) -> tuple[User, bool]:
        sub = f"{day.run}-{person.oauth_provider_sub}"
        user, created = await users.get_or_create_by_oauth(
            "demo", sub, email=person.email, display_name=person.display_name
        )
        return await users.record_login(user.id), created

    people = World.make(users=day.people, wikis=0).people
    logins = await step.each(login, [person for person in people for _ in range(2)])
    step.expect("users created", sum(created for _, created in logins), day.people)
    day.users = list({user.id: user for user, _ in logins}.values())
    step.expect("users", len(day.users), day.people)


async def create_wikis(day: Day, step: Step) -> None:
    """Everybody creates the same wiki twice; the second is rejected, as an owner has a slug once."""

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
    """Two editors change one version; the slower one is rejected, or it would undo the other, and tries again."""
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
    """Two people claim one username; one gets it, and the other is rejected, as names are unique."""
    users, username = day.store.users, f"ada-{day.run}"

    async def claim(user: User) -> User:
        return await users.set_username(user.id, username)

    winners = await step.each(claim, day.users[:2], rejection=AlreadyExistsError)
    step.expect("rejected", step.rejected, 1)
    step.expect("holder of the name", [await users.get_by_username(username)], winners)


async def damage_a_cursor(day: Day, step: Step) -> None:
    """A damaged cursor and one of another listing are rejected, or a page would show wrong wikis."""
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


async def play(store: WikibotStore, console: Console, *, people: int, wikis: int, quiet: bool = False) -> list[Step]:
    """Simulate the day, print a line after each step, and return the steps; it takes at least two people and one wiki.

    With `quiet` nothing is printed.

    Raises:
        DemoError: A step had another result than expected.

    """
    day = Day(store=store, people=people, wikis=wikis)
    steps = []
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        for play_it in STEPS:
            step = await _play_step(play_it, day, progress)
            steps.append(step)
            if not quiet:
                console.print(step.line)
                console.file.flush()  # a pipe gets each line as it comes
    return steps


async def _play_step(play_it: Callable[[Day, Step], Awaitable[None]], day: Day, progress: Progress) -> Step:
    name = play_it.__name__.replace("_", " ")
    task = progress.add_task(name, total=None)
    step = Step(name=name, about=play_it.__doc__ or "", show=partial(progress.update, task))
    started = time.perf_counter()
    await play_it(day, step)
    step.seconds = time.perf_counter() - started
    progress.remove_task(task)
    return step


def _key(wiki: Wiki) -> tuple[str, str]:
    return wiki.owner_id, wiki.wiki_slug
