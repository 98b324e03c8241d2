"""The items of the benchmark, and DynamoDB's answers to requests for them.

The id of an owner holds its number of wikis: `owner-100` has `wiki-000000` to `wiki-000099`. An answer depends only on
its request: the canned server keeps no state.

The tables that can be scanned have the number of their people in their names, such as `users-1000`. The people are
`person-0000000` to `person-0000999`. Each has two claims, one wiki, and a grant in the wiki of the person before.
"""

import json
from functools import cache
from typing import Any

UPDATED_VERSION = 8
# Query ends a page at 1 MB of items, about this number of wikis.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
_LARGEST_PAGE = 2_500

Values = dict[str, str | int | bool]
"""An item as plain Python values."""


def owner(wikis: int) -> str:
    """Return the id of the owner with this number of wikis."""
    return f"owner-{wikis}"


def slug(number: int) -> str:
    """Return the slug of an owner's `number`-th wiki, from 0."""
    return f"wiki-{number:06}"


def wiki(owner_id: str, wiki_slug: str, version: int = UPDATED_VERSION - 1) -> Values:
    """Return a wiki without optional attributes. A page of 100 wikis has 45 KB."""
    return {
        "owner_id": owner_id,
        "wiki_slug": wiki_slug,
        "uid": "9f1c5a0e7b6d4c2f8a3e1d0b9c8f7a6e",
        "display_name": "Field notes",
        "repo_path": "/srv/wikis/9f/1c/9f1c5a0e.git",
        "is_public": False,
        "status": "active",
        "page_count": 42,
        "disk_usage_bytes": 1048576,
        "created_at": "2026-01-02T03:04:05.000006Z",
        "updated_at": "2026-02-03T04:05:06.000007Z",
        "version": version,
    }


def user(user_id: str) -> Values:
    """Return a user with a full profile. The user `user-4711` has the GitHub identity 4711."""
    return {
        "id": user_id,
        "oauth_provider": "github",
        "oauth_provider_sub": user_id.removeprefix("user-"),
        "username": "ada",
        "email": "ada@example.org",
        "display_name": "Ada Lovelace",
        "avatar_url": "https://example.org/ada.png",
        "tier": "free",
        "status": "active",
        "wiki_count": 3,
        "created_at": "2026-01-02T03:04:05.000006Z",
        "updated_at": "2026-02-03T04:05:06.000007Z",
        "last_login_at": "2026-03-04T05:06:07.000008Z",
        "version": 7,
    }


def claim(sub: str) -> Values:
    """Return the claim that ties a GitHub identity to its user."""
    return {"id": f"claim#oauth#github#{sub}", "user_id": f"user-{sub}"}


def acl(wiki_id: str, grantee_id: str) -> Values:
    """Return a grant that does not expire."""
    return {
        "wiki_id": wiki_id,
        "grantee_id": grantee_id,
        "role": "editor",
        "granted_by": wiki_id.rpartition(":")[0],
        "granted_at": "2026-01-02T03:04:05.000006Z",
        "wiki_uid": "9f1c5a0e7b6d4c2f8a3e1d0b9c8f7a6e",
    }


def person(number: int) -> str:
    """Return the id of the `number`-th person, from 0."""
    return f"person-{number:07}"


def wire(values: Values) -> dict[str, dict[str, str | bool]]:
    """Return an item as DynamoDB writes it, with the `write_id` that the store's items have."""
    item = {name: _attribute(value) for name, value in values.items()}
    return item | {"write_id": {"S": "0f1e2d3c4b5a69788796a5b4"}}


def _attribute(value: str | int | bool) -> dict[str, str | bool]:  # noqa: FBT001 - a value
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _encode(members: object) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


_STORED_WIKI = _encode(wire(wiki("OWNER", "SLUG")))
_UPDATED_WIKI = _encode(wire(wiki("OWNER", "SLUG", UPDATED_VERSION)))

_PEOPLE = (
    _encode(wire(user("PERSON") | {"username": "PERSON", "wiki_count": 1})),
    _encode(wire({"id": "claim#oauth#github#PERSON", "user_id": "PERSON"})),
    _encode(wire({"id": "claim#username#PERSON", "user_id": "PERSON"})),
)
_GRANT = _encode(wire(acl(f"PERSON:{slug(0)}", "GRANTEE")))


def answer(operation: str, request: bytes) -> bytes:
    """Return the body of DynamoDB's answer, with the consumed capacity if the request asks for it."""
    members = json.loads(request)
    body = _answer(operation, members)
    if members.get("ReturnConsumedCapacity") in (None, "NONE"):
        return body
    return b"{%b%b%b" % (_consumed(members), b"" if body == b"{}" else b",", body[1:])


def _answer(operation: str, members: dict[str, Any]) -> bytes:
    match operation:
        case "GetItem":
            return b'{"Item":%b}' % _item(members["Key"])
        case "BatchGetItem":
            return _batch(members["RequestItems"])
        case "PutItem":
            return b"{}"
        case "UpdateItem":
            return b'{"Attributes":%b}' % _wiki(_UPDATED_WIKI, members["Key"])
        case "Query":
            return _page(members)
        case "Scan":
            return _scan(members)
        case _:
            raise ValueError(f"there is no canned answer to {operation}")


def _consumed(members: dict[str, Any]) -> bytes:
    """Return the capacity that a request consumed: of each table for a batch, otherwise of its table."""
    tables = members.get("RequestItems", [members.get("TableName")])
    capacity = [{"TableName": table, "CapacityUnits": 1.0} for table in tables]
    return b'"ConsumedCapacity":' + _encode(capacity if "RequestItems" in members else capacity[0])


def _item(key: dict[str, Any], names: tuple[str, ...] = ()) -> bytes:
    """Return the item with this key. The names of the key attributes identify the table.

    With `names`, a wiki or person has only these attributes.
    """
    if "wiki_slug" in key:
        return _wiki(_narrow(_STORED_WIKI, names), key)
    if "wiki_id" in key:
        return _encode(wire(acl(key["wiki_id"]["S"], key["grantee_id"]["S"])))
    identity = key["id"]["S"].rpartition("#")
    if identity[2].startswith("person-"):
        return _narrow(_PEOPLE[_KINDS.index(identity[0])], names).replace(b"PERSON", identity[2].encode())
    return _encode(wire(claim(identity[2]) if identity[1] else user(identity[2])))


def _wiki(template: bytes, key: dict[str, Any]) -> bytes:
    return template.replace(b"OWNER", key["owner_id"]["S"].encode()).replace(b"SLUG", key["wiki_slug"]["S"].encode())


_NAMES = "ExpressionAttributeNames"
_KINDS = ("", "claim#oauth#github", "claim#username")


@cache
def _narrow(template: bytes, names: tuple[str, ...]) -> bytes:
    """Return a template with only these attributes, or with all if there are no names."""
    return _encode({name: value for name, value in json.loads(template).items() if name in names or not names})


def _batch(wanted: dict[str, Any]) -> bytes:
    """Answer a BatchGetItem with exactly the requested items."""
    tables = [
        b'"%b":[%b]'
        % (table.encode(), b",".join(_item(key, tuple(keys.get(_NAMES, {}).values())) for key in keys["Keys"]))
        for table, keys in wanted.items()
    ]
    return b'{"Responses":{%b},"UnprocessedKeys":{}}' % b",".join(tables)


def _page(query: dict[str, Any]) -> bytes:
    """Answer a Query of one owner's wikis."""
    values = [value.get("S", "") for value in query["ExpressionAttributeValues"].values()]
    owner_id = next(value for value in values if value.startswith(("owner-", "person-")))
    last = query.get("ExclusiveStartKey")
    start = 0 if last is None else int(last["wiki_slug"]["S"].removeprefix("wiki-")) + 1
    wikis = 1 if owner_id.startswith("person-") else int(owner_id.removeprefix("owner-"))
    end = min(wikis, start + min(query.get("Limit", _LARGEST_PAGE), _LARGEST_PAGE))
    head, tail = _STORED_WIKI.replace(b"OWNER", owner_id.encode()).split(b"SLUG")
    items = head + (tail + b"," + head).join([slug(number).encode() for number in range(start, end)]) + tail
    more = b""
    if end < wikis:
        key = {"owner_id": {"S": owner_id}, "wiki_slug": {"S": slug(end - 1)}}
        more = b',"LastEvaluatedKey":' + _encode(key)
    return b'{"Items":[%b],"Count":%d,"ScannedCount":%d%b}' % (items, end - start, end - start, more)


def _scan(request: dict[str, Any]) -> bytes:
    """Answer a Scan of one segment of the people's items."""
    table, _, people = request["TableName"].partition("-")
    per_person = len(_KINDS) if table == "users" else 1
    segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
    items = int(people) * per_person
    start, end = items * segment // segments, items * (segment + 1) // segments
    if "ExclusiveStartKey" in request:
        start = _place(request["ExclusiveStartKey"], per_person) + 1
    last = min(end, start + request.get("Limit", _LARGEST_PAGE))
    found = [_swept(table, *divmod(place, per_person), int(people)) for place in range(start, last)]
    more = b""
    if last < end:
        key = {name: value for name, value in json.loads(found[-1]).items() if name in _KEYS[table]}
        more = b',"LastEvaluatedKey":' + _encode(key)
    return b'{"Items":[%b],"Count":%d,"ScannedCount":%d%b}' % (b",".join(found), len(found), len(found), more)


_KEYS = {"users": ("id",), "wikis": ("owner_id", "wiki_slug"), "acls": ("wiki_id", "grantee_id")}


def _place(key: dict[str, Any], per_person: int) -> int:
    """Return the place of an item in its table."""
    kind, _, name = next(iter(key.values()))["S"].partition(":")[0].rpartition("#")
    return int(name.removeprefix("person-")) * per_person + _KINDS.index(kind)


def _swept(table: str, number: int, kind: int, people: int) -> bytes:
    name = person(number)
    if table == "users":
        return _PEOPLE[kind].replace(b"PERSON", name.encode())
    if table == "wikis":
        return _wiki(_STORED_WIKI, {"owner_id": {"S": name}, "wiki_slug": {"S": slug(0)}})
    grantee = person((number + 1) % people)
    return _GRANT.replace(b"PERSON", name.encode()).replace(b"GRANTEE", grantee.encode())
