"""Models are encoded as items and decoded from every kind of reply."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.legacy import EXPIRIES, NULL, SPELLINGS
from tests.unit.samples import ACL, NOW, USER, WIKI
from wikibot_store import Acl, CorruptItemError, Role, User, UserStatus, Wiki, WikiStatus
from wikibot_store._dynamo.items import (
    Item,
    ItemCodec,
    epoch,
    is_foreign,
    number,
    read_time,
    string,
    time,
    timestamp,
)
from wikibot_store._dynamo.replies import BatchReply, GetReply, QueryReply, UpdateReply
from wikibot_store.schema import ACLS, USERS, WIKIS

CODECS: dict[str, ItemCodec[Any]] = {
    "users": ItemCodec(User, USERS.key),
    "wikis": ItemCodec(Wiki, WIKIS.key),
    "acls": ItemCodec(Acl, ACLS.key),
}
SAMPLES: dict[str, Any] = {"users": USER, "wikis": WIKI, "acls": ACL}
TABLES = list(CODECS)


class Kind(NamedTuple):
    """One kind of reply: its struct, the JSON that holds items, and how to take them out."""

    reply: Any
    wrap: Callable[[list[Item]], Any]
    unwrap: Callable[[Any], list[Any]]


KINDS = {
    "get": Kind(GetReply, lambda items: {"Item": items[-1]}, lambda reply: [reply.item]),
    "update": Kind(UpdateReply, lambda items: {"Attributes": items[-1]}, lambda reply: [reply.attributes]),
    "query": Kind(QueryReply, lambda items: {"Items": items, "Count": len(items)}, lambda reply: reply.items),
}
each_table = pytest.mark.parametrize("table", TABLES)
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))

# A day within what datetime can hold, so that every zone's offset still fits.
moments = st.builds(
    lambda local, minutes: local.replace(tzinfo=timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - gets its zone here
    st.integers(-1439, 1439),
)
numbers = st.integers(1 - 10**38, 10**38 - 1)  # DynamoDB's 38 digits
MODELS: dict[str, st.SearchStrategy[Any]] = {
    "users": st.builds(
        User,
        id=st.text(),
        oauth_provider=st.text(),
        oauth_provider_sub=st.text(),
        username=st.none() | st.text(),
        email=st.none() | st.text(),
        display_name=st.none() | st.text(),
        avatar_url=st.none() | st.text(),
        tier=st.text(),
        status=st.sampled_from(UserStatus),
        wiki_count=numbers,
        created_at=moments,
        updated_at=moments,
        last_login_at=st.none() | moments,
        version=numbers,
    ),
    "wikis": st.builds(
        Wiki,
        owner_id=st.text(),
        wiki_slug=st.text(),
        uid=st.text(),
        display_name=st.text(),
        repo_path=st.text(),
        mcp_token_hash=st.none() | st.text(),
        is_public=st.booleans(),
        status=st.sampled_from(WikiStatus),
        page_count=numbers,
        disk_usage_bytes=numbers,
        created_at=moments,
        updated_at=moments,
        last_accessed=st.none() | moments,
        version=numbers,
    ),
    "acls": st.builds(
        Acl,
        wiki_id=st.text(),
        grantee_id=st.text(),
        role=st.sampled_from(Role),
        granted_by=st.text(),
        granted_at=moments,
        expires_at=st.none() | moments.map(lambda moment: moment.replace(microsecond=0)),
        wiki_uid=st.none() | st.text(),
    ),
}


def item_of(table: str) -> Item:
    """Return the sample's item as it is stored."""
    return CODECS[table].encode(SAMPLES[table], "w-1")


def key_of(table: str) -> dict[str, str]:
    """Return the sample's primary key."""
    codec, model = CODECS[table], SAMPLES[table]
    return {name: getattr(model, name) for name in codec.key}


def read(table: str, kind: Kind, items: list[Item]) -> list[Any]:
    """Read a reply of this kind with these items, from its bytes to models."""
    codec = CODECS[table]
    reply = codec.reader(kind.reply, "dev-table")(msgspec.json.encode(kind.wrap(items)))
    for _, _, error in getattr(reply, "corrupt", ()):
        raise error
    return [codec.from_wire(wire) for wire in kind.unwrap(reply)]


def attributes_of(model: msgspec.Struct) -> list[msgspec.structs.FieldInfo]:
    """Return the fields of a model that are stored."""
    return [field for field in msgspec.structs.fields(model) if not field.name.startswith("_")]


def names(reason: str, attribute: str) -> bool:
    """Return whether a reason names the attribute, and what it must be."""
    return re.match(rf"{attribute} (must be|is missing)", reason) is not None


# ---- round trips


@each_kind
@each_table
@given(st.data())
def test_a_model_survives_every_kind_of_reply(table: str, kind: Kind, data: st.DataObject) -> None:
    """An encoded model is decoded unchanged from the bytes of every kind of reply."""
    model = data.draw(MODELS[table])

    assert read(table, kind, [CODECS[table].encode(model, "w-1")]) == [model]


@each_table
@given(st.data())
def test_a_model_survives_as_a_parsed_item(table: str, data: st.DataObject) -> None:
    """An encoded model is decoded unchanged from a parsed item."""
    model = data.draw(MODELS[table])

    assert CODECS[table].from_item(CODECS[table].encode(model, "w-1"), "dev-table") == model


def test_an_item() -> None:
    """Each attribute is stored in DynamoDB's type for it."""
    assert CODECS["wikis"].encode(WIKI, "w-1") == {
        "owner_id": {"S": "u-1"},
        "wiki_slug": {"S": "notes"},
        "uid": {"S": "0f"},
        "display_name": {"S": "My notes"},
        "repo_path": {"S": "/srv/wikis/notes.git"},
        "mcp_token_hash": {"S": "5e" * 32},
        "is_public": {"BOOL": True},
        "status": {"S": "deleting"},
        "page_count": {"N": "12"},
        "disk_usage_bytes": {"N": "34567"},
        "created_at": {"S": "2026-01-02T03:04:05.000006Z"},
        "updated_at": {"S": "2026-01-02T03:04:05.000006Z"},
        "last_accessed": {"S": "2026-01-02T03:04:05.000006Z"},
        "version": {"N": "2"},
        "write_id": {"S": "w-1"},
    }


def test_what_ttl_reads_is_a_number() -> None:
    """The expiry of a grant is stored as epoch seconds, its other time as text."""
    item = CODECS["acls"].encode(ACL, "w-1")

    assert item["expires_at"] == {"N": "1767323045"}
    assert item["granted_at"] == {"S": "2026-01-02T03:04:05.000006Z"}


def test_none_is_an_absent_attribute() -> None:
    """An attribute that is None is not stored."""
    user = User(id="u", oauth_provider="github", oauth_provider_sub="4711", created_at=NOW, updated_at=NOW)

    assert set(CODECS["users"].encode(user, "w-1")) == {
        "id",
        "oauth_provider",
        "oauth_provider_sub",
        "tier",
        "status",
        "wiki_count",
        "created_at",
        "updated_at",
        "version",
        "write_id",
    }


@each_kind
@each_table
def test_unknown_attributes_are_ignored(table: str, kind: Kind) -> None:
    """Attributes of any type that the model does not have are ignored."""
    newer = {"plan": {"M": {"seats": {"N": "3"}}}, "blob": {"B": "AA=="}, "gone": {"NULL": True}, "tags": {"SS": ["a"]}}

    assert read(table, kind, [item_of(table) | newer]) == [SAMPLES[table]]


@each_kind
@each_table
def test_missing_attributes_read_as_their_defaults(table: str, kind: Kind) -> None:
    """An item with the required attributes alone is a model with defaults for the rest."""
    fields = attributes_of(SAMPLES[table])
    required = {field.name for field in fields if field.required}
    bare = {name: value for name, value in item_of(table).items() if name in required}

    (model,) = read(table, kind, [bare])
    for field in fields:
        expected = getattr(SAMPLES[table], field.name) if field.required else field.default
        assert (field.name, getattr(model, field.name)) == (field.name, expected)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T05:04:05.000006+02:00", NOW),
        ("0001-01-01T00:00:00+01:00", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ],
    ids=["another zone", "before the year 1 in UTC"],
)
def test_a_time_of_another_writer(text: str, moment: datetime) -> None:
    """A time that is stored with another offset is read in UTC, if it can be expressed in UTC."""
    user = CODECS["users"].from_item(item_of("users") | {"created_at": string(text)}, "dev-table")

    assert user.created_at == moment
    assert user.created_at.tzinfo == moment.tzinfo


# ---- replies


def test_a_reply_without_an_item() -> None:
    """GetItem without an item decodes to None; UpdateItem without an item is an error."""
    assert CODECS["users"].reader(GetReply, "users")(b"{}").item is None
    with pytest.raises(msgspec.ValidationError):
        CODECS["users"].reader(UpdateReply, "users")(b"{}")


def test_a_query_reply_says_where_to_go_on() -> None:
    """The reply has a last key while more items follow."""
    decode = CODECS["users"].reader(QueryReply, "users")

    assert decode(b'{"Items":[]}').last_key is None
    assert decode(b'{"Items":[],"LastEvaluatedKey":{"id":{"S":"u"}}}').last_key == {"id": {"S": "u"}}


def test_a_batch_reply_says_what_was_not_processed() -> None:
    """The unprocessed keys are kept as DynamoDB wrote them, to be sent again."""
    decode = msgspec.json.Decoder(BatchReply).decode

    assert decode(b'{"Responses":{}}').unprocessed == {}
    assert decode(b'{"Responses":null,"UnprocessedKeys":null}').unprocessed is None
    assert decode(b'{"Responses":{},"UnprocessedKeys":{"users":{"Keys":[]}}}').unprocessed == {"users": {"Keys": []}}


# ---- items of other programs


@each_kind
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_time_in_any_common_form(spelling: str, kind: Kind) -> None:
    """A time that another program wrote is read in UTC, whatever its form; without a zone it is in UTC."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    written = {name: SPELLINGS[spelling](moment) for name in ("created_at", "updated_at", "last_login_at")}

    (user,) = read("users", kind, [item_of("users") | written])

    assert (user.created_at, user.updated_at, user.last_login_at) == (moment,) * 3
    assert user.created_at.tzinfo is UTC


@each_kind
@pytest.mark.parametrize("form", EXPIRIES)
def test_an_expiry_in_any_common_form(form: str, kind: Kind) -> None:
    """The time at which a grant expires may be in milliseconds, or text."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    (acl,) = read("acls", kind, [item_of("acls") | {"expires_at": EXPIRIES[form](moment)}])

    assert acl.expires_at == moment


@each_kind
def test_null_is_no_attribute(kind: Kind) -> None:
    """boto3 stores None as null, which is read like a missing attribute."""
    (user,) = read("users", kind, [item_of("users") | {"email": NULL, "last_login_at": NULL, "color": NULL}])

    assert user == msgspec.structs.replace(USER, email=None, last_login_at=None)


@pytest.mark.parametrize("value", [None, {"BOOL": True}, {"S": "soon"}, {"N": "x"}, {"S": 5}, "text", {}])
def test_what_is_no_time(value: Any) -> None:  # noqa: ANN401 - any JSON
    """An attribute that holds no time has no time."""
    assert read_time(value) is None


def test_a_time_that_utc_does_not_have() -> None:
    """A time before the year 1 in UTC is no time."""
    assert read_time({"S": "0001-01-01T00:00:00+01:00"}) is None


@given(moments)
def test_a_time_of_this_library_is_read_as_it_is(moment: datetime) -> None:
    """The forms in which this library writes times are read without a loss."""
    assert read_time(time(moment)) == moment
    assert not is_foreign(time(moment), before=datetime.max.replace(tzinfo=UTC))


def test_foreign_times() -> None:
    """A time of another form is foreign if it is before the limit; null counts as before any."""
    text = string("2026-01-02T05:04:05+02:00")

    assert is_foreign(text, before=NOW)
    assert not is_foreign(text, before=datetime(2026, 1, 2, 3, tzinfo=UTC))
    assert is_foreign(NULL, before=NOW)
    assert not is_foreign(string("recently"), before=NOW)
    assert not is_foreign(None, before=NOW)


def test_what_an_item_lacks_is_made_for_it() -> None:
    """The codec makes the value of a required attribute that an item lacks, from the rest of the item."""
    codec = ItemCodec(User, USERS.key, missing={"updated_at": lambda item: item["created_at"]})
    item = item_of("users") | {"created_at": number(1_767_323_045_000), "updated_at": NULL}

    assert codec.from_item(item, "users").updated_at == NOW.replace(microsecond=0)


def test_corrupt_items_among_others() -> None:
    """The answer of a Query has its sound items, and each corrupt one with its position and the item."""
    corrupt, foreign = item_of("users") | {"tier": number(3)}, item_of("users") | {"created_at": number(0)}
    answer = {"Items": [corrupt, item_of("users"), foreign, corrupt], "LastEvaluatedKey": {"id": string("u")}}

    reply = CODECS["users"].reader(QueryReply, "users")(msgspec.json.encode(answer))

    assert [CODECS["users"].from_wire(wire) for wire in reply.items] == [
        USER,
        msgspec.structs.replace(USER, created_at=datetime(1970, 1, 1, tzinfo=UTC)),
    ]
    assert [(position, item) for position, item, _ in reply.corrupt] == [(0, corrupt), (3, corrupt)]
    assert reply.last_key == {"id": string("u")}


# ---- items that do not decode

CORRUPTIONS = [
    ("users", "email", {"N": "31337"}),
    ("users", "email", {"S": 31337}),
    ("users", "email", "31337"),
    ("users", "email", None),
    ("users", "wiki_count", {"S": "31337"}),
    ("users", "wiki_count", {"N": "31337.5"}),
    ("users", "wiki_count", {"N": "NaN31337"}),
    ("users", "wiki_count", {"N": ""}),
    ("users", "wiki_count", {"BOOL": True}),
    ("users", "status", {"S": "31337"}),
    ("users", "status", {"S": "ACTIVE-31337"}),
    ("users", "created_at", {"S": "yesterday, 31337"}),
    ("users", "created_at", {"BOOL": True}),
    ("users", "created_at", {"N": "31337e300"}),
    ("users", "created_at", {"S": "inf"}),
    ("users", "last_login_at", {"S": ""}),
    ("wikis", "is_public", {"S": "31337"}),
    ("wikis", "is_public", {"BOOL": "31337"}),
    ("wikis", "display_name", {"L": [{"S": "31337"}]}),
    ("acls", "role", {"S": "31337"}),
    ("acls", "expires_at", {"S": "soon31337"}),
    ("acls", "expires_at", {"N": "soon31337"}),
    # Microseconds, as milliseconds: a year that no datetime has.
    ("acls", "expires_at", {"N": "1767323045031337"}),
    ("acls", "expires_at", {"N": "-1767323045031337"}),
]


@each_kind
@pytest.mark.parametrize(("table", "attribute", "value"), CORRUPTIONS)
def test_a_corrupt_item_is_named(table: str, attribute: str, value: object, kind: Kind) -> None:
    """In every reply, the error names table, key, attribute and reason, and shows no value."""
    other = item_of(table) | {name: {"S": "other"} for name in key_of(table)}
    corrupt = item_of(table) | {attribute: value}

    with pytest.raises(CorruptItemError) as caught:
        read(table, kind, [other, corrupt])

    assert caught.value.table == "dev-table"
    assert caught.value.key == key_of(table)
    assert names(caught.value.reason, attribute)
    assert "31337" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("table", "attribute", "value", "reason"),
    [
        ("wikis", "page_count", {"S": "3"}, "page_count must be a whole number, but is a string (S)"),
        ("wikis", "page_count", {"N": "three"}, "page_count must be a whole number"),
        ("wikis", "page_count", {}, "page_count must be a whole number"),
        ("wikis", "display_name", None, "display_name must be a string"),
        ("wikis", "status", {"S": "odd"}, "status must be one of active, moving, arriving, deleting"),
        ("wikis", "is_public", {"SS": ["a"]}, "is_public must be a boolean, but is a set of strings (SS)"),
        ("users", "created_at", {"S": "then"}, "created_at must be a time in ISO 8601"),
        ("acls", "expires_at", {"BOOL": True}, "expires_at must be seconds since 1970, but is a boolean (BOOL)"),
        ("users", "oauth_provider", {"NULL": True}, "oauth_provider is missing"),
    ],
)
def test_a_reason_says_what_an_attribute_must_be(table: str, attribute: str, value: Item | None, reason: str) -> None:
    """The reason names the attribute, the expected type or values, and the type that is stored."""
    with pytest.raises(CorruptItemError) as caught:
        CODECS[table].from_item(item_of(table) | {attribute: value}, "dev-table")

    assert caught.value.reason == reason


@pytest.mark.parametrize(("table", "attribute", "value"), CORRUPTIONS)
def test_a_corrupt_parsed_item_is_named(table: str, attribute: str, value: object) -> None:
    """The error for a parsed item names the same."""
    with pytest.raises(CorruptItemError) as caught:
        CODECS[table].from_item(item_of(table) | {attribute: value}, "dev-table")

    assert (caught.value.table, caught.value.key) == ("dev-table", key_of(table))
    assert names(caught.value.reason, attribute)
    assert "31337" not in str(caught.value)


@each_kind
@pytest.mark.parametrize(
    ("table", "attribute"),
    [(table, field.name) for table, model in SAMPLES.items() for field in attributes_of(model) if field.required],
)
def test_a_required_attribute_that_is_missing_is_named(table: str, attribute: str, kind: Kind) -> None:
    """An item without a required attribute is corrupt; a missing key attribute is shown as `?`."""
    item = item_of(table)
    del item[attribute]

    with pytest.raises(CorruptItemError) as caught:
        read(table, kind, [item])

    assert caught.value.key == key_of(table) | ({attribute: "?"} if attribute in key_of(table) else {})
    assert names(caught.value.reason, attribute)


@each_kind
@pytest.mark.parametrize("value", [5, None, "u-1", [], {"N": "5"}], ids=repr)
def test_a_corrupt_key_attribute_is_named(value: object, kind: Kind) -> None:
    """An item whose very key does not decode is corrupt like any other."""
    with pytest.raises(CorruptItemError) as caught:
        read("users", kind, [item_of("users") | {"id": value}])

    assert caught.value.key == {"id": "?"}
    assert names(caught.value.reason, "id")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("get", {"Item": 5}),
        ("get", {"Item": []}),
        ("get", []),
        ("get", 5),
        ("update", {"Attributes": "none"}),
        ("query", {}),
        ("update", {"Item": item_of("users")}),
        ("query", {"Item": item_of("users")}),
        ("query", {"Items": 5}),
        ("query", {"Items": [5]}),
        ("query", {"Items": {"id": {}}}),
        ("query", {"Items": [], "LastEvaluatedKey": 5}),
        ("query", {"Items": [item_of("users")], "LastEvaluatedKey": []}),
    ],
)
def test_what_is_no_reply_is_no_corrupt_item(kind: str, body: object) -> None:
    """An answer of another shape is not reported as a corrupt item."""
    with pytest.raises(msgspec.ValidationError):
        CODECS["users"].reader(KINDS[kind].reply, "users")(msgspec.json.encode(body))


@each_kind
@pytest.mark.parametrize("body", [b"", b"{", b'{"Item', b"<html>", b"{}}"])
def test_what_is_no_json_is_no_reply(kind: Kind, body: bytes) -> None:
    """Incomplete JSON is rejected."""
    with pytest.raises(msgspec.DecodeError):
        CODECS["users"].reader(kind.reply, "users")(body)


# ---- values of other types

WRONG_VALUES = [
    ("wikis", "page_count", 1.0),
    ("wikis", "page_count", float("nan")),
    ("wikis", "page_count", True),
    ("wikis", "page_count", "12"),
    ("wikis", "is_public", 1),
    ("wikis", "is_public", "true"),
    ("wikis", "status", "active"),
    ("wikis", "status", UserStatus.ACTIVE),
    ("wikis", "display_name", 5),
    ("wikis", "display_name", b"notes"),
    ("wikis", "created_at", "2026-01-02T03:04:05Z"),
    ("wikis", "created_at", date(2026, 1, 2)),
    ("wikis", "last_accessed", 1767323045),
    ("acls", "expires_at", 1767323045),
    ("acls", "expires_at", float("nan")),
    ("users", "version", 1.5),
    ("users", "email", ["ada@example.org"]),
    # What every item must have.
    ("users", "oauth_provider", None),
    ("users", "tier", None),
    ("wikis", "display_name", None),
    ("wikis", "created_at", None),
    ("wikis", "version", None),
    ("acls", "role", None),
]


@pytest.mark.parametrize(("table", "attribute", "value"), WRONG_VALUES)
def test_a_value_of_another_type_is_refused(table: str, attribute: str, value: object) -> None:
    """A value is not converted to the attribute's type; the error names the attribute."""
    with pytest.raises(TypeError, match=f"^{attribute} must be "):
        CODECS[table].value(attribute, value)


@pytest.mark.parametrize(("table", "attribute", "value"), WRONG_VALUES)
def test_a_model_with_a_value_of_another_type_is_refused(table: str, attribute: str, value: object) -> None:
    """A model with a wrong type, or with None in a required attribute, is not encoded."""
    model = msgspec.structs.replace(SAMPLES[table], **{attribute: value})

    with pytest.raises(TypeError, match=f"^{attribute} (must|cannot) be "):
        CODECS[table].encode(model, "w-1")


@pytest.mark.parametrize(
    ("table", "attribute", "value", "rule"),
    [
        ("wikis", "page_count", 10**38, "at most 38 digits"),
        ("users", "version", -(10**38), "at most 38 digits"),
        ("wikis", "display_name", "half \ud83d of it", "half a surrogate pair"),
        ("users", "email", "\udfff", "half a surrogate pair"),
        ("wikis", "display_name", "x" * 65_537, "at most 65536 bytes"),
        ("users", "avatar_url", "é" * 32_769, "at most 65536 bytes"),
    ],
)
def test_a_value_that_dynamodb_cannot_hold_is_refused(table: str, attribute: str, value: object, rule: str) -> None:
    """A number that is too long or a text that is not Unicode is rejected by the attribute's name."""
    with pytest.raises(ValueError, match=f"^{attribute}: .*{rule}"):
        CODECS[table].value(attribute, value)


def test_one_value() -> None:
    """A single attribute is encoded as it is within an item."""
    item = item_of("wikis")
    values = {field.name: getattr(WIKI, field.name) for field in attributes_of(WIKI)}

    assert {name: CODECS["wikis"].value(name, value) for name, value in values.items()} | {
        "write_id": item["write_id"]
    } == item


def test_a_clock_of_a_test_is_a_clock() -> None:
    """A subclass of datetime, such as that of a frozen clock, is stored as a datetime."""

    class Frozen(datetime):
        """A datetime of a stopped test clock."""

    assert CODECS["users"].value("created_at", Frozen.combine(NOW.date(), NOW.timetz())) == time(NOW)


def test_texts_and_numbers_of_another_class() -> None:
    """A subclass of str or int, such as escaped HTML or an enum member, is stored as plain text or number."""

    class Markup(str):
        """A text of a template engine."""

        __slots__ = ()

    class Pages(int, Enum):
        """Numbers as members of an enum."""

        FEW = 3

    texts, numbers = (
        CODECS["wikis"].value("display_name", Markup("<b>")),
        CODECS["wikis"].value("page_count", Pages.FEW),
    )

    assert msgspec.json.encode([texts, numbers]) == b'[{"S":"<b>"},{"N":"3"}]'


@pytest.mark.parametrize(
    ("table", "removable"),
    [
        ("users", {"username", "email", "display_name", "avatar_url", "last_login_at"}),
        ("wikis", {"mcp_token_hash", "last_accessed"}),
        ("acls", {"expires_at", "wiki_uid", "invited_email"}),
    ],
)
def test_only_what_may_be_none_can_be_removed(table: str, removable: set[str]) -> None:
    """Only an attribute that may be None can be removed; a default is not enough."""
    for field in attributes_of(SAMPLES[table]):
        if field.name in removable:
            assert CODECS[table].removable(field.name) == field.name
        else:
            with pytest.raises(TypeError, match=f"^{field.name} cannot be None"):
                CODECS[table].removable(field.name)


def test_the_key_of_an_item() -> None:
    """A message shows the primary key of an item, whatever else is wrong with the item."""
    assert CODECS["acls"].shown_key(item_of("acls")) == {"wiki_id": "u-1:notes", "grantee_id": "u-2"}
    assert CODECS["acls"].shown_key({"wiki_id": {"S": "u-1:notes"}}) == {"wiki_id": "u-1:notes", "grantee_id": "?"}


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A model of another service, with a field that is not stored."""

    id: str
    size: int = 1
    _cache: object = None


def test_a_field_with_an_underscore_is_not_stored() -> None:
    """A field whose name starts with an underscore is neither written nor read, and may have any type."""
    codec = ItemCodec(Thing, ("id",))
    item = {"id": {"S": "a"}, "size": {"N": "2"}, "write_id": {"S": "w-1"}}

    assert codec.encode(Thing(id="a", size=2, _cache={}), "w-1") == item
    assert codec.from_item(item | {"_cache": {"S": "stored by somebody else"}}, "things") == Thing(id="a", size=2)
    with pytest.raises(KeyError):
        codec.value("_cache", 1)


def test_key_values_are_shortened_in_messages() -> None:
    """`redact` is applied to every text of a key that a message shows."""
    codec = ItemCodec(Thing, ("id",), redact=lambda text: f"{text[:1]}…")

    assert codec.shown_key({"id": {"S": "secret"}}) == {"id": "s…"}
    assert codec.shown_key({"id": {"N": "5"}}) == {"id": "?"}
    with pytest.raises(CorruptItemError) as caught:
        codec.from_item({"id": {"S": "secret"}, "size": {"S": "large"}}, "things")
    assert caught.value.key == {"id": "s…"}
    assert "secret" not in str(caught.value)


# ---- times


class Zoneless(tzinfo):
    """A time zone that does not know its offset, which leaves a datetime naive."""

    def utcoffset(self, _moment: datetime | None) -> None:
        """Return no offset."""

    dst = tzname = utcoffset


NAIVE = [
    datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - naive on purpose
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=Zoneless()),
]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
        (datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T23:00:00.000000Z"),
        (datetime(9, 1, 2, tzinfo=UTC), "0009-01-02T00:00:00.000000Z"),
    ],
)
def test_timestamps(moment: datetime, text: str) -> None:
    """A timestamp is ISO 8601 in UTC with all its digits."""
    assert timestamp(moment) == text
    assert time(moment) == string(text) == {"S": text}


@given(moments)
def test_timestamps_have_a_fixed_width(moment: datetime) -> None:
    """Every timestamp is 27 characters long and keeps all microseconds."""
    text = timestamp(moment)

    assert len(text) == 27
    assert datetime.fromisoformat(text) == moment


@given(moments, moments)
def test_timestamps_sort_as_text(one: datetime, other: datetime) -> None:
    """Comparing two timestamps as text compares the times."""
    assert (timestamp(one) < timestamp(other)) == (one < other)


@given(moments)
def test_epoch_seconds_are_rounded_down(moment: datetime) -> None:
    """Epoch seconds are rounded down, also before 1970 and in the far future."""
    begun = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch(moment))

    assert begun <= moment < begun + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), -1),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), 1767323045),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253402300799),
    ],
)
def test_epoch_seconds(moment: datetime, seconds: int) -> None:
    """Epoch seconds are a number attribute without a fraction."""
    assert epoch(moment) == seconds
    assert number(epoch(moment)) == {"N": str(seconds)}


@pytest.mark.parametrize("function", [timestamp, epoch, time])
@pytest.mark.parametrize("moment", NAIVE, ids=["no zone", "zone without offset"])
def test_naive_datetimes_are_refused(function: Callable[[datetime], object], moment: datetime) -> None:
    """A datetime without a time zone is rejected."""
    with pytest.raises(ValueError, match="the datetime has no time zone"):
        function(moment)


@pytest.mark.parametrize("moment", NAIVE, ids=["no zone", "zone without offset"])
@pytest.mark.parametrize(("table", "attribute"), [("users", "created_at"), ("acls", "expires_at")])
def test_a_naive_datetime_is_refused_by_name(table: str, attribute: str, moment: datetime) -> None:
    """The error names the attribute, alone or in a model."""
    model = msgspec.structs.replace(SAMPLES[table], **{attribute: moment})

    with pytest.raises(ValueError, match=f"^{attribute}: the datetime has no time zone"):
        CODECS[table].value(attribute, moment)
    with pytest.raises(ValueError, match=f"^{attribute}: the datetime has no time zone"):
        CODECS[table].encode(model, "w-1")
