import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.redis.client import CALL_SECONDS, REST_SECONDS, OptionalRedis, RedisUnavailable, connect_redis
from testkit.eventually import other_tasks


class Refusing:
    """Counts commands; fails while the test says so."""

    def __init__(self):
        self.commands = 0
        self.failing = True

    async def ping(self):
        self.commands += 1
        if self.failing:
            raise RedisConnectionError("away")
        return True


@pytest.fixture
def refusing():
    return Refusing()


@pytest.fixture
def optional(refusing, clock):
    return OptionalRedis(refusing, used_for="test", clock=clock)


async def fails(optional):
    with pytest.raises(RedisUnavailable):
        await optional.ask(lambda redis: redis.ping())


async def test_after_a_failure_redis_is_left_alone(optional, refusing):
    for _ in range(100):
        await fails(optional)
    assert refusing.commands == 1


async def test_after_the_rest_one_call_probes_for_everybody(optional, refusing, clock):
    await fails(optional)
    clock.advance(REST_SECONDS)
    entered, answer = asyncio.Event(), asyncio.Event()

    async def slow(_):
        entered.set()
        await answer.wait()
        return "back"

    probe = asyncio.create_task(optional.ask(slow))
    await entered.wait()
    await fails(optional)
    assert refusing.commands == 1
    answer.set()
    assert await probe == "back"
    refusing.failing = False
    assert await optional.ask(lambda redis: redis.ping())


async def test_a_cancelled_probe_leaves_the_next_one_free(optional, refusing, clock):
    await fails(optional)
    clock.advance(REST_SECONDS)
    probe = asyncio.create_task(optional.ask(lambda _: asyncio.Event().wait()))
    await other_tasks()
    probe.cancel()
    await asyncio.wait([probe])
    clock.advance(REST_SECONDS)
    refusing.failing = False
    assert await optional.ask(lambda redis: redis.ping())


async def test_an_insisting_call_is_made_while_resting(optional, refusing):
    await fails(optional)
    refusing.failing = False
    assert await optional.ask_even_if_down(lambda redis: redis.ping())
    assert await optional.ask(lambda redis: redis.ping())


async def test_a_slow_redis_costs_one_deadline_once(slow_redis, silent_server):
    optional = OptionalRedis(slow_redis, used_for="test")
    began = time.monotonic()
    for _ in range(50):
        await fails(optional)
    assert time.monotonic() - began > CALL_SECONDS * 0.9
    assert silent_server.connections == 1


async def test_no_command_takes_longer_than_the_deadline_whatever_it_waits_for(optional):
    began = time.monotonic()
    with pytest.raises(RedisUnavailable):
        await optional.ask(lambda _: asyncio.Event().wait())
    assert time.monotonic() - began > CALL_SECONDS * 0.9


async def test_a_dead_redis_is_noticed_at_once(dead_redis):
    async with asyncio.timeout(10):
        for _ in range(1_000):
            await fails(OptionalRedis(dead_redis, used_for="test"))


async def test_mistakes_of_our_own_are_not_taken_for_a_dead_redis(optional):
    async def mistake(_):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await optional.ask(mistake)


async def test_more_callers_than_connections_wait_for_their_turn(patient_redis, name):
    await asyncio.gather(*(patient_redis.set(f"{name}:{number}", number, ex=60) for number in range(200)))
    answers = await asyncio.gather(*(patient_redis.get(f"{name}:{number}") for number in range(200)))
    assert [int(answer) for answer in answers] == list(range(200))


async def test_a_cancelled_command_leaves_no_answer_for_the_next_one(server_redis, name):
    for number in range(50):
        await server_redis.set(f"{name}:{number}", number, ex=60)
    for number in range(50):
        task = asyncio.create_task(server_redis.get(f"{name}:{number}"))
        await other_tasks(number % 7)
        task.cancel()
        await asyncio.wait([task])
        other = (number + 1) % 50
        assert int(await server_redis.get(f"{name}:{other}")) == other


async def test_connecting_does_nothing_until_the_first_command(unused_tcp_port):
    client = connect_redis(f"redis://127.0.0.1:{unused_tcp_port}")
    await client.aclose()
