"""What the package offers at its top level."""

import re
from pathlib import Path
from types import ModuleType

import wikibot_store
from wikibot_store import errors

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


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
    """A release is announced under the version that it has."""
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", CHANGELOG.read_text(), re.MULTILINE)

    assert wikibot_store.__version__ == versions[0]
