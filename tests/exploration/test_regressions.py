"""The defects that the exploration has found in earlier versions, with the starts and calls that show them."""

import pytest

from tests.exploration import service
from tests.exploration.defects import DEFECTS, FOUND_SINCE
from tests.exploration.plan import play_case, report

pytestmark = pytest.mark.usefixtures("by_hand")


@pytest.mark.parametrize("name", [*DEFECTS, *FOUND_SINCE])
def test_no_defect_is_back(name: str) -> None:
    """No order of these calls, in which earlier versions failed, fails."""
    case = {**DEFECTS, **FOUND_SINCE}[name]

    result, _ = play_case(case, service.starts()[case.start])

    assert not result.cut
    assert result.failure is None, report(case, result)
