"""Places among those in flight go by priority."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from delivery.turns import Turns


@asynccontextmanager
async def placed(turns: Turns, priority: int) -> AsyncIterator[None]:
    await turns.take(priority)
    try:
        yield
    finally:
        turns.give_back()


class Line:
    """Tasks that ask for a place, and the order in which they got one."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, priority: int) -> None:
        self.tasks[name] = asyncio.create_task(self._go(name, priority))
        await asyncio.sleep(0)  # until it waits

    async def _go(self, name: str, priority: int) -> None:
        async with placed(self._turns, priority):
            self.served.append(name)
            await asyncio.sleep(0)

    async def finished(self) -> list[str]:
        await asyncio.wait(self.tasks.values())
        return self.served


@pytest.fixture
def turns() -> Turns:
    return Turns(1)


async def test_the_highest_priority_that_waits_goes_next_and_equals_in_the_order_they_came(turns) -> None:
    line = Line(turns)
    async with placed(turns, 1):
        for name, priority in (("low", 1), ("first high", 9), ("middle", 5), ("second high", 9)):
            await line.join(name, priority)
    assert await line.finished() == ["first high", "second high", "middle", "low"]


async def test_no_more_than_the_places_go_at_once() -> None:
    turns, inside, most = Turns(3), 0, 0

    async def go() -> None:
        nonlocal inside, most
        async with placed(turns, 5):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(go() for _ in range(20)))
    assert most == 3


async def test_a_place_taken_at_once_is_one_less_for_the_others(turns) -> None:
    line = Line(turns)
    turns.take_at_once()
    await line.join("waits", 5)
    assert line.served == []
    turns.give_back()
    assert await line.finished() == ["waits"]


async def test_fewer_places_let_nobody_in_until_enough_are_free_and_more_serve_all_who_wait() -> None:
    turns = Turns(3)
    line = Line(turns)
    for _ in range(3):
        await turns.take(5)
    await line.join("first", 5)
    await line.join("second", 5)
    turns.places = 1
    turns.give_back()
    turns.give_back()
    await asyncio.sleep(0)
    assert line.served == [], "one is still at it"
    turns.places = 9
    turns.give_back()
    assert await line.finished() == ["first", "second"]


async def test_whoever_gives_up_waiting_costs_nobody_a_place(turns) -> None:
    line = Line(turns)
    async with placed(turns, 1):
        await line.join("gives up", 9)
        await line.join("stays", 1)
        line.tasks["gives up"].cancel()
    assert await line.finished() == ["stays"]


async def test_a_turn_that_comes_with_the_cancellation_is_passed_on(turns) -> None:
    line = Line(turns)
    async with AsyncExitStack() as held:
        await held.enter_async_context(placed(turns, 1))
        await line.join("too late", 9)
        await line.join("next", 1)
        await held.aclose()  # the turn is given here
        line.tasks["too late"].cancel()  # before its task has run
    assert await line.finished() == ["next"]
