"""The README's code runs as it stands."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

from wikibot_store import WikibotStore
from wikibot_store.daos import AclDao, UserDao, WikiDao

README = Path(__file__).parents[1] / "README.md"


def test_example_prints_what_it_says() -> None:
    """The example creates, is refused a duplicate, grants, authorizes and lists."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - the project's own code

    refusal, listing = run.stdout.splitlines()
    assert refusal.startswith("already exists (wiki_slug is taken)")
    assert listing == "True editor ['notes'] None"


def test_access_pattern_table_names_every_method() -> None:
    """Each public method of each DAO has its place in the access-pattern table."""
    text = README.read_text()
    table = text[text.index("## Access patterns") : text.index("## Guarantees")]
    owners = {"users": UserDao, "wikis": WikiDao, "acls": AclDao, "store": WikibotStore}
    methods = {
        f"{name}.{method}"
        for name, owner in owners.items()
        for method, member in vars(owner).items()
        if inspect.isfunction(member) and not method.startswith("_") and method not in {"client", "stats"}
    }
    rows = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    named = {
        f"{dao}.{method}"
        for row in rows
        if (dao := row.strip("`").partition(".")[0]) in owners
        for method in re.findall(r"`(?:\w+\.)?(\w+)", row)
    }

    assert named == methods
