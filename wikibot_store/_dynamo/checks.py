"""Validation of arguments that are not keys, before any request is sent."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)

MAX_LIMIT = 10_000


def check_choice(field: str, choices: type[E], value: E | str) -> E:
    """Return the member of `choices` that `value` names.

    Raises:
        ValueError: `value` names no member.

    """
    try:
        return choices(value)
    except ValueError as error:
        raise ValueError(f"{field} must be one of {', '.join(choices)}") from error


def check_integer(name: str, value: int) -> int:
    """Return `value` if it is an integer; `bool` is rejected."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be int, not {type(value).__name__}")
    return value


def check_limit(name: str, limit: int) -> int:
    """Return `limit` if it is an integer from 1 to 10,000."""
    check_integer(name, limit)
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"{name} must be 1 to {MAX_LIMIT}")
    return limit


def check_time(field: str, moment: datetime) -> datetime:
    """Return `moment` in UTC if it is an aware datetime.

    Raises:
        TypeError: It is not a datetime.
        ValueError: It has no time zone, or in UTC it is not between the years 1 and 9999.

    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{field} must be datetime, not {type(moment).__name__}")
    try:
        return check_aware(moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{field}: {error}") from error


def check_aware(moment: datetime) -> datetime:
    """Return `moment` if it has a time zone."""
    if moment.utcoffset() is None:
        raise ValueError("the datetime has no time zone: give it one, such as datetime.now(UTC)")
    return moment
