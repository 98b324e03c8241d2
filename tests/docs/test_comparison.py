"""What the page of the comparison says of lost answers is what the libraries do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from benchmarks.contenders import CONTENDERS, OURS, Contender, Endpoint
from tests.docs.pages import ROOT
from tests.engines import patient
from wikibot_store import WikibotStore
from wikibot_store.local import REGION, local_engine, local_session
from wikibot_store.provision import create_tables
from wikibot_store.testing import Fault, FaultProxy

PAGE = ROOT / "docs" / "explanation" / "comparison.md"
COMPARED = (
    *("aiobotocore", "aioboto3", "aiodynamo", "pydynox", "aiopynamodb", "dynamoxy"),
    *("aws-sdk-dynamodb", "capo-dynamodb", OURS),
)


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultProxy]:
    """Give a proxy in front of an engine with the tables, and the environment that the libraries read."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    with local_engine() as engine:
        async with FaultProxy(engine) as proxy:
            async with WikibotStore.open(replace(patient(), endpoint_url=engine), session=local_session()) as store:
                await create_tables(store)
            yield proxy


@pytest.mark.parametrize(
    "contender", [contender for contender in CONTENDERS if contender.name in COMPARED], ids=lambda one: one.name
)
async def test_page_says_what_becomes_of_a_lost_answer(contender: Contender, proxy: FaultProxy) -> None:
    """A conditional create that is applied, and whose first answer is lost, ends as the table says."""
    if contender.version() is None:
        pytest.skip(f"{contender.distribution} is not installed: {contender.remark}")
    async with contender.load()(Endpoint(proxy.url, REGION)) as client:
        proxy.inject(Fault.LOSE_ANSWER, "PutItem", times=1)
        outcomes: list[BaseException | None] = await asyncio.gather(
            client.create("ada", "notes"), return_exceptions=True
        )

    sent = [seen.fault for seen in proxy.requests if seen.operation == "PutItem"]
    (refusal,) = outcomes
    match _said_of(contender.name):
        case "succeeds":
            assert (sent, refusal) == (["lose_answer", None], None)
        case "is rejected":
            assert sent == ["lose_answer", None]
            assert "condition" in repr(refusal).lower()
        case "fails, not retried":
            assert sent == ["lose_answer"]
            assert "reset" in repr(refusal)
        case said:
            pytest.fail(f"the page says {said!r}")


def _said_of(name: str) -> str:
    """Return what the row of lost answers says in the column of a library."""
    header, _, *rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    (row,) = [row for row in rows if row.startswith("| a create whose answer is lost")]
    (said,) = [cell.strip() for title, cell in zip(header.split("|"), row.split("|"), strict=True) if name in title]
    return said
