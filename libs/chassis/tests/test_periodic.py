"""Tasks that repeat, and their end."""

import asyncio

import pytest

from chassis.process import periodic
from chassis.process.periodic import PeriodicTask, end_tasks, running
from testkit.eventually import other_tasks


class Swallowing:
    """Work that swallows the first cancellation, as a library may."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.swallowed = 0

    async def run_once(self) -> int:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.swallowed:
                raise
            self.swallowed += 1
        return 0


async def test_a_service_stops_although_a_cancellation_was_swallowed(monkeypatch) -> None:
    monkeypatch.setattr(periodic, "AGAIN_SECONDS", 0.05)
    work = Swallowing()
    async with asyncio.timeout(5):
        async with running([PeriodicTask("work", work.run_once, 60)]):
            await work.began.wait()
    assert work.swallowed == 1


async def test_the_end_of_tasks_drops_their_errors() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    failed = asyncio.create_task(fails())
    await other_tasks()
    await end_tasks([failed, asyncio.create_task(asyncio.Event().wait())])
    with pytest.raises(ZeroDivisionError):
        failed.result()
    await end_tasks([])
