"""A pace counts the calls of all processes: each `Pace` here stands for a process."""

import asyncio

import pytest

from chassis.redis import pace as module
from chassis.redis.client import connect_redis
from chassis.redis.pace import Pace
from testkit.unresponsive import unresponsive_server

SLOW = 0.1  # a second: a place each ten seconds, so that the time that a test takes is small beside it


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def place(pace: Pace) -> float:
    """Reserves and takes a place. Returns the seconds until it."""
    await pace.reserve()
    wait = pace.wait
    pace.take()
    return wait


def take_all(pace: Pace) -> int:
    number = 0
    while pace.is_reserved:
        pace.take()
        number += 1
    return number


async def test_processes_share_a_pace(redis, name) -> None:
    first, second = Pace(redis, name, SLOW), Pace(redis, name, SLOW)
    waits = [await place((first, second)[number % 2]) for number in range(4)]
    assert [round(wait, -1) for wait in waits] == [0, 10, 20, 30]


async def test_paces_of_other_names_do_not_share_it(redis, name) -> None:
    assert await place(Pace(redis, name, SLOW)) == 0
    assert await place(Pace(redis, f"{name}-other", SLOW)) == 0


async def test_tasks_of_a_process_reserve_one_place_after_another(redis, name) -> None:
    pace = Pace(redis, name, SLOW)
    await asyncio.gather(*(pace.reserve() for _ in range(5)))
    assert pace.wait == 0
    pace.take()
    assert await place(pace) > 9, "the five tasks reserved one place"


async def test_a_busy_process_reserves_ever_more_places_at_once_and_an_idle_one_begins_again(
    redis, name, clock
) -> None:
    pace = Pace(redis, name, 1_000, clock=clock)
    taken = []
    for _ in range(9):
        await pace.reserve()
        taken.append(take_all(pace))
    assert taken == [1, 2, 4, 8, 16, 32, 64, 100, 100], "a tenth of a second of the pace at most"
    clock.now += 60
    await pace.reserve()
    assert take_all(pace) == 1


async def test_places_that_were_not_used_in_time_are_lost(redis, name, clock) -> None:
    pace = Pace(redis, name, 1_000, clock=clock)
    for _ in range(8):
        await pace.reserve()
        take_all(pace)
    await pace.reserve()
    clock.now += 60
    assert (pace.is_reserved, pace.wait) == (False, 0)


async def test_the_pace_goes_on_where_it_was_after_a_pause_of_redis(redis, name, clock, monkeypatch) -> None:
    """Without Redis each process keeps it alone; its reservations from before count."""
    pace = Pace(redis, name, SLOW, clock=clock)
    assert await place(pace) == 0
    working = pace._script

    async def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(pace, "_script", fail)
    assert [round(await place(pace), -1) for _ in range(2)] == [10, 20]
    monkeypatch.setattr(pace, "_script", working)
    clock.now += 60  # Redis is asked again
    assert 9 < await place(pace) <= 10, "it knows of one place"


async def test_without_redis_a_process_keeps_the_pace_alone(name, clock) -> None:
    down = connect_redis("redis://127.0.0.1:1/0")
    pace = Pace(down, name, SLOW, clock=clock)
    assert [await place(pace) for _ in range(3)] == [0, 10, 20]
    clock.now += 60
    assert [await place(pace) for _ in range(2)] == [0, 10], "it saves nothing up"
    await down.aclose()


async def test_a_redis_that_does_not_answer_is_waited_for_briefly(name, monkeypatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.01)
    async with unresponsive_server() as server:
        hanging = connect_redis(server.url.replace("http", "redis"))
        async with asyncio.timeout(0.4):  # less than redis-py's own limit
            assert await place(Pace(hanging, name, SLOW)) == 0
        await hanging.aclose()
