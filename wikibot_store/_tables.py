"""The tables of one store, made once and shared by the DAOs and the workflows."""

import msgspec

from wikibot_store._expressions import Condition, not_exists, one_of
from wikibot_store._items import ItemCodec, string
from wikibot_store._table import Table
from wikibot_store._versioned import VersionedTable
from wikibot_store._wire import Wire
from wikibot_store.models import Acl, User, Wiki, WikiStatus
from wikibot_store.schema import ACLS, USERS, WIKIS


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An OAuth identity or a username, by its key, and the user that it belongs to."""

    id: str
    user_id: str


class Move(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a wiki's item says of its life and of a move (workflows/moves.py); other keys are wiki ids.

    `uncounted` items are the second one of a wiki that is renamed, which counts once at its owner.
    """

    owner_id: str
    wiki_slug: str
    uid: str
    status: WikiStatus = WikiStatus.ACTIVE
    version: int = 1
    moving_to: str | None = None
    moved_to: str | None = None
    moving_from: str | None = None
    moved_from: str | None = None
    uncounted: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The values of the primary key."""
        return self.owner_id, self.wiki_slug

    @property
    def wiki_id(self) -> str:
        """The partition key of the wiki's grants."""
        return f"{self.owner_id}:{self.wiki_slug}"


# Made once: a codec takes a millisecond of the event loop, and is the same for every store.
_USERS = ItemCodec(User, USERS)
_CLAIMS = ItemCodec(Claim, USERS)
_WIKIS = ItemCodec(Wiki, WIKIS)
_MOVES = ItemCodec(Move, WIKIS)
_ACLS = ItemCodec(Acl, ACLS)


class Tables:
    """The three tables; `claims` is the users table seen as claims, `moves` the wikis table seen as moves."""

    def __init__(self, wire: Wire) -> None:
        config = wire.config
        self.wire = wire
        self.users = VersionedTable(wire, config.users_table, _USERS)
        self.claims = Table(wire, config.users_table, _CLAIMS)
        self.wikis = VersionedTable(wire, config.wikis_table, _WIKIS, identity="uid", writable=is_live())
        self.moves = Table(wire, config.wikis_table, _MOVES)
        self.acls = Table(wire, config.acls_table, _ACLS)


def is_live() -> Condition:
    """Hold for a wiki that can be read and written, as `Wiki.is_live` tells."""
    live = [string(status.value) for status in (WikiStatus.ACTIVE, WikiStatus.MOVING)]
    return not_exists("status") | one_of("status", *live)
