"""The slots of requests under way: handed on in order, and never lost."""

import asyncio

import pytest

from wikibot_store._wire._connections import Slots


def _far() -> float:
    return asyncio.get_running_loop().time() + 5


async def _waiting(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    """Start tasks that wait for a slot."""
    tasks = [asyncio.create_task(slots.take(_far())) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_free_slot_is_taken_at_once() -> None:
    """Nobody waits while a slot is free."""
    slots = Slots(2)
    await slots.take(_far())
    assert slots.is_free

    slots.take_free()
    assert not slots.is_free


async def test_slots_are_handed_on_in_order() -> None:
    """A slot that is given back goes to who waits for longest, and is not free for others."""
    slots = Slots(1)
    await slots.take(_far())
    first, second = await _waiting(slots, 2)

    slots.release()
    assert not slots.is_free
    await first
    assert not second.done()

    slots.release()
    await second
    slots.release()
    assert slots.is_free


async def test_no_slot_before_the_deadline() -> None:
    """Whoever waits until the deadline gets an error, and no slot later."""
    slots = Slots(1)
    slots.take_free()

    with pytest.raises(TimeoutError):
        await slots.take(asyncio.get_running_loop().time() + 0.01)
    slots.release()
    assert slots.is_free


async def test_a_cancelled_wait() -> None:
    """Whoever is cancelled while waiting is passed over."""
    slots = Slots(1)
    slots.take_free()
    first, second = await _waiting(slots, 2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    slots.release()
    await second


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["slot first", "cancelled first"])
async def test_a_slot_and_a_cancellation_in_the_same_moment(order: tuple[int, int]) -> None:
    """The slot goes on to the next one that waits."""
    slots = Slots(1)
    slots.take_free()
    first, second = await _waiting(slots, 2)
    moves = (slots.release, first.cancel)
    for number in order:
        moves[number]()
    with pytest.raises(asyncio.CancelledError):
        await first

    await asyncio.wait_for(second, 5)
    slots.release()
    assert slots.is_free
