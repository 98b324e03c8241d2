"""Who may do what in a wiki, in one round trip."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from wikibot_store._reads import KeyValues, ReadableTable, batch_get
from wikibot_store._tables import Tables
from wikibot_store.keys import WikiKey, check_id
from wikibot_store.models import Access, Acl, Role, User, UserStatus, Wiki


async def authorize(
    tables: Tables, user_id: str | None, owner_id: str, wiki_slug: str, *, consistent: bool = True
) -> Access:
    """Return what the user, or anybody if it is None, may do in the wiki."""
    key = WikiKey(owner_id, wiki_slug)
    wiki_key = (key.owner_id, key.wiki_slug)
    wanted: dict[ReadableTable[Any], Sequence[KeyValues]] = {tables.wikis: [wiki_key]}
    if user_id is not None:
        wanted[tables.users] = [(check_id("user_id", user_id),)]
        if user_id != owner_id:
            wanted[tables.acls] = [(key.wiki_id, user_id)]
    found = await batch_get(tables.wire, wanted, consistent=consistent)
    wiki: Wiki | None = _only(found[tables.wikis])
    user: User | None = _only(found.get(tables.users, {}))
    acl: Acl | None = _only(found.get(tables.acls, {}))
    is_known = user_id is None or (user is not None and user.status is UserStatus.ACTIVE)
    role = _role(wiki, user, acl) if is_known else None
    return Access(role=role, wiki=wiki, user=user)


def _only(found: Mapping[KeyValues, Any]) -> Any:  # noqa: ANN401 - a model of whichever table
    """Return the one item that was asked for, or None."""
    return next(iter(found.values()), None)


def _role(wiki: Wiki | None, user: User | None, acl: Acl | None) -> Role | None:
    """Decide for somebody who is anonymous or active."""
    if wiki is None or not wiki.is_live:
        return None
    if user is not None and user.id == wiki.owner_id:
        return Role.OWNER
    if acl is not None and acl.wiki_uid in (None, wiki.uid) and not acl.is_expired(datetime.now(UTC)):
        return acl.role
    return Role.VIEWER if wiki.is_public else None
