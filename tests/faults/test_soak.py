"""A short soak, and tests that the soak finds problems."""

import os
from collections import Counter

import pytest

from tests.access_patterns import PATTERNS
from tests.engines import missing_for_dynamodb_local
from tests.faults.invariants import Stored, violations_among
from tests.faults.journal import RACE, Journal, Values
from tests.faults.soak import soak
from tests.faults.workers import WORK
from tests.world import WORLD

ADA: Values = {"username": "ada", "display_name": None, "version": 1}


@pytest.mark.skipif(
    missing_for_dynamodb_local() is not None and os.environ.get("CI") != "true",
    reason="needs DynamoDB Local, which test_engines.py speaks of",
)
async def test_nothing_is_lost_and_nothing_is_doubled() -> None:
    """After faults, a restart, rotated credentials and stalls, every acknowledged write is stored and nothing leaks."""
    report = await soak(10)

    assert report.problems == []
    assert report.restarts == 1
    assert report.rotations > 1
    assert report.faults.total() > 0
    assert report.hedges > 0
    assert report.items > 0


def test_the_whole_api_is_worked_with() -> None:
    """Every method that writes has a piece of work; the other methods get one from their access patterns."""
    assert WORK.keys() == {pattern.method for pattern in PATTERNS if pattern.requests}


def journal_of(*items: tuple[str, str, Values | None]) -> Journal:
    """Return a journal that expects the small world of the matrix, except for these users."""
    journal = Journal()
    for user in WORLD.people:
        journal.fact("users", user).possible = [{"version": 1}]
    for wiki in WORLD.wikis:
        journal.fact("wikis", "ada", wiki["wiki_slug"]["S"]).possible = [{"page_count": 0}]
    for acl in WORLD.acls:
        journal.fact("acls", acl["wiki_id"]["S"], acl["grantee_id"]["S"]).possible = [{"role": "viewer"}]
    for table, key, values in items:
        journal.fact(table, key).possible = [values]
    return journal


def test_what_is_as_it_was_left_is_no_problem() -> None:
    """One of several possible values is enough; violated invariants are problems too."""
    journal = journal_of(("users", "ada", ADA))
    journal.fact("users", "bob").possible = [None, {"username": "bob"}]

    journal.check(WORLD)

    assert journal.problems == violations_among(WORLD)


@pytest.mark.parametrize(
    ("journal", "problem"),
    [
        (journal_of(("users", "new", {"version": 1})), "('users', 'new') is None and was left as [{'version': 1}]"),
        (journal_of(("users", "ada", None)), "was left as [None]"),
        (journal_of(("users", "ada", {**ADA, "version": 2})), "was left as [{'username': 'ada'"),
        (Journal(), "('users', 'ada') was written by nobody"),
        (Journal(), "('wikis', 'ada', 'notes') was written by nobody"),
        (Journal(), "('acls', 'ada:notes', 'bob') was written by nobody"),
        (Journal(logins={"1": {"ada", "bob"}}), "1 is None; was "),
        (Journal(logins={"1": {"ada"}}, creations=Counter({"1": 2})), "made 2 times"),
    ],
    ids=["lost", "doubled", "in part", "user", "wiki", "acl", "two users", "made twice"],
)
def test_what_is_wrong_is_a_problem(journal: Journal, problem: str) -> None:
    """A lost, unexpected or different item is reported."""
    journal.check(WORLD)

    assert any(problem in found for found in journal.problems)


def test_a_user_of_a_login_is_written_by_whoever_came_first() -> None:
    """Users of shared identities are checked by their logins alone."""
    user = {**WORLD.people["bob"], "oauth_provider": {"S": RACE}}
    claims = [
        {"id": {"S": f"claim#oauth#{RACE}#2"}, "user_id": {"S": "bob"}},
        {"id": {"S": "claim#username#bob"}, "user_id": {"S": "bob"}},
    ]
    journal = Journal(logins={"2": {"bob"}}, creations=Counter({"2": 1}))

    journal.check(Stored.of(users=[user, *claims]))

    assert journal.problems == []
