"""What the integration tests ask of IAM is compared with the policies."""

from tests.gathering import differences
from tests.permissions import allowed
from wikibot_store.policies import backend_policy
from wikibot_store.schema import GRANTEE_INDEX, TABLES

BACKEND = allowed(backend_policy({table.name: table.name for table in TABLES}, optional_indexes={GRANTEE_INDEX}))


def test_a_request_that_no_policy_allows_is_reported() -> None:
    """A permission outside of the policies is named with its table."""
    found = list(differences({("dynamodb:Scan", "elsewhere")}, is_whole=False))

    assert found == ["a test sent dynamodb:Scan on elsewhere, which no policy allows"]


def test_a_permission_that_nothing_needs_is_reported_after_a_whole_run() -> None:
    """A narrowed run says nothing of what it did not send; a whole run names it."""
    unsent = ("dynamodb:Query", "wikis")

    assert list(differences(BACKEND - {unsent}, is_whole=False)) == []
    assert list(differences(BACKEND - {unsent}, is_whole=True)) == [
        "the backend's policy allows dynamodb:Query on wikis, which no test has sent"
    ]
    assert list(differences(BACKEND, is_whole=True)) == []
