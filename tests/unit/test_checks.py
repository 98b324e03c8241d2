"""Arguments that are not keys: choices, integers, limits and times."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Any

import pytest

from wikibot_store._dynamo.checks import (
    MAX_LIMIT,
    check_choice,
    check_integer,
    check_limit,
    check_number,
    check_several,
    check_switch,
    check_text,
    check_time,
)


class Colour(StrEnum):
    """A choice that this library does not have."""

    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize("value", ["red", Colour.RED])
def test_a_choice_is_a_member_or_its_text(value: str) -> None:
    """A choice may be given in either form, and is returned as the member."""
    assert check_choice("colour", Colour, value) is Colour.RED


@pytest.mark.parametrize("value", ["RED", "", "green", None, 5])
def test_a_choice_that_there_is_not(value: str) -> None:
    """The error names the argument and all choices, but not the value."""
    with pytest.raises(ValueError, match=r"^colour must be one of red, blue$"):
        check_choice("colour", Colour, value)


@pytest.mark.parametrize("value", [0, -1, 2**70])
def test_an_integer_is_returned(value: int) -> None:
    """Every integer is accepted."""
    assert check_integer("number", value) == value


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_is_not_an_integer(value: object) -> None:
    """Another type is a TypeError; `bool` is not a number here."""
    with pytest.raises(TypeError, match=r"^number must be int, not "):
        check_integer("number", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 1.5, float("inf")])
def test_a_number_is_returned(value: float) -> None:
    """Every int and float is accepted."""
    assert check_number("number", value) == value


@pytest.mark.parametrize("value", [True, "1", None])
def test_what_is_not_a_number(value: object) -> None:
    """Another type is a TypeError; `bool` is not a number here."""
    with pytest.raises(TypeError, match=r"^number must be int or float, not "):
        check_number("number", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, False])
def test_a_switch_is_returned(value: bool) -> None:  # noqa: FBT001 - a parameter
    """True and False are accepted."""
    assert check_switch("switch", value) is value


@pytest.mark.parametrize("value", [1, 0, "no", None])
def test_what_is_not_a_switch(value: object) -> None:
    """A value that is only true or false in a condition is a TypeError."""
    with pytest.raises(TypeError, match=r"^switch must be bool, not "):
        check_switch("switch", value)  # type: ignore[arg-type]


def test_a_text_is_returned() -> None:
    """Every text is accepted, and another type is a TypeError."""
    assert check_text("text", "") == ""
    with pytest.raises(TypeError, match=r"^text must be str, not bytes$"):
        check_text("text", b"a")  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], ["a"], ("a", "b"), {"a": 1}, iter("ab")])
def test_several_values_are_returned(values: Iterable[str]) -> None:
    """Every iterable is accepted."""
    assert check_several("ids", values, "['a']") is values


@pytest.mark.parametrize("values", ["ab", b"ab", 5, None])
def test_a_single_value_is_not_several(values: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """A single text is a TypeError although it is iterable, and the message shows an example."""
    with pytest.raises(TypeError, match=r"^ids must be a list or another iterable, such as \['a'\], not "):
        check_several("ids", values, "['a']")


@pytest.mark.parametrize("limit", [1, 50, MAX_LIMIT])
def test_a_limit_is_returned(limit: int) -> None:
    """A limit may be 1 to 10,000."""
    assert check_limit("limit", limit) == limit


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_limit_out_of_range(limit: int) -> None:
    """The error names the argument and the range."""
    with pytest.raises(ValueError, match=r"^limit must be 1 to 10000$"):
        check_limit("limit", limit)


def test_a_time_is_returned_in_utc() -> None:
    """A time of any zone is the same moment in UTC."""
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    checked = check_time("when", moment)

    assert checked == moment
    assert checked.tzinfo is UTC


class Zoneless(tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, _moment: datetime | None) -> None:
        """Return no offset."""

    dst = tzname = utcoffset


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2),  # noqa: DTZ001 - naive on purpose
        datetime(2026, 1, 2, tzinfo=Zoneless()),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))),
    ],
    ids=["no zone", "no offset", "before the year 1", "after the year 9999"],
)
def test_a_time_that_is_not_one_in_utc(moment: datetime) -> None:
    """A time without a zone, or out of the range of a datetime in UTC, is rejected by the argument's name."""
    with pytest.raises(ValueError, match=r"^when: "):
        check_time("when", moment)


class NotATime(datetime):
    """A datetime without a value, such as NaT of pandas."""

    year = month = day = property(lambda _: float("nan"))


def test_a_time_without_a_value() -> None:
    """A subclass of datetime may hold no value; it is rejected by the argument's name."""
    with pytest.raises(ValueError, match=r"^when: the datetime has no value"):
        check_time("when", NotATime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("moment", [None, 1767323045, "2026-01-02T03:04:05Z"])
def test_what_is_not_a_time(moment: object) -> None:
    """Another type is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=r"^when must be datetime, not "):
        check_time("when", moment)  # type: ignore[arg-type]
