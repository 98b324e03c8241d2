"""The operations that a process may die in: what they start from, what they do, and what can be seen of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.integration.samples import a_user, a_user_id, fresh
from wikibot_store import AlreadyExistsError, InvalidInviteError, User, WikibotStore, WikiKey

Names = dict[str, str]
"""The ids, slugs and names that one run of an operation uses, each run its own."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`see` shows what the operation changes, without a name; `refusals` are what a call after success is told."""

    prepare: Callable[[WikibotStore], Awaitable[Names]]
    run: Callable[[WikibotStore, Names], Awaitable[object]]
    see: Callable[[WikibotStore, Names], Awaitable[object]]
    refusals: tuple[type[Exception], ...] = ()


async def _shared_wiki(store: WikibotStore) -> Names:
    """Create a wiki with two editors, an owner and somebody to give it to."""
    owner, receiver, one, other = [await a_user(store) for _ in range(4)]
    wiki = await store.wikis.create(owner.id, "old", display_name="A wiki", repo_path="/srv/a")
    for user in (one, other):
        await store.acls.create(wiki.key, user.id, "editor", granted_by=owner.id)
    return {"owner": owner.id, "receiver": receiver.id, "one": one.id, "other": other.id}


async def _see_wiki(store: WikibotStore, names: Names) -> object:
    """Show under which keys the wiki is, who may do what there, and the counts of both owners."""
    keys = [(names["owner"], "old"), (names["owner"], "new"), (names["receiver"], "old")]
    people = [names[name] for name in ("owner", "receiver", "one", "other")]
    accesses = await asyncio.gather(*[store.authorize(user_id, *key) for key in keys for user_id in people])
    owners = await asyncio.gather(*[store.users.require(user_id, consistent=True) for user_id in people])
    seen = [(access.role, access.wiki and access.wiki.status) for access in accesses]
    return seen, [owner.wiki_count for owner in owners]


async def _invitation(store: WikibotStore) -> Names:
    names = await _shared_wiki(store)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    _, token = await store.acls.invite(
        WikiKey(names["owner"], "old"), "a@example.org", "viewer", invited_by=names["owner"], expires_at=tomorrow
    )
    return names | {"token": token}


async def _person(store: WikibotStore) -> Names:
    """Create a user with two identities, a name, and names for what is to come."""
    names = {name: fresh() for name in ("first", "second", "third", "username", "wanted")}
    user = await store.users.create(
        oauth_provider="github", oauth_provider_sub=names["first"], username=names["username"]
    )
    await store.users.link_identity(user.id, "github", names["second"])
    return names | {"id": user.id}


async def _see_person(store: WikibotStore, names: Names) -> object:
    """Show whether the user is there, and what leads to it."""
    users: list[User | None] = await asyncio.gather(
        store.users.get(names["id"], consistent=True),
        *[store.users.get_by_oauth("github", names[sub], consistent=True) for sub in ("first", "second", "third")],
        *[store.users.get_by_username(names[username]) for username in ("username", "wanted")],
    )
    return [user and (user.status, user.version, user.id == names["id"]) for user in users]


async def _nobody(_: WikibotStore) -> Names:
    return {name: fresh() for name in ("id", "first", "second", "third", "username", "wanted")}


async def _person_with_wiki(store: WikibotStore) -> Names:
    names = await _person(store)
    wiki = await store.wikis.create(names["id"], "old", display_name="A wiki", repo_path="/srv/a")
    await store.acls.create(wiki.key, await a_user_id(store), "editor", granted_by=names["id"])
    return names


OPERATIONS = {
    "wikis.create": Operation(
        prepare=_shared_wiki,
        run=lambda store, names: store.wikis.create(names["owner"], "new", display_name="A wiki", repo_path="/srv/b"),
        see=_see_wiki,
        refusals=(AlreadyExistsError,),
    ),
    "wikis.delete": Operation(
        prepare=_shared_wiki, run=lambda store, names: store.wikis.delete(names["owner"], "old"), see=_see_wiki
    ),
    "wikis.rename": Operation(
        prepare=_shared_wiki, run=lambda store, names: store.wikis.rename(names["owner"], "old", "new"), see=_see_wiki
    ),
    "wikis.transfer": Operation(
        prepare=_shared_wiki,
        run=lambda store, names: store.wikis.transfer(names["owner"], "old", names["receiver"], limit=1),
        see=_see_wiki,
    ),
    "acls.create": Operation(
        prepare=_shared_wiki,
        run=lambda store, names: store.acls.create(
            WikiKey(names["owner"], "old"), names["receiver"], "viewer", granted_by=names["owner"]
        ),
        see=_see_wiki,
    ),
    "acls.accept_invite": Operation(
        prepare=_invitation,
        run=lambda store, names: store.acls.accept_invite(names["token"], names["receiver"]),
        see=_see_wiki,
        refusals=(InvalidInviteError,),
    ),
    "users.create": Operation(
        prepare=_nobody,
        run=lambda store, names: store.users.create(
            id=names["id"], oauth_provider="github", oauth_provider_sub=names["first"], username=names["username"]
        ),
        see=_see_person,
        refusals=(AlreadyExistsError,),
    ),
    "users.set_username": Operation(
        prepare=_person,
        run=lambda store, names: store.users.set_username(names["id"], names["wanted"]),
        see=_see_person,
    ),
    "users.link_identity": Operation(
        prepare=_person,
        run=lambda store, names: store.users.link_identity(names["id"], "github", names["third"]),
        see=_see_person,
    ),
    "users.unlink_identity": Operation(
        prepare=_person,
        run=lambda store, names: store.users.unlink_identity(names["id"], "github", names["first"]),
        see=_see_person,
    ),
    "users.delete": Operation(
        prepare=_person_with_wiki,
        run=lambda store, names: store.users.delete(names["id"], wikis="delete"),
        see=_see_person,
    ),
}
