"""Validation of arguments that are not keys, before any request is sent."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

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


def check_text(name: str, value: str) -> str:
    """Return `value` if it is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    return value


def check_switch(name: str, value: bool) -> bool:  # noqa: FBT001 - the value is checked
    """Return `value` if it is True or False: any other value, such as "no", may mean either."""
    if value is not True and value is not False:
        raise TypeError(f"{name} must be bool, not {type(value).__name__}")
    return value


def check_several(name: str, values: Iterable[T], example: str) -> Iterable[T]:
    """Return `values` if it can be iterated over and is not a single text."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list or another iterable, such as {example}, not {type(values).__name__}")
    return values


def check_number(name: str, value: float) -> float:
    """Return `value` if it is a number; `bool` is rejected."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be int or float, not {type(value).__name__}")
    return value


def check_rate(name: str, value: float | None) -> float | None:
    """Return `value` if it is a number greater than 0, or None, which means no limit."""
    if value is not None and not check_number(name, value) > 0:
        raise ValueError(f"{name} must be more than 0")
    return value


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
        return in_utc(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{field}: {error}") from error


def plain_datetime() -> type[datetime]:
    """Return Python's own class. While a library freezes the time, it puts a subclass in its place in all modules."""
    return next(parent for parent in datetime.__mro__ if parent.__module__ == "datetime")


def in_utc(moment: datetime) -> datetime:
    """Return the same time as a plain datetime in UTC.

    Subclasses, such as those of pandas, pendulum and freezegun, are finer than DynamoDB's times, calculate in other
    ways, or have methods with other parameters. So none of their methods is called.

    Raises:
        ValueError: The datetime has no time zone, or no value.
        OverflowError: In UTC it is not between the years 1 and 9999.

    """
    if type(moment).__module__ == "datetime" and moment.tzinfo is UTC:
        return moment
    date = moment.year, moment.month, moment.day
    if not all(isinstance(number, int) for number in date):  # such as NaT of pandas
        raise ValueError(f"the datetime has no value: {moment}")
    clock = moment.hour, moment.minute, moment.second, moment.microsecond
    plain = plain_datetime()(*date, *clock, moment.tzinfo, fold=moment.fold)
    if plain.utcoffset() is None:
        raise ValueError("the datetime has no time zone: give it one, such as datetime.now(UTC)")
    return plain.astimezone(UTC)


def utc_now() -> datetime:
    """Return the present time as a plain datetime in UTC, even where it is frozen."""
    return in_utc(datetime.now(UTC))  # noqa: TID251 - the one place
