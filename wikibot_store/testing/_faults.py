"""The faults that can be injected, and what each does to a request."""

import json
import zlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, NamedTuple

from aiohttp import web

from wikibot_store.testing._exchange import CHECKSUM, Answer, Exchange, dynamodb, refusal

Play = Callable[[Exchange], Awaitable[web.StreamResponse]]
"""What happens to a request, and to its answer."""

_BATCHES = frozenset({"BatchGetItem", "BatchWriteItem"})
_TRANSACTIONS = frozenset({"TransactGetItems", "TransactWriteItems"})
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
OPERATIONS = _BATCHES | _TRANSACTIONS | _WRITES | {"GetItem", "Query", "Scan"}

_OVERLOAD = refusal(
    "ProvisionedThroughputExceededException", "The level of configured provisioned throughput was exceeded"
)
_EXPIRED = refusal("ExpiredTokenException", "The security token included in the request is expired")
_FAILURES = {500: "InternalServerError", 503: "ServiceUnavailable"}
STATUSES = tuple(_FAILURES)


class Fault(StrEnum):
    """What can go wrong with a request. `FaultProxy.inject` takes the options that are named here."""

    LOSE_ANSWER = "lose_answer"
    """The request is applied, and the connection is reset instead of an answer."""

    RESET_BEFORE = "reset_before"
    """The connection is reset, and the request is not applied."""

    RESET_MIDWAY = "reset_midway"
    """The request is applied, and the connection ends in the middle of the answer."""

    DRIP = "drip"
    """The request is applied, and the answer arrives in pieces over `seconds` (required)."""

    FAIL_BEFORE = "fail_before"
    """The answer is HTTP 500 (InternalServerError), and the request is not applied. With `status=503` it is HTTP 503
    (ServiceUnavailable)."""

    FAIL_AFTER = "fail_after"
    """The answer is HTTP 500, or 503 with `status=503`, although the request is applied."""

    THROTTLE = "throttle"
    """The request is refused with ProvisionedThroughputExceededException."""

    UNPROCESSED = "unprocessed"
    """Half of a batch is returned as UnprocessedKeys or UnprocessedItems. A batch of one is throttled, as DynamoDB does
    it. Only batches can be hit."""

    TRANSACTION_CONFLICT = "transaction_conflict"
    """A single write or a transaction is refused because of another transaction on the same item. Only these can be
    hit."""

    CORRUPT = "corrupt"
    """The request is applied, and one bit of the answer is flipped, so that its checksum is wrong."""

    EXPIRE_CREDENTIALS = "expire_credentials"
    """The request is refused with ExpiredTokenException. With `session_token` only requests that were signed with this
    token can be hit."""


async def pass_on(exchange: Exchange) -> web.StreamResponse:
    """Apply the request and return its answer."""
    return await exchange.answer(await exchange.forward())


async def _lose_answer(exchange: Exchange) -> web.StreamResponse:
    await exchange.forward()
    return await exchange.hang_up()


async def _reset_before(exchange: Exchange) -> web.StreamResponse:
    return await exchange.hang_up()


async def _reset_midway(exchange: Exchange) -> web.StreamResponse:
    return await exchange.answer_half(await exchange.forward())


async def _drip(exchange: Exchange, *, seconds: float) -> web.StreamResponse:
    return await exchange.answer_slowly(await exchange.forward(), seconds)


async def _fail_before(exchange: Exchange, *, status: int = 500) -> web.StreamResponse:
    return await exchange.answer(refusal(_FAILURES[status], "The request processing has failed", status=status))


async def _fail_after(exchange: Exchange, *, status: int = 500) -> web.StreamResponse:
    await exchange.forward()
    return await _fail_before(exchange, status=status)


async def _throttle(exchange: Exchange) -> web.StreamResponse:
    return await exchange.answer(_OVERLOAD)


async def _expire_credentials(exchange: Exchange, *, session_token: str = "") -> web.StreamResponse:  # noqa: ARG001 - decides which requests are hit
    return await exchange.answer(_EXPIRED)


async def _corrupt(exchange: Exchange) -> web.StreamResponse:
    answer = await exchange.forward()
    damaged = bytearray(answer.body)
    damaged[exchange.random.randrange(len(damaged))] ^= 1
    headers = answer.headers.copy()
    headers[CHECKSUM] = str(zlib.crc32(answer.body))
    return await exchange.answer(answer._replace(headers=headers, body=bytes(damaged)))


async def _conflict(exchange: Exchange) -> web.StreamResponse:
    """Refuse the request; in a transaction, one of the actions is the reason."""
    message = "Transaction is ongoing for the item"
    if exchange.operation not in _TRANSACTIONS:
        return await exchange.answer(refusal("TransactionConflictException", message))
    actions = exchange.members["TransactItems"]
    reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in actions]
    reasons[exchange.random.randrange(len(actions))] = {"Code": "TransactionConflict", "Message": message}
    codes = ", ".join(reason["Code"] for reason in reasons)
    return await exchange.answer(
        refusal(
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
            CancellationReasons=reasons,
        )
    )


async def _leave_unprocessed(exchange: Exchange) -> web.StreamResponse:
    """Process one half of a batch and return the other half; DynamoDB does not answer a batch of one like this."""
    members = exchange.members
    parts = [(table, part) for table, request in members["RequestItems"].items() for part in _parts(request)]
    if len(parts) == 1:
        return await exchange.answer(_OVERLOAD)
    exchange.random.shuffle(parts)
    half = len(parts) // 2
    members["RequestItems"], left = _join(members, parts[:half]), _join(members, parts[half:])
    answer = await exchange.send(json.dumps(members).encode())
    return await exchange.answer(_with_unprocessed(exchange.operation, answer, left))


def _parts(request: Any) -> list[Any]:  # noqa: ANN401 - keys with read options, or writes
    """Return the keys or writes that a batch has for one table."""
    parts: list[Any] = request if isinstance(request, list) else request["Keys"]
    return parts


def _join(members: dict[str, Any], parts: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a batch of these keys or writes, by table."""
    joined: dict[str, Any] = {}
    for table, part in parts:
        request = members["RequestItems"][table]
        if isinstance(request, list):
            joined.setdefault(table, []).append(part)
        else:
            joined.setdefault(table, {**request, "Keys": []})["Keys"].append(part)
    return joined


def _with_unprocessed(operation: str, answer: Answer, left: dict[str, Any]) -> Answer:
    if answer.status != web.HTTPOk.status_code:
        return answer
    name = "UnprocessedKeys" if operation == "BatchGetItem" else "UnprocessedItems"
    return dynamodb(answer.status, {**json.loads(answer.body), name: left})


class Effect(NamedTuple):
    """How a fault is played, the operations that it can hit (None: any request), and the option that it has."""

    play: Callable[..., Awaitable[web.StreamResponse]]
    operations: frozenset[str] | None = None
    option: str | None = None


EFFECTS = {
    Fault.LOSE_ANSWER: Effect(_lose_answer),
    Fault.RESET_BEFORE: Effect(_reset_before),
    Fault.RESET_MIDWAY: Effect(_reset_midway),
    Fault.DRIP: Effect(_drip, option="seconds"),
    Fault.FAIL_BEFORE: Effect(_fail_before, option="status"),
    Fault.FAIL_AFTER: Effect(_fail_after, option="status"),
    Fault.THROTTLE: Effect(_throttle),
    Fault.UNPROCESSED: Effect(_leave_unprocessed, operations=_BATCHES),
    Fault.TRANSACTION_CONFLICT: Effect(_conflict, operations=_WRITES | _TRANSACTIONS),
    Fault.CORRUPT: Effect(_corrupt),
    Fault.EXPIRE_CREDENTIALS: Effect(_expire_credentials, option="session_token"),
}
