"""Tests without an async plugin: of a program that opens its store itself."""

import asyncio

import pytest
from aiobotocore.session import AioSession
from club import found

from wikibot_store import StoreConfig


@pytest.mark.parametrize("founder", ["ada", "bob"])
def test_a_program_gets_the_settings_of_the_test(
    wikibot_config: StoreConfig, wikibot_session: AioSession, founder: str
) -> None:
    """The settings lead to empty tables; the session has the credentials for them."""
    assert asyncio.run(found(wikibot_config, wikibot_session, founder)).endswith(":club")
