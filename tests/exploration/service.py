"""The calls that are explored, by name, and the states that they start from."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

from tests.exploration import model
from tests.exploration.clients import Call
from tests.exploration.explorer import Node
from tests.exploration.judge import Action, play
from tests.exploration.model import Database
from wikibot_store import UserStatus, Wiki, WikibotStore, WikiKey

_SETTING_UP = 15
_CUT_OFF = 14
_LATER = datetime(2027, 1, 1, tzinfo=UTC)
_BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
_MEASURED = datetime(2026, 1, 2, tzinfo=UTC)
_MOST_REQUESTS = 40
_STEPS_PER_ITEM = 100


async def _sweep(store: WikibotStore) -> object:
    # In two segments: one is screened while items of the other are repaired.
    return [page async for page in store.admin.sweep(apply=True, segments=2)]


# A move first finishes what earlier calls have left at its two keys, and a new wiki at its one, as a sweep does.
_TIDYING = (_sweep,)

# ---- calls on wikis


def rename(owner: str, slug: str, new: str) -> Action:
    """Rename a wiki."""
    return Action(
        f"rename {owner}:{slug} to {new}", lambda s: s.wikis.rename(owner, slug, new), steps=True, parts=_TIDYING
    )


def transfer(owner: str, slug: str, new: str, limit: int | None = None) -> Action:
    """Transfer a wiki."""
    name = f"transfer {owner}:{slug} to {new}" + ("" if limit is None else f" limit {limit}")
    return Action(
        name,
        lambda s: s.wikis.transfer(owner, slug, new, limit=limit),
        steps=True,
        adds=new,
        limit=limit,
        parts=_TIDYING,
    )


def delete(owner: str, slug: str) -> Action:
    """Delete a wiki."""
    return Action(f"delete {owner}:{slug}", lambda s: s.wikis.delete(owner, slug), ends=True, steps=True)


def create(owner: str, slug: str, limit: int | None = None) -> Action:
    """Create a wiki."""
    name = f"create {owner}:{slug}" + ("" if limit is None else f" limit {limit}")
    return Action(
        name,
        lambda s: s.wikis.create(owner, slug, display_name="New", repo_path="/new", limit=limit),
        adds=owner,
        limit=limit,
        parts=_TIDYING,
    )


def write(owner: str, slug: str) -> Action:
    """Change a wiki's name."""
    return Action(f"write {owner}:{slug}", lambda s: s.wikis.update(owner, slug, display_name="Written"))


def touch(owner: str, slug: str) -> Action:
    """Note an access to a wiki."""
    return Action(f"touch {owner}:{slug}", lambda s: s.wikis.touch(owner, slug))


def token(owner: str, slug: str) -> Action:
    """Give a wiki a token."""
    return Action(f"token {owner}:{slug}", lambda s: s.wikis.set_mcp_token(owner, slug))


def listing(owner: str) -> Action:
    """List an owner's wikis."""
    return Action(f"list {owner}", lambda s: s.wikis.list_by_owner(owner, consistent=True))


def authorize(user: str, owner: str, slug: str) -> Action:
    """Ask for a role."""
    return Action(f"authorize {user} {owner}:{slug}", lambda s: s.authorize(user, owner, slug), reads=owner)


def usage(owner: str, slug: str) -> Action:
    """Record what the first wiki of the starts uses, by its uid."""

    async def record(store: WikibotStore) -> bool:
        figures = {"page_count": 3, "disk_usage_bytes": 5, "measured_at": _MEASURED}
        return await store.wikis.record_usage(owner, slug, uid=_uid(), **figures)  # type: ignore[arg-type]  # of each

    return Action(f"usage {owner}:{slug}", record)


@cache
def _uid() -> str:
    outcome, _ = play(_set_up(people(), [create("ada", "a")]), people())
    assert isinstance(outcome.value, Wiki)
    return outcome.value.uid


def publish(owner: str, slug: str) -> Action:
    """Open a wiki to everybody."""
    return Action(f"publish {owner}:{slug}", lambda s: s.wikis.update(owner, slug, is_public=True))


def read(owner: str, slug: str) -> Action:
    """Read a wiki."""

    async def live(s: WikibotStore) -> Wiki | None:
        wiki = await s.wikis.get(owner, slug, consistent=True)
        return wiki if wiki is not None and wiki.is_live else None  # not what is left of one, or one that arrives

    return Action(f"read {owner}:{slug}", live)


def authorize_token(owner: str, slug: str) -> Action:
    """Ask what a token that is wrong gives."""
    return Action(f"authorize token {owner}:{slug}", lambda s: s.authorize_token(owner, slug, "wrong"))


# ---- calls on grants


def grant(owner: str, slug: str, grantee: str, role: str = "viewer") -> Action:
    """Grant a role."""
    return Action(
        f"grant {owner}:{slug} {grantee} {role}",
        lambda s: s.acls.create(WikiKey(owner, slug), grantee, role, granted_by=owner),  # type: ignore[arg-type]  # any text
        grants=grantee,
    )


def revoke(owner: str, slug: str, grantee: str) -> Action:
    """Take a role away."""
    return Action(
        f"revoke {owner}:{slug} {grantee}",
        lambda s: s.acls.delete(WikiKey(owner, slug), grantee),
        revokes=(f"{owner}:{slug}", grantee),
    )


def invite(owner: str, slug: str) -> Action:
    """Invite somebody."""
    key = WikiKey(owner, slug)
    return Action(
        f"invite {owner}:{slug}",
        lambda s: s.acls.invite(key, "dan@example.org", "editor", invited_by=owner, expires_at=_LATER),
    )


def invite_again(owner: str, slug: str) -> Action:
    """Invite somebody else, who has a role already."""
    key = WikiKey(owner, slug)
    return Action(
        f"invite again {owner}:{slug}",
        lambda s: s.acls.invite(key, "eve@example.org", "viewer", invited_by=owner, expires_at=_LATER),
    )


def accept(user: str) -> Action:
    """Accept the invitation of the start that has one."""
    return Action(f"accept {user}", lambda s: s.acls.accept_invite(_token(), user), grants=user)


@cache
def _token() -> str:
    outcome, _ = play(_set_up(base(), [invite("ada", "a")]), base())
    assert isinstance(outcome.value, tuple)
    return str(outcome.value[1])


# ---- calls on users, and an operator's


def delete_user(user: str, wikis: str) -> Action:
    """Delete a user."""
    parts = _parts(user) if wikis == "delete" else ()
    return Action(
        f"delete user {user} {wikis}",
        lambda s: s.users.delete(user, wikis=wikis),  # type: ignore[arg-type]  # any text
        ends=True,
        steps=True,
        parts=parts,
        deletes=user,
    )


def _parts(user: str, *, resumed: bool = False) -> tuple[Call, ...]:
    """Return the deletions of wikis that are seen of a user's; with `resumed` only if the user is being deleted."""

    def part(slug: str) -> Call:
        async def delete_it(store: WikibotStore) -> None:
            owner = await store.users.get(user, consistent=True)
            if not resumed or (owner is not None and owner.status is UserStatus.DELETING):
                await store.wikis.delete(user, slug)

        return delete_it

    return tuple(map(part, ("a", "b", "c", "x")))


def set_status(user: str, status: str) -> Action:
    """Set a user's status, which calls a deletion off."""
    return Action(
        f"set {user} {status}",
        lambda s: s.users.update(user, status=status),  # type: ignore[arg-type]  # any text
        steps=True,
        keeps=user,
    )


def create_user(user: str, sub: str, username: str) -> Action:
    """Create a user."""
    return Action(
        f"create user {user} {sub} {username}",
        lambda s: s.users.create(id=user, oauth_provider="gh", oauth_provider_sub=sub, username=username),
    )


def log_in(sub: str) -> Action:
    """Log in, perhaps for the first time."""
    return Action(f"log in {sub}", lambda s: s.users.get_or_create_by_oauth("gh", sub))


def link(user: str, sub: str) -> Action:
    """Link an identity."""
    return Action(f"link {user} {sub}", lambda s: s.users.link_identity(user, "gh", sub))


def unlink(user: str, sub: str) -> Action:
    """Unlink an identity."""
    return Action(f"unlink {user} {sub}", lambda s: s.users.unlink_identity(user, "gh", sub))


def name(user: str, username: str | None) -> Action:
    """Give a user another name."""
    return Action(f"name {user} {username}", lambda s: s.users.set_username(user, username))


def profile(user: str) -> Action:
    """Change a user's address."""
    return Action(f"profile {user}", lambda s: s.users.update(user, email="new@example.org"))


def note_login(user: str) -> Action:
    """Note a login."""
    return Action(f"note login {user}", lambda s: s.users.record_login(user))


def identities(user: str) -> Action:
    """List a user's identities."""
    return Action(f"identities {user}", lambda s: s.users.get_identities(user))


def look_up(sub: str) -> Action:
    """Look a user up by an identity."""
    return Action(f"look up {sub}", lambda s: s.users.get_by_oauth("gh", sub, consistent=True))


def find(username: str) -> Action:
    """Look a user up by name."""
    return Action(f"find {username}", lambda s: s.users.get_by_username(username))


def count(user: str) -> Action:
    """Count a user's wikis."""
    return Action(f"count {user}", lambda s: s.admin.reconcile_wiki_count(user))


SWEEP = Action("sweep", _sweep, steps=True, parts=_parts("ada", resumed=True))

MOVES = [
    rename("ada", "a", "b"),
    rename("ada", "b", "c"),
    rename("ada", "b", "a"),
    transfer("ada", "a", "cyd", limit=1),
    transfer("cyd", "a", "ada"),
]
GRANTS = [
    grant("ada", "a", "cyd"),
    grant("ada", "b", "cyd"),
    revoke("ada", "a", "bob"),
    revoke("ada", "b", "bob"),
    revoke("cyd", "a", "bob"),
    invite("ada", "a"),
    accept("cyd"),
]
ENDS = [
    delete("ada", "a"),
    delete("ada", "b"),
    delete("cyd", "a"),
    delete_user("ada", "refuse"),
    delete_user("ada", "delete"),
    delete_user("cyd", "refuse"),
]
OTHERS = [
    create("ada", "a"),
    create("ada", "b", limit=2),
    create("cyd", "a", limit=1),
    write("ada", "a"),
    write("ada", "b"),
    touch("ada", "a"),
    token("ada", "a"),
    listing("ada"),
    authorize("bob", "ada", "a"),
    authorize("bob", "ada", "b"),
    set_status("ada", "active"),
    set_status("cyd", "suspended"),
]
COUNTS = [count("ada"), count("cyd"), SWEEP]
WIKI_SIDE = [*MOVES, *GRANTS, *ENDS, *OTHERS, *COUNTS]
USER_SIDE = [
    create_user("dan", "new", "lovelace"),
    create_user("dan", "second", "daniel"),
    log_in("ada"),
    log_in("second"),
    log_in("new"),
    link("ada", "new"),
    link("bob", "new"),
    link("bob", "second"),
    unlink("ada", "ada"),
    unlink("ada", "second"),
    name("ada", "lovelace"),
    name("bob", "lovelace"),
    name("bob", "ada"),
    name("ada", None),
    profile("ada"),
    note_login("ada"),
    find("ada"),
    find("lovelace"),
    set_status("ada", "active"),
    delete_user("ada", "refuse"),
    delete_user("ada", "delete"),
    SWEEP,
]

# Pairs of these with each other, and with all of the above.
WIKI_SIDE_TOO = [
    usage("ada", "a"),
    publish("ada", "a"),
    read("ada", "a"),
    read("ada", "b"),
    authorize_token("ada", "a"),
    grant("ada", "a", "bob", "editor"),
    grant("ada", "a", "cyd", "editor"),
    invite_again("ada", "a"),
    accept("bob"),
]
USER_SIDE_TOO = [
    identities("ada"),
    look_up("ada"),
    look_up("second"),
    log_in("lost"),
    unlink("bob", "second"),
    name("bob", "b0b"),
    create("ada", "a"),
    count("ada"),
]


# ---- starts


def after(database: Database, *actions: Action) -> Database:
    """Return the database after calls that succeed, one after another."""
    outcome, database = play(_set_up(database, actions), database)
    if outcome.error is not None:
        raise outcome.error
    return database


def _set_up(database: Database, actions: Sequence[Action]) -> Node:
    """Return calls one after another, as one client makes them that has made the database too."""

    async def all_of_them(store: WikibotStore) -> object:
        result = None
        for action in actions:
            result = await action.call(store)
        return result

    return Node(all_of_them, _SETTING_UP, first_step=_STEPS_PER_ITEM * len(database.items))


def cut(database: Database, action: Action) -> Iterator[tuple[int, Database]]:
    """Yield the databases that a call leaves whose client dies, each once, with the number of its requests."""
    node, seen = Node(action.call, _CUT_OFF), {database}
    for requests in range(1, _MOST_REQUESTS):
        if node.request is None:
            return
        reply, database = model.execute(database, node.request.operation, node.members)
        node, left = node.after(reply), Database(database.items)
        if left not in seen and node.request is not None:
            seen.add(left)
            yield requests, left


@cache
def people() -> Database:
    """Return three users without wikis."""
    return after(
        Database(),
        *[
            Action(name, lambda s, name=name: s.users.create(id=name, oauth_provider="gh", oauth_provider_sub=name))  # type: ignore[misc]  # one name each
            for name in ("ada", "bob", "cyd")
        ],
    )


@cache
def shared_with(*grantees: str) -> Database:
    """Return ada's wiki a with editors."""
    return after(people(), create("ada", "a"), *[grant("ada", "a", each, "editor") for each in grantees])


def base() -> Database:
    """Return ada's wiki a, of which bob is an editor."""
    return shared_with("bob")


def _expired() -> Action:
    key = WikiKey("ada", "a")
    return Action("expired", lambda s: s.acls.create(key, "bob", "editor", granted_by="ada", expires_at=_BEFORE))


def _identities() -> Database:
    return after(people(), link("ada", "second"), name("ada", "ada"))


def _half_done(about: str, database: Database, action: Action) -> dict[str, Database]:
    return {f"{about}, cut off after {requests}": left for requests, left in cut(database, action)}


def _chains() -> dict[str, Database]:
    """Return what crashes leave of a move after which the wiki moves on, and one that was made anew at its place."""
    chains = {}
    for requests, left in cut(base(), rename("ada", "a", "b")):
        for about, actions in {
            "moved on": [rename("ada", "b", "c")],
            "moved on and made anew": [rename("ada", "b", "c"), create("ada", "b")],
            "deleted": [delete("ada", "b")],
        }.items():
            try:
                chains[f"rename, cut off after {requests}, {about}"] = after(left, *actions)
            except Exception:  # noqa: BLE001, S112 - not possible from here
                continue
    return chains


def _prepare() -> None:
    """Make the values that calls take from earlier calls: none can be made while a call goes on."""
    _uid()
    _token()


def starts() -> dict[str, Database]:
    """Return the states that calls on wikis start from: whole ones, and half-done ones that crashes leave."""
    _prepare()
    whole = {
        "one editor": base(),
        "no grant": shared_with(),
        "two editors": shared_with("bob", "cyd"),
        "expired grant": after(people(), create("ada", "a"), _expired()),
        "invitation": after(base(), invite("ada", "a")),
        "two wikis": after(base(), create("ada", "b")),
        "no wiki": people(),
        "renamed": after(base(), rename("ada", "a", "b")),
        "cyd at the quota": after(base(), create("cyd", "x")),
        "cyd has the slug": after(base(), create("cyd", "a")),
    }
    half = {
        **_half_done("rename", base(), rename("ada", "a", "b")),
        **_half_done("transfer", base(), transfer("ada", "a", "cyd", limit=1)),
        **_half_done("delete", base(), delete("ada", "a")),
        **_half_done("delete user", whole["two wikis"], delete_user("ada", "delete")),
    }
    return {**whole, **half, **_chains()}


def user_starts() -> dict[str, Database]:
    """Return the states that calls on users start from."""
    _prepare()
    return {
        "two identities": _identities(),
        "names of two": after(_identities(), name("bob", "lovelace")),
        **_half_done("delete user", after(_identities(), create("ada", "a")), delete_user("ada", "delete")),
    }
