"""What callers give that is no key, checked before anything is sent."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)

MAX_LIMIT = 10_000


def check_choice(field: str, choices: type[E], value: E | str) -> E:
    """Return the member that `value` names.

    Raises:
        ValueError: There is none.

    """
    try:
        return choices(value)
    except ValueError as error:
        raise ValueError(f"{field} must be one of {', '.join(choices)}") from error


def check_whole(name: str, value: int) -> int:
    """Return `value` if it is a whole number; True is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be int, not {type(value).__name__}")
    return value


def check_limit(name: str, limit: int) -> int:
    """Return `limit` if it is a whole number from 1 to 10,000."""
    check_whole(name, limit)
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"{name} must be 1 to {MAX_LIMIT}")
    return limit


def check_several(name: str, values: object) -> None:
    """Refuse a single text, which Python would take for its letters."""
    if isinstance(values, str):
        raise TypeError(f"{name} must be several, such as [{values!r}], not one text")


def check_time(field: str, moment: datetime) -> datetime:
    """Return `moment` in UTC if it is an aware datetime.

    Raises:
        TypeError: It is no datetime.
        ValueError: It is naive, or in UTC not between the years 1 and 9999.

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
        raise ValueError("the datetime is naive: give it a time zone, such as datetime.now(UTC)")
    return moment
