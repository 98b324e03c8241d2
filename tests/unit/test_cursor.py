"""Cursors: they continue the listing that they were made for, and nothing else."""

import re
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wikibot_store import InvalidCursorError
from wikibot_store._cursor import _digest, decode, encode

ALPHABET = string.ascii_letters + string.digits + "-_"
SECRET = "correct horse battery staple"
LISTING = ("wikis.by_owner", "did:plc:abc", "", "ascending")
each_secret = pytest.mark.parametrize("secret", [None, SECRET], ids=["no secret", "secret"])

# Few letters, so that listings nearly collide all the time.
listings = st.lists(st.text("ab", max_size=2), min_size=1, max_size=4).map(tuple)
secrets = st.none() | st.text(min_size=16, max_size=20)


def refused(cursor: object, listing: tuple[str, ...] = LISTING, secret: str | None = None) -> bool:
    """Tell whether a cursor is refused as it must be."""
    try:
        decode(listing, cursor, secret)  # type: ignore[arg-type]
    except InvalidCursorError as error:
        return isinstance(error, ValueError) and "start again without one" in str(error)
    return False


def spell(raw: bytes) -> str:
    """Return bytes as a cursor spells them."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unspell(cursor: str) -> bytes:
    """Return the bytes of a cursor."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@given(st.lists(st.text(), max_size=5).map(tuple), st.text(), secrets)
def test_round_trip(listing: tuple[str, ...], sort_key: str, secret: str | None) -> None:
    """A cursor leads back to its sort key, whatever the listing."""
    assert decode(listing, encode(listing, sort_key, secret), secret) == sort_key


@given(st.text(), secrets)
def test_a_cursor_is_url_safe(sort_key: str, secret: str | None) -> None:
    """A cursor can stand in a URL as it is, without padding."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", encode(LISTING, sort_key, secret))


@pytest.mark.parametrize("sort_key", ["s" * 1024, "😀" * 256])
def test_the_longest_sort_key_has_a_cursor(sort_key: str) -> None:
    """Every key that DynamoDB can store can be paged past."""
    assert decode(LISTING, encode(LISTING, sort_key, SECRET), SECRET) == sort_key


def test_a_cursor_that_is_too_long() -> None:
    """No sort key makes a cursor of that length, so it is not even decoded."""
    assert refused(encode(LISTING, "s" * 1600, None))


@each_secret
def test_the_partition_key_is_not_in_a_cursor(secret: str | None) -> None:
    """A cursor says where to go on, not whose listing it is."""
    raw = unspell(encode(LISTING, "notes", secret))

    assert raw.endswith(b"notes")
    assert not any(part.encode() in raw for part in LISTING if part)
    assert len(raw) == 1 + 12 + len("notes")


@each_secret
def test_one_changed_character(secret: str | None) -> None:
    """At no position is there another character that still makes a cursor."""
    cursor = encode(LISTING, "my-notes", secret)

    for position, genuine in enumerate(cursor):
        for other in ALPHABET.replace(genuine, ""):
            changed = cursor[:position] + other + cursor[position + 1 :]
            assert refused(changed, secret=secret), (position, other)


@each_secret
def test_a_truncated_cursor(secret: str | None) -> None:
    """No beginning and no end of a cursor is a cursor."""
    cursor = encode(LISTING, "my-notes", secret)

    for length in range(len(cursor)):
        assert refused(cursor[:length], secret=secret), length
        assert refused(cursor[len(cursor) - length :], secret=secret), length


@pytest.mark.parametrize("extra", ["A", "AA", "AAA", "AAAA", "=", "==", "-", "_", "+", "/", "!", " ", "\n", "\0", "é"])
@each_secret
def test_an_extended_cursor(extra: str, secret: str | None) -> None:
    """A cursor with anything before or after it is none."""
    cursor = encode(LISTING, "my-notes", secret)

    assert refused(cursor + extra, secret=secret)
    assert refused(extra + cursor, secret=secret)


@pytest.mark.parametrize(
    "garbage",
    ["", "A", "====", "AQ", "!!!", "null", "é" * 24, "\ud800", "😀", "A" * 2049, "AQAA" * 9, None, 5, b"AQAA", ["AQ"]],
    ids=lambda garbage: ascii(garbage)[:20],
)
def test_garbage(garbage: object) -> None:
    """What was never a cursor is refused, whatever its type."""
    assert refused(garbage)


@given(st.text() | st.text(ALPHABET))
def test_any_text(text: str) -> None:
    """No text that somebody makes up is a cursor."""
    assert refused(text, secret=SECRET)


@pytest.mark.parametrize(
    "other",
    [
        ("acls.by_wiki", "did:plc:abc", "", "ascending"),
        ("wikis.by_owner", "did:plc:abd", "", "ascending"),
        ("wikis.by_owner", "", "did:plc:abc", "ascending"),
        ("wikis.by_owner", "did:plc:abc", "m", "ascending"),
        ("wikis.by_owner", "did:plc:abc", "", "descending"),
        ("wikis.by_ownerd", "id:plc:abc", "", "ascending"),
        ("wikis.by_owner", "did:plc:abc", "ascending"),
    ],
    ids=["listing", "owner", "owner for prefix", "prefix", "direction", "border", "fewer parts"],
)
@each_secret
def test_a_cursor_of_another_listing(other: tuple[str, ...], secret: str | None) -> None:
    """Name, owner, prefix and direction all must be those that the cursor was made for."""
    assert refused(encode(LISTING, "my-notes", secret), other, secret)
    assert refused(encode(other, "my-notes", secret), LISTING, secret)


@given(listings, listings, st.text("ab", max_size=2))
def test_no_listing_opens_another_ones_cursor(one: tuple[str, ...], other: tuple[str, ...], sort_key: str) -> None:
    """However alike two listings are, their cursors are not exchangeable."""
    assume(one != other)

    assert refused(encode(one, sort_key, None), other)


@pytest.mark.parametrize(
    ("made_with", "read_with"), [(None, SECRET), (SECRET, None), (SECRET, SECRET + "!"), (SECRET, "another, as long")]
)
def test_a_cursor_of_another_secret(made_with: str | None, read_with: str | None) -> None:
    """With a secret, only who knows it makes cursors."""
    assert refused(encode(LISTING, "my-notes", made_with), secret=read_with)


@pytest.mark.parametrize("version", [0, 2, 3, 127, 255])
@each_secret
def test_a_cursor_of_another_version(version: int, secret: str | None) -> None:
    """A cursor of an older or newer library is refused, not misread."""
    raw = unspell(encode(LISTING, "my-notes", secret))

    assert refused(spell(bytes([version]) + raw[1:]), secret=secret)


@each_secret
def test_a_forged_cursor_that_is_no_text(secret: str | None) -> None:
    """Even under a right digest a sort key is text."""
    position = b"my-\xff\xfe"

    assert refused(spell(b"\x01" + _digest(LISTING, position, secret) + position), secret=secret)
