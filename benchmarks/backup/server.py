"""A server with canned answers to Scan, DescribeTable and BatchWriteItem.

    python -m benchmarks.backup.server ITEMS

It prints its URL and serves until its standard input is closed. The answers are made before: only the key at the end of
a page differs.
"""

import asyncio
import json
import random
import sys
import zlib
from typing import Any

from benchmarks.canned_server import CannedProtocol, Connections
from benchmarks.processes import run

ITEM_BYTES = 500
PAGE_ITEMS = 2_000  # 1 MB, where DynamoDB ends a page
_RANDOM = random.Random(7)  # noqa: S311 - the same items in every run


def _hex(digits: int) -> str:
    return f"{_RANDOM.getrandbits(4 * digits):0{digits}x}"


def item() -> dict[str, Any]:
    """Return a user of 500 bytes as DynamoDB counts them."""
    texts = {
        "id": _hex(32),
        "oauth_provider": "github",
        "oauth_provider_sub": str(_RANDOM.randrange(10**7, 10**8)),
        "username": f"user-{_hex(8)}",
        "email": f"{_hex(10)}@example.org",
        "display_name": "Ada Lovelace",
        "avatar_url": f"https://example.org/{_hex(32)}.png",
        "tier": "free",
        "status": "active",
        "created_at": f"2026-01-02T03:04:05.{_RANDOM.randrange(10**6):06}Z",
        "updated_at": f"2026-02-03T04:05:06.{_RANDOM.randrange(10**6):06}Z",
        "write_id": _hex(24),
    }
    numbers = {"wiki_count": "3", "version": "7"}
    size = sum(len(name) + len(text) for name, text in texts.items()) + sum(len(name) + 2 for name in numbers)
    texts["about"] = "A short text. " * 20
    texts["about"] = texts["about"][: ITEM_BYTES - size - len("about")]
    return {name: {"S": text} for name, text in texts.items()} | {name: {"N": text} for name, text in numbers.items()}


class Answers:
    """The answers for a table of so many items."""

    def __init__(self, items: int) -> None:
        self._pages = items // PAGE_ITEMS
        page = [item() for _ in range(PAGE_ITEMS)]
        members = {"Items": page, "Count": PAGE_ITEMS, "ScannedCount": PAGE_ITEMS}
        self._page = json.dumps(members, separators=(",", ":")).encode()[:-1]
        self._checksum = zlib.crc32(self._page)
        self._table = {
            "TableName": "users",
            "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/users",
            "TableStatus": "ACTIVE",
            "ItemCount": items,
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        }

    def answer(self, operation: str, request: bytes) -> list[bytes]:
        """Return the parts of the HTTP answer."""
        if operation == "BatchWriteItem":
            return _http(b'{"UnprocessedItems":{}}')
        members = json.loads(request)
        if operation == "DescribeTable":
            return _http(json.dumps({"Table": self._table}).encode())
        if operation != "Scan":
            raise ValueError(f"there is no canned answer to {operation}")
        if members.get("Limit") == 1:  # the question whether the table is empty
            return _http(b'{"Items":[],"Count":0,"ScannedCount":0}')
        segment, segments = members.get("Segment", 0), members.get("TotalSegments", 1)
        start = int(members["ExclusiveStartKey"]["id"]["S"]) if "ExclusiveStartKey" in members else segment
        following = start + segments
        if start >= self._pages:
            return _http(b'{"Items":[],"Count":0,"ScannedCount":0}')
        more = b',"LastEvaluatedKey":{"id":{"S":"%d"}}}' % following if following < self._pages else b"}"
        return _http(self._page, more, checksum=zlib.crc32(more, self._checksum))


def _http(*body: bytes, checksum: int | None = None) -> list[bytes]:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: keep-alive\r\n"
        f"Content-Length: {sum(map(len, body))}\r\nx-amzn-RequestId: CANNED\r\n"
        f"x-amz-crc32: {zlib.crc32(b''.join(body)) if checksum is None else checksum}\r\n\r\n"
    )
    return [head.encode(), *body]


class _Protocol(CannedProtocol):
    """Writes the parts of each answer without joining them."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(Connections(), lambda _: 0.0)
        self._answers = answers

    def _answer(self, operation: str, request: bytes) -> None:
        self._transport.writelines(self._answers.answer(operation, request))


async def serve(items: int) -> None:
    """Serve until standard input is closed."""
    loop, answers = asyncio.get_running_loop(), Answers(items)
    server = await loop.create_server(lambda: _Protocol(answers), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    run(serve(int(sys.argv[1])))
