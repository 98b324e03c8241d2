"""The tables of one store, made once and shared by the DAOs and the workflows."""

import msgspec

from wikibot_store._items import ItemCodec
from wikibot_store._table import Table, VersionedTable
from wikibot_store._wire import Wire
from wikibot_store.models import Acl, User, Wiki
from wikibot_store.schema import ACLS, USERS, WIKIS


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An OAuth identity or a username, by its key, and the user that it belongs to."""

    id: str
    user_id: str


# Made once: a codec takes a millisecond of the event loop, and is the same for every store.
_USERS = ItemCodec(User, USERS)
_CLAIMS = ItemCodec(Claim, USERS)
_WIKIS = ItemCodec(Wiki, WIKIS)
_ACLS = ItemCodec(Acl, ACLS)


class Tables:
    """The three tables; `claims` is the users table seen as claims."""

    def __init__(self, wire: Wire) -> None:
        config = wire.config
        self.wire = wire
        self.users = VersionedTable(wire, config.users_table, _USERS)
        self.claims = Table(wire, config.users_table, _CLAIMS)
        self.wikis = VersionedTable(wire, config.wikis_table, _WIKIS, identity="uid")
        self.acls = Table(wire, config.acls_table, _ACLS)
