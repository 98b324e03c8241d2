"""What a request is for and what it has consumed, where somebody asks."""

from collections.abc import Mapping
from typing import Any

import msgspec


class _TableCapacity(msgspec.Struct, gc=False):
    """What a request has consumed of one table."""

    name: str = msgspec.field(default="", name="TableName")
    units: float = msgspec.field(default=0.0, name="CapacityUnits")


class _Capacity(msgspec.Struct, gc=False):
    """What a request has consumed, of one table or of several."""

    consumed: _TableCapacity | list[_TableCapacity] | None = msgspec.field(default=None, name="ConsumedCapacity")


_decode_capacity = msgspec.json.Decoder(_Capacity).decode


def tables_of(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tables that a request is for."""
    match request:
        case {"RequestItems": tables}:
            return tuple(tables)
        case {"TransactItems": actions}:
            return tuple(dict.fromkeys(member["TableName"] for action in actions for member in action.values()))
        case _:
            return (request["TableName"],)


def consumed_by(body: bytes) -> dict[str, float]:
    """Return the capacity units by table that a reply tells of."""
    match _decode_capacity(body).consumed:
        case None:
            return {}
        case list(tables):
            return {table.name: table.units for table in tables}
        case table:
            return {table.name: table.units}
