"""Random sequences of calls: the store gives the same results as plain dicts."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from aiobotocore.session import AioSession
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.integration.machines import run_machine
from tests.integration.samples import a_user, collect, fresh
from wikibot_store import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    ProtectedOwnerError,
    Role,
    WikibotStore,
    WikiKey,
)

T = TypeVar("T")

PEOPLE = ("ada", "bob")
USERNAMES = ("one", "two")
SLUGS = ("a", "b")

people = st.sampled_from(PEOPLE)
usernames = st.sampled_from([None, *USERNAMES])
slugs = st.sampled_from(SLUGS)
versions = st.sampled_from([None, 0, 1])
"""What a writer expects: no version, the right one, or one too many."""


class StoreMachine(RuleBasedStateMachine):
    """Calls the DAOs and a model in parallel, with ids and names of its own."""

    def __init__(self, runner: asyncio.Runner, store: WikibotStore) -> None:
        super().__init__()
        self.runner = runner
        self.store = store
        self.run_id = fresh()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call of the store."""
        return self.runner.run(call)


@dataclass
class ModelUser:
    """The model of a user."""

    username: str | None
    tier: str = "free"
    version: int = 1


class UserMachine(StoreMachine):
    """Logs users in, and changes their names and tiers."""

    def __init__(self, runner: asyncio.Runner, store: WikibotStore) -> None:
        super().__init__(runner, store)
        self.users: dict[str, ModelUser] = {}

    def username(self, name: str | None) -> str | None:
        """Return a username in the store."""
        return name and f"{name}-{self.run_id}"

    def is_taken(self, username: str | None, person: str) -> bool:
        """Return whether another user has the username."""
        others = [user.username for other, user in self.users.items() if other != person]
        return username is not None and username in others

    def find(self, person: str) -> Any:  # noqa: ANN401 - a User, or None to fail on
        """Return a user of the store by its identity."""
        return self.run(self.store.users.get_by_oauth(self.run_id, person))

    @rule(person=people, username=usernames)
    def log_in(self, person: str, username: str | None) -> None:
        """The first login creates a user unless the username is taken; later logins find the user."""
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
        """Change a username unless another user has it."""
        if person not in self.users:
            return
        rename = self.store.users.set_username(self.find(person).id, self.username(username))
        if self.is_taken(username, person):
            with pytest.raises(AlreadyExistsError):
                self.run(rename)
            return
        expected = self.users[person]
        if username != expected.username:
            expected.username, expected.version = username, expected.version + 1
        assert self.run(rename).version == expected.version

    @rule(person=people, tier=st.sampled_from(["free", "pro"]), ahead=versions)
    def change_tier(self, person: str, tier: str, ahead: int | None) -> None:
        """Change the tier unless the expected version differs."""
        if person not in self.users:
            return
        expected = self.users[person]
        version = None if ahead is None else expected.version + ahead
        update = self.store.users.update(self.find(person).id, expected_version=version, tier=tier)
        if ahead:
            with pytest.raises(ConflictError):
                self.run(update)
            return
        expected.tier, expected.version = tier, expected.version + 1
        assert self.run(update).version == expected.version

    def teardown(self) -> None:
        """All users are as the model has them, found by identity and by name."""
        for person in PEOPLE:
            user = self.find(person)
            found = user and ModelUser(user.username and user.username.split("-")[0], user.tier, user.version)
            assert found == self.users.get(person)
        for name in USERNAMES:
            owners = [person for person, user in self.users.items() if user.username == name]
            found = self.run(self.store.users.get_by_username(f"{name}-{self.run_id}"))
            assert owners == ([] if found is None else [found.oauth_provider_sub])


@dataclass
class ModelWiki:
    """The model of a wiki."""

    name: str
    version: int = 1


class WikiMachine(StoreMachine):
    """Creates, changes, deletes and shares wikis."""

    def __init__(self, runner: asyncio.Runner, store: WikibotStore) -> None:
        super().__init__(runner, store)
        self.wikis: dict[WikiKey, ModelWiki] = {}
        self.grants: dict[tuple[WikiKey, str], Role] = {}

    @initialize()
    def sign_up(self) -> None:
        """Create all users."""
        for person in PEOPLE:
            self.run(a_user(self.store, id=self.id_of(person)))

    def id_of(self, person: str) -> str:
        """Return a person's id in the store."""
        return f"{person}:{self.run_id}"

    def key(self, owner: str, slug: str) -> WikiKey:
        """Return a wiki's key in the store."""
        return WikiKey(self.id_of(owner), slug)

    @rule(owner=people, slug=slugs)
    def create(self, owner: str, slug: str) -> None:
        """Create a wiki unless there is one."""
        key = self.key(owner, slug)
        create = self.store.wikis.create(key.owner_id, slug, display_name=slug, repo_path="/srv")
        if key in self.wikis:
            with pytest.raises(AlreadyExistsError):
                self.run(create)
            return
        self.run(create)
        self.wikis[key] = ModelWiki(slug)

    @rule(owner=people, slug=slugs, name=st.text(max_size=10), ahead=versions)
    def update(self, owner: str, slug: str, name: str, ahead: int | None) -> None:
        """Change the name of a wiki, unless it is missing or the expected version differs."""
        key = self.key(owner, slug)
        expected = self.wikis.get(key)
        version = None if ahead is None else (expected.version if expected else 1) + ahead
        update = self.store.wikis.update(key.owner_id, slug, expected_version=version, display_name=name)
        if expected is None or ahead:
            with pytest.raises(NotFoundError if expected is None else ConflictError):
                self.run(update)
            return
        expected.name, expected.version = name, expected.version + 1
        assert self.run(update).version == expected.version

    @rule(owner=people, slug=slugs)
    def touch(self, owner: str, slug: str) -> None:
        """A touch is stored if there is a wiki."""
        key = self.key(owner, slug)
        assert self.run(self.store.wikis.touch(key.owner_id, slug, min_interval=0)) == (key in self.wikis)

    @rule(owner=people, slug=slugs)
    def delete(self, owner: str, slug: str) -> None:
        """Delete a wiki with its grants, and check whether there was one."""
        key = self.key(owner, slug)
        assert self.run(self.store.wikis.delete(key.owner_id, slug)) == (key in self.wikis)
        self.wikis.pop(key, None)
        self.grants = {grant: role for grant, role in self.grants.items() if grant[0] != key}

    @rule(owner=people, slug=slugs, grantee=people, role=st.sampled_from(Role))
    def grant(self, owner: str, slug: str, grantee: str, role: Role) -> None:
        """Grant a role in an existing wiki, which replaces the earlier one; the owner gets none."""
        key, grantee_id = self.key(owner, slug), self.id_of(grantee)
        grant = self.store.acls.create(key, grantee_id, role, granted_by=key.owner_id)
        if owner == grantee or key not in self.wikis:
            with pytest.raises(ProtectedOwnerError if owner == grantee else NotFoundError):
                self.run(grant)
            return
        self.run(grant)
        self.grants[key, grantee_id] = role

    @rule(owner=people, slug=slugs, grantee=people)
    def revoke(self, owner: str, slug: str, grantee: str) -> None:
        """Revoke a grant, and check whether there was one."""
        key, grantee_id = self.key(owner, slug), self.id_of(grantee)
        revoke = self.store.acls.delete(key, grantee_id)
        if owner == grantee:
            with pytest.raises(ProtectedOwnerError):
                self.run(revoke)
            return
        assert self.run(revoke) == ((key, grantee_id) in self.grants)
        self.grants.pop((key, grantee_id), None)

    def teardown(self) -> None:
        """All wikis and grants are as the model has them, listed from every side."""
        found = {}
        by_wiki, by_grantee = {}, {}
        for person in PEOPLE:
            wikis = self.run(collect(self.store.wikis.iter_by_owner(self.id_of(person), page_size=1)))
            found.update({wiki.key: ModelWiki(wiki.display_name, wiki.version) for wiki in wikis})
            page = self.run(self.store.acls.list_by_grantee(self.id_of(person)))
            by_grantee.update({(WikiKey.parse(acl.wiki_id), acl.grantee_id): acl.role for acl in page})
            for slug in SLUGS:
                page = self.run(self.store.acls.list_by_wiki(self.key(person, slug)))
                by_wiki.update({(self.key(person, slug), acl.grantee_id): acl.role for acl in page})
        assert found == self.wikis
        assert by_wiki == by_grantee == self.grants


@pytest.mark.parametrize("machine", [UserMachine, WikiMachine])
def test_store_agrees_with_plain_dicts(endpoint: str | None, session: AioSession, machine: type[StoreMachine]) -> None:
    """For every sequence of calls the store gives the same results as the model."""
    run_machine(machine, endpoint, session, examples=10, steps=25)
