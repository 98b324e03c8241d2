"""A cursor continues the listing that it was made for, and no other."""

import re
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wikibot_store import InvalidCursorError
from wikibot_store._dynamo.cursor import _NO_SECRET, _digest, decode, encode

ALPHABET = string.ascii_letters + string.digits + "-_"
SECRET = "correct horse battery staple"
LISTING = ("wikis.by_owner", "did:plc:abc", "", "ascending")
OLD_SECRET = "a secret of the last year"
each_secret = pytest.mark.parametrize(
    "secrets", [(), (SECRET,), (SECRET, OLD_SECRET)], ids=["no secret", "secret", "two secrets"]
)

# Few letters, so that listings nearly collide all the time.
listings = st.lists(st.text("ab", max_size=2), min_size=1, max_size=4).map(tuple)
all_secrets = st.lists(st.text(min_size=16, max_size=20), max_size=3).map(tuple)


def refused(cursor: object, listing: tuple[str, ...] = LISTING, secrets: tuple[str, ...] = ()) -> bool:
    """Return whether a cursor is rejected with the right error."""
    try:
        decode(listing, cursor, secrets)  # type: ignore[arg-type]
    except InvalidCursorError as error:
        return isinstance(error, ValueError) and "start again without one" in str(error)
    return False


def spell(raw: bytes) -> str:
    """Return bytes as a cursor spells them."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unspell(cursor: str) -> bytes:
    """Return the bytes of a cursor."""
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@given(st.lists(st.text(), max_size=5).map(tuple), st.text(), all_secrets)
def test_round_trip(listing: tuple[str, ...], sort_key: str, secrets: tuple[str, ...]) -> None:
    """A cursor decodes to its sort key, for every listing."""
    assert decode(listing, encode(listing, sort_key, secrets), secrets) == sort_key


@given(st.text(), all_secrets)
def test_a_cursor_is_url_safe(sort_key: str, secrets: tuple[str, ...]) -> None:
    """A cursor can be used in a URL without quoting or padding."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", encode(LISTING, sort_key, secrets))


@pytest.mark.parametrize("sort_key", ["s" * 1024, "😀" * 256])
def test_the_longest_sort_key_has_a_cursor(sort_key: str) -> None:
    """A cursor exists for every sort key that DynamoDB can store."""
    assert decode(LISTING, encode(LISTING, sort_key, (SECRET,)), (SECRET,)) == sort_key


def test_a_cursor_that_is_too_long() -> None:
    """A text longer than any cursor is rejected before it is decoded."""
    assert refused(encode(LISTING, "s" * 1600, ()))


@each_secret
def test_the_partition_key_is_not_in_a_cursor(secrets: tuple[str, ...]) -> None:
    """A cursor does not hold the partition key."""
    raw = unspell(encode(LISTING, "notes", secrets))

    assert raw.endswith(b"notes")
    assert not any(part.encode() in raw for part in LISTING if part)
    assert len(raw) == 1 + 12 + len("notes")


@each_secret
def test_one_changed_character(secrets: tuple[str, ...]) -> None:
    """A cursor with one changed character is rejected, at every position."""
    cursor = encode(LISTING, "my-notes", secrets)

    for position, genuine in enumerate(cursor):
        for other in ALPHABET.replace(genuine, ""):
            changed = cursor[:position] + other + cursor[position + 1 :]
            assert refused(changed, secrets=secrets), (position, other)


@each_secret
def test_a_truncated_cursor(secrets: tuple[str, ...]) -> None:
    """A cursor without some characters at its start or end is rejected."""
    cursor = encode(LISTING, "my-notes", secrets)

    for length in range(len(cursor)):
        assert refused(cursor[:length], secrets=secrets), length
        assert refused(cursor[len(cursor) - length :], secrets=secrets), length


@pytest.mark.parametrize("extra", ["A", "AA", "AAA", "AAAA", "=", "==", "-", "_", "+", "/", "!", " ", "\n", "\0", "é"])
@each_secret
def test_an_extended_cursor(extra: str, secrets: tuple[str, ...]) -> None:
    """A cursor with additional characters before or after it is rejected."""
    cursor = encode(LISTING, "my-notes", secrets)

    assert refused(cursor + extra, secrets=secrets)
    assert refused(extra + cursor, secrets=secrets)


@pytest.mark.parametrize(
    "garbage",
    ["", "A", "====", "AQ", "!!!", "null", "é" * 24, "\ud800", "😀", "A" * 2049, "AQAA" * 9, None, 5, b"AQAA", ["AQ"]],
    ids=lambda garbage: ascii(garbage)[:20],
)
def test_garbage(garbage: object) -> None:
    """A value that is not a cursor is rejected, whatever its type."""
    assert refused(garbage)


@given(st.text() | st.text(ALPHABET))
def test_any_text(text: str) -> None:
    """A random text is rejected."""
    assert refused(text, secrets=(SECRET,))


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
def test_a_cursor_of_another_listing(other: tuple[str, ...], secrets: tuple[str, ...]) -> None:
    """A cursor is rejected if name, owner, prefix or direction differ."""
    assert refused(encode(LISTING, "my-notes", secrets), other, secrets)
    assert refused(encode(other, "my-notes", secrets), LISTING, secrets)


@given(listings, listings, st.text("ab", max_size=2))
def test_no_listing_opens_another_ones_cursor(one: tuple[str, ...], other: tuple[str, ...], sort_key: str) -> None:
    """Two different listings never accept each other's cursors."""
    assume(one != other)

    assert refused(encode(one, sort_key, ()), other)


@pytest.mark.parametrize(
    ("made_with", "read_with"),
    [
        ((), (SECRET,)),
        ((SECRET,), ()),
        ((SECRET,), (SECRET + "!",)),
        ((SECRET,), ("another, as long", OLD_SECRET)),
        ((SECRET, OLD_SECRET), (OLD_SECRET,)),
        ((SECRET, OLD_SECRET), ()),
    ],
)
def test_a_cursor_of_another_secret(made_with: tuple[str, ...], read_with: tuple[str, ...]) -> None:
    """A cursor of another secret is rejected; the first of several secrets makes cursors."""
    assert refused(encode(LISTING, "my-notes", made_with), secrets=read_with)


def test_a_secret_is_replaced() -> None:
    """No cursor is rejected while a new secret is added, then put first, and the old one removed."""
    old, both, new_first, new = (OLD_SECRET,), (OLD_SECRET, SECRET), (SECRET, OLD_SECRET), (SECRET,)

    for made_with, read_with in [(old, both), (both, old), (both, new_first), (new_first, both), (new_first, new)]:
        assert decode(LISTING, encode(LISTING, "my-notes", made_with), read_with) == "my-notes"


def test_a_secret_of_any_bytes() -> None:
    """A secret that is not valid UTF-8 in the environment works too."""
    secrets = ("\udcff" * 16,)

    assert decode(LISTING, encode(LISTING, "my-notes", secrets), secrets) == "my-notes"


@pytest.mark.parametrize("version", [0, 2, 3, 127, 255])
@each_secret
def test_a_cursor_of_another_version(version: int, secrets: tuple[str, ...]) -> None:
    """A cursor of another version of the library is rejected."""
    raw = unspell(encode(LISTING, "my-notes", secrets))

    assert refused(spell(bytes([version]) + raw[1:]), secrets=secrets)


@each_secret
def test_a_forged_cursor_that_is_no_text(secrets: tuple[str, ...]) -> None:
    """A sort key that is not UTF-8 is rejected even if the digest is right."""
    position = b"my-\xff\xfe"

    assert refused(spell(b"\x01" + _digest(LISTING, position, (secrets or _NO_SECRET)[0]) + position), secrets=secrets)
