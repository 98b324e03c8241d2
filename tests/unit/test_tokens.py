"""MCP tokens: their hash is stored, and a token is compared with it."""

import hashlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wikibot_store import hash_token, token_matches
from wikibot_store.tokens import check_token_hash, new_token

TOKEN = "wk_8fJ0vTq2Lr4XcYb7uEoK1g"
any_text = st.text(st.characters(exclude_categories=()))


def test_a_hash_is_sha_256() -> None:
    """Other programs can make the same hash."""
    assert hash_token(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()


@given(any_text)
def test_a_token_matches_its_own_hash(token: str) -> None:
    """Every token matches its own hash."""
    assert token_matches(token, hash_token(token))


@given(any_text, any_text)
def test_a_token_matches_no_other_hash(token: str, other: str) -> None:
    """Another token does not match, and neither does the hash given as a token."""
    assume(token != other)

    assert not token_matches(token, hash_token(other))
    assert not token_matches(hash_token(token), hash_token(token))


@given(any_text)
def test_what_was_stored_by_others(stored: str) -> None:
    """A stored value that is not a hash matches no token and raises no error."""
    assert not token_matches(TOKEN, stored)


@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_wiki_without_a_hash(token: str) -> None:
    """If no hash is stored, no token matches, not even the empty one."""
    assert not token_matches(token, None)
    assert not token_matches(token, "")


def test_new_tokens() -> None:
    """Each token is new, holds 256 bits and can stand in a URL; its hash is one that may be stored."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    for token in tokens:
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
        assert check_token_hash("mcp_token_hash", hash_token(token)) == hash_token(token)


@pytest.mark.parametrize(
    "value",
    ["", TOKEN, "5e" * 31, "5e" * 33, "5E" * 32, "5g" * 32, "5e" * 32 + "\n", "sha256:" + "5e" * 32],
)
def test_what_is_not_a_hash_is_not_stored(value: str) -> None:
    """A plain token in place of its hash is rejected, and the message does not show it."""
    with pytest.raises(ValueError, match=r"^mcp_token_hash must be a SHA-256 .* use hash_token\(token\)$") as caught:
        check_token_hash("mcp_token_hash", value)

    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, b"5e" * 32])
def test_a_hash_is_text(value: object) -> None:
    """A hash of another type is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=r"^mcp_token_hash must be str, not "):
        check_token_hash("mcp_token_hash", value)  # type: ignore[arg-type]
