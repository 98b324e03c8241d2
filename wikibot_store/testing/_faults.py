"""What can go wrong with one request."""

import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from wikibot_store.testing._exchange import CHECKSUM, Answer, Exchange, dynamodb, refusal

Play = Callable[[Exchange], Awaitable[web.StreamResponse]]
"""What becomes of a request, and of its answer."""

BATCHES = frozenset({"BatchGetItem", "BatchWriteItem"})
TRANSACTIONS = frozenset({"TransactGetItems", "TransactWriteItems"})
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
OPERATIONS = BATCHES | TRANSACTIONS | WRITES | {"GetItem", "Query", "Scan"}

_OVERLOAD = refusal(
    "ProvisionedThroughputExceededException", "The level of configured provisioned throughput was exceeded"
)
_EXPIRED = refusal("ExpiredTokenException", "The security token included in the request is expired")
_FAILURES = {500: "InternalServerError", 503: "ServiceUnavailable"}


async def pass_on(exchange: Exchange) -> web.StreamResponse:
    """Do what should be done."""
    return await exchange.answer(await exchange.forward())


async def lose_answer(exchange: Exchange) -> web.StreamResponse:
    """Apply, and reset the connection."""
    await exchange.forward()
    return await exchange.hang_up()


async def reset_before(exchange: Exchange) -> web.StreamResponse:
    """Reset the connection."""
    return await exchange.hang_up()


async def reset_midway(exchange: Exchange) -> web.StreamResponse:
    """Apply, and break off in the middle of the answer."""
    return await exchange.answer_half(await exchange.forward())


def drip(seconds: float) -> Play:
    """Apply, and answer slowly."""

    async def play(exchange: Exchange) -> web.StreamResponse:
        return await exchange.answer_slowly(await exchange.forward(), seconds)

    return play


def fail(status: int, *, after: bool) -> Play:
    """Answer with a failure of the server, after applying the request or instead."""
    failure = refusal(_FAILURES[status], "The request processing has failed", status=status)

    async def play(exchange: Exchange) -> web.StreamResponse:
        if after:
            await exchange.forward()
        return await exchange.answer(failure)

    return play


async def throttle(exchange: Exchange) -> web.StreamResponse:
    """Refuse because of load."""
    return await exchange.answer(_OVERLOAD)


async def expire_credentials(exchange: Exchange) -> web.StreamResponse:
    """Refuse the session token."""
    return await exchange.answer(_EXPIRED)


async def corrupt(exchange: Exchange) -> web.StreamResponse:
    """Apply, and damage a bit of the answer, but not of its checksum."""
    answer = await exchange.forward()
    damaged = bytearray(answer.body)
    damaged[exchange.random.randrange(len(damaged))] ^= 1
    headers = answer.headers.copy()
    headers[CHECKSUM] = str(zlib.crc32(answer.body))
    return await exchange.answer(answer._replace(headers=headers, body=bytes(damaged)))


async def conflict(exchange: Exchange) -> web.StreamResponse:
    """Refuse because of another transaction: a whole transaction because of one of its actions."""
    message = "Transaction is ongoing for the item"
    if exchange.operation not in TRANSACTIONS:
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


async def leave_unprocessed(exchange: Exchange) -> web.StreamResponse:
    """Process a part of a batch and give the rest back; DynamoDB does not answer a batch of one like this."""
    members = exchange.members
    parts = [(table, part) for table, request in members["RequestItems"].items() for part in _parts(request)]
    if len(parts) == 1:
        return await exchange.answer(_OVERLOAD)
    exchange.random.shuffle(parts)
    half = len(parts) // 2
    members["RequestItems"], left = _join(members, parts[:half]), _join(members, parts[half:])
    answer = await exchange.send(json.dumps(members).encode())
    return await exchange.answer(_with_unprocessed(exchange.operation, answer, left))


def _parts(request: Any) -> list[Any]:  # noqa: ANN401 - keys and how to read them, or writes
    """Return what a batch asks of one table, piece by piece."""
    parts: list[Any] = request if isinstance(request, list) else request["Keys"]
    return parts


def _join(members: dict[str, Any], parts: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the request for some pieces of a batch, by table."""
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
