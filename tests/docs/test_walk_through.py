"""The walk-throughs work as they stand: in a copy of the checkout, with what they show, and without a part of it."""

import asyncio
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, name
from tests.docs.walk_through import Diff, Forgotten, copy_checkout, diffs, forgotten, run, summary

TABLE = ROOT / "docs" / "how-to" / "add-a-table.md"
PATTERN = ROOT / "docs" / "how-to" / "add-an-access-pattern.md"
MOST_FILES = 12
_PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
# What a new table changes of what every table has: its methods, requests, permissions, settings and pages.
_CONCERNED = [
    "tests/cli/test_tables.py::test_create_works_out_of_the_box",
    "tests/docs/test_site.py::test_reference_shows_the_whole_public_api",
    "tests/infra/test_deploy_guide.py::test_table_of_settings_is_complete",
    "tests/infra/test_policies.py",
    "tests/infra/test_program.py",
    "tests/integration/test_api_tokens.py",
    "tests/integration/test_requests.py",
    "tests/unit/test_config.py",
    "tests/unit/test_exports.py",
    "tests/unit/test_schema.py",
    "tests/unit/test_tables.py",
]
_OF_ALL_METHODS = [
    "tests/integration/test_requests.py",
    "tests/unit/test_exports.py",
    "tests/docs/test_access_patterns.py",
]
_CHOSEN = "not test_access_pattern[ or api_tokens or sweep"


@pytest.fixture(scope="module")
def with_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the checkout that has the table of the page."""
    folder = copy_checkout(tmp_path_factory.mktemp("table"))
    for diff in diffs(TABLE):
        diff.apply(folder)
    return folder


@pytest.fixture(scope="module")
def with_pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the checkout, which has the access pattern of the page."""
    return copy_checkout(tmp_path_factory.mktemp("pattern"))


@pytest.mark.parametrize("page", [TABLE, PATTERN], ids=name)
def test_the_page_counts_what_it_shows(page: Path) -> None:
    """The numbers of files and lines on a page are those of its diffs; the table's page has those of both."""
    assert summary(diffs(page)) in page.read_text()
    assert summary(diffs(page)) in TABLE.read_text()


def test_a_table_touches_few_files() -> None:
    """A table with its DAO, tests and documentation takes a dozen files at most."""
    assert len({diff.file for diff in diffs(TABLE)}) <= MOST_FILES


async def test_the_table_works(with_table: Path) -> None:
    """With the table the tools find nothing, and the tests of all that it concerns pass."""
    changed = [diff.file for diff in diffs(TABLE) if diff.file.endswith(".py")]

    results = await asyncio.gather(
        run(with_table, "ruff", "check", *changed),
        run(with_table, "ruff", "format", "--check", *changed),
        run(with_table, "mypy", *changed),
        run(with_table, *_PYTEST, *_CONCERNED, "-k", _CHOSEN),
    )

    assert [output for status, output in results if status != 0] == []


async def test_the_access_pattern_is_all_that_the_page_shows(with_pattern: Path) -> None:
    """Without what the page shows, nothing is left of the access pattern that a tool or test would miss."""
    changes = diffs(PATTERN)
    for diff in changes:
        diff.revert(with_pattern)
    changed = [diff.file for diff in changes if diff.file.endswith(".py")]

    try:
        results = await asyncio.gather(
            run(with_pattern, "ruff", "check", *changed),
            run(with_pattern, *_PYTEST, *_OF_ALL_METHODS, "-k", _CHOSEN),
        )
    finally:
        for diff in changes:
            diff.apply(with_pattern)

    assert [output for status, output in results if status != 0] == []


@pytest.mark.parametrize("row", forgotten(TABLE), ids=str)
async def test_a_forgotten_part_of_a_table_fails(with_table: Path, row: Forgotten) -> None:
    """Without one file of the diff, the test that the page names fails and says what the page says."""
    await _assert_fails_without(with_table, diffs(TABLE), row)


@pytest.mark.parametrize("row", forgotten(PATTERN), ids=str)
async def test_a_forgotten_part_of_an_access_pattern_fails(with_pattern: Path, row: Forgotten) -> None:
    """Without one file of the diff, the test that the page names fails and says what the page says."""
    await _assert_fails_without(with_pattern, diffs(PATTERN), row)


async def _assert_fails_without(folder: Path, changes: list[Diff], row: Forgotten) -> None:
    (diff,) = [diff for diff in changes if diff.file == row.file]
    diff.revert(folder)
    try:
        status, output = await run(folder, *_PYTEST, row.test)
    finally:
        diff.apply(folder)

    assert status != 0
    assert row.message in output
