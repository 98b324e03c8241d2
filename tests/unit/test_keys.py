"""The rules of ids, slugs, usernames and prefixes, and the keys that are built from several values."""

from collections.abc import Callable
from enum import Enum
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wikibot_store import InvalidKeyError, WikiKey
from wikibot_store.keys import (
    INVITE,
    check_grantee,
    check_id,
    check_prefix,
    check_slug,
    check_sub,
    check_username,
    oauth_claim,
    redact_claim,
    username_claim,
    wiki_key,
)

NO_STRINGS = [None, 5, 1.5, b"abc", ["abc"]]
GOOD_IDS = ["u", "0", "a" * 256, "é" * 256, "did:plc:abc", "A/b?c=d&e", "a-", "名前"]
BAD_IDS = [
    "",
    "a" * 257,
    "a" * 300,
    "#",
    "a#b",
    " ",
    "a b",
    " a",
    "a\n",
    "a\tb",
    "\x00",
    "a\x1f",
    "\x7f",
    "a\x80",
    "\x85",
    "a\x9f",
    "\xa0",
    "a\u2028b",
    "\u3000",
    "\ud800",
    "a\udfff",
]
GOOD_SLUGS = ["a", "0", "a-b", "a--b", "a" * 63, "a" + "-" * 61 + "b", "2026-plans"]
BAD_SLUGS = [
    "",
    "A",
    "aB",
    "a:b",
    "a b",
    "a_b",
    "a.b",
    "a#b",
    "a" * 64,
    "-",
    "-a",
    "a-",
    "a\n",
    "é",
    "\u0661",  # a digit, but not one of 0 to 9
    "\ud800",
]
GOOD_USERNAMES = ["abc", "a-b", "007", "a" * 30]
BAD_USERNAMES = ["", "a", "ab", "a" * 31, "Abc", "a:b", "a b", "-ab", "ab-", "---", "abc\n", "ééé"]
GOOD_PREFIXES = ["a", "0", "a-", "a--", "a" * 63]
BAD_PREFIXES = ["", "-", "-a", "A", "a:", "a b", "a#", "a" * 64, "a\n", "é"]

# Small alphabets, so that keys nearly collide all the time.
owner_ids = st.text("a:b", min_size=1, max_size=4)
subjects = st.text("ab# |%", min_size=1, max_size=4)
slugs = st.from_regex(r"[ab](?:[ab-]{0,2}[ab])?", fullmatch=True)
wiki_keys = st.builds(WikiKey, owner_ids, slugs)


owner_field = partial(check_id, "owner_id")
slug_field = partial(check_slug, "new_slug")
prefix_field = partial(check_prefix, "prefix")


@pytest.mark.parametrize(
    ("check", "value"),
    [
        *((owner_field, value) for value in GOOD_IDS),
        *((slug_field, value) for value in GOOD_SLUGS),
        *((check_username, value) for value in GOOD_USERNAMES),
        *((prefix_field, value) for value in GOOD_PREFIXES),
    ],
)
def test_what_keeps_the_rule_is_returned(check: Callable[[str], str], value: str) -> None:
    """A check returns a valid value unchanged."""
    assert check(value) == value


class Name(str, Enum):  # noqa: UP042 - older than StrEnum, and shown as `Name.ADA` in another text
    """Texts as members of an enum."""

    ADA = "ada"


@pytest.mark.parametrize("check", [owner_field, slug_field, check_username, prefix_field, check_grantee])
def test_a_member_of_an_enum_is_its_value(check: Callable[[str], str]) -> None:
    """A check returns the value of an enum member as plain text."""
    assert type(check(Name.ADA)) is str
    assert f"{check(Name.ADA)}" == "ada"


def test_keys_of_an_enums_members() -> None:
    """A key built from enum members is equal to the key built from their values."""
    assert oauth_claim(Name.ADA, Name.ADA) == oauth_claim("ada", "ada")
    assert username_claim(Name.ADA) == username_claim("ada")
    assert WikiKey(Name.ADA, Name.ADA) == WikiKey("ada", "ada")
    assert WikiKey(Name.ADA, Name.ADA).wiki_id == "ada:ada"


@pytest.mark.parametrize(
    ("check", "field", "rule", "value"),
    [
        *((owner_field, "owner_id", "1 to 256 characters", value) for value in BAD_IDS),
        *((slug_field, "new_slug", "1 to 63 of a-z, 0-9 and '-'", value) for value in BAD_SLUGS),
        *((check_username, "username", "3 to 30 of a-z, 0-9", value) for value in BAD_USERNAMES),
        *((prefix_field, "prefix", "1 to 63 of a-z, 0-9", value) for value in BAD_PREFIXES),
    ],
)
def test_what_breaks_the_rule_is_refused(check: Callable[[object], str], field: str, rule: str, value: object) -> None:
    """The error is a ValueError and has the field and the rule, in attributes and in the message."""
    with pytest.raises(InvalidKeyError) as caught:
        check(value)

    assert caught.value.field == field
    assert rule in caught.value.rule
    assert str(caught.value) == f"{field} {caught.value.rule}"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", NO_STRINGS, ids=repr)
@pytest.mark.parametrize(
    ("check", "field"),
    [(owner_field, "owner_id"), (slug_field, "new_slug"), (check_username, "username"), (prefix_field, "prefix")],
)
def test_another_type_is_named(check: Callable[[object], str], field: str, value: object) -> None:
    """A value that is not a string breaks the rule too, and the error names both types."""
    with pytest.raises(InvalidKeyError) as caught:
        check(value)

    assert str(caught.value) == f"{field} must be str, not {type(value).__name__}"


@given(st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), st.integers(1, 63))
def test_every_beginning_of_a_slug_is_a_prefix(slug: str, length: int) -> None:
    """Every beginning of a slug is a valid prefix."""
    assert check_slug("wiki_slug", slug).startswith(check_prefix("prefix", slug[:length]))


def test_the_grantee_of_an_invitation() -> None:
    """A grantee is a user, or an invitation by the SHA-256 of its secret; no other value with a `#` is one."""
    invitation = f"{INVITE}{'5e' * 32}"

    assert check_grantee(invitation) == invitation
    assert check_grantee("bob") == "bob"
    for wrong in (f"{INVITE}5e", f"{INVITE}{'5E' * 32}", f"claim#{'5e' * 32}"):
        with pytest.raises(InvalidKeyError, match=r"^grantee_id "):
            check_grantee(wrong)


@pytest.mark.parametrize(
    "sub", ["CN=Ada Lovelace,OU=Analysts", "ada_x.org#EXT#@y.onmicrosoft.com", "auth0|4711", " ", "#", "é" * 255]
)
def test_a_subject_is_what_openid_connect_allows(sub: str) -> None:
    """A subject may hold blanks, `#` and `|`, and has up to 255 characters."""
    assert check_sub(sub) == sub
    assert oauth_claim("azure", sub) == f"claim#oauth#azure#{sub}"


@pytest.mark.parametrize("sub", ["", "a" * 256, "a\nb", "a\x7f", "\x85", "\ud800", 5, None])
def test_what_is_no_subject(sub: str) -> None:
    """A subject with a control character, of no or too many characters, or of another type is rejected."""
    with pytest.raises(InvalidKeyError, match=r"^oauth_provider_sub must be "):
        check_sub(sub)


def test_claims() -> None:
    """The id of a claim holds the claimed value."""
    assert oauth_claim("github", "4711") == "claim#oauth#github#4711"
    assert username_claim("ada") == "claim#username#ada"


@pytest.mark.parametrize(
    ("claim", "field"),
    [
        (lambda: oauth_claim("git#hub", "4711"), "oauth_provider"),
        (lambda: oauth_claim("github", ""), "oauth_provider_sub"),
        (lambda: username_claim("Ada"), "username"),
    ],
)
def test_a_claim_on_what_breaks_its_rule_is_refused(claim: Callable[[], str], field: str) -> None:
    """A claim checks its parts, so that their boundaries are unambiguous."""
    with pytest.raises(InvalidKeyError) as caught:
        claim()

    assert caught.value.field == field


@given(st.tuples(owner_ids, subjects), st.tuples(owner_ids, subjects))
def test_two_identities_never_share_a_claim(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Different identities have different claim ids."""
    assert (oauth_claim(*one) == oauth_claim(*other)) == (one == other)


@pytest.mark.parametrize("claim", [oauth_claim("github", "4711"), username_claim("ada")])
def test_no_user_id_is_a_claim(claim: str) -> None:
    """No user id is equal to the id of a claim, which is in the same table."""
    with pytest.raises(InvalidKeyError):
        check_id("id", claim)


@given(wiki_keys)
def test_a_wiki_id_parses_back(key: WikiKey) -> None:
    """Parsing a wiki_id returns its owner id and slug, even if the owner id holds colons."""
    assert WikiKey.parse(key.wiki_id) == key


@given(wiki_keys, wiki_keys)
def test_two_wikis_never_share_a_wiki_id(one: WikiKey, other: WikiKey) -> None:
    """Different wikis have different wiki ids."""
    assert (one.wiki_id == other.wiki_id) == (one == other)


def test_an_owner_id_with_colons() -> None:
    """The last colon separates owner id and slug."""
    key = WikiKey("did:plc:abc", "notes")

    assert key.wiki_id == "did:plc:abc:notes"
    assert WikiKey.parse("did:plc:abc:notes") == key


def test_a_colon_cannot_move_from_owner_to_slug() -> None:
    """(`a:b`, `c`) and (`a`, `b:c`) would share a wiki_id, but the second is not a valid key."""
    assert WikiKey.parse("a:b:c") == WikiKey("a:b", "c")
    with pytest.raises(InvalidKeyError, match=r"^wiki_slug "):
        WikiKey("a", "b:c")


@pytest.mark.parametrize(
    ("wiki_id", "field"),
    [
        ("", "wiki_id"),
        ("notes", "wiki_id"),
        (None, "wiki_id"),
        (5, "wiki_id"),
        (b"u-1:notes", "wiki_id"),
        (":notes", "owner_id"),
        ("u 1:notes", "owner_id"),
        ("a" * 257 + ":notes", "owner_id"),
        ("u-1:", "wiki_slug"),
        ("u-1:Notes", "wiki_slug"),
        ("u-1:" + "a" * 64, "wiki_slug"),
    ],
)
def test_what_is_no_wiki_id_is_refused(wiki_id: object, field: str) -> None:
    """The error names wiki_id if there is no colon, otherwise the part that breaks its rule."""
    with pytest.raises(InvalidKeyError) as caught:
        WikiKey.parse(wiki_id)  # type: ignore[arg-type]

    assert caught.value.field == field


@pytest.mark.parametrize("wiki", [WikiKey("did:plc:abc", "notes"), "did:plc:abc:notes"], ids=["key", "wiki_id"])
def test_a_wiki_is_given_as_its_key_or_its_wiki_id(wiki: WikiKey | str) -> None:
    """A caller may name a wiki in either form."""
    assert wiki_key(wiki) == WikiKey("did:plc:abc", "notes")


@pytest.mark.parametrize("text", ["", "notes", "ada:Notes", "ada notes:x"])
def test_a_text_that_is_no_wiki_id(text: str) -> None:
    """A text that names no wiki is an invalid key."""
    with pytest.raises(InvalidKeyError):
        wiki_key(text)


@pytest.mark.parametrize("wiki", [None, 5, b"ada:notes", ("ada", "notes")])
def test_what_names_no_wiki(wiki: object) -> None:
    """A value of another type raises a TypeError that shows the accepted forms."""
    with pytest.raises(TypeError, match=r"^wiki must be a WikiKey or a wiki_id such as 'ada:notes', not "):
        wiki_key(wiki)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key_value", "shown"),
    [
        ("claim#oauth#github#4711", "claim#oauth#github#…"),
        ("claim#oauth#azure#ada_x.org#EXT#@y", "claim#oauth#azure#…"),
        ("claim#oauth#4711", "claim#oauth#…"),
        ("claim#username#ada", "claim#username#ada"),
        ("ada", "ada"),
        ("", ""),
    ],
)
def test_a_message_does_not_show_an_oauth_subject(key_value: str, shown: str) -> None:
    """An OAuth subject identifies a person, so a message shows a claim without it; other keys are shown as they are."""
    assert redact_claim(key_value) == shown


def test_a_wiki_key_is_a_value() -> None:
    """Keys cannot be changed, and serve as dict keys and in sorting."""
    key = WikiKey("u-1", "notes")

    with pytest.raises(AttributeError):
        key.wiki_slug = "other"  # type: ignore[misc]
    assert {key: 1}[WikiKey("u-1", "notes")] == 1
    assert sorted([WikiKey("b", "a"), WikiKey("a", "b"), key]) == [WikiKey("a", "b"), WikiKey("b", "a"), key]


# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: a partition key has at most 2,048
# bytes, a sort key 1,024. A character has up to four.
FACE = "😀"


@pytest.mark.parametrize("character", ["a", "é", "€", FACE], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
def test_an_id_can_be_a_sort_key(character: str) -> None:
    """The longest id, as of a grantee or an OAuth subject, is within a sort key's limit."""
    longest = next(length for length in range(300, 0, -1) if is_id(character * length))

    assert len((character * longest).encode()) <= 1024


def is_id(value: str) -> bool:
    """Return whether an id is accepted."""
    try:
        check_id("id", value)
    except InvalidKeyError:
        return False
    return True


def test_the_longest_claim() -> None:
    """A claim id of 2,048 bytes is accepted, a longer one is rejected."""
    sub = FACE * 252 + "abc"

    assert len(oauth_claim(FACE * 256, sub).encode()) == 2048
    with pytest.raises(InvalidKeyError, match=r"^oauth_provider_sub must be shorter.* 2,048 bytes"):
        oauth_claim(FACE * 256, FACE * 253)


def test_the_longest_wiki_id() -> None:
    """A wiki_id of 1,024 bytes, the limit of a sort key, is accepted; a longer one is rejected."""
    owner_id, wiki_slug = FACE * 240, "s" * 63

    assert len(WikiKey(owner_id, wiki_slug).wiki_id.encode()) == 1024
    with pytest.raises(InvalidKeyError, match=r"^owner_id .*bytes"):
        WikiKey(owner_id + "a", wiki_slug)
