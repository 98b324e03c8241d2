"""Who may do what in a wiki, in one round trip."""

from collections.abc import Mapping
from typing import Any

from wikibot_store._dynamo.checks import utc_now
from wikibot_store._dynamo.reads import Key, ReadableTable, sound
from wikibot_store.errors import CorruptItemError
from wikibot_store.keys import WikiKey
from wikibot_store.models import Access, Acl, Role, User, UserStatus, Wiki
from wikibot_store.tokens import token_matches
from wikibot_store.workflows.tables import Tables


async def authorize(tables: Tables, user_id: str | None, key: WikiKey, *, consistent: bool) -> Access:
    """Return what the user may do in the wiki, or what anybody may do if `user_id` is None."""
    people = [(person,) for person in dict.fromkeys([key.owner_id] if user_id is None else [key.owner_id, user_id])]
    wiki_key, acl_key = (key.owner_id, key.wiki_slug), (key.wiki_id, user_id or "")
    group: list[tuple[ReadableTable[Any], Key]] = [
        (tables.wikis, wiki_key),
        *((tables.users, person) for person in people),
    ]
    if user_id is not None and user_id != key.owner_id:
        group.append((tables.acls, acl_key))
    found = await tables.groups.get(group, consistent=consistent)
    wiki: Wiki | None = sound(found[tables.wikis].get(wiki_key))
    users: Mapping[Key, User | None] = {person: sound(found[tables.users].get(person)) for person in people}
    user = None if user_id is None else users[(user_id,)]
    acl: Acl | CorruptItemError | None = found.get(tables.acls, {}).get(acl_key)
    opened = _opened(wiki, users.get((key.owner_id,)))
    is_known = user_id is None or _is_active(user)
    return Access(role=None if opened is None or not is_known else _role(opened, user, acl), wiki=wiki, user=user)


async def authorize_token(tables: Tables, key: WikiKey, token: str, *, role: Role) -> Access:
    """Return access with the role if the token is the wiki's."""
    wiki_key, owner_key = (key.owner_id, key.wiki_slug), (key.owner_id,)
    found = await tables.groups.get([(tables.wikis, wiki_key), (tables.users, owner_key)], consistent=True)
    wiki: Wiki | None = sound(found[tables.wikis].get(wiki_key))
    # Compared in any case, so that the time does not show which condition failed.
    matches = token_matches(token, None if wiki is None else wiki.mcp_token_hash)
    opened = _opened(wiki, sound(found[tables.users].get(owner_key)))
    return Access(role=role if matches and opened is not None else None, wiki=wiki, user=None)


def _is_active(user: User | None) -> bool:
    return user is not None and user.status is UserStatus.ACTIVE


def _opened(wiki: Wiki | None, owner: User | None) -> Wiki | None:
    """Return the wiki if it is open to anybody at all."""
    return wiki if wiki is not None and wiki.is_live and _is_active(owner) else None


def _role(wiki: Wiki, user: User | None, acl: Acl | CorruptItemError | None) -> Role | None:
    """Return the role of an active or anonymous person in an open wiki; a corrupt grant opens nothing."""
    if user is not None and user.id == wiki.owner_id:
        return Role.OWNER
    if isinstance(acl, Acl) and acl.is_for(wiki) and not acl.is_expired(utc_now()):
        return acl.role
    return Role.VIEWER if wiki.is_public else None
