"""The rules for key values, which are checked before any request, and the keys that are built from several values."""

import re
from typing import Self

import msgspec
from msgspec.structs import force_setattr

from wikibot_store.errors import InvalidKeyError

# A slug never holds `:` or `#`: they separate the parts of composed keys.
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# \s and the C0, C1 and surrogate ranges. 256 characters of four bytes are 1,024 bytes: DynamoDB's limit for a sort key.
_ID = re.compile(r"[^\s#\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,256}")
# What OpenID Connect allows: 255 characters, which have at most 1,020 bytes.
_SUB = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
CLAIM = "claim#"
"""The prefix of every claim's id."""

INVITE = "invite#"
"""The prefix of the grantee id of an invitation; a user id never holds a `#`."""

_INVITE = re.compile(rf"{INVITE}[0-9a-f]{{64}}")
_MAX_PARTITION_KEY = 2048
_MAX_SORT_KEY = 1024
_USERNAME_LENGTH = range(3, 31)


def check_id(field: str, value: str) -> str:
    """Return `value` if it is an id: 1 to 256 characters without control characters, whitespace or `#`.

    Raises:
        InvalidKeyError: It breaks this rule or is not a string.

    """
    if not _ID.fullmatch(_text(field, value)):
        raise InvalidKeyError(field, "must be 1 to 256 characters without whitespace, control characters or '#'")
    return _plain(value)


def check_sub(value: str) -> str:
    """Return `value` if OpenID Connect allows it as a subject: 1 to 255 characters without control characters."""
    if not _SUB.fullmatch(_text("oauth_provider_sub", value)):
        raise InvalidKeyError("oauth_provider_sub", "must be 1 to 255 characters without control characters")
    return _plain(value)


def check_slug(field: str, value: str) -> str:
    """Return `value` if it is a DNS label (RFC 1035): a-z, 0-9 and inner hyphens, 1 to 63 characters."""
    if not _SLUG.fullmatch(_text(field, value)):
        raise InvalidKeyError(field, "must be 1 to 63 of a-z, 0-9 and '-', with no hyphen at either end")
    return _plain(value)


def check_username(value: str) -> str:
    """Return `value` if it is a DNS label of 3 to 30 characters."""
    if len(_text("username", value)) not in _USERNAME_LENGTH or not _SLUG.fullmatch(value):
        raise InvalidKeyError("username", "must be 3 to 30 of a-z, 0-9 and '-', with no hyphen at either end")
    return _plain(value)


def check_prefix(field: str, value: str) -> str:
    """Return `value` if a slug can start with it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", _text(field, value)):
        raise InvalidKeyError(field, "must be 1 to 63 of a-z, 0-9 and '-', starting with a letter or digit")
    return _plain(value)


def is_invite(grantee_id: str) -> bool:
    """Return whether this is the grantee id of an invitation: `invite#` and a SHA-256 in hexadecimal."""
    return _INVITE.fullmatch(grantee_id) is not None


def check_grantee(value: str) -> str:
    """Return `value` if it is a user id or the grantee id of an invitation."""
    if isinstance(value, str) and is_invite(value):
        return _plain(value)
    return check_id("grantee_id", value)


def oauth_claim(provider: str, sub: str) -> str:
    """Return the id of the claim item that ties an OAuth identity to one user.

    A provider holds no `#` and the subject stands last, so two identities never have the same claim.
    """
    claim = f"{CLAIM}oauth#{check_id('oauth_provider', provider)}#{check_sub(sub)}"
    if len(claim.encode()) > _MAX_PARTITION_KEY:
        raise InvalidKeyError("oauth_provider_sub", "must be shorter: it and oauth_provider exceed 2,048 bytes")
    return claim


def username_claim(username: str) -> str:
    """Return the id of the claim item that ties a username to one user."""
    return f"{CLAIM}username#{check_username(username)}"


def redact_claim(user_id: str) -> str:
    """Return a key value of the users table for a message; the subject in an identity claim is hidden."""
    *shown, subject = user_id.split("#", 3)
    return "#".join([*shown, "…"]) if subject and user_id.startswith(f"{CLAIM}oauth#") else user_id


def wiki_key(wiki: "WikiKey | str") -> "WikiKey":
    """Return the WikiKey of a wiki that the caller named by a WikiKey or by a wiki_id.

    Raises:
        InvalidKeyError: `wiki` is a string, but not a wiki_id.
        TypeError: `wiki` is neither a WikiKey nor a string.

    """
    if isinstance(wiki, WikiKey):
        return wiki
    if isinstance(wiki, str):
        return WikiKey.parse(wiki)
    raise TypeError(f"wiki must be a WikiKey or a wiki_id such as 'ada:notes', not {type(wiki).__name__}")


def _text(field: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidKeyError(field, f"must be str, not {type(value).__name__}")
    return value


def _plain(value: str) -> str:
    """Return the text as a plain str: f-strings show the name of a `str` enum member instead of its value."""
    return str.__str__(value)


class WikiKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """The primary key of a wiki, validated when it is made.

    `wiki_id` joins the two values with a colon. An owner id may hold colons and a slug never does, so the last colon
    separates the two.
    """

    owner_id: str
    wiki_slug: str

    def __post_init__(self) -> None:
        """Reject an owner id or slug that breaks its rule."""
        force_setattr(self, "owner_id", check_id("owner_id", self.owner_id))
        force_setattr(self, "wiki_slug", check_slug("wiki_slug", self.wiki_slug))
        if len(self.wiki_id.encode()) > _MAX_SORT_KEY:  # it is the sort key of the index by-grantee
            raise InvalidKeyError("owner_id", "must be shorter: it and wiki_slug exceed 1,024 bytes")

    @property
    def wiki_id(self) -> str:
        """The partition key of this wiki's grants."""
        return f"{self.owner_id}:{self.wiki_slug}"

    @classmethod
    def parse(cls, wiki_id: str) -> Self:
        """Split `wiki_id` at its last colon.

        Raises:
            InvalidKeyError: There is no colon, or a part breaks its rule.

        """
        if ":" not in _text("wiki_id", wiki_id):
            raise InvalidKeyError("wiki_id", "must be '<owner_id>:<wiki_slug>'")
        owner_id, _, wiki_slug = wiki_id.rpartition(":")
        return cls(owner_id, wiki_slug)
