"""Ten defects that an earlier version had, each as the shortest case in which an exploration finds it."""

from tests.exploration.plan import Case
from tests.exploration.service import (
    SWEEP,
    count,
    delete,
    delete_user,
    rename,
    revoke,
    set_status,
    transfer,
)

_TO_B = rename("ada", "a", "b")
_TO_CYD = transfer("ada", "a", "cyd")

DEFECTS = {
    "a late move goes on with a later one": Case(
        "one editor", [_TO_B, delete("ada", "b"), _TO_B], "two preemptions", [None, None, 1]
    ),
    "a late clean-up deletes a later move's remnant, and not its grants": Case(
        "one editor",
        [
            _TO_B,
            _TO_B,
            rename("ada", "b", "a"),
            rename("ada", "a", "c"),
            revoke("ada", "c", "bob"),
            rename("ada", "c", "a"),
        ],
        "two preemptions",
        [None, None, 1, 2, 3, 4],
    ),
    "a late clean-up counts a wiki out that has come back": Case(
        "one editor",
        [_TO_CYD, _TO_CYD, transfer("cyd", "a", "ada"), _TO_B],
        "two preemptions",
        [None, None, 1, 2],
    ),
    "a revoke does not follow a wiki that moved twice": Case(
        "rename, cut off after 7", [rename("ada", "b", "c"), revoke("ada", "a", "bob")], "plain", [None, 0]
    ),
    "a revoke takes a move for its own effect": Case(
        "one editor", [_TO_B, revoke("ada", "a", "bob")], "one answer lost"
    ),
    "a count takes what a move has left for a wiki": Case(
        "one editor", [_TO_B, delete("ada", "b"), count("ada")], "plain", [None, None, 1]
    ),
    "a move that took effect says that there is no wiki": Case("one editor", [_TO_B, rename("ada", "b", "c")], "plain"),
    "two deletions of a user keep each other from ending": Case(
        "no wiki", [delete_user("ada", "refuse"), delete_user("ada", "delete")], "plain"
    ),
    "a sweep goes on with a deletion that was called off": Case(
        "delete user, cut off after 2", [SWEEP, set_status("ada", "active")], "plain"
    ),
    "a count misses a wiki that moves while it reads": Case(
        "renamed", [rename("ada", "b", "a"), count("ada")], "torn reads"
    ),
}
