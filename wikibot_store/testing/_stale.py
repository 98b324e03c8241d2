"""Stale indexes: their Queries are answered from an older copy of the table."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Sends an operation to the engine and returns the members of its reply."""

_READS = frozenset({"Query", "Scan"})
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
_MAX_BATCH = 25


class StaleIndex:
    """The indexes of one table while they are not updated. `release()` ends this."""

    def __init__(self, table: str, is_active: Callable[[], bool]) -> None:
        self._table = table
        self._is_active = is_active
        self._released = False
        self.copy: str | None = None

    def release(self) -> None:
        """Update the indexes again."""
        self._released = True

    @property
    def is_active(self) -> bool:
        """Whether the indexes are still stale."""
        return not self._released and self._is_active()

    async def make(self, ask: Ask) -> None:
        """Copy the table with its indexes and items; in local engines a new table is active at once."""
        table = (await ask("DescribeTable", {"TableName": self._table}))["Table"]
        indexes = [
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
            for index in table.get("GlobalSecondaryIndexes", ())  # without one, the engine reports the error
        ]
        copy = f"{self._table[:200]}.stale-{secrets.token_hex(6)}"
        await ask(
            "CreateTable",
            {
                "TableName": copy,
                "KeySchema": table["KeySchema"],
                "AttributeDefinitions": table["AttributeDefinitions"],
                "GlobalSecondaryIndexes": indexes,
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        self.copy = copy
        start: dict[str, Any] = {}
        while True:
            page = await ask("Scan", {"TableName": self._table, "Limit": _MAX_BATCH, **start})
            puts = [{"PutRequest": {"Item": item}} for item in page["Items"]]
            if puts:
                await ask("BatchWriteItem", {"RequestItems": {copy: puts}})
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def is_read_by(self, operation: str, body: bytes) -> bool:
        """Return whether a request reads one of these indexes while they are stale."""
        if not self.is_active or operation not in _READS:
            return False
        members = json.loads(body)
        return members.get("TableName") == self._table and "IndexName" in members

    def redirected(self, body: bytes) -> bytes:
        """Return the request with the name of the copy."""
        return json.dumps({**json.loads(body), "TableName": self.copy}).encode()

    async def drop(self, ask: Ask) -> None:
        """Delete the copy if there is one."""
        if self.copy is not None:
            await ask("DeleteTable", {"TableName": self.copy})
