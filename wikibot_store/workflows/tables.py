"""The registry of a store's tables: each is made once, and shared by the workflows and the DAOs."""

import msgspec

from wikibot_store._dynamo.expressions import Condition, not_exists, one_of
from wikibot_store._dynamo.items import ItemCodec, string
from wikibot_store._dynamo.reads import GroupReader
from wikibot_store._dynamo.table import Table
from wikibot_store._dynamo.versioned import VersionedTable
from wikibot_store._wire import Wire
from wikibot_store.keys import redact_claim
from wikibot_store.models import Acl, User, Wiki, WikiStatus
from wikibot_store.schema import ACLS, USERS, WIKIS
from wikibot_store.workflows import legacy


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The claim of a user on an OAuth identity or a username; the id names what is claimed."""

    id: str
    user_id: str


class Move(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The state of a wiki's life and of its move (workflows/moves.py).

    `operation` is the id of the move or deletion that put the item into its state; the ends of a move are wiki ids.
    """

    owner_id: str
    wiki_slug: str
    uid: str
    status: WikiStatus = WikiStatus.ACTIVE
    version: int = 1
    operation: str | None = None
    moving_to: str | None = None
    moved_to: str | None = None
    moving_from: str | None = None
    moved_from: str | None = None
    uncounted: bool = False

    @property
    def counts(self) -> bool:
        """Whether the item is in its owner's `wiki_count`.

        Live wikis are. Earlier versions, whose operations had no id, also counted wikis that were moving or being
        deleted, except for the items that they marked as `uncounted`.
        """
        is_live = self.status in {WikiStatus.ACTIVE, WikiStatus.MOVING}
        return is_live or (self.operation is None and not self.uncounted)

    @property
    def key(self) -> tuple[str, str]:
        """The primary key."""
        return self.owner_id, self.wiki_slug

    @property
    def wiki_id(self) -> str:
        """The partition key of the wiki's grants."""
        return f"{self.owner_id}:{self.wiki_slug}"


OPERATION = "operation"
"""The attribute with the id of a move or deletion that is under way, of a wiki or of a user."""


# Made once: a codec takes a millisecond of the event loop, and is the same for every store.
_USERS = ItemCodec(User, USERS.key, redact=redact_claim, missing=legacy.USERS)
_CLAIMS = ItemCodec(Claim, USERS.key, redact=redact_claim)
_WIKIS = ItemCodec(Wiki, WIKIS.key, missing=legacy.WIKIS)
_MOVES = ItemCodec(Move, WIKIS.key, missing=legacy.MOVES)
_ACLS = ItemCodec(Acl, ACLS.key, missing=legacy.ACLS)


class Tables:
    """The tables of one store. `claims` is a second view of the users table, `moves` of the wikis table."""

    def __init__(self, wire: Wire) -> None:
        config = wire.config
        self.wire = wire
        self.groups = GroupReader(wire)
        self.users = VersionedTable(wire, config.users_table, _USERS)
        self.claims = Table(wire, config.users_table, _CLAIMS)
        self.wikis = VersionedTable(wire, config.wikis_table, _WIKIS, identity="uid", writable=is_live())
        self.moves = Table(wire, config.wikis_table, _MOVES, identity="uid")
        self.acls = Table(wire, config.acls_table, _ACLS)


def is_live() -> Condition:
    """Hold for a wiki that can be read and written, as `Wiki.is_live` says."""
    live = [string(status.value) for status in (WikiStatus.ACTIVE, WikiStatus.MOVING)]
    return not_exists("status") | one_of("status", *live)
