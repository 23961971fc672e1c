"""Others get their turns while many items are worked on."""

import asyncio

import pytest

from chassis.yielding import AT_A_TIME, map_yielding


@pytest.mark.parametrize(
    ("number", "turns"), [(0, 0), (1, 0), (AT_A_TIME, 0), (AT_A_TIME + 1, 1), (20 * AT_A_TIME, 19)]
)
async def test_every_item_is_worked_on_in_order_and_others_have_turns_in_between(number: int, turns: int) -> None:
    taken = []

    async def other() -> None:
        while True:
            taken.append(None)
            await asyncio.sleep(0)

    others = asyncio.create_task(other())
    assert await map_yielding(lambda item: item * 2, range(number)) == [item * 2 for item in range(number)]
    others.cancel()
    assert len(taken) == turns


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await map_yielding(lambda item: 1 // item, [1, 0])
