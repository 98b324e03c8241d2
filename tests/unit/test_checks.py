"""Arguments that are not keys: choices, integers, limits and times."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum

import pytest

from wikibot_store._dynamo.checks import MAX_LIMIT, check_choice, check_integer, check_limit, check_time


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


@pytest.mark.parametrize("moment", [None, 1767323045, "2026-01-02T03:04:05Z"])
def test_what_is_not_a_time(moment: object) -> None:
    """Another type is a TypeError that names the argument."""
    with pytest.raises(TypeError, match=r"^when must be datetime, not "):
        check_time("when", moment)  # type: ignore[arg-type]
