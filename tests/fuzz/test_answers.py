"""Whatever an endpoint answers, a call returns or raises an error of the library, in limited time and memory."""

import json
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.access_patterns import PATTERNS, AccessPattern
from tests.fuzz.bad_answers import ITEMS, answers_to, attributes
from tests.fuzz.stores import HEADERS, REFUSED, fuzzed, store_on
from wikibot_store import CorruptItemError, Wiki, WikibotStore, WikibotStoreError
from wikibot_store._wire._protocol import Answer

_MIB = 1024 * 1024


@settings(fuzzed, max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern.requests], ids=str)
async def test_bad_answers(pattern: AccessPattern, data: st.DataObject) -> None:
    """With any answers, a call returns a result or raises a WikibotStoreError."""
    stops: list[BaseException] = []

    def answer(operation: str) -> Answer:
        try:
            return data.draw(answers_to(operation), label=operation)
        except BaseException as stop:  # noqa: BLE001 - Hypothesis ends an example with it, and the test must raise it
            stops.append(stop)
            return REFUSED

    async with store_on(answer) as store:
        try:
            await pattern.call(store)
        except WikibotStoreError as error:
            str(error)
    if stops:
        raise stops[0]


_NOT_KEYS = sorted(ITEMS["wikis"].keys() - {"owner_id", "wiki_slug"})


@fuzzed
@given(changes=st.dictionaries(st.sampled_from(_NOT_KEYS) | st.text(max_size=4), attributes, min_size=1, max_size=3))
async def test_stored_items(changes: dict[str, Any]) -> None:
    """An item with any attributes is decoded, or raises CorruptItemError with its key."""
    body = json.dumps({"Item": ITEMS["wikis"] | changes}).encode()

    async with store_on(_always(Answer(200, HEADERS, body))) as store:
        try:
            found: Wiki | CorruptItemError | None = await store.wikis.get("ada", "notes")
        except CorruptItemError as error:
            found = error

    key = {"owner_id": "ada", "wiki_slug": "notes"}
    assert isinstance(found, Wiki) or (found is not None and found.key == key)


def _always(answer: Answer) -> Callable[[str], Answer]:
    return lambda _operation: answer


def _filled(before: bytes, one: bytes, after: bytes) -> bytes:
    """Return 16 MiB of JSON: a repeated part between a beginning and an end."""
    return before + b",".join([one] * (16 * _MIB // (len(one) + 1))) + after


Call = Callable[[WikibotStore], Awaitable[object]]
SENDERS: dict[str, Call] = {
    "GetItem": lambda store: store.wikis.get("ada", "notes"),
    "Query": lambda store: store.wikis.list_by_owner("ada", limit=10_000),
    "BatchGetItem": lambda store: store.authorize("bob", "ada", "notes"),
    "UpdateItem": lambda store: store.wikis.touch("ada", "notes"),
    "TransactWriteItems": lambda store: store.wikis.create("ada", "new", display_name="New", repo_path="/srv/new"),
}

_ITEM = json.dumps(ITEMS["wikis"]).encode()
_ERROR = b'{"__type":"ConditionalCheckFailedException",'
_TEXT = b'"' + b"x" * 100 + b'"'
HUGE = {
    "items": ("Query", 200, _filled(b'{"Items":[', _ITEM, b"]}")),
    "a text": ("GetItem", 200, b'{"Item":{"x":{"S":"' + b"x" * 16 * _MIB + b'"}}}'),
    "a number": ("GetItem", 200, b'{"Item":' + b"9" * 16 * _MIB + b"}"),
    "tables": ("BatchGetItem", 200, _filled(b'{"Responses":{', _TEXT + b":[]", b"}}")),
    "attributes": ("UpdateItem", 200, _filled(b'{"Attributes":{', _TEXT + b":{}", b"}}")),
    "what nobody asked for": ("TransactWriteItems", 200, _filled(b'{"x":[', b"[]", b"]}")),
    "an error's item": ("UpdateItem", 400, _filled(_ERROR + b'"Item":{"x":[', _TEXT, b"]}}")),
    "reasons": (
        "TransactWriteItems",
        400,
        _filled(_ERROR + b'"CancellationReasons":[', b'{"Code":' + _TEXT + b"}", b"]}"),
    ),
    "a message": ("GetItem", 400, _ERROR + b'"message":"' + b"x" * 16 * _MIB + b'"}'),
    "depth": ("GetItem", 200, b'{"Item":' + b"[" * 16 * _MIB),
    "nothing": ("GetItem", 400, b"{" + b" " * 16 * _MIB),
}


@pytest.mark.parametrize(("sender", "status", "body"), HUGE.values(), ids=HUGE)
async def test_huge_answers(sender: str, status: int, body: bytes) -> None:
    """An answer of 16 MiB is handled as any other, with memory of a few times its size."""
    async with store_on(_always(Answer(status, HEADERS, body)), attempts=1) as store:
        tracemalloc.start()
        try:
            with suppress(WikibotStoreError):
                await SENDERS[sender](store)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 16 * len(body)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("sender", SENDERS)
async def test_nesting_without_end(status: int, sender: str) -> None:
    """An answer that is nested too deeply for the parser is rejected, whichever member is nested."""
    for member in ("Item", "Items", "Responses", "Attributes", "CancellationReasons", "LastEvaluatedKey", "x"):
        body = f'{{"{member}":{"[" * 100_000}'.encode()
        async with store_on(_always(Answer(status, HEADERS, body))) as store:
            with pytest.raises(WikibotStoreError):
                await SENDERS[sender](store)
