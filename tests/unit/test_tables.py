"""Each table of the schema has everything that belongs to a table; what is missing is named."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
from rich.pretty import pretty_repr

import wikibot_store
from tests.daos import DAOS, made_up, model_of
from wikibot_store import StoreConfig, WikibotStore, models
from wikibot_store.local import local_session
from wikibot_store.schema import TABLES, TableSchema

_TESTS = Path(__file__).parents[1] / "integration"
_NO_TABLE = {"admin"}
_PRIVATE = re.compile("email|_hash|_path|_sub$")


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
async def test_a_table_has_all_that_belongs_to_it(schema: TableSchema) -> None:
    """A table has a setting, a DAO, a place on the store, a model at the top level, and tests."""
    assert list(_missing(schema)) == []
    async with WikibotStore.open(StoreConfig(region="us-east-1"), session=local_session()) as store:
        assert isinstance(vars(store).get(schema.name), DAOS[schema.name]), (
            f"wikibot_store/store.py: set self.{schema.name} in WikibotStore.__init__"
        )


def _missing(schema: TableSchema) -> Iterator[str]:
    setting, name = f"{schema.name}_table", schema.name
    if {field.name: field.default for field in fields(StoreConfig)}.get(setting) != name:
        yield f'wikibot_store/config.py: give StoreConfig the field {setting}: str = "{name}"'
    if name not in DAOS:
        yield f"wikibot_store/daos/{name}.py: write the DAO"
    elif (model := model_of(name).__name__) not in wikibot_store.__all__:
        yield f"wikibot_store/__init__.py: import {model} and add it to __all__"
    if not (_TESTS / f"test_{name}.py").exists():
        yield f"tests/integration/test_{name}.py: test what the methods return"


def test_a_dao_has_its_table() -> None:
    """Each DAO but that of the operators is named as its table is."""
    assert DAOS.keys() - _NO_TABLE == {schema.name for schema in TABLES}, "wikibot_store/schema.py: add it to TABLES"


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_a_name_makes_names_of_settings_and_statements(schema: TableSchema) -> None:
    """A table's name is words of lower-case letters: `api_tokens` makes `apiTokensTable` and `ApiTokensTable`."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", schema.name)


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.name)
def test_a_model_keeps_its_secrets(schema: TableSchema) -> None:
    """No attribute whose name says that it is private is in a model's repr, and a model with a hash has no JSON."""
    model = made_up(schema.name)
    private = {name for name in model.__struct_fields__ if _PRIVATE.search(name)}

    shown = repr(model) + pretty_repr(model)  # of rich, which tracebacks are printed with
    assert [name for name in private if name in shown] == [], "models.py: derive from _Discreet, write __repr__"
    if any(name.endswith("_hash") for name in private):
        with pytest.raises(TypeError, match="holds private attributes"):
            msgspec.json.encode(model)


def test_all_models_are_at_the_top() -> None:
    """Every public name of models.py can be imported from the package itself."""
    assert set(models.__all__) <= set(wikibot_store.__all__)
