"""The DAOs of a store, found by their modules, so that a new one is tested without being listed."""

import importlib
import pkgutil
from typing import get_args, get_type_hints

import msgspec

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


def model_of(table: str) -> type[msgspec.Struct]:
    """Return the model of a table: what its DAO's `get` returns if it does not return None."""
    (model,) = {*get_args(get_type_hints(vars(DAOS[table])["get"])["return"])} - {type(None)}
    assert issubclass(model, msgspec.Struct)
    return model
