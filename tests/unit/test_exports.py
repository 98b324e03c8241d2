"""The public names of the package."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import wikibot_store
from tests.daos import DAOS
from wikibot_store import WikibotStore, backup, errors, local, provision, verify
from wikibot_store.testing import factories

CHECKOUT = Path(__file__).parents[2]
CHANGELOG = CHECKOUT / "CHANGELOG.md"
TYPED_API = CHECKOUT / "tests" / "typing" / "api.py"


def public_names(module: ModuleType) -> set[str]:
    """Return the names in a module that are neither private nor modules."""
    return {
        name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }


def test_all_lists_the_public_names() -> None:
    """`__all__` holds exactly what can be imported, in order."""
    assert wikibot_store.__all__ == sorted(public_names(wikibot_store))


def test_all_errors_are_at_the_top() -> None:
    """Every error class can be imported from the package itself."""
    public = {name for name in public_names(errors) if name.endswith("Error")}

    assert public <= set(wikibot_store.__all__)
    assert all(getattr(wikibot_store, name) is getattr(errors, name) for name in public)


def test_the_version_is_the_newest_in_the_changelog() -> None:
    """The newest release in CHANGELOG.md has the version of the package."""
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", CHANGELOG.read_text(), re.MULTILINE)

    assert wikibot_store.__version__ == versions[0]


def public_calls() -> Iterator[Callable[..., Any]]:
    """Yield what users call: the methods of store, DAOs and factories, and the functions beside them."""
    for owner in (WikibotStore, *DAOS.values(), wikibot_store.StoreConfig):
        for name, member in vars(owner).items():
            if not name.startswith("_") and not isinstance(member, property) and callable(getattr(owner, name)):
                yield getattr(owner, name)
    yield from (factories.MakeUser.__call__, factories.MakeWiki.__call__, factories.MakeGrant.__call__)
    yield from (local.local_engine, local.local_store, local.local_session)
    yield from (backup.export_tables, backup.import_tables, backup.copy_tables)
    yield from (provision.create_tables, provision.delete_tables, verify.verify_tables)


@pytest.mark.parametrize("call", [*public_calls()], ids=lambda call: call.__qualname__)
def test_parameters_have_names_and_types(call: Callable[..., Any]) -> None:
    """An editor can show every parameter: none hides behind *args or **kwargs, and each is annotated."""
    parameters = [parameter for name, parameter in inspect.signature(call).parameters.items() if name != "self"]

    assert {parameter.kind for parameter in parameters} <= {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters)


def test_the_types_of_all_names_are_asserted() -> None:
    """Every public name and every method of store and DAOs stands in the file that type checkers read."""
    text = TYPED_API.read_text()
    named = set(re.findall(r"\w+", text))
    methods = [f"store.{name}.{method}" for name, dao in DAOS.items() for method in vars(dao) if method[0] != "_"]

    assert set(wikibot_store.__all__) - named == set(), "assert their types in tests/typing/api.py"
    assert {call.__name__ for call in public_calls()} - {"__call__"} - named == set()
    assert [method for method in methods if f"{method}(" not in text] == [], "assert their types in tests/typing/api.py"
