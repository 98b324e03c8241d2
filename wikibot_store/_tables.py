"""The tables of one store, made once and shared by the DAOs and the workflows."""

import msgspec

from wikibot_store._table import Table, VersionedTable
from wikibot_store._wire import Wire
from wikibot_store.models import Acl, User, Wiki
from wikibot_store.schema import ACLS, USERS, WIKIS


class Claim(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An OAuth identity or a username, by its key, and the user that it belongs to."""

    id: str
    user_id: str


class Tables:
    """The three tables; `claims` is the users table seen as claims."""

    def __init__(self, wire: Wire) -> None:
        config = wire.config
        self.wire = wire
        self.users = VersionedTable(wire, USERS, config.users_table, User)
        self.claims = Table(wire, USERS, config.users_table, Claim)
        self.wikis = VersionedTable(wire, WIKIS, config.wikis_table, Wiki, identity="uid")
        self.acls = Table(wire, ACLS, config.acls_table, Acl)
