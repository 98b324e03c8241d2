"""Records the requests that a store sends."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from wikibot_store import WikibotStore


@contextmanager
def recording(store: WikibotStore, note: Callable[[str, Mapping[str, Any]], object]) -> Iterator[None]:
    """Pass the operation and the members of each request that the store sends to `note`."""
    call = store._wire.call

    async def record(
        operation: str, request: Mapping[str, Any], decode: Callable[[bytes], Any], *, deadline: float
    ) -> Any:  # noqa: ANN401 - what `decode` returns
        note(operation, request)
        return await call(operation, request, decode, deadline=deadline)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._wire, "call", record)
        yield


def described(operation: str, request: Mapping[str, Any]) -> str:
    """Describe a request, such as "GetItem (consistent)"."""
    if "TransactItems" in request:
        return f"{operation} ({', '.join(kind for action in request['TransactItems'] for kind in action)})"
    if "IndexName" in request:
        return f"{operation} ({request['IndexName']})"
    return f"{operation} (consistent)" if request.get("ConsistentRead") else operation
