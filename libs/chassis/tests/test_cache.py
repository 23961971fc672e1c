import asyncio
from dataclasses import dataclass

import fakeredis
import pytest
from pydantic import TypeAdapter

from chassis.cache import LONGEST_STORED_LOAD_SECONDS, LayeredCache
from chassis.redis_client import REST_SECONDS


@dataclass(frozen=True)
class Person:
    name: str


ANN, BOB = Person("Ann"), Person("Bob")


class Owner:
    """Loads what it holds; counts; can be held up in the middle of a load, after it has read."""

    def __init__(self, value=ANN):
        self.value = value
        self.loads = 0
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def load(self):
        self.loads += 1
        value = self.value
        self.read.set()
        await self.go_on.wait()
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def new_cache(redis, name, clock):
    """Each call is another process's cache on the same Redis."""

    def make(client=redis):
        return LayeredCache(name, client, TypeAdapter(Person), memory_seconds=5, redis_seconds=300, clock=clock)

    return make


async def test_a_value_is_loaded_once_and_then_remembered(new_cache, owner):
    cache = new_cache()
    assert [await cache.get("1", owner.load) for _ in range(3)] == [ANN] * 3
    assert owner.loads == 1


async def test_another_process_finds_the_value_in_redis(new_cache, owner):
    await new_cache().get("1", owner.load)
    assert await new_cache().get("1", owner.load) == ANN
    assert owner.loads == 1


async def test_memory_forgets_after_seconds_and_redis_after_minutes(new_cache, owner, clock, redis):
    cache = new_cache()
    await cache.get("1", owner.load)
    assert 295_000 < await redis.pttl(cache.redis_key("1")) <= 300_000
    await redis.delete(cache.redis_key("1"))
    assert await cache.get("1", owner.load) == ANN
    assert owner.loads == 1
    clock.advance(5)
    await cache.get("1", owner.load)
    assert owner.loads == 2


async def test_concurrent_misses_share_one_load(new_cache, owner):
    cache = new_cache()
    values = await asyncio.gather(*(cache.get("1", owner.load) for _ in range(50)))
    assert values == [ANN] * 50
    assert owner.loads == 1


async def test_a_cancelled_waiter_does_not_cancel_the_others_load(new_cache, owner):
    cache = new_cache()
    owner.go_on.clear()
    first = asyncio.create_task(cache.get("1", owner.load))
    await owner.read.wait()
    second = asyncio.create_task(cache.get("1", owner.load))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    owner.go_on.set()
    assert await second == ANN
    assert owner.loads == 1


async def test_a_failed_load_is_raised_and_not_remembered(new_cache, owner):
    cache = new_cache()
    owner.value = LookupError("no such person")
    results = await asyncio.gather(*(cache.get("1", owner.load) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    owner.value = ANN
    assert await cache.get("1", owner.load) == ANN


async def test_forgetting_reaches_memory_and_redis(new_cache, owner):
    cache = new_cache()
    await cache.get("1", owner.load)
    owner.value = BOB
    assert await cache.forget("1")
    assert await cache.get("1", owner.load) == BOB
    assert await new_cache().get("1", owner.load) == BOB


async def test_a_load_that_began_before_the_write_leaves_no_old_value_in_redis(new_cache, owner):
    reader, writer = new_cache(), new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(reader.get("1", owner.load))
    await owner.read.wait()
    owner.value = BOB
    await writer.forget("1")
    owner.go_on.set()
    assert await reading == ANN
    assert await new_cache().get("1", owner.load) == BOB


async def test_a_load_that_began_before_the_write_leaves_no_old_value_in_the_writers_memory(new_cache, owner):
    cache = new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(cache.get("1", owner.load))
    await owner.read.wait()
    owner.value = BOB
    await cache.forget("1")
    owner.go_on.set()
    assert await reading == ANN
    assert await cache.get("1", owner.load) == BOB


async def test_a_get_after_forget_does_not_join_a_load_from_before(new_cache, owner):
    cache = new_cache()
    owner.go_on.clear()
    before = asyncio.create_task(cache.get("1", owner.load))
    await owner.read.wait()
    owner.value = BOB
    await cache.forget("1")
    after = asyncio.create_task(cache.get("1", owner.load))
    await asyncio.sleep(0)
    owner.go_on.set()
    assert (await before, await after) == (ANN, BOB)


class SlowToForget(fakeredis.FakeAsyncRedis):
    """Takes a tombstone only when told to."""

    def __init__(self):
        super().__init__()
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def set(self, name, value, **options):
        if value == b"":
            self.asked.set()
            await self.go_on.wait()
        return await super().set(name, value, **options)


async def test_a_value_read_from_redis_while_it_is_told_to_forget_is_forgotten_too(new_cache, owner):
    redis = SlowToForget()
    cache = new_cache(redis)
    await new_cache(redis).get("1", owner.load)
    owner.value = BOB
    forgetting = asyncio.create_task(cache.forget("1"))
    await redis.asked.wait()
    assert await cache.get("1", owner.load) == ANN
    redis.go_on.set()
    assert await forgetting
    assert await cache.get("1", owner.load) == BOB
    await redis.aclose()


async def test_forgetting_does_not_wait_until_redis_has_rested(new_cache, owner):
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeAsyncRedis(server=server)
    cache = new_cache(redis)
    server.connected = False
    await cache.get("1", owner.load)
    server.connected = True
    assert await cache.forget("1")
    assert await redis.get(cache.redis_key("1")) == b""
    await redis.aclose()


async def test_an_overtaken_load_is_not_written_even_if_no_tombstone_could_be(new_cache, owner, clock):
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeAsyncRedis(server=server)
    cache = new_cache(redis)
    owner.go_on.clear()
    reading = asyncio.create_task(cache.get("1", owner.load))
    await owner.read.wait()
    server.connected = False
    assert not await cache.forget("1")
    server.connected = True
    clock.advance(REST_SECONDS)
    owner.go_on.set()
    assert await reading == ANN
    assert await redis.get(cache.redis_key("1")) is None
    await redis.aclose()


async def test_a_load_that_outlived_any_tombstone_is_not_written(new_cache, owner, clock):
    reader, writer = new_cache(), new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(reader.get("1", owner.load))
    await owner.read.wait()
    owner.value = BOB
    await writer.forget("1")
    await writer._redis._redis.delete(writer.redis_key("1"))  # what Redis does when the tombstone's time is over
    clock.advance(LONGEST_STORED_LOAD_SECONDS)
    owner.go_on.set()
    assert await reading == ANN
    assert await new_cache().get("1", owner.load) == BOB


async def test_values_are_cached_again_once_the_tombstone_is_gone(new_cache, owner, redis):
    cache = new_cache()
    await cache.forget("1")
    assert 0 < await redis.ttl(cache.redis_key("1")) <= 10
    await new_cache().get("1", owner.load)
    assert await redis.get(cache.redis_key("1")) == b""
    await redis.delete(cache.redis_key("1"))
    await new_cache().get("1", owner.load)
    assert await redis.get(cache.redis_key("1")) == b'{"name":"Ann"}'


async def test_a_value_of_another_version_is_loaded_anew_and_left_alone(new_cache, owner, redis):
    cache = new_cache()
    await redis.set(cache.redis_key("1"), b'{"nom":"Ann"}', ex=60)
    assert await cache.get("1", owner.load) == ANN
    assert await redis.get(cache.redis_key("1")) == b'{"nom":"Ann"}'


async def test_a_dead_redis_is_tolerated(new_cache, owner, dead_redis):
    cache = new_cache(dead_redis)
    assert await cache.get("1", owner.load) == ANN
    assert await cache.get("1", owner.load) == ANN
    assert owner.loads == 1
    assert not await cache.forget("1")
    assert await cache.get("1", owner.load) == ANN
    assert owner.loads == 2


async def test_a_slow_redis_delays_one_call_only(new_cache, owner, slow_redis, silent_server):
    cache = new_cache(slow_redis)
    for number in range(20):
        assert await cache.get(str(number), owner.load) == ANN
    assert silent_server.connections == 1
