"""MCP tokens: makes a token, hashes it for storage, and compares a token with a stored hash."""

import hashlib
import hmac
import re
import secrets

from wikibot_store._dynamo.checks import check_text

_HASH = re.compile(r"[0-9a-f]{64}")


def new_token() -> str:
    """Return a random token of 256 bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the value to store as `mcp_token_hash`: the SHA-256 of a token as 64 hexadecimal digits.

    This is safe for a token of at least 128 random bits, such as `wikis.set_mcp_token` makes. Never use it for a
    password that a person chooses.
    """
    # The token comes from a request, which can hold any text, even half a surrogate pair.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def token_matches(token: str, token_hash: str | None) -> bool:
    """Return whether a token has this hash; no token matches None.

    The comparison takes constant time.
    """
    expected = "" if token_hash is None else token_hash
    return hmac.compare_digest(hash_token(token).encode(), expected.encode(errors="surrogatepass"))


def check_token_hash(field: str, value: str) -> str:
    """Return `value` if it can be the hash of a token; a plain token must never be stored.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not a SHA-256 in hexadecimal.

    """
    if not _HASH.fullmatch(check_text(field, value)):
        raise ValueError(f"{field} must be a SHA-256 as 64 hexadecimal digits in lower case: use hash_token(token)")
    return value
