"""Group commit: items that arrive during a flush go into the next one, and no item is left waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from chassis.process.batcher import Batcher, Closed, groups_without_repeats
from testkit.eventually import eventually, other_tasks, stays, time_passes


def recorded() -> tuple[list[list[int]], Callable[[Sequence[int]], Awaitable[list[int]]]]:
    """A list of groups, and a flush that records each group in it and returns its items."""
    groups: list[list[int]] = []

    async def flush(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        return list(items)

    return groups, flush


async def test_items_queued_during_a_flush_share_the_next_one() -> None:
    groups: list[list[int]] = []
    released = asyncio.Event()

    async def flush(items):
        groups.append(list(items))
        await released.wait()
        return [item * 2 for item in items]

    group: Batcher[int, int] = Batcher(flush)
    first = asyncio.ensure_future(group.submit(1))
    await other_tasks(2)
    others = [asyncio.ensure_future(group.submit(item)) for item in range(2, 6)]
    await other_tasks()
    released.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert groups == [[1], [2, 3, 4, 5]]


async def test_urgent_items_form_groups_of_their_own_without_a_pause() -> None:
    groups: list[list[int]] = []
    gates = {1: asyncio.Event(), 7: asyncio.Event()}

    async def flush(items):
        groups.append(list(items))
        if items[0] in gates:
            await gates[items[0]].wait()
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    others = [asyncio.ensure_future(group.submit(item)) for item in (1, 2)]
    urgent = [asyncio.ensure_future(group.submit(item, urgent=True)) for item in (7, 8, 9)]
    await other_tasks()
    gates[7].set()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*urgent) == [7, 8, 9]
    assert [group for group in groups if group[0] > 2] == [[7, 8, 9]]
    gates[1].set()
    assert await asyncio.gather(*others) == [1, 2]


async def test_frequent_items_are_batched_and_isolated_ones_flushed_immediately() -> None:
    groups, flush = recorded()
    group: Batcher[int, int] = Batcher(flush, max_size=10, pause_seconds=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await group.submit(1)
    assert loop.time() - began < 0.1, "the first does not wait"
    others = [asyncio.ensure_future(group.submit(item)) for item in (2, 3)]
    await time_passes(0.05)
    others.append(asyncio.ensure_future(group.submit(4)))
    await asyncio.gather(*others)
    assert groups == [[1], [2, 3, 4]]
    assert loop.time() - began > 0.15
    await group.submit(5, urgent=True)
    await asyncio.gather(*(group.submit(item) for item in range(10, 20)))
    assert loop.time() - began < 0.3, "urgent items and a full group do not wait"
    assert groups[2:] == [[5], [*range(10, 20)]]


async def test_the_pause_is_as_long_as_the_crowd_is_large() -> None:
    groups, flush = recorded()
    group: Batcher[int, int] = Batcher(flush, pause_seconds=0.4, ramp_calls=4)
    loop = asyncio.get_running_loop()
    await group.submit(1)
    began = loop.time()
    await group.submit(2)
    assert 0.05 < loop.time() - began < 0.2, "a quarter of the pause after a group of one"
    await asyncio.gather(*(group.submit(item) for item in range(4)))
    began = loop.time()
    assert group.waiting() == 0
    group.offer(3)
    assert (group.waiting(), group.waiting(urgent=True)) == (1, 0)
    await group.submit(4)
    assert loop.time() - began > 0.3, "the whole pause after a group of four"
    assert groups[-1] == [3, 4]


async def test_a_group_is_full_by_the_size_of_its_items() -> None:
    async def flush(items):
        return list(items)

    group: Batcher[str, str] = Batcher(flush, max_size=10, size=len, pause_seconds=5)
    await group.submit("first")
    async with asyncio.timeout(1):
        await group.submit("ten characters")


async def test_closing_waits_for_what_is_express_too() -> None:
    released, done = asyncio.Event(), []

    async def flush(items):
        await released.wait()
        done.extend(items)
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    task = asyncio.ensure_future(group.submit(1, urgent=True))
    await other_tasks()
    closing = asyncio.create_task(group.close())
    await other_tasks()
    released.set()
    await closing
    assert done == [1]
    await task


async def test_an_item_that_comes_right_when_a_flush_ends_is_not_forgotten() -> None:
    """Each item is submitted in the same step in which the previous one is answered."""

    async def flush(items):
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    async with asyncio.timeout(5):
        for item in range(200):
            assert await group.submit(item) == item


async def test_a_group_is_no_larger_than_allowed() -> None:
    sizes: list[int] = []

    async def flush(items):
        sizes.append(len(items))
        await other_tasks()
        return list(items)

    group: Batcher[int, int] = Batcher(flush, max_size=3)
    await asyncio.gather(*(group.submit(item) for item in range(10)))
    assert max(sizes) == 3


async def test_a_failed_flush_fails_its_group_only() -> None:
    async def flush(items):
        if 0 in items:
            raise OSError("down")
        return list(items)

    group: Batcher[int, int] = Batcher(flush, max_size=2)
    results = await asyncio.gather(*(group.submit(item) for item in range(4)), return_exceptions=True)
    assert [type(result) for result in results[:2]] == [OSError, OSError]
    assert results[2:] == [2, 3]
    assert await group.submit(7) == 7


async def test_offered_items_are_batched_without_a_waiting_caller() -> None:
    groups: list[list[int]] = []

    async def flush(items):
        groups.append(list(items))
        if 0 in items:
            raise OSError("down")
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    for item in (0, 1):
        group.offer(item)
    group.offer(9, urgent=True)
    await eventually(lambda: len(groups) == 2, 5)
    group.offer(2)
    assert await group.submit(3) == 3
    assert groups == [[0, 1], [9], [2, 3]]
    await group.close()
    with pytest.raises(Closed):
        group.offer(4)


async def test_a_cancelled_submit_does_not_disturb_its_neighbours() -> None:
    released = asyncio.Event()

    async def flush(items):
        await released.wait()
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    tasks = [asyncio.ensure_future(group.submit(item)) for item in range(3)]
    await other_tasks()
    tasks[1].cancel()
    released.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], asyncio.CancelledError)


async def test_close_flushes_what_waits_and_takes_nothing_new() -> None:
    done: list[int] = []

    async def flush(items):
        await other_tasks()
        done.extend(items)
        return list(items)

    group: Batcher[int, int] = Batcher(flush)
    tasks = [asyncio.ensure_future(group.submit(item)) for item in range(3)]
    await other_tasks()
    await group.close()
    assert done == [0, 1, 2]
    await asyncio.gather(*tasks)
    with pytest.raises(Closed):
        await group.submit(9)


def test_rounds_split_equal_keys_and_keep_their_order() -> None:
    assert groups_without_repeats(["a", "b", "a", "c", "a", "b"], key=str) == [[0, 1, 3], [2, 5], [4]]


async def test_a_group_is_bounded_by_the_size_of_its_items_and_takes_one_that_is_larger() -> None:
    groups: list[list[str]] = []

    async def flush(items: Sequence[str]) -> list[str]:
        groups.append(list(items))
        await other_tasks()
        return list(items)

    group: Batcher[str, str] = Batcher(flush, max_size=4, size=len)
    words = ["first", "aa", "bb", "c", "larger than a group", "d"]
    assert await asyncio.gather(*(group.submit(word) for word in words)) == words
    assert groups == [["first"], ["aa", "bb"], ["c", "larger than a group"], ["d"]]


async def test_some_groups_are_under_way_side_by_side_and_the_rest_gathers() -> None:
    groups: list[list[int]] = []
    released = asyncio.Event()

    async def flush(items):
        groups.append(list(items))
        await released.wait()
        return list(items)

    group: Batcher[int, int] = Batcher(flush, at_once=2)
    submitted = []
    async with asyncio.timeout(5):
        for item in (1, 2):
            submitted.append(group.submit(item))
            await eventually(lambda: len(groups) == len(submitted))
        submitted += [group.submit(item) for item in (3, 4, 5)]
        await stays(lambda: groups, 0.01, holds=lambda found: found == [[1], [2]])
        released.set()
        assert await asyncio.gather(*submitted) == [1, 2, 3, 4, 5]
    assert groups == [[1], [2], [3, 4, 5]]
    await group.close()


async def test_a_run_ignores_items_that_another_run_took_during_its_pause() -> None:
    groups, flush = recorded()
    group: Batcher[int, int] = Batcher(flush, at_once=3, pause_seconds=0.02)
    await group.submit(0)
    assert await asyncio.gather(*(group.submit(item) for item in range(1, 9))) == [*range(1, 9)]
    assert groups == [[0], [*range(1, 9)]]
    await group.close()
