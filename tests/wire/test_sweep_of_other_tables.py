"""Sweeps of a table that has no inspection of its own: its items must decode."""

import json
from functools import partial

import pytest

from tests.wire.items import wiki_item, wiki_key
from tests.wire.scripted_server import ScriptedServer, reply
from wikibot_store import Finding, FindingKind, WikibotStore
from wikibot_store.workflows import sweep
from wikibot_store.workflows.sweep.inspection import inspect_items
from wikibot_store.workflows.sweep.screening import Screening

CORRUPT = wiki_item("corrupt") | {"status": {"S": "odd"}}


@pytest.fixture(autouse=True)
def _no_inspections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the wikis as a table that the sweep knows nothing special about."""
    monkeypatch.setattr(sweep, "_CHANGED_BY_REPAIRS", frozenset())
    plain = sweep._Inspection(Screening.others, partial(inspect_items, "wikis"), 0)
    monkeypatch.setattr(sweep, "_INSPECTIONS", {"wikis": plain})


async def test_items_that_do_not_decode_are_found(server: ScriptedServer, store: WikibotStore) -> None:
    """A sweep reports the items that do not decode, page by page. It sends nothing but the Scan."""
    server.play(
        reply({"Items": [wiki_item("good"), CORRUPT], "LastEvaluatedKey": wiki_key("corrupt")}),
        reply({"Items": [wiki_item("other")]}),
    )

    first, last = [page async for page in store.admin.sweep(apply=True, segments=1)]

    assert first.findings == [
        Finding(
            kind=FindingKind.CORRUPT,
            table="wikis",
            key={"owner_id": "u-1", "wiki_slug": "corrupt"},
            problem=first.findings[0].problem,
        )
    ]
    assert "status must be one of " in str(first.findings[0].problem)
    assert json.loads(first.resume or "") == {"table": "wikis", "after": [["u-1", "corrupt"]]}
    assert (last.scanned, last.findings, last.resume) == (1, [], None)
    assert server.operations == ["Scan", "Scan"]


async def test_a_page_that_does_not_decode(server: ScriptedServer, store: WikibotStore) -> None:
    """All items of a page are reported, however many, in their order."""
    slugs = [f"w-{number:03}" for number in range(150)]

    server.play(reply({"Items": [CORRUPT | wiki_key(slug) for slug in slugs]}))

    (page,) = [page async for page in store.admin.sweep(segments=1)]

    assert [finding.key["wiki_slug"] for finding in page.findings] == slugs


async def test_a_sweep_resumes_there_too(server: ScriptedServer, store: WikibotStore) -> None:
    """A sweep that was cut off continues after the last item that it read."""
    server.play(reply({"Items": []}))

    (page,) = [page async for page in store.admin.sweep(resume='{"table": "wikis", "after": [["u-1", "notes"]]}')]

    assert page.scanned == 0
    assert server.requests[0].json["ExclusiveStartKey"] == wiki_key("notes")


@pytest.mark.parametrize("resume", ['{"table": "users"}', '{"table": "wikis", "after": [["u-1"]]}', "{}", "notes"])
async def test_a_position_in_another_table(resume: str, store: WikibotStore) -> None:
    """A position that no sweep of these tables returned is rejected."""
    with pytest.raises(ValueError, match="resume must come from an earlier run"):
        await anext(store.admin.sweep(resume=resume))
