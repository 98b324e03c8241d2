"""Tools for the tests of applications that use the store."""

from wikibot_store.testing._faults import Fault
from wikibot_store.testing._injection import InjectedFault
from wikibot_store.testing._proxy import FaultProxy, SeenRequest
from wikibot_store.testing._stale import StaleIndex
from wikibot_store.testing._world import Grant, Person, PlannedWiki, Seeded, World

__all__ = [
    "Fault",
    "FaultProxy",
    "Grant",
    "InjectedFault",
    "Person",
    "PlannedWiki",
    "Seeded",
    "SeenRequest",
    "StaleIndex",
    "World",
]
