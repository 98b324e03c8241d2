"""MCP tokens: what to store of one, and how to compare it with what was stored."""

import hashlib
import hmac


def hash_token(token: str) -> str:
    """Return what to store as `mcp_token_hash`: SHA-256 as 64 hexadecimal digits.

    That is enough for a token of at least 128 random bits, such as `secrets.token_urlsafe()`; never use it for what
    people choose.
    """
    # A token comes from a request, which can hold any text, even half a surrogate pair.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def token_matches(token: str, token_hash: str | None) -> bool:
    """Tell whether a token is the one that was stored; a wiki without a hash has none that matches.

    How long this takes tells nothing about where the two differ.
    """
    expected = "" if token_hash is None else token_hash
    return hmac.compare_digest(hash_token(token).encode(), expected.encode(errors="surrogatepass"))
