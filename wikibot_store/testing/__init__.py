"""For the tests of what uses the store."""

from wikibot_store.testing._proxy import FaultProxy, SeenRequest
from wikibot_store.testing._script import Fault

__all__ = ["Fault", "FaultProxy", "SeenRequest"]
