"""The calls that are explored, by name, and the states that they start from."""

from collections.abc import Callable
from datetime import UTC, datetime

from tests.exploration import model
from tests.exploration.clients import Call
from tests.exploration.explorer import Node
from tests.exploration.judge import Action, play
from tests.exploration.model import Database
from wikibot_store import WikibotStore, WikiKey

_SETTING_UP = 15
_LATER = datetime(2027, 1, 1, tzinfo=UTC)


# ---- calls


def rename(owner: str, slug: str, new: str) -> Action:
    return Action(f"rename {owner}:{slug} to {new}", lambda s: s.wikis.rename(owner, slug, new), steps=True)


def transfer(owner: str, slug: str, new: str, limit: int | None = None) -> Action:
    name = f"transfer {owner}:{slug} to {new}" + ("" if limit is None else f" limit {limit}")
    bound = None if limit is None else (new, limit)
    return Action(name, lambda s: s.wikis.transfer(owner, slug, new, limit=limit), steps=True, limit=bound)


def delete(owner: str, slug: str) -> Action:
    return Action(f"delete {owner}:{slug}", lambda s: s.wikis.delete(owner, slug), ends=True, steps=True)


def create(owner: str, slug: str, limit: int | None = None) -> Action:
    name = f"create {owner}:{slug}" + ("" if limit is None else f" limit {limit}")
    bound = None if limit is None else (owner, limit)
    return Action(
        name, lambda s: s.wikis.create(owner, slug, display_name="New", repo_path="/new", limit=limit), limit=bound
    )


def grant(owner: str, slug: str, grantee: str, role: str = "viewer") -> Action:
    return Action(
        f"grant {owner}:{slug} {grantee} {role}",
        lambda s: s.acls.create(WikiKey(owner, slug), grantee, role, granted_by=owner),
        grants=grantee,
    )


def revoke(owner: str, slug: str, grantee: str) -> Action:
    return Action(
        f"revoke {owner}:{slug} {grantee}",
        lambda s: s.acls.delete(WikiKey(owner, slug), grantee),
        revokes=(f"{owner}:{slug}", grantee),
    )


def delete_user(user: str, wikis: str) -> Action:
    parts = tuple(delete(user, slug).call for slug in ("a", "b", "c", "x")) if wikis == "delete" else ()
    return Action(
        f"delete user {user} {wikis}",
        lambda s: s.users.delete(user, wikis=wikis),
        ends=True,
        steps=True,
        parts=parts,
    )


def set_status(user: str, status: str) -> Action:
    return Action(f"set {user} {status}", lambda s: s.users.update(user, status=status), steps=True)


def count(user: str) -> Action:
    return Action(f"count {user}", lambda s: s.admin.reconcile_wiki_count(user))


async def _sweep(store: WikibotStore) -> object:
    return [page async for page in store.admin.sweep(apply=True)]


SWEEP = Action("sweep", _sweep, steps=True)


# ---- starts


def after(database: Database, *calls: Call, client: int = _SETTING_UP) -> Database:
    """Return the database after calls that succeed, each by itself."""

    async def all_of_them(store: WikibotStore) -> None:
        for call in calls:
            await call(store)

    outcome, database = play(Node(all_of_them, client), database)
    if outcome.error is not None:
        raise outcome.error
    return database


def cut(database: Database, action: Action, requests: int, client: int = 14) -> Database | None:
    """Return the database after the first requests of a call whose client then died; None if it has fewer."""
    node = Node(action.call, client)
    for _ in range(requests):
        if node.request is None:
            return None
        reply, database = model.execute(database, node.request.operation, node.members)
        node = node.after(reply)
    return None if node.request is None else Database(database.items)


def people() -> Database:
    """Return three users without wikis."""
    return after(
        Database(),
        *[
            (lambda s, name=name: s.users.create(id=name, oauth_provider="gh", oauth_provider_sub=name))
            for name in ("ada", "bob", "cyd")
        ],
    )


def base() -> Database:
    """Return ada's wiki a, of which bob is an editor."""
    return after(people(), create("ada", "a").call, grant("ada", "a", "bob", "editor").call)


def an_editor_each(*grantees: str) -> Database:
    """Return ada's wiki a with so many editors."""
    return after(people(), create("ada", "a").call, *[grant("ada", "a", each, "editor").call for each in grantees])


def with_invitation() -> Database:
    return after(base(), invite("ada", "a").call)


def with_expired_grant() -> Database:
    async def expired(store: WikibotStore) -> None:
        await store.acls.create(
            WikiKey("ada", "a"), "bob", "editor", granted_by="ada", expires_at=datetime(2025, 1, 1, tzinfo=UTC)
        )

    return after(people(), create("ada", "a").call, expired)


def invite(owner: str, slug: str) -> Action:
    async def call(store: WikibotStore) -> object:
        return await store.acls.invite(
            WikiKey(owner, slug), "dan@example.org", "editor", invited_by=owner, expires_at=_LATER
        )

    return Action(f"invite {owner}:{slug}", call)


def accept(database: Database, user: str) -> Action:
    """Return the acceptance of the invitation that a start has."""
    outcome, _ = play(Node(invite("ada", "a").call, _SETTING_UP), base())
    _, token = outcome.value  # type: ignore[misc]  # an Acl and a text
    return Action(f"accept {user}", lambda s: s.acls.accept_invite(token, user), grants=user)
