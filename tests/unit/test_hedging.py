"""When a read is late, and whether it may be sent once more."""

import asyncio
import gc
import random
from statistics import fmean

import pytest

from wikibot_store._wire._hedging import Hedges, Quantile, Race


def _lognormal(dice: random.Random, median: float) -> float:
    return median * dice.lognormvariate(0, 0.5)


@pytest.mark.parametrize("late", [0.01, 0.03, 0.045, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_some_of_a_hundred_answers_are_late(seed: int, late: float) -> None:
    """The estimate is exceeded by about so many answers, whatever their distribution."""
    dice = random.Random(seed)  # noqa: S311 - answers' times, not secrets
    times = Quantile(late)
    exceeded = []
    for _ in range(20_000):
        seconds = _lognormal(dice, 0.003) if dice.random() < 0.99 else dice.uniform(0.03, 0.08)
        exceeded.append(times.value is not None and seconds > times.value)
        times.add(seconds)

    assert fmean(exceeded[2000:]) == pytest.approx(late, rel=0.2)


def test_there_is_no_estimate_of_a_few_answers() -> None:
    """A hundred answers are needed first."""
    times = Quantile(0.03)
    for _ in range(99):
        times.add(0.003)
    assert times.value is None

    times.add(0.003)
    assert times.value == pytest.approx(0.003, rel=0.1)


def test_a_slow_first_answer_does_not_count() -> None:
    """The first read of a process opens a connection; the estimate does not start from there."""
    times = Quantile(0.03)
    times.add(0.5)
    for _ in range(150):
        times.add(0.003)

    assert times.value == pytest.approx(0.003, rel=0.1)


def test_answers_that_take_no_time() -> None:
    """A clock that stands still between request and answer does not bring the estimate to zero."""
    times = Quantile(0.03)
    for _ in range(200):
        times.add(0.0)

    assert times.value == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize(("median", "answers"), [(0.03, 200), (0.001, 3000)], ids=["slower", "faster"])
def test_the_estimate_follows(median: float, answers: int) -> None:
    """If the server becomes slower or faster, the estimate follows."""
    dice = random.Random(1)  # noqa: S311 - see above
    times = Quantile(0.03)
    for _ in range(3000):
        times.add(_lognormal(dice, 0.003))
    for _ in range(answers):
        times.add(_lognormal(dice, median))

    assert times.value == pytest.approx(2.56 * median, rel=0.3)


def hedges(*, budget: float = 0.05, reads: int = 1000) -> Hedges:
    """Return the hedges of a store that has read so often, in 3 ms each."""
    made = Hedges(budget)
    for _ in range(reads):
        made.answered("GetItem", 0.003)
    return made


def test_each_operation_has_its_own_times() -> None:
    """A Query that takes longer than a GetItem is not late."""
    made = hedges()
    for _ in range(1000):
        made.answered("Query", 0.03)

    assert made.late_after("GetItem") == pytest.approx(0.003, rel=0.1)
    assert made.late_after("Query") == pytest.approx(0.03, rel=0.1)
    assert made.late_after("BatchGetItem") is None


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "Scan"])
def test_only_reads_can_be_late(operation: str) -> None:
    """A write is never late, however often it was answered; neither is a Scan."""
    made = hedges(reads=0)
    for _ in range(1000):
        made.answered(operation, 0.003)

    assert made.late_after(operation) is None
    assert not made.take(0.0)


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.5])
def test_the_budget_holds(budget: float) -> None:
    """There are never more hedges than the budget allows of all reads, even if every tenth read is late."""
    made = hedges(budget=budget, reads=0)
    taken = 0
    for number in range(1, 5001):
        taken += number % 10 == 0 and made.take(0.0)
        made.answered("GetItem", 0.003)
        assert taken <= budget * number
    assert taken == pytest.approx(min(budget, 0.1) * 5000, rel=0.05)


@pytest.mark.parametrize(
    ("budget", "late"),
    [(0.001, 0.01), (0.02, 0.018), (0.05, 0.045), (0.5, 0.05)],
    ids=["tiny", "small", "usual", "large"],
)
def test_the_budget_lasts(budget: float, late: float) -> None:
    """Fewer reads are late than the budget has hedges for, within one and five percent."""
    dice = random.Random(1)  # noqa: S311 - see above
    made = hedges(budget=budget, reads=0)
    exceeded = []
    for _ in range(20_000):
        seconds = _lognormal(dice, 0.003)
        threshold = made.late_after("GetItem")
        exceeded.append(threshold is not None and seconds > threshold)
        made.answered("GetItem", seconds)

    assert fmean(exceeded[2000:]) == pytest.approx(late, rel=0.2)


def test_savings_are_limited() -> None:
    """After a long time without late reads, ten may be sent once more at once."""
    made = hedges(budget=0.001, reads=20_000)
    taken = 0
    for _ in range(20):
        taken += made.take(0.0)
        for _ in range(10):  # in time, so that not everything is slow
            made.answered("GetItem", 0.002)

    assert taken == 10


def test_no_hedges_while_everything_is_slow() -> None:
    """After a few late reads in a row no further one is sent once more, until reads are in time again."""
    made = hedges()

    assert [made.take(0.0) for _ in range(20)] == [True] * 4 + [False] * 16
    for _ in range(50):
        made.answered("GetItem", 0.002)
    assert made.take(0.0)


def test_no_hedges_after_a_throttle() -> None:
    """For a second after a throttle nothing is sent twice."""
    made = hedges()
    made.throttled(100.0)

    assert not made.take(100.9)
    assert made.take(101.0)


async def test_a_failure_and_a_cancellation_in_the_same_moment() -> None:
    """A caller who is cancelled when the request has just failed gets the cancellation; no error is left behind."""
    failing = asyncio.Event()
    loop = asyncio.get_running_loop()
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def fail() -> bytes:
        await failing.wait()
        raise ConnectionError

    race = Race(loop, lambda: asyncio.create_task(fail()))
    race.start()
    caller = asyncio.create_task(race.answer())
    await asyncio.sleep(0)
    failing.set()
    while not race.is_over:  # noqa: ASYNC110 - the very turn matters
        await asyncio.sleep(0)
    caller.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
    del race, caller
    gc.collect()
    loop.set_exception_handler(None)
    assert complaints == []
