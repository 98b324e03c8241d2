"""MCP tokens: their hash is stored, and a token is compared with it."""

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wikibot_store import hash_token, token_matches

TOKEN = "wk_8fJ0vTq2Lr4XcYb7uEoK1g"
any_text = st.text(st.characters(exclude_categories=()))


def test_a_hash_is_sha_256() -> None:
    """Other programs can make the same hash."""
    assert hash_token(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()


@given(any_text)
def test_a_token_matches_its_own_hash(token: str) -> None:
    """Whatever the token holds, it is known again by its hash."""
    assert token_matches(token, hash_token(token))


@given(any_text, any_text)
def test_a_token_matches_no_other_hash(token: str, other: str) -> None:
    """Another token does not match, and neither does the hash given as a token."""
    assume(token != other)

    assert not token_matches(token, hash_token(other))
    assert not token_matches(hash_token(token), hash_token(token))


@given(any_text)
def test_what_was_stored_by_others(stored: str) -> None:
    """What is no hash of this kind matches nothing and breaks nothing."""
    assert not token_matches(TOKEN, stored)


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_wiki_without_a_hash(token: str) -> None:
    """Where no token was stored, none matches, the empty one included."""
    assert not token_matches(token, None)
    assert not token_matches(token, "")
