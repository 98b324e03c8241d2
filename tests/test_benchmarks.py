"""The benchmark runs, compares equal results, and reports what it could not measure."""

import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import table, works
from benchmarks.answers import answer, owner, slug, user, wiki, wire
from benchmarks.backend import NO_ANSWER, read_report
from benchmarks.canned_server import slow
from benchmarks.checks import CHECKS
from benchmarks.contenders import BARE, BASELINE, CONTENDERS, LIMIT, NOTHING, OURS, Contender, Endpoint
from benchmarks.drawing import Curve, curves
from benchmarks.processes import canned_server
from benchmarks.results import summarize
from benchmarks.rounds import Plan, Run, Setting, measure
from benchmarks.tail import HEDGED, READS, UNHEDGED
from benchmarks.worker import Job, Outcome

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"
SMOKED = (BASELINE, OURS, "aiobotocore")


# ---- the whole benchmark


@dataclass(frozen=True)
class Smoke:
    """What a quick benchmark printed, and the results that it wrote."""

    text: str
    results: dict[str, Any]
    chart: str


def run_quickly(folder: Path, kind: str, contenders: Sequence[str]) -> Smoke:
    """Run a quick benchmark of a few libraries over TLS."""
    only = [argument for name in contenders for argument in ("--only", name)]
    command = ["-m", "benchmarks", kind, "--quick", "--loop=asyncio", "--scheme=https", f"--output={folder}", *only]
    text = subprocess.run(  # noqa: S603 - the project's own code
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    (results,) = folder.glob("*.json")
    return Smoke(text, json.loads(results.read_text()), results.with_suffix(".svg").read_text())


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """A quick benchmark of the calls of a few libraries."""
    return run_quickly(tmp_path_factory.mktemp("results"), "canned", SMOKED)


def test_every_work_is_measured(smoke: Smoke) -> None:
    """Each library has a figure for each workload, and nothing was left out."""
    (setting,) = smoke.results["settings"]

    expected = set(product(SMOKED, (works.COLD_START, works.STREAM, *works.BY_NAME)))
    assert {(each["contender"], each["work"]) for each in setting["results"]} == expected
    assert setting["left_out"] == []


def test_every_figure_has_its_ratios(smoke: Smoke) -> None:
    """The ratio of the baseline to itself is 1, and so is that of the store."""
    (setting,) = smoke.results["settings"]

    assert all(each["to_baseline"] > 0 and each["to_store"] > 0 for each in setting["results"])
    assert {each["to_baseline"] for each in setting["results"] if each["contender"] == BASELINE} == {1}
    assert {each["to_store"] for each in setting["results"] if each["contender"] == OURS} == {1}


def test_the_pool_is_bounded(smoke: Smoke) -> None:
    """The server never saw more connections than the store's pool may have."""
    (setting,) = smoke.results["settings"]

    assert 1 <= setting["connections"][OURS] <= Endpoint("", "").connections


def test_the_guards_are_measured(smoke: Smoke) -> None:
    """The figures of the store alone are in the results."""
    (setting,) = smoke.results["settings"]

    assert {"lone point read", "lone point read, apart", "page of 10", "page of 1,000", "512 in flight"} <= set(
        setting["guards"]
    )


def test_telemetry_is_measured(smoke: Smoke) -> None:
    """Every kind of telemetry has its ratio to a store without telemetry, whose ratio is 1."""
    (setting,) = smoke.results["settings"]

    kinds = ("no telemetry", "telemetry off", "collect()", "instrument()", "instrument(), not sampled")
    for work in ("point read", "conditional create"):
        ratios = {kind: setting["guards"][f"{work}, {kind}"]["to_unmetered"] for kind in kinds}
        assert ratios.pop("no telemetry") == 1
        assert all(ratio > 0 for ratio in ratios.values())
    assert "x no telemetry" in smoke.text


def test_the_table_names_everything(smoke: Smoke) -> None:
    """The table names libraries, workloads and the setting."""
    for contender in CONTENDERS:
        assert (f"{contender.name} " in smoke.text) == (contender.name in SMOKED)
    for name in (*works.BY_NAME, works.STREAM, works.COLD_START, "== asyncio, https", "dicts", "models"):
        assert name in smoke.text


def test_the_chart_is_svg(smoke: Smoke) -> None:
    """The chart is valid SVG with a bar for each library and a style for dark pages."""
    chart = ET.fromstring(smoke.chart)  # noqa: S314 - the project's own file

    assert chart.tag == f"{SVG}svg"
    bars = chart.findall(f"{SVG}rect")
    assert len(bars) % len(SMOKED) == 0
    assert {bar.get("class") for bar in bars} == {"limit", "store", "bar"}
    assert "prefers-color-scheme: dark" in smoke.chart


# ---- a web backend, and the scale


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_backend_is_measured(tmp_path: Path) -> None:
    """Each line has requests per second and percentiles of each library, unless the machine was too busy to answer."""
    smoke = run_quickly(tmp_path, "backend", (NOTHING, OURS))

    (setting,) = smoke.results["settings"]
    measured = {(row["work"], row["contender"]) for row in setting["results"]}
    too_late = {(each["work"], each["contender"]) for each in setting["left_out"] if each["reason"].endswith(NO_ANSWER)}
    assert measured | too_late == set(product(works.LINES, (NOTHING, OURS)))
    assert len(setting["left_out"]) == len(too_late) < len(measured)
    assert all(row["per_second"] > 0 and 0 < row["p50_ms"] <= row["p99_ms"] for row in setting["results"])
    assert "uvicorn" in smoke.results["about"]["software"]
    assert all(line in smoke.text for line, _ in measured)
    assert len(ET.fromstring(smoke.chart).findall(f"{SVG}rect")) == len(measured)  # noqa: S314 - the project's own file


def test_the_scale_is_measured(tmp_path: Path) -> None:
    """Each number of readers is measured; streams, and sweeps by the store, are measured or would take too long."""
    smoke = run_quickly(tmp_path, "scale", (LIMIT, OURS))

    (setting,) = smoke.results["settings"]
    measured = {(row["contender"], row["work"]) for row in setting["results"]}
    sweeps = [(OURS, name) for name in works.SWEEPS]
    assert {*product((LIMIT, OURS), (*works.READERS, *islice(works.STREAMS, 1))), sweeps[0]} <= measured
    too_long = {(each["contender"], each["work"]) for each in setting["left_out"]}
    assert measured | too_long == {*product((LIMIT, OURS), (*works.READERS, *works.STREAMS)), *sweeps}
    assert all(each["reason"].startswith("would take more than") for each in setting["left_out"])
    assert all(row["growth_mib"] >= 0 for row in setting["results"])
    curves = ET.fromstring(smoke.chart).findall(f"{SVG}polyline")  # noqa: S314 - the project's own file
    assert len(curves) == 4


def test_the_tail_is_measured(tmp_path: Path) -> None:
    """Both kinds of reads have percentiles within their confidence, and a curve of each store that never falls."""
    command = ["-m", "benchmarks.tail", "--quick", "--loop=asyncio", f"--output={tmp_path}"]
    text = subprocess.run(  # noqa: S603 - the project's own code
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout

    (path,) = tmp_path.glob("*.json")
    rows = json.loads(path.read_text())["results"]
    assert [(row["work"], row["contender"]) for row in rows] == [*product(READS, (UNHEDGED, HEDGED))]
    for row in rows:
        assert row["reads"] == 40
        assert row["hedges"] <= 2
        assert all(0 < low <= middle <= high for middle, low, high in row["percentiles"].values())
        assert [rarity for rarity, _ in row["curve"]] == sorted({rarity for rarity, _ in row["curve"]})
        assert [latency for _, latency in row["curve"]] == sorted(latency for _, latency in row["curve"])
        assert (row["curve"][0][0], round(row["curve"][-1][0])) == (2, 1_000)
    assert text.count("p99.9") == 2
    chart = ET.fromstring(path.with_suffix(".svg").read_text())  # noqa: S314 - the project's own file
    assert len(chart.findall(f"{SVG}polyline")) == len(rows)


def test_a_read_of_more_items_takes_longer() -> None:
    """The slow server takes as long as for the slowest item of a batch."""
    one = b'{"Key":{"owner_id":{"S":"ada"},"wiki_slug":{"S":"notes"}}}'

    def median(request: bytes) -> float:
        return sorted(slow(request, factor=2.0) for _ in range(501))[250]

    assert 0.004 < median(one) < 0.009 < median(one * 16)


REPORT = """
Running 1s test @ http://127.0.0.1:8000/0
  Latency Distribution
     50%  500.00us
     75%    7.69ms
     90%    8.98ms
     99%    1.02s{}
  4068 requests in 1.00s, 1.20MB read
Requests/sec:   4052.73
Transfer/sec:      1.20MB
""".format(" ")  # wrk pads the unit s


def test_a_report_of_wrk_is_read() -> None:
    """Times of a report have different units and become milliseconds."""
    assert read_report(REPORT) == {"per_second": 4052.73, "wall_us": 1e6 / 4052.73, "p50_ms": 0.5, "p99_ms": 1020.0}


@pytest.mark.parametrize(
    "trouble", ["Non-2xx or 3xx responses: 7", "Socket errors: connect 0, read 3, write 0, timeout 0"]
)
def test_a_backend_that_fails_is_not_compared(trouble: str) -> None:
    """A report with errors is rejected with their number."""
    with pytest.raises(ValueError, match=trouble):
        read_report(f"  {trouble}\n{REPORT}")


def test_a_backend_that_answers_nothing_is_not_compared() -> None:
    """A report without a single answer has no figures."""
    with pytest.raises(ValueError, match=NO_ANSWER):
        read_report("Requests/sec:      0.00")


def test_labels_do_not_cover_each_other() -> None:
    """Curves that end at the same point have labels one below the other."""
    lines = [Curve(name, [(1, 10), (10, 100)]) for name in ("one", "two", "three")]

    parts, _ = curves(0, "Title", lines, x_ticks=(1, 10), y_ticks=(1, 1_000))
    heights = sorted(
        float(element.get("y", "")) for element in map(ET.fromstring, parts) if element.text in {"one", "two", "three"}
    )
    assert len(heights) == 3
    assert all(below - above >= 14 for above, below in pairwise(heights))


# ---- what the contenders return


def installed(contender: Contender) -> Any:  # noqa: ANN401 - pytest's parameter sets are not a public type
    """Return a library as a parameter; skip it if it is not installed."""
    missing = pytest.mark.skipif(contender.version() is None, reason=f"{contender.distribution} is not installed")
    return pytest.param(contender, id=contender.name, marks=missing)


@pytest.mark.parametrize("contender", [installed(each) for each in CONTENDERS if each.name not in (NOTHING, *BARE)])
def test_contenders_return_the_same(contender: Contender) -> None:
    """Each library decodes the canned answers to the same values."""
    checked = tuple(name for name in (*works.BY_NAME, works.STREAM) if name in CHECKS and contender.does(name))
    with canned_server(core=None, tls=None) as server:
        outcome = measure(job(contender.name, checked, server.url))

    assert outcome.failures == {}
    assert set(outcome.figures) == {works.COLD_START, *checked}


def job(contender: str, names: tuple[str, ...], url: str) -> Job:
    """Return a job that ends as soon as possible."""
    endpoint = Endpoint(url, "us-east-1")
    return Job(
        contender=contender,
        works=names,
        endpoint=endpoint,
        check=True,
        loop="asyncio",
        core=None,
        server_core=None,
        seconds=0,
        wikis=500,
    )


class WrongClient:
    """Returns wikis with nothing in them."""

    async def get(self, owner_id: str, slug: str) -> dict[str, Any]:
        """Return the wrong wiki."""
        return {"owner_id": owner_id, "wiki_slug": f"not-{slug}"}

    async def create(self, owner_id: str, slug: str) -> None:
        """Do nothing."""

    async def update(self, wiki: dict[str, Any]) -> dict[str, Any]:
        """Return the wiki as it was."""
        return wiki

    async def page(self, owner_id: str, limit: int) -> Sequence[dict[str, Any]]:
        """Return the wrong wikis."""
        return [await self.get(owner_id, slug(number)) for number in range(limit)]

    async def stream(self, owner_id: str, page_size: int) -> AsyncIterator[dict[str, Any]]:
        """Return only the first page."""
        for number in range(page_size):
            yield {"owner_id": owner_id, "wiki_slug": slug(number)}

    async def authorize(self, user_id: str, owner_id: str, slug: str) -> Sequence[dict[str, Any]]:
        """Return a user, and wikis in place of the others."""
        return [user(user_id), await self.get(owner_id, slug), await self.get(owner_id, slug)]

    async def login(self, sub: str) -> dict[str, Any]:
        """Return another user."""
        return user(f"user-not-{sub}")

    def plain(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item."""
        return item

    def values(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item."""
        return item


@pytest.mark.parametrize("name", CHECKS)
async def test_wrong_results_are_noticed(name: str) -> None:
    """A library that returns wrong results is not compared."""
    with pytest.raises(ValueError, match=r"^returned"):
        await CHECKS[name](WrongClient())


# ---- what cannot be measured


def test_a_failure_is_told() -> None:
    """A library that fails has an outcome with the reason."""
    outcome = measure(job(BASELINE, ("point read",), "http://127.0.0.1:9"))

    assert outcome.figures == {}
    assert outcome.failures[works.COLD_START].startswith("ClientConnectorError: ")


def test_what_failed_is_a_row() -> None:
    """The table reports failures with their reasons, and libraries that are not installed."""
    missing = Contender("missing", "no-such-library-anywhere", "dicts")
    plan = Plan(
        contenders=(missing,),
        works=("point read",),
        settings=(Setting("asyncio", "http"),),
        rounds=1,
        seconds=0,
        wikis=1,
    )
    runs = [Run(plan.settings[0], OURS, Outcome(failures={"point read": "OSError: too dark"}))]

    text = table.render(summarize(plan, runs))
    assert "no-such-library-anywhere is not installed" in text
    assert f"not measured: {OURS}, point read: OSError: too dark" in text


def test_medians_and_ratios() -> None:
    """A figure is the median of its rounds, and a ratio is that of two medians."""
    setting = Setting("asyncio", "http")
    plan = Plan(contenders=CONTENDERS, works=("point read",), settings=(setting,), rounds=3, seconds=0, wikis=1)
    costs = {BASELINE: (10, 50, 20), OURS: (40, 30, 90), "aiobotocore": (400, 100, 200)}
    runs = [
        Run(setting, name, Outcome({"point read": {"cpu_us": cost[number]}}))
        for number in range(3)
        for name, cost in costs.items()
    ]

    (summary,) = summarize(plan, runs)["settings"]
    assert {
        each["contender"]: (each["cpu_us"], each["to_baseline"], each["to_store"]) for each in summary["results"]
    } == {
        BASELINE: (20, 1, 0.5),
        OURS: (40, 2, 1),
        "aiobotocore": (200, 10, 5),
    }


# ---- the canned answers


def test_a_batch_is_answered_with_its_keys() -> None:
    """BatchGetItem is answered with exactly the requested items of each table."""
    keys = {
        "wikis": [{"owner_id": {"S": "ada"}, "wiki_slug": {"S": wiki_slug}} for wiki_slug in ("notes", "recipes")],
        "users": [{"id": {"S": "ada"}}],
    }

    request = {"RequestItems": {name: {"Keys": wanted} for name, wanted in keys.items()}}
    assert json.loads(answer("BatchGetItem", json.dumps(request).encode())) == {
        "Responses": {
            "wikis": [wire(wiki("ada", "notes")), wire(wiki("ada", "recipes"))],
            "users": [wire(user("ada"))],
        },
        "UnprocessedKeys": {},
    }


@pytest.mark.parametrize(("limit", "sizes"), [(100, [100, 100, 50]), (125, [125, 125]), (None, [250])])
def test_pages_make_up_the_listing(limit: int | None, sizes: list[int]) -> None:
    """Each page continues after the one before, and only the last page has no last key."""
    query: dict[str, Any] = {"ExpressionAttributeValues": {":0": {"S": owner(250)}}}
    query |= {} if limit is None else {"Limit": limit}
    pages: list[dict[str, Any]] = []
    while not pages or "LastEvaluatedKey" in pages[-1]:
        start = {"ExclusiveStartKey": pages[-1]["LastEvaluatedKey"]} if pages else {}
        pages.append(json.loads(answer("Query", json.dumps(query | start).encode())))

    assert [page["Count"] for page in pages] == sizes
    items = [item for page in pages for item in page["Items"]]
    assert items == [wire(wiki(owner(250), slug(number))) for number in range(250)]


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("PutItem", {"TableName": "wikis"}, {"TableName": "wikis", "CapacityUnits": 1.0}),
        ("GetItem", {"TableName": "users", "Key": {"id": {"S": "ada"}}}, {"TableName": "users", "CapacityUnits": 1.0}),
        (
            "BatchGetItem",
            {"RequestItems": {"users": {"Keys": [{"id": {"S": "ada"}}]}}},
            [{"TableName": "users", "CapacityUnits": 1.0}],
        ),
    ],
)
def test_capacity_is_told_if_asked_for(operation: str, request_: dict[str, Any], expected: object) -> None:
    """The answer reports the capacity on request and is otherwise the same."""
    asked = json.loads(answer(operation, json.dumps(request_ | {"ReturnConsumedCapacity": "TOTAL"}).encode()))

    assert asked.pop("ConsumedCapacity") == expected
    assert asked == json.loads(answer(operation, json.dumps(request_).encode()))


def test_an_unknown_operation_has_no_answer() -> None:
    """An operation without a canned answer is an error."""
    with pytest.raises(ValueError, match="no canned answer to DescribeTable"):
        answer("DescribeTable", b"{}")
