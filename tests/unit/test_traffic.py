"""Whether a read should go at once and alone."""

import asyncio

from wikibot_store._wire._connections import Slots
from wikibot_store._wire._traffic import Traffic


async def test_reads_are_light_while_a_connection_is_free() -> None:
    """A read waits for others only if it has to wait for a connection."""
    slots = Slots(1)
    traffic = Traffic(slots)
    assert traffic.is_light()

    slots.take_free()
    assert not traffic.is_light()

    slots.release()
    assert traffic.is_light()


async def test_a_burst_is_light() -> None:
    """Many reads that start in one turn of an event loop that was idle go at once."""
    traffic = Traffic(Slots(100))

    assert all(traffic.is_light() for _ in range(50))


async def test_many_reads_turn_after_turn() -> None:
    """After a turn with many reads the loop is behind, until a turn with few."""
    traffic = Traffic(Slots(100))
    turns = []
    for reads in (8, 8, 3, 1, 7, 1):
        turns.append([traffic.is_light() for _ in range(reads)])
        await asyncio.sleep(0)

    assert [set(turn) for turn in turns] == [{True}, {False}, {False}, {True}, {True}, {True}]


async def test_a_pause_ends_it() -> None:
    """A read that comes a while after a burst goes at once."""
    traffic = Traffic(Slots(100))
    assert [traffic.is_light() for _ in range(8)]
    for _ in range(3):
        await asyncio.sleep(0)

    assert traffic.is_light()
