"""The tree of errors: classes, messages, fields and pickling."""

import builtins
import pickle
import re

import pytest

from tests.unit.samples import USER, WIKI
from wikibot_store import errors

KEY = {"owner_id": "u-1", "wiki_slug": "notes"}
WHERE = "table 'dev-wikis', key owner_id='u-1', wiki_slug='notes'"

# One of each class, with its text.
SAMPLES: list[tuple[errors.WikibotStoreError, str]] = [
    (errors.WikibotStoreError("something"), "something"),
    (errors.ConfigurationError("no credentials"), "no credentials"),
    (errors.InvalidKeyError("wiki_slug", "must be short"), "wiki_slug must be short"),
    (errors.InvalidCursorError("the cursor is damaged"), "the cursor is damaged"),
    (errors.InvalidInviteError("the invitation is used"), "the invitation is used"),
    (
        errors.IndexNotConfiguredError("by-grantee", "grantee_index"),
        "this method needs the index 'by-grantee': provision it, then set StoreConfig(grantee_index=True)",
    ),
    (errors.NotFoundError("dev-wikis", KEY), f"not found: {WHERE}"),
    (errors.AlreadyExistsError("dev-wikis", KEY, "wiki_slug"), f"already exists (wiki_slug is taken): {WHERE}"),
    (errors.ConflictError("dev-wikis", KEY, WIKI), f"changed by another writer: {WHERE}"),
    (
        errors.ConflictError("dev-users", {"id": "u-1"}, USER),
        "changed by another writer: table 'dev-users', key id='u-1'",
    ),
    (errors.NotActiveError("dev-wikis", KEY, "deleting"), f"not active (status is 'deleting'): {WHERE}"),
    (
        errors.QuotaExceededError("dev-users", {"id": "u-1"}, 3),
        "the limit of 3 wikis is reached: table 'dev-users', key id='u-1'",
    ),
    (errors.ProtectedOwnerError("dev-wikis", KEY), f"the owner's access cannot be changed: {WHERE}"),
    (
        errors.UserOwnsWikisError("dev-users", {"id": "u-1"}, 2),
        "the user still owns 2 wikis, delete or transfer them first: table 'dev-users', key id='u-1'",
    ),
    (
        errors.LastIdentityError("dev-users", {"id": "u-1"}),
        "the user's only identity cannot be removed, link another first: table 'dev-users', key id='u-1'",
    ),
    (errors.BackupError("a file is torn", '{"table":"users"}'), "a file is torn"),
    (errors.CorruptItemError("dev-wikis", KEY, "no `uid`"), f"corrupt item, no `uid`: {WHERE}"),
    (
        errors.WriteOutcomeUnknownError("dev-wikis", KEY, "PutItem"),
        f"PutItem may or may not have taken effect, read the item to find out: {WHERE}",
    ),
    (
        errors.UnavailableError("GetItem", 1, "no connection", "is the endpoint up and reachable?"),
        "GetItem failed after 1 attempt: no connection; is the endpoint up and reachable?",
    ),
    (
        errors.ThrottledError("GetItem", 5, "too fast"),
        "GetItem failed after 5 attempts: too fast; slow down, or look for a hot partition",
    ),
    (
        errors.RequestFailedError("GetItem", "ValidationException", "no such attribute", "r-1"),
        "GetItem was refused with ValidationException: no such attribute (request id r-1)",
    ),
]
PUBLIC = {
    name: error
    for name, error in vars(errors).items()
    if isinstance(error, type) and name.endswith("Error") and name[0] != "_"
}


def drawn_tree() -> dict[str, set[str]]:
    """Return the classes in the drawing at the top of errors.py, each with the parents that it shows."""
    tree: dict[str, set[str]] = {}
    ancestors: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+Error)\b(.*)", line):
            branch, name, remark = match.groups()
            depth = len(branch) // 4
            ancestors[depth:] = [name]
            also = re.findall(r"also an? (\w+)", remark)
            tree[name] = {*ancestors[depth - 1 : depth], *also} if depth else {"Exception"}
    return tree


def nearest_parents(error: type[BaseException]) -> set[str]:
    """Return the names of a class's parents; where one is private, its parents take its place."""
    parents: set[str] = set()
    for base in error.__bases__:
        parents |= nearest_parents(base) if base.__name__.startswith("_") else {base.__name__}
    return parents


def test_the_drawing_is_the_tree() -> None:
    """The drawing in the module docstring shows every class under its parent, and no other class."""
    assert drawn_tree() == {name: nearest_parents(error) for name, error in PUBLIC.items()}


def test_all_errors_have_one_root() -> None:
    """Every error is a WikibotStoreError, and no name hides a built-in one."""
    assert all(issubclass(error, errors.WikibotStoreError) for error in PUBLIC.values())
    assert not PUBLIC.keys() & vars(builtins).keys()


def test_every_error_has_a_sample() -> None:
    """The samples of this module cover every class."""
    assert {type(error) for error, _ in SAMPLES} == set(PUBLIC.values())


@pytest.mark.parametrize(("error", "text"), SAMPLES)
def test_messages(error: errors.WikibotStoreError, text: str) -> None:
    """A message names table and key if it has them, and never the value of another attribute."""
    assert str(error) == text


@pytest.mark.parametrize(("error", "text"), SAMPLES)
def test_errors_pickle(error: errors.WikibotStoreError, text: str) -> None:
    """An error is unchanged after it was pickled."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        twin = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - just pickled

        assert type(twin) is type(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)
        assert str(twin) == text


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (errors.InvalidKeyError("id", "must be"), {"field": "id", "rule": "must be"}),
        (errors.IndexNotConfiguredError("i", "s"), {"index": "i", "setting": "s"}),
        (errors.NotFoundError("t", KEY), {"table": "t", "key": KEY}),
        (errors.AlreadyExistsError("t", KEY, "oauth"), {"table": "t", "key": KEY, "field": "oauth"}),
        (errors.ConflictError("t", KEY, USER), {"table": "t", "key": KEY, "current": USER}),
        (errors.UserOwnsWikisError("t", KEY, 2), {"table": "t", "key": KEY, "count": 2}),
        (errors.CorruptItemError("t", KEY, "why"), {"table": "t", "key": KEY, "reason": "why"}),
        (errors.WriteOutcomeUnknownError("t", KEY, "PutItem"), {"table": "t", "key": KEY, "operation": "PutItem"}),
        (
            errors.UnavailableError("Query", 2, "why"),
            {"operation": "Query", "attempts": 2, "reason": "why", "advice": ""},
        ),
        (
            errors.ThrottledError("Query", 2, "why"),
            {
                "operation": "Query",
                "attempts": 2,
                "reason": "why",
                "advice": "slow down, or look for a hot partition",
            },
        ),
        (
            errors.RequestFailedError("Query", "c", "m", None),
            {"operation": "Query", "code": "c", "message": "m", "request_id": None},
        ),
    ],
)
def test_fields(error: errors.WikibotStoreError, fields: dict[str, object]) -> None:
    """The details of an error are attributes, not only text."""
    assert vars(error) == fields


def test_an_error_keeps_its_own_key() -> None:
    """Changing the mapping that an error was made from does not change the error."""
    key = dict(KEY)
    error = errors.NotFoundError("dev-wikis", key)
    key.clear()

    assert error.key == KEY


def test_help_names_the_section_of_the_documentation() -> None:
    """Each error says where to read more; an application's own subclass of an error has the section of that error."""

    class GoneError(errors.NotFoundError):
        pass

    assert GoneError("users", {"id": "ada"}).help == "docs/troubleshooting.md#notfounderror"
