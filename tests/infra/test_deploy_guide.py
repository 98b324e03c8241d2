"""docs/deploy.md describes what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest

from tests.infra.program import run_program
from wikibot_store import StoreConfig, WikibotStore
from wikibot_store.local import REGION, local_engine, local_session
from wikibot_store.provision import create_tables

GUIDE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()


def test_table_of_settings_is_complete() -> None:
    """The guide describes every setting of the program, and no other."""
    with pytest.raises(pulumi.RunError) as refusal:
        run_program("dev", {"wikibot:unknown": "1"})
    settings = set(str(refusal.value).partition("the settings are ")[2].split(", "))

    table = GUIDE[GUIDE.index("| key |") : GUIDE.index("A setting that is unknown")]
    described = {
        key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(.*?)`", row)
    }
    assert all(f"{name}Table" in settings for name in ("users", "wikis", "acls"))
    named = {key for key in settings if not key.endswith("Table")}
    assert described == named | {"<table>Table", "aws:region"}


async def test_check_after_a_restore_finds_both_halves_of_a_transaction() -> None:
    """A user without its claim and a claim without its user are both reported, and whole sign-ups are not."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    with local_engine() as url:
        config = StoreConfig(region=REGION, endpoint_url=url)
        async with WikibotStore.open(config, session=local_session()) as store:
            await create_tables(store)
            for name in ("ada", "bob", "eve"):
                await store.users.create(id=name, oauth_provider="github", oauth_provider_sub=name, username=name)
            for lost in ("claim#username#bob", "eve"):
                await (await store.client()).delete_item(TableName=config.users_table, Key={"id": {"S": lost}})
        environment = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "WIKIBOT_ENDPOINT_URL": url,
            "WIKIBOT_REGION": REGION,
        }
        run = subprocess.run(  # noqa: ASYNC221, S603 - nothing else wants the loop; the project's own code
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
        )

    assert sorted(run.stdout.splitlines()) == [
        "claim without its user: {'id': 'claim#oauth#github#eve'}",
        "claim without its user: {'id': 'claim#username#eve'}",
        "user without its claim: {'id': 'bob'}",
    ]
