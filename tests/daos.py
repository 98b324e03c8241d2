"""The DAOs of a store, found by their modules, so that a new one is tested without being listed."""

import importlib
import pkgutil

from wikibot_store import daos


def _dao_in(module: str) -> type:
    """Return the one DAO of a module."""
    (dao,) = [
        value
        for name, value in vars(importlib.import_module(f"wikibot_store.daos.{module}")).items()
        if name.endswith("Dao")
    ]
    assert isinstance(dao, type)
    return dao


DAOS = {info.name: _dao_in(info.name) for info in pkgutil.iter_modules(daos.__path__)}
"""The class of each DAO, by its attribute of the store."""
