"""Any value that is given as a cursor is rejected, or stays within its listing."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.stores import HEADERS, FuzzedTransport, fuzzed, store_on
from wikibot_store import InvalidCursorError, WikibotStore
from wikibot_store._dynamo.cursor import _NO_SECRET, _digest
from wikibot_store._wire._protocol import Answer

LISTINGS: dict[str, tuple[tuple[str, ...], Callable[[WikibotStore, str], Awaitable[object]]]] = {
    "wikis.by_owner": (
        ("wikis.by_owner", "ada", "", "ascending"),
        lambda store, cursor: store.wikis.list_by_owner("ada", cursor=cursor),
    ),
    "a prefix": (
        ("wikis.by_owner", "ada", "no", "ascending"),
        lambda store, cursor: store.wikis.list_by_owner("ada", prefix="no", cursor=cursor),
    ),
    "acls.by_wiki": (
        ("acls.by_wiki", "ada:notes", "", "ascending"),
        lambda store, cursor: store.acls.list_by_wiki("ada:notes", cursor=cursor),
    ),
    "acls.by_grantee": (
        ("acls.by_grantee", "ada", "", "ascending"),
        lambda store, cursor: store.acls.list_by_grantee("ada", cursor=cursor),
    ),
}
_NOTHING = Answer(200, HEADERS, b'{"Items": []}')

positions = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(str.encode),
    st.sampled_from([b"notes", b"bob:notes", b"no", b"a" * 1_500, b"claim#oauth#github#1", b"..", b"\x00"]),
)


async def start_of(listing: str, cursor: str) -> dict[str, dict[str, str]] | None:
    """Return the key after which a Query with the cursor starts; None if no Query is sent."""
    async with store_on(lambda _operation: _NOTHING) as store:
        try:
            await LISTINGS[listing][1](store, cursor)
        except InvalidCursorError:
            return None
        transport = store._wire._transport
        assert isinstance(transport, FuzzedTransport)
        start: dict[str, dict[str, str]] = json.loads(transport.requests[0])["ExclusiveStartKey"]
        return start


@fuzzed
@given(
    cursor=st.text(st.characters()) | st.binary(max_size=40).map(lambda raw: urlsafe_b64encode(b"\x01" + raw).decode())
)
@pytest.mark.parametrize("listing", LISTINGS)
async def test_made_up_cursors(listing: str, cursor: str) -> None:
    """A random text is not accepted as a cursor."""
    assert await start_of(listing, cursor) is None


@fuzzed
@given(position=positions)
@pytest.mark.parametrize("listing", LISTINGS)
async def test_forged_cursors(listing: str, position: bytes) -> None:
    """Without a secret anybody can make a cursor, but it stays within the listing that it is used for."""
    identity, _ = LISTINGS[listing]
    raw = b"\x01" + _digest(identity, position, *_NO_SECRET) + position

    start = await start_of(listing, urlsafe_b64encode(raw).rstrip(b"=").decode())

    if start is not None:
        partition, sort_key = start.values()
        assert partition == {"S": identity[1]}
        assert sort_key == {"S": position.decode()}
        assert sort_key["S"].startswith(identity[2])
