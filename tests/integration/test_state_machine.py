"""Random sequences of calls: the store and plain dicts give the same answers."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.integration.samples import collect, fresh
from wikibot_store import AlreadyExistsError, ConflictError, NotFoundError, Role, StoreConfig, WikibotStore, WikiKey
from wikibot_store.local import local_store

T = TypeVar("T")

PEOPLE = ("ada", "bob")
USERNAMES = ("one", "two")
SLUGS = ("a", "b")

people = st.sampled_from(PEOPLE)
usernames = st.sampled_from([None, *USERNAMES])
slugs = st.sampled_from(SLUGS)
versions = st.sampled_from([None, 0, 1])
"""What a writer expects: no version, the right one, or one too many."""


@dataclass
class ModelUser:
    """What the model knows of a user."""

    username: str | None
    tier: str = "free"
    version: int = 1


@dataclass
class ModelWiki:
    """What the model knows of a wiki."""

    name: str
    version: int = 1


class StoreMachine(RuleBasedStateMachine):
    """Drives the DAOs and the model side by side, with ids and names that no other run of it uses."""

    def __init__(self, runner: asyncio.Runner, store: WikibotStore) -> None:
        super().__init__()
        self.runner = runner
        self.store = store
        self.run_id = fresh()
        self.users: dict[str, ModelUser] = {}
        self.wikis: dict[tuple[str, str], ModelWiki] = {}
        self.grants: dict[tuple[str, str, str], Role] = {}

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call of the store."""
        return self.runner.run(call)

    def key(self, owner: str, slug: str) -> WikiKey:
        """Return a wiki's key in the store."""
        return WikiKey(f"{owner}:{self.run_id}", slug)

    def username(self, name: str | None) -> str | None:
        """Return a username in the store."""
        return name and f"{name}-{self.run_id}"

    def is_taken(self, username: str | None, person: str) -> bool:
        """Tell whether somebody else has the username."""
        return username is not None and any(
            user.username == username for other, user in self.users.items() if other != person
        )

    @rule(person=people, username=usernames)
    def log_in(self, person: str, username: str | None) -> None:
        """The first login creates a user unless its name is taken; later ones find it."""
        login = self.store.users.get_or_create_by_oauth(self.run_id, person, username=self.username(username))
        if person not in self.users and self.is_taken(username, person):
            with pytest.raises(AlreadyExistsError):
                self.run(login)
            return
        user, created = self.run(login)
        assert created == (person not in self.users)
        expected = self.users.setdefault(person, ModelUser(username))
        assert (user.username, user.version) == (self.username(expected.username), expected.version)

    @rule(person=people, username=usernames)
    def rename(self, person: str, username: str | None) -> None:
        """A user gets a name unless somebody else has it."""
        if person not in self.users:
            return
        user, expected = self.find(person), self.users[person]
        rename = self.store.users.set_username(user.id, self.username(username))
        if self.is_taken(username, person):
            with pytest.raises(AlreadyExistsError):
                self.run(rename)
            return
        if username != expected.username:
            expected.username, expected.version = username, expected.version + 1
        assert self.run(rename).version == expected.version

    @rule(person=people, tier=st.sampled_from(["free", "pro"]), ahead=versions)
    def change_tier(self, person: str, tier: str, ahead: int | None) -> None:
        """A user changes tier unless the writer expects another version."""
        if person not in self.users:
            return
        user, expected = self.find(person), self.users[person]
        version = None if ahead is None else expected.version + ahead
        update = self.store.users.update(user.id, expected_version=version, tier=tier)
        if ahead:
            with pytest.raises(ConflictError):
                self.run(update)
            return
        expected.tier, expected.version = tier, expected.version + 1
        assert self.run(update).version == expected.version

    @rule(owner=people, slug=slugs)
    def create_wiki(self, owner: str, slug: str) -> None:
        """A wiki is created unless there is one."""
        key = self.key(owner, slug)
        create = self.store.wikis.create(key.owner_id, slug, display_name=slug, repo_path="/srv")
        if (owner, slug) in self.wikis:
            with pytest.raises(AlreadyExistsError):
                self.run(create)
            return
        self.run(create)
        self.wikis[owner, slug] = ModelWiki(slug)

    @rule(owner=people, slug=slugs, name=st.text(max_size=10), ahead=versions)
    def rename_wiki(self, owner: str, slug: str, name: str, ahead: int | None) -> None:
        """A wiki changes its name if there is one and the writer expects no other version."""
        key, expected = self.key(owner, slug), self.wikis.get((owner, slug))
        version = None if ahead is None else (expected.version if expected else 1) + ahead
        update = self.store.wikis.update(key.owner_id, slug, expected_version=version, display_name=name)
        if expected is None or ahead:
            with pytest.raises(NotFoundError if expected is None else ConflictError):
                self.run(update)
            return
        expected.name, expected.version = name, expected.version + 1
        assert self.run(update).version == expected.version

    @rule(owner=people, slug=slugs)
    def touch_wiki(self, owner: str, slug: str) -> None:
        """An access is noted exactly where there is a wiki."""
        touched = self.run(self.store.wikis.touch(self.key(owner, slug).owner_id, slug, min_interval=0))
        assert touched == ((owner, slug) in self.wikis)

    @rule(owner=people, slug=slugs)
    def delete_wiki(self, owner: str, slug: str) -> None:
        """A delete tells whether there was a wiki."""
        deleted = self.run(self.store.wikis.delete(self.key(owner, slug).owner_id, slug))
        assert deleted == (self.wikis.pop((owner, slug), None) is not None)

    @rule(owner=people, slug=slugs, grantee=people, role=st.sampled_from(Role))
    def grant(self, owner: str, slug: str, grantee: str, role: Role) -> None:
        """A grant replaces the one before."""
        self.run(self.store.acls.create(self.key(owner, slug).wiki_id, self.grantee(grantee), role, granted_by=owner))
        self.grants[owner, slug, grantee] = role

    @rule(owner=people, slug=slugs, grantee=people)
    def revoke(self, owner: str, slug: str, grantee: str) -> None:
        """A revocation tells whether there was a grant."""
        revoked = self.run(self.store.acls.delete(self.key(owner, slug).wiki_id, self.grantee(grantee)))
        assert revoked == (self.grants.pop((owner, slug, grantee), None) is not None)

    def grantee(self, person: str) -> str:
        """Return a grantee's id in the store."""
        return f"{person}-{self.run_id}"

    def find(self, person: str) -> Any:  # noqa: ANN401 - a User, or None to fail on
        """Return a user of the store by its identity."""
        return self.run(self.store.users.get_by_oauth(self.run_id, person))

    def teardown(self) -> None:
        """All that is stored is what the model has, seen from every side."""
        for person in PEOPLE:
            self.check_user(person)
            self.check_owner(person)
            self.check_grantee(person)
        for name in USERNAMES:
            owners = [person for person, user in self.users.items() if user.username == name]
            found = self.run(self.store.users.get_by_username(f"{name}-{self.run_id}"))
            assert owners == ([] if found is None else [found.oauth_provider_sub])

    def check_user(self, person: str) -> None:
        """The user is as the model has it."""
        user, expected = self.find(person), self.users.get(person)
        found = user and ModelUser(user.username and user.username.split("-")[0], user.tier, user.version)
        assert found == expected

    def check_owner(self, owner: str) -> None:
        """The owner's wikis and their grants are those of the model."""
        wikis = self.run(collect(self.store.wikis.iter_by_owner(self.key(owner, "a").owner_id, page_size=1)))
        assert {(owner, wiki.wiki_slug): ModelWiki(wiki.display_name, wiki.version) for wiki in wikis} == {
            key: wiki for key, wiki in self.wikis.items() if key[0] == owner
        }
        for slug in SLUGS:
            page = self.run(self.store.acls.list_by_wiki(self.key(owner, slug).wiki_id))
            assert {acl.grantee_id: acl.role for acl in page} == {
                self.grantee(grantee): role
                for (granted_owner, granted_slug, grantee), role in self.grants.items()
                if (granted_owner, granted_slug) == (owner, slug)
            }

    def check_grantee(self, person: str) -> None:
        """The grants of one user are those of the model."""
        page = self.run(self.store.acls.list_by_grantee(self.grantee(person)))
        assert {acl.wiki_id: acl.role for acl in page} == {
            self.key(owner, slug).wiki_id: role
            for (owner, slug, grantee), role in self.grants.items()
            if grantee == person
        }


@contextmanager
def _local_store(runner: asyncio.Runner) -> Iterator[WikibotStore]:
    """Open a local store in the runner's loop, for calls from outside of it."""
    stack = AsyncExitStack()
    try:
        yield runner.run(stack.enter_async_context(local_store(StoreConfig(grantee_index=True))))
    finally:
        runner.run(stack.aclose())


def test_store_agrees_with_plain_dicts() -> None:
    """Whatever is called in whatever order, the store answers like the model: some hundreds of requests on moto."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, _local_store(runner) as store:

        class Machine(StoreMachine):
            """The machine as Hypothesis makes it: without arguments."""

            def __init__(self) -> None:
                super().__init__(runner, store)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=20,
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
