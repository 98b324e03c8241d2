"""The DAOs of a store and their models, found by their modules, so that a new one is tested without being listed."""

import importlib
import pkgutil
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec

from wikibot_store import Role, daos

_VALUES: dict[Any, Any] = {bool: False, int: 0, datetime: datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), Role: "viewer"}


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
    model: type[msgspec.Struct]
    (model,) = {*get_args(get_type_hints(vars(DAOS[table])["get"])["return"])} - {type(None)}
    return model


def made_up(table: str) -> msgspec.Struct:
    """Return a model of a table whose texts are the names of their attributes, such as owner_id "owner_id"."""
    model = model_of(table)
    fields = msgspec.structs.fields(model)
    texts = {field.name: field.name for field in fields if str in {field.type, *get_args(field.type)}}
    others = {field.name: _VALUES[field.type] for field in fields if field.required and field.name not in texts}
    return model(**texts, **others)
