"""Other tasks run while many items are processed, and urgent work goes first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.process import yielding
from chassis.process.yielding import AT_A_TIME, give_way, map_yielding, urgent_work
from testkit.eventually import other_tasks, time_passes

MANY = AT_A_TIME + 1


@asynccontextmanager
async def counted_turns() -> AsyncIterator[list[None]]:
    taken: list[None] = []

    async def other() -> None:
        while True:
            taken.append(None)
            await other_tasks()

    others = asyncio.create_task(other())
    yield taken
    others.cancel()


@pytest.mark.parametrize(
    ("number", "turns"), [(0, 0), (1, 0), (AT_A_TIME, 0), (AT_A_TIME + 1, 2), (20 * AT_A_TIME, 20)]
)
async def test_every_item_is_worked_on_in_order_and_others_have_turns_before_each_piece(
    number: int, turns: int
) -> None:
    async with counted_turns() as taken:
        assert await map_yielding(lambda item: item * 2, range(number)) == [item * 2 for item in range(number)]
        assert len(taken) == turns


async def test_an_exception_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await map_yielding(lambda item: 1 // item, [1, 0])
    with pytest.raises(ZeroDivisionError):
        await map_yielding(lambda item: 1 // item, [1] * MANY + [0])


async def test_work_on_many_items_pauses_until_all_urgent_work_has_ended(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)
    with urgent_work(1, urgent=True):
        with urgent_work(AT_A_TIME, urgent=True):
            pause, bulk = asyncio.create_task(give_way()), asyncio.create_task(map_yielding(str, range(MANY)))
            await other_tasks(100)
        await other_tasks(100)
        assert (pause.done(), bulk.done()) == (False, False)
    await pause
    assert len(await asyncio.wait_for(bulk, 10)) == MANY


async def test_a_stream_of_urgent_work_does_not_stop_the_rest(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)
    with urgent_work(1, urgent=True):
        assert len(await asyncio.wait_for(map_yielding(str, range(MANY)), 10)) == MANY


async def test_urgent_work_that_takes_long_is_not_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 0.01)
    with urgent_work(1, urgent=True):
        await time_passes(0.02)
        await asyncio.wait_for(give_way(), 10)


async def test_one_that_takes_long_hides_no_later_one(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    with urgent_work(1, urgent=True):
        await time_passes(0.02)
        monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 5.0)
        first_began = next(iter(yielding.in_progress.began.values()))
        with urgent_work(1, urgent=True):
            monkeypatch.setattr(yielding.time, "monotonic", lambda: first_began + 5.001)
            waiting = asyncio.create_task(give_way())
            await other_tasks(10)
            assert not waiting.done()
            waiting.cancel()


async def test_for_what_is_not_urgent_nothing_pauses(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    with urgent_work(1, urgent=False):
        await asyncio.wait_for(give_way(), 10)


async def test_urgent_work_on_many_items_does_not_wait_for_itself(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)
    with urgent_work(MANY, urgent=True):
        assert len(await asyncio.wait_for(map_yielding(str, range(MANY)), 10)) == MANY


async def test_cancelled_waiters_and_failed_urgent_work_leave_nothing_behind(monkeypatch) -> None:
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)

    async def failing() -> None:
        with urgent_work(1, urgent=True):
            waiting = asyncio.create_task(give_way())
            await other_tasks()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert not yielding.in_progress.waiting
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    await asyncio.wait_for(give_way(), 10)
