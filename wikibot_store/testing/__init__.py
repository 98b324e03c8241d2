"""For the tests of what uses the store."""

from wikibot_store.testing._proxy import FaultProxy, SeenRequest
from wikibot_store.testing._script import Fault
from wikibot_store.testing._stale import StaleIndex

__all__ = ["Fault", "FaultProxy", "SeenRequest", "StaleIndex"]
