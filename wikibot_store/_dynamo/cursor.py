"""Cursors: the position in a listing as URL-safe text. No other listing accepts it.

A cursor is the base64url of `version byte · digest · sort key`. It does not hold the partition key, which always comes
from the caller. The digest covers the listing (its name, partition key, filter and direction) and the sort key, so a
cursor that is damaged or belongs to another listing is rejected. With a secret the digest is an HMAC, which nobody can
forge. If there are several secrets, the first one makes cursors and all of them open cursors, so that a secret can be
replaced while its cursors are in use.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from wikibot_store.errors import InvalidCursorError

_VERSION = 1
_DIGEST_SIZE = 12
_NO_SECRET = ("wikibot-store cursor",)
_MAX_LENGTH = 2048  # a sort key has at most 1,024 bytes


def encode(listing: tuple[str, ...], sort_key: str, secrets: tuple[str, ...]) -> str:
    """Return the cursor that continues `listing` after `sort_key`. Without secrets anybody can make one."""
    position = sort_key.encode()
    (signer, *_) = secrets or _NO_SECRET
    raw = bytes([_VERSION]) + _digest(listing, position, signer) + position
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(listing: tuple[str, ...], cursor: str, secrets: tuple[str, ...]) -> str:
    """Return the sort key after which `listing` continues.

    Raises:
        InvalidCursorError: The cursor is damaged or belongs to another listing.

    """
    if not isinstance(cursor, str) or len(cursor) > _MAX_LENGTH:
        raise InvalidCursorError("the cursor is damaged: start again without one")
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError as error:
        raise InvalidCursorError("the cursor is damaged: start again without one") from error
    if not raw or raw[0] != _VERSION:
        raise InvalidCursorError("the cursor is damaged or of another version: start again without one")
    digest, position = raw[1 : 1 + _DIGEST_SIZE], raw[1 + _DIGEST_SIZE :]
    genuine = any(hmac.compare_digest(digest, _digest(listing, position, secret)) for secret in secrets or _NO_SECRET)
    # Several base64 texts decode to the same bytes; only the one that `encode` returns is accepted.
    if not genuine or urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise InvalidCursorError("the cursor is damaged or of another listing: start again without one")
    try:
        return position.decode()
    except UnicodeDecodeError as error:  # only possible if the caller made the digest
        raise InvalidCursorError("the cursor is damaged: start again without one") from error


def _digest(listing: tuple[str, ...], position: bytes, secret: str) -> bytes:
    parts = [part.encode() for part in listing]
    # The length before each part ensures that two listings never have the same bytes.
    message = b"".join(len(part).to_bytes(4, "big") + part for part in [*parts, position])
    key = secret.encode(errors="surrogatepass")  # an environment variable may hold any bytes
    return hmac.digest(key, message, hashlib.sha256)[:_DIGEST_SIZE]
