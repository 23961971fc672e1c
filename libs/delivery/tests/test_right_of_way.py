"""While urgent notifications come, the others go a few at a time."""

import asyncio

from delivery.right_of_way import SECONDS, RightOfWay

FEW = 2


class Crossing:
    """Claims at the right of way, held there until `end`; `inside` are those that got through to their claim."""

    def __init__(self) -> None:
        self.now = 0.0
        self.way = RightOfWay(beside_urgent=FEW, clock=lambda: self.now)
        self.inside: list[int] = []
        self._ends: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, *priorities: int) -> None:
        self._tasks |= {asyncio.create_task(self._claim(priority)) for priority in priorities}
        await asyncio.sleep(0)

    async def end(self, number: int = 1) -> None:
        """The first claims inside end, one after the other, and let others in."""
        for _ in range(number):
            self._ends.pop(0).set()
            for _ in range(3):  # it leaves, and who follows comes in
                await asyncio.sleep(0)

    async def end_all(self) -> None:
        while self._ends:
            await self.end()
        await asyncio.gather(*self._tasks)

    async def urgent_one(self) -> None:
        async with self.way.of(8):
            pass

    async def _claim(self, priority: int) -> None:
        async with self.way.of(priority):
            self.inside.append(priority)
            self._ends.append(end := asyncio.Event())
            await end.wait()


async def test_without_urgent_ones_nobody_waits() -> None:
    crossing = Crossing()
    await crossing.come(*[1] * 50)
    assert len(crossing.inside) == 50
    await crossing.end_all()


async def test_after_an_urgent_one_the_others_go_a_few_at_a_time_the_highest_priority_first() -> None:
    crossing = Crossing()
    await crossing.urgent_one()
    await crossing.come(1, 1, 3, 7, 1)
    assert crossing.inside == [1, 1]
    await crossing.end()
    assert crossing.inside == [1, 1, 7]
    await crossing.end_all()
    assert crossing.inside == [1, 1, 7, 3, 1]


async def test_an_urgent_one_waits_for_nobody_and_takes_a_place_from_the_others() -> None:
    crossing = Crossing()
    await crossing.come(10, *[1] * 5)
    await crossing.come(10, 9, 8)
    assert crossing.inside == [10, 1, 10, 9, 8], "the first took one of the two places"
    await crossing.end_all()


async def test_when_no_urgent_one_has_come_for_a_while_all_who_wait_go_on() -> None:
    crossing = Crossing()
    await crossing.urgent_one()
    await crossing.come(*[1] * 50)
    assert len(crossing.inside) == FEW
    crossing.now += SECONDS
    await crossing.end()
    assert len(crossing.inside) == 50, "the first to leave lets all others in"
    await crossing.come(1)
    assert len(crossing.inside) == 51, "whoever comes now does not wait"
    await crossing.end_all()
