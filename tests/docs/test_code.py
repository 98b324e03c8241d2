"""The Python on the pages runs, and its types are right."""

import ast
import asyncio
import inspect
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docs.pages import PAGES, ROOT, Block, name, python
from tests.engines import patient
from wikibot_store import WikibotStore
from wikibot_store.local import local_store

WITH_PYTHON = [page for page in PAGES if python(page)]


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WikibotStore]:
    """Return the `store` that pages speak of, on an engine that the environment names too."""
    async with local_store(replace(patient(), grantee_index=True)) as store:
        settings = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_DEFAULT_REGION": store.config.region,
            "AWS_ENDPOINT_URL_DYNAMODB": store.config.endpoint_url,
            "AWS_SECRET_ACCESS_KEY": "local",
            "WIKIBOT_ENDPOINT_URL": store.config.endpoint_url,
            "WIKIBOT_GRANTEE_INDEX": "true",
            "WIKIBOT_REGION": store.config.region,
        }
        for variable, value in settings.items():
            monkeypatch.setenv(variable, str(value))
        yield store


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Take back what a page does to the library's logger."""
    logger = logging.getLogger("wikibot_store")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
async def test_blocks_run_one_after_the_other(page: Path, store: WikibotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of a page runs as it stands, after the blocks before it; then a sweep finds nothing wrong."""
    module = ModuleType(page.stem)
    monkeypatch.setitem(sys.modules, page.stem, module)  # where frameworks look for the names in annotations
    vars(module)["store"] = store
    for block in python(page):
        await _run(page, block, vars(module))

    assert [finding async for swept in store.admin.sweep() for finding in swept.findings] == []


async def _run(page: Path, block: Block, namespace: dict[str, Any]) -> None:
    """Run a block: on the event loop if it awaits, else without one, for it may start its own."""
    tree = ast.parse(block.code)
    ast.increment_lineno(tree, block.line)  # so that a traceback names the page's own line
    code = compile(tree, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)  # noqa: S307 - the project's own documentation
    else:
        await asyncio.to_thread(exec, code, namespace)


def test_types_are_right(tmp_path: Path) -> None:
    """mypy, strict, finds nothing in the blocks. It takes seconds: it is the whole of mypy, over several frameworks."""
    for page in WITH_PYTHON:
        # Every line where it is on the page, so that mypy's line numbers are the page's.
        lines = page.read_text().splitlines()
        kept = [""] * len(lines)
        for block in python(page):
            kept[block.line : block.line + block.code.count("\n")] = block.code.splitlines()
        # Not an option of the command, which would not use what `make check` has cached.
        kept[:2] = [
            '# mypy: disable-error-code="top-level-await"',
            "from wikibot_store import WikibotStore; store: WikibotStore",
        ]
        module = name(page).removesuffix(".md").replace("/", "__").replace("-", "_")
        (tmp_path / f"{module}.py").write_text("\n".join(kept) + "\n")

    run = subprocess.run(  # noqa: S603 - the project's own tool
        [sys.executable, "-m", "mypy", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
