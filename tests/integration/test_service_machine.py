"""Random sequences of operations on several tables: the store gives the same results as plain dicts."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import pytest
from aiobotocore.session import AioSession
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.integration.clean_tables import check_and_wipe
from tests.integration.machines import run_machine
from wikibot_store import (
    AlreadyExistsError,
    InvalidInviteError,
    LastIdentityError,
    NotActiveError,
    NotFoundError,
    ProtectedOwnerError,
    QuotaExceededError,
    Role,
    UserOwnsWikisError,
    WikibotStore,
    WikiKey,
)
from wikibot_store.daos.users import SettableStatus

T = TypeVar("T")

PEOPLE = ("ada", "bob", "eve")
SLUGS = ("one", "two")
SUBS = ("1", "2", "3")

people = st.sampled_from(PEOPLE)
slugs = st.sampled_from(SLUGS)
roles = st.sampled_from(Role)
usernames = st.sampled_from([None, "first", "second"])
subs = st.sampled_from(SUBS)
limits = st.sampled_from([None, 1, 2])


@dataclass
class ModelUser:
    """The model of a user."""

    id: str
    username: str | None
    identities: list[str]
    status: str = "active"
    version: int = 1


@dataclass
class ModelWiki:
    """The model of a wiki: grants by grantee, invitations by token."""

    name: str
    version: int = 1
    is_public: bool = False
    moved_from: WikiKey | None = None
    grants: dict[str, Role] = field(default_factory=dict)
    invitations: dict[str, Role] = field(default_factory=dict)


class ServiceMachine(RuleBasedStateMachine):
    """Creates and deletes users; creates, shares, renames and transfers their wikis."""

    def __init__(self, runner: asyncio.Runner, store: WikibotStore) -> None:
        super().__init__()
        self.runner = runner
        self.store = store
        self.users: dict[str, ModelUser] = {}
        self.wikis: dict[WikiKey, ModelWiki] = {}
        self.tokens: list[tuple[str, str]] = []
        self.born = 0

    def run(self, call: Coroutine[Any, Any, T], error: type[Exception] | None = None) -> T | None:
        """Await a call of the store and return its result, or check that it raises the expected error."""
        if error is None:
            return self.runner.run(call)
        with pytest.raises(error):
            self.runner.run(call)
        return None

    def id_of(self, person: str) -> str:
        """Return a user's id, or an unused id if there is no such user."""
        user = self.users.get(person)
        return f"no-{person}" if user is None else user.id

    def owned(self, user_id: str) -> list[WikiKey]:
        """Return the keys of a user's wikis."""
        return [key for key in self.wikis if key.owner_id == user_id]

    def newcomer_error(self, person: str, limit: int | None) -> type[Exception] | None:
        """Return why a user may not have one more wiki."""
        user = self.users.get(person)
        if user is None:
            return NotFoundError
        if user.status != "active":
            return NotActiveError
        return QuotaExceededError if limit is not None and len(self.owned(user.id)) >= limit else None

    @initialize()
    def open(self) -> None:
        """Start with all users, each with a wiki that the next one may edit."""
        for person, sub in zip(PEOPLE, SUBS, strict=True):
            self.sign_up(person, None, sub)
        for owner, grantee in zip(PEOPLE, PEOPLE[1:] + PEOPLE[:1], strict=True):
            self.create_wiki(owner, SLUGS[0], is_public=False, limit=None)
            self.grant(owner, SLUGS[0], grantee, Role.EDITOR)
        self.invite(PEOPLE[0], SLUGS[0], Role.VIEWER)

    # ---- people

    @rule(person=people, username=usernames, sub=subs)
    def sign_up(self, person: str, username: str | None, sub: str) -> None:
        """Create a user unless the identity or the username is taken."""
        if person in self.users:
            return
        others = self.users.values()
        is_taken = any(sub in user.identities or (username and user.username == username) for user in others)
        self.born += 1
        user = ModelUser(f"{person}-{self.born}", username, [sub])
        create = self.store.users.create(id=user.id, oauth_provider="github", oauth_provider_sub=sub, username=username)
        self.run(create, AlreadyExistsError if is_taken else None)
        if not is_taken:
            self.users[person] = user

    @rule(person=people, username=usernames)
    def set_username(self, person: str, username: str | None) -> None:
        """Change a username unless another user has it."""
        user = self.users.get(person)
        others = [other.username for other in self.users.values() if other is not user]
        error = NotFoundError if user is None else AlreadyExistsError if username and username in others else None
        self.run(self.store.users.set_username(self.id_of(person), username), error)
        if user is not None and error is None and user.username != username:
            user.username, user.version = username, user.version + 1

    @rule(person=people, sub=subs)
    def link(self, person: str, sub: str) -> None:
        """Link an identity unless another user has it."""
        user = self.users.get(person)
        is_taken = any(sub in other.identities for other in self.users.values() if other is not user)
        error = NotFoundError if user is None else AlreadyExistsError if is_taken else None
        self.run(self.store.users.link_identity(self.id_of(person), "github", sub), error)
        if user is not None and error is None and sub not in user.identities:
            user.identities.append(sub)
            user.version += 1

    @rule(person=people, sub=subs)
    def unlink(self, person: str, sub: str) -> None:
        """Unlink an identity unless it is the last one."""
        user = self.users.get(person)
        error = NotFoundError if user is None else LastIdentityError if user.identities == [sub] else None
        self.run(self.store.users.unlink_identity(self.id_of(person), "github", sub), error)
        if user is not None and error is None and sub in user.identities:
            user.identities.remove(sub)
            user.version += 1

    @rule(person=people, status=st.sampled_from(["active", "suspended"]))
    def set_status(self, person: str, status: SettableStatus) -> None:
        """Suspend a user, or set the user active again."""
        user = self.users.get(person)
        self.run(self.store.users.update(self.id_of(person), status=status), NotFoundError if user is None else None)
        if user is not None:
            user.status, user.version = status, user.version + 1

    @rule(person=people, wikis=st.sampled_from(["refuse", "delete"]))
    def delete_user(self, person: str, wikis: Literal["refuse", "delete"]) -> None:
        """Delete a user, with all wikis or only without."""
        owned = self.owned(self.id_of(person))
        is_refused = wikis == "refuse" and bool(owned)
        self.run(self.store.users.delete(self.id_of(person), wikis=wikis), UserOwnsWikisError if is_refused else None)
        if not is_refused:
            self.users.pop(person, None)
            for key in owned:
                del self.wikis[key]

    # ---- wikis

    @rule(owner=people, slug=slugs, is_public=st.booleans(), limit=limits)
    def create_wiki(self, owner: str, slug: str, is_public: bool, limit: int | None) -> None:  # noqa: FBT001 - drawn
        """Create a wiki within the quota, unless the slug is taken."""
        key = WikiKey(self.id_of(owner), slug)
        error = self.newcomer_error(owner, limit) or (AlreadyExistsError if key in self.wikis else None)
        create = self.store.wikis.create(
            key.owner_id, slug, display_name=slug, repo_path="/srv", is_public=is_public, limit=limit
        )
        self.run(create, error)
        if error is None:
            self.wikis[key] = ModelWiki(slug, is_public=is_public)

    @rule(owner=people, slug=slugs, name=st.text(max_size=5))
    def update_wiki(self, owner: str, slug: str, name: str) -> None:
        """Change the name of a wiki."""
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        update = self.store.wikis.update(self.id_of(owner), slug, display_name=name)
        self.run(update, NotFoundError if wiki is None else None)
        if wiki is not None:
            wiki.name, wiki.version = name, wiki.version + 1

    @rule(owner=people, slug=slugs)
    def delete_wiki(self, owner: str, slug: str) -> None:
        """Delete a wiki with its grants and invitations."""
        self.run(self.store.wikis.delete(self.id_of(owner), slug))
        self.wikis.pop(WikiKey(self.id_of(owner), slug), None)

    @rule(owner=people, slug=slugs, new_slug=slugs)
    def rename_wiki(self, owner: str, slug: str, new_slug: str) -> None:
        """Rename a wiki, unless the slug is taken."""
        source, target = WikiKey(self.id_of(owner), slug), WikiKey(self.id_of(owner), new_slug)
        call = self.store.wikis.rename(source.owner_id, slug, new_slug)
        self.move(call, source, target, None)

    @rule(owner=people, slug=slugs, receiver=people, limit=limits)
    def transfer_wiki(self, owner: str, slug: str, receiver: str, limit: int | None) -> None:
        """Transfer a wiki within the quota."""
        source, target = WikiKey(self.id_of(owner), slug), WikiKey(self.id_of(receiver), slug)
        error = None if owner == receiver else self.newcomer_error(receiver, limit)
        call = self.store.wikis.transfer(source.owner_id, slug, target.owner_id, limit=limit)
        self.move(call, source, target, error)

    def move(
        self, call: Coroutine[Any, Any, Any], source: WikiKey, target: WikiKey, error: type[Exception] | None
    ) -> None:
        """Move the model of a wiki, with its grants except the receiver's, and without invitations."""
        wiki, there = self.wikis.get(source), self.wikis.get(target)
        if wiki is None:
            has_moved = there is not None and there.moved_from == source
            self.run(call, None if has_moved else NotFoundError)
            return
        if source != target:
            error = error if there is None else AlreadyExistsError
        moved = self.run(call, error)
        if error is None and source != target:
            wiki.version, wiki.moved_from, wiki.invitations = wiki.version + 1, source, {}
            wiki.grants.pop(target.owner_id, None)
            self.wikis[target] = self.wikis.pop(source)
        if moved is not None:
            assert (moved.key, moved.display_name, moved.version) == (target, wiki.name, wiki.version)

    # ---- grants and invitations

    @rule(owner=people, slug=slugs, grantee=people, role=roles)
    def grant(self, owner: str, slug: str, grantee: str, role: Role) -> None:
        """Grant a role, which replaces the earlier one."""
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        is_missing = wiki is None or grantee not in self.users
        error = ProtectedOwnerError if owner == grantee else NotFoundError if is_missing else None
        call = self.store.acls.create(
            WikiKey(self.id_of(owner), slug), self.id_of(grantee), role, granted_by=self.id_of(owner)
        )
        self.run(call, error)
        if wiki is not None and error is None:
            wiki.grants[self.id_of(grantee)] = role

    @rule(owner=people, slug=slugs, grantee=people)
    def revoke(self, owner: str, slug: str, grantee: str) -> None:
        """Revoke a grant, and check whether there was one."""
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        is_protected = owner == grantee
        call = self.store.acls.delete(WikiKey(self.id_of(owner), slug), self.id_of(grantee))
        revoked = self.run(call, ProtectedOwnerError if is_protected else None)
        if not is_protected:
            there = wiki.grants.pop(self.id_of(grantee), None) if wiki is not None else None
            assert revoked == (there is not None)

    @rule(owner=people, slug=slugs, role=roles)
    def invite(self, owner: str, slug: str, role: Role) -> None:
        """Invite a person to an existing wiki."""
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        call = self.store.acls.invite(
            WikiKey(self.id_of(owner), slug), "a@example.org", role, invited_by=self.id_of(owner), expires_at=tomorrow
        )
        invited = self.run(call, NotFoundError if wiki is None else None)
        if wiki is not None and invited is not None:
            self.tokens.append((invited[1], self.id_of(owner)))
            wiki.invitations[invited[1]] = role

    @rule(person=people, number=st.integers(min_value=0, max_value=3))
    def accept(self, person: str, number: int) -> None:
        """Accept an invitation, which works once and lowers no role."""
        if number >= len(self.tokens):
            return
        (token, owner_id), user = self.tokens[-1 - number], self.users.get(person)
        opened = [wiki for wiki in self.wikis.values() if token in wiki.invitations]
        error: type[Exception] | None = None
        if self.id_of(person) == owner_id:
            error = ProtectedOwnerError
        elif not opened:
            error = InvalidInviteError
        elif user is None or user.status != "active":
            error = NotFoundError if user is None else NotActiveError
        self.run(self.store.acls.accept_invite(token, self.id_of(person)), error)
        if error is None:
            (wiki,) = opened
            role, ranks = wiki.invitations.pop(token), list(Role)
            seen = wiki.grants.get(self.id_of(person), role)
            wiki.grants[self.id_of(person)] = min(seen, role, key=ranks.index)

    # ---- readers

    @rule(person=st.sampled_from([None, *PEOPLE]), owner=people, slug=slugs)
    def authorize(self, person: str | None, owner: str, slug: str) -> None:
        """Compare a user's access with the model, in which a suspended owner's wikis are closed."""
        user = None if person is None else self.users.get(person)
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        access = self.run(self.store.authorize(person and self.id_of(person), self.id_of(owner), slug))
        assert access is not None
        expected: Role | None = None
        host = self.users.get(owner)
        is_open = wiki is not None and host is not None and host.status == "active"
        if wiki is not None and is_open and (person is None or (user is not None and user.status == "active")):
            expected = Role.VIEWER if wiki.is_public else None
            if person is not None:
                expected = Role.OWNER if person == owner else wiki.grants.get(self.id_of(person), expected)
        assert access.role == expected

    @rule(owner=people, slug=slugs)
    def members(self, owner: str, slug: str) -> None:
        """Compare the members of a wiki with the model."""
        wiki = self.wikis.get(WikiKey(self.id_of(owner), slug))
        page = self.run(self.store.acls.list_members(WikiKey(self.id_of(owner), slug)))
        ids = {user.id for user in self.users.values()}
        expected = {} if wiki is None else {who: (role, who in ids) for who, role in wiki.grants.items()}
        assert page is not None
        assert {acl.grantee_id: (acl.role, user is not None) for acl, user in page} == expected

    @rule(person=people)
    def list_shared_with(self, person: str) -> None:
        """Compare the wikis that are shared with a user with the model."""
        page = self.run(self.store.acls.list_shared_with(self.id_of(person)))
        user_id = self.id_of(person)
        expected = {key: wiki.grants[user_id] for key, wiki in self.wikis.items() if user_id in wiki.grants}
        assert page is not None
        assert {wiki and wiki.key: acl.role for acl, wiki in page} == expected

    def teardown(self) -> None:
        """Compare users, claims, wikis and counts with the model, check that all items agree, and empty the tables."""
        try:
            for user in self.users.values():
                self.check_user(user)
            for key, wiki in self.wikis.items():
                stored = self.run(self.store.wikis.require(key.owner_id, key.wiki_slug, consistent=True))
                assert stored is not None
                assert (stored.display_name, stored.version, stored.is_live) == (wiki.name, wiki.version, True)
        finally:
            self.run(check_and_wipe(self.store))

    def check_user(self, user: ModelUser) -> None:
        """Compare a user, its identities and its count with the model."""
        found = self.run(self.store.users.require(user.id, consistent=True))
        identities = self.run(self.store.users.get_identities(user.id))
        assert found is not None
        assert identities is not None
        owned = len(self.owned(user.id))
        assert (found.username, found.version, found.wiki_count) == (user.username, user.version, owned)
        assert sorted(identity.sub for identity in identities) == sorted(user.identities)


def test_service_agrees_with_plain_dicts(endpoint: str | None, session: AioSession) -> None:
    """For every sequence of calls the store gives the same results as the model, and its tables stay consistent."""
    run_machine(ServiceMachine, endpoint, session, examples=20, steps=40)
