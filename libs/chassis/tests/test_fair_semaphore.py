"""Callers with heavy work take turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.errors import TooManyRequests
from chassis.process.fair_semaphore import FairSemaphore
from testkit.eventually import other_tasks


class Works:
    """Pieces of work that end when the test ends them, in the order in which they began."""

    def __init__(self, semaphore: FairSemaphore) -> None:
        self._semaphore = semaphore
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []

    async def submit(self, *names: str) -> None:
        """`a1` is caller a's. Returns when each has begun or waits."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._work(name))
        await self._other_tasks_ran()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await self._other_tasks_ran()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)

    async def cancel_all(self) -> None:
        for name in list(self._tasks):
            await self.cancel(name)

    async def refused(self, name: str) -> TooManyRequests:
        await self.submit(name)
        with pytest.raises(TooManyRequests) as raised:
            await self._tasks[name]
        return raised.value

    async def _work(self, name: str) -> None:
        async with self._semaphore.turn(name[0]):
            self.begun.append(name)
            await self._ends[name].wait()

    async def _other_tasks_ran(self) -> None:
        """A task that was admitted runs in a later turn of the loop."""
        await other_tasks(5)


@asynccontextmanager
async def works(places: int, waiting: int = 10, each: int = 1) -> AsyncIterator[Works]:
    made = Works(FairSemaphore(places, waiting=waiting, each=each))
    yield made
    await made.cancel_all()


async def test_one_caller_has_one_place_however_much_he_has() -> None:
    async with works(2) as work:
        await work.submit("a1", "a2", "a3", "b1")
        assert work.begun == ["a1", "b1"], "b's began at once, with all of a's waiting"
        await work.end("b1")
        assert work.begun == ["a1", "b1"], "and the place stays free for others"


async def test_callers_go_in_turn() -> None:
    async with works(1) as work:
        await work.submit("a1", "a2", "a3", "b1", "c1", "b2")
        for name in ("a1", "a2", "b1", "c1", "a3"):
            await work.end(name)
        assert work.begun == ["a1", "a2", "b1", "c1", "a3", "b2"], "a2 was first in its row, b1 came before a3"


async def test_a_caller_may_have_several_places_and_no_more() -> None:
    async with works(3, each=2) as work:
        await work.submit("a1", "a2", "a3", "b1", "b2")
        assert work.begun == ["a1", "a2", "b1"]
        await work.end("a1")
        assert work.begun == ["a1", "a2", "b1", "a3"], "a waited first"
        await work.end("a2")
        assert work.begun == ["a1", "a2", "b1", "a3", "b2"]


async def test_a_caller_who_has_too_much_waiting_is_refused_and_others_are_not() -> None:
    async with works(1, waiting=2) as work:
        await work.submit("a1", "a2", "a3")
        refusal = await work.refused("a4")
        assert (refusal.status, refusal.headers) == (429, {"Retry-After": "1"})
        await work.submit("b1")
        await work.end("a1")
        await work.end("a2")
        assert work.begun == ["a1", "a2", "b1"]


async def test_a_cancelled_waiter_keeps_no_place() -> None:
    async with works(1, waiting=1) as work:
        await work.submit("a1", "a2", "b1")
        await work.cancel("a2")
        await work.submit("a3")
        for name in ("a1", "a3", "b1"):
            await work.end(name)
        await work.submit("c1")
        assert work.begun == ["a1", "a3", "b1", "c1"]


async def test_a_waiter_cancelled_at_its_turn_gives_the_place_to_the_next() -> None:
    semaphore = FairSemaphore(1, waiting=1)
    begun: list[str] = []

    async def work(name: str) -> None:
        async with semaphore.turn(name):
            begun.append(name)

    async with semaphore.turn("a"):
        waiting = [asyncio.create_task(work(name)) for name in "bc"]
        await other_tasks()
    waiting[0].cancel()  # b's turn has come, and b has not run yet
    await asyncio.gather(*waiting, return_exceptions=True)
    assert begun == ["c"]


async def test_a_cancelled_waiter_that_still_runs_gets_no_place() -> None:
    semaphore = FairSemaphore(1, waiting=1)
    begun: list[str] = []

    async def work(name: str) -> None:
        async with semaphore.turn(name):
            begun.append(name)

    async with semaphore.turn("a"):
        waiting = [asyncio.create_task(work(name)) for name in "bc"]
        await other_tasks()
        waiting[0].cancel()  # a's place is free before b is notified
    await asyncio.gather(*waiting, return_exceptions=True)
    assert begun == ["c"]
