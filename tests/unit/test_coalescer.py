"""Point reads that have to wait share a request."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from wikibot_store._dynamo.coalescer import Coalescer


class Loader:
    """Returns the length of a key and records the calls. It can be blocked or made to fail."""

    def __init__(self) -> None:
        self.is_light = False
        self.closing = asyncio.Event()
        self.closing.set()
        self.ones: list[str] = []
        self.manies: list[list[str]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.missing: set[str] = set()
        self.fails_on: str | None = None
        self.cancels_at_once = False
        self.bad_keys: dict[str, Exception] = {}
        self.started = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def one(self, key: str) -> int | None:
        """Load one key."""
        self.ones.append(key)
        return (await self._answer([key])).get(key)

    async def many(self, close: Callable[[], list[str]]) -> dict[str, int | Exception]:
        """Load several keys, when a connection is there."""
        await self.closing.wait()
        keys = close()
        self.manies.append(sorted(keys))
        return await self._answer(keys) | {key: self.bad_keys[key] for key in keys if key in self.bad_keys}

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the loading of a batch."""
        task = asyncio.create_task(work)
        self.tasks.append(task)
        if self.cancels_at_once:
            task.cancel()
        return task

    async def _answer(self, keys: list[str]) -> dict[str, int]:
        self.started.set()
        await self.may_go_on.wait()
        if self.fails_on in keys:
            raise ConnectionError(f"lost while loading {self.fails_on}")
        return {key: len(key) for key in keys if key not in self.missing}


def coalescer(loader: Loader, *, batch_size: int = 100) -> Coalescer[str, int]:
    """Return a coalescer over the loader."""
    return Coalescer(
        loader.one, loader.many, is_light=lambda: loader.is_light, batch_size=batch_size, spawn=loader.spawn
    )


@pytest.fixture
async def loader() -> Loader:
    """A loader that returns at once."""
    return Loader()


def start(reads: Coalescer[str, int], *keys: str) -> list[asyncio.Task[int | None]]:
    """Start one reader per key, all in one turn of the event loop."""
    return [asyncio.create_task(reads.load(key)) for key in keys]


async def outcomes(readers: list[asyncio.Task[int | None]]) -> list[int | BaseException | None]:
    """Wait for all readers and return the value or error of each, within a time limit in case one is never served."""
    async with asyncio.timeout(5):
        return await asyncio.gather(*readers, return_exceptions=True)


async def test_readers_load_their_own_keys(loader: Loader) -> None:
    """While the load is light, each reader sends a plain read at once, without another task."""
    loader.is_light = True
    reads = coalescer(loader)
    readers = start(reads, "a", "bb", "a")
    await asyncio.sleep(0)

    assert (loader.ones, loader.manies, loader.tasks) == (["a", "bb", "a"], [], [])
    assert await outcomes(readers) == [1, 2, 1]


async def test_readers_join_an_open_batch(loader: Loader) -> None:
    """Keys are added until the batch is closed; later ones are another batch."""
    loader.closing.clear()
    reads = coalescer(loader)
    first = start(reads, "a", "bb")
    await asyncio.sleep(0.01)
    second = start(reads, "ccc", "a")
    await asyncio.sleep(0.01)
    loader.may_go_on.clear()
    loader.closing.set()
    await loader.started.wait()
    third = start(reads, "dddd")
    await asyncio.sleep(0.01)
    loader.may_go_on.set()

    assert await outcomes(first + second + third) == [1, 2, 3, 1, 4]
    assert loader.manies == [["a", "bb", "ccc"], ["dddd"]]


async def test_readers_of_an_open_batch_are_all_cancelled(loader: Loader) -> None:
    """A batch that has started is loaded even if nobody needs it any more, and the next readers are served."""
    loader.closing.clear()
    reads = coalescer(loader)
    readers = start(reads, "a", "bb")
    await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    await outcomes(readers)
    loader.closing.set()
    await asyncio.gather(*loader.tasks)

    assert loader.manies == [["a", "bb"]]
    assert await outcomes(start(reads, "ccc")) == [3]


async def test_the_readers_of_one_turn_share_a_batch(loader: Loader) -> None:
    """Each gets the value of its own key."""
    reads = coalescer(loader)

    assert await outcomes(start(reads, "a", "bb", "ccc")) == [1, 2, 3]
    assert (loader.ones, loader.manies, len(loader.tasks)) == ([], [["a", "bb", "ccc"]], 1)


async def test_readers_of_one_key_share_one_read(loader: Loader) -> None:
    """If all readers want the same key, it is read once."""
    reads = coalescer(loader)

    assert await outcomes(start(reads, "a", "a", "a")) == [1, 1, 1]
    assert (loader.ones, loader.manies) == ([], [["a"]])


async def test_a_key_is_in_a_batch_once(loader: Loader) -> None:
    """DynamoDB refuses a batch that names a key twice."""
    reads = coalescer(loader)

    assert await outcomes(start(reads, "a", "bb", "a", "bb", "a")) == [1, 2, 1, 2, 1]
    assert loader.manies == [["a", "bb"]]


@pytest.mark.parametrize(("readers", "sizes"), [(2, [2]), (3, [2, 1]), (4, [2, 2]), (5, [2, 2, 1]), (6, [2, 2, 2])])
async def test_batches_have_a_limit(readers: int, sizes: list[int], loader: Loader) -> None:
    """Keys beyond the limit go to another batch."""
    reads = coalescer(loader, batch_size=2)
    keys = ["k" * length for length in range(1, readers + 1)]

    assert await outcomes(start(reads, *keys)) == list(range(1, readers + 1))
    assert [len(batch) for batch in loader.manies] == sizes
    assert sorted(key for batch in loader.manies for key in batch) == keys


async def test_the_next_turn_is_a_new_batch(loader: Loader) -> None:
    """A key of the next turn does not join a batch that was sent, and does not wait for it."""
    reads = coalescer(loader)
    loader.may_go_on.clear()
    first = start(reads, "a", "bb")
    await loader.started.wait()

    loader.started.clear()
    second = start(reads, "a", "ccc")
    await loader.started.wait()
    assert loader.manies == [["a", "bb"], ["a", "ccc"]]

    loader.may_go_on.set()
    assert await outcomes(first + second) == [1, 2, 1, 3]


async def test_lone_readers_in_turn(loader: Loader) -> None:
    """Readers one after the other each send a plain read."""
    loader.is_light = True
    reads = coalescer(loader)

    assert [await reads.load(key) for key in ["a", "bb", "a"]] == [1, 2, 1]
    assert (loader.ones, loader.tasks) == (["a", "bb", "a"], [])


@pytest.mark.parametrize("keys", [["a"], ["a", "a"], ["a", "bb"], ["bb", "ccc", "a"]])
async def test_a_missing_key_is_none(keys: list[str], loader: Loader) -> None:
    """A key without a value returns None, alone and in a batch."""
    loader.missing = {"a"}
    reads = coalescer(loader)

    expected = [None if key == "a" else len(key) for key in keys]
    assert await outcomes(start(reads, *keys)) == expected


@pytest.mark.parametrize("keys", [["a"], ["a", "a"], ["a", "bb", "a"]])
async def test_an_error_reaches_all_its_readers(keys: list[str], loader: Loader) -> None:
    """Every reader gets the error, whether it reads alone, shares a key or shares a batch."""
    loader.fails_on = "a"
    reads = coalescer(loader)

    results = await outcomes(start(reads, *keys))
    assert [str(result) for result in results] == ["lost while loading a"] * len(keys)


async def test_an_error_stays_in_its_batch(loader: Loader) -> None:
    """Readers of another batch of the same turn get their values."""
    loader.fails_on = "a"
    reads = coalescer(loader, batch_size=2)

    keys = ["a", "bb", "ccc", "dddd"]
    results = dict(zip(keys, await outcomes(start(reads, *keys)), strict=True))
    failed = next(set(batch) for batch in loader.manies if "a" in batch)
    assert {key for key, result in results.items() if isinstance(result, ConnectionError)} == failed
    assert {key: result for key, result in results.items() if key not in failed} == {
        key: len(key) for key in keys if key not in failed
    }


async def test_an_error_of_one_key_is_its_readers_alone(loader: Loader) -> None:
    """An error for one key of a batch is raised only by its readers, each with its own copy."""
    loader.bad_keys = {"bb": ValueError("bad item")}
    reads = coalescer(loader)

    one, bad, three, again = await outcomes(start(reads, "a", "bb", "ccc", "bb"))
    assert (one, three) == (1, 3)
    assert repr(bad) == repr(again) == "ValueError('bad item')"
    assert bad is not again


async def test_after_an_error_reads_go_on(loader: Loader) -> None:
    """Reads after a failed turn succeed."""
    reads = coalescer(loader)
    loader.fails_on = "a"
    await outcomes(start(reads, "a", "bb"))
    loader.fails_on = None

    assert await outcomes(start(reads, "a", "bb")) == [1, 2]


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["first", "second", "last"])
async def test_a_reader_cancelled_while_gathering_harms_nobody(leaver: int, loader: Loader) -> None:
    """The other readers get their values; a key that only the cancelled reader wanted is not read."""
    keys = ["a", "bb", "ccc"]
    readers = start(coalescer(loader), *keys)
    await asyncio.sleep(0)  # they have asked
    readers[leaver].cancel()

    results = await outcomes(readers)
    assert isinstance(results.pop(leaver), asyncio.CancelledError)
    keys.pop(leaver)
    assert results == [len(key) for key in keys]
    assert loader.manies == [keys]


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["first", "second", "last"])
async def test_a_reader_cancelled_while_loading_harms_nobody(leaver: int, loader: Loader) -> None:
    """The load continues for the other readers."""
    loader.may_go_on.clear()
    readers = start(coalescer(loader), "a", "bb", "ccc")
    await loader.started.wait()
    readers[leaver].cancel()
    loader.may_go_on.set()

    results = await outcomes(readers)
    assert isinstance(results.pop(leaver), asyncio.CancelledError)
    assert results == [length for length in (1, 2, 3) if length != leaver + 1]


async def test_one_of_two_readers_of_a_key_is_cancelled(loader: Loader) -> None:
    """The other one still gets the value of their key."""
    loader.may_go_on.clear()
    readers = start(coalescer(loader), "a", "bb", "a")
    await loader.started.wait()
    readers[2].cancel()
    loader.may_go_on.set()

    assert await outcomes(readers[:2]) == [1, 2]


async def test_a_lone_reader_cancelled_while_loading(loader: Loader) -> None:
    """The load of a lone reader is cancelled with it."""
    loader.is_light = True
    reads = coalescer(loader)
    loader.may_go_on.clear()
    (reader,) = start(reads, "a")
    await loader.started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader

    loader.may_go_on.set()
    assert await reads.load("bb") == 2


async def test_a_turn_of_cancelled_readers_loads_nothing(loader: Loader) -> None:
    """If all readers of a turn are cancelled, nothing is read."""
    reads = coalescer(loader)
    readers = start(reads, "a", "bb", "a")
    await asyncio.sleep(0)  # they have asked
    for reader in readers:
        reader.cancel()
    await outcomes(readers)

    assert (loader.ones, loader.manies, loader.tasks) == ([], [], [])
    assert await outcomes(start(reads, "a", "bb")) == [1, 2]


async def test_a_cancelled_load_leaves_no_reader_waiting(loader: Loader) -> None:
    """If the load is cancelled, for example because the store is closed, its readers get an error."""
    loader.may_go_on.clear()
    readers = start(coalescer(loader), "a", "bb")
    await loader.started.wait()
    loader.tasks[0].cancel()

    assert all(isinstance(outcome, BaseException) for outcome in await outcomes(readers))


async def test_a_load_that_never_starts_leaves_no_reader_waiting(loader: Loader) -> None:
    """Readers also get an error if the load is cancelled before it starts."""
    loader.cancels_at_once = True
    readers = start(coalescer(loader), "a", "bb")

    assert all(isinstance(outcome, BaseException) for outcome in await outcomes(readers))
