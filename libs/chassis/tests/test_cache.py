import asyncio
import contextvars
from dataclasses import dataclass

import fakeredis
import pytest
from pydantic import TypeAdapter

from chassis.errors import DependencyUnavailable
from chassis.redis.cache import LOADS_AT_ONCE, MAX_STORED_LOAD_SECONDS, Invalidator, LayeredCache
from chassis.redis.client import CALL_SECONDS, REST_SECONDS
from testkit.eventually import eventually, other_tasks


@dataclass(frozen=True)
class Person:
    name: str


ANN, BOB = Person("Ann"), Person("Bob")
TEXTS = {ANN: b'{"name":"Ann"}', BOB: b'{"name":"Bob"}'}


class Owner:
    """Loads the same value for every key except those of `others`. A load can be paused after it has read."""

    def __init__(self, value=ANN):
        self.value = value
        self.others = {}
        self.groups = []
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @property
    def loads(self):
        return len(self.groups)

    async def load_many(self, keys):
        self.groups.append(list(keys))
        found = {key: self.others.get(key, self.value) for key in keys}
        self.read.set()
        await self.go_on.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return {key: TEXTS.get(value, value) for key, value in found.items() if value is not None}


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def new_cache(redis, name, clock, owner):
    """Each call is another process's cache on the same Redis."""

    def make(client=redis, **options):
        return LayeredCache(
            name,
            client,
            TypeAdapter(Person),
            owner.load_many,
            memory_seconds=5,
            redis_seconds=300,
            clock=clock,
            **options,
        )

    return make


@pytest.fixture
def writer(redis, name):
    """The owner's own process."""
    return Invalidator(name, redis)


async def get_stored(cache, *keys):
    """What `get_many` gives, once Redis has it too: callers get the answer earlier."""
    found = await cache.get_many(keys)
    await cache.at_owner.drained()
    return found


async def test_a_value_is_loaded_once_and_then_remembered(new_cache, owner):
    cache = new_cache()
    assert [await cache.get("1") for _ in range(3)] == [ANN] * 3
    assert (owner.loads, cache.remembered("1"), cache.remembered("2")) == (1, ANN, None)


async def test_another_process_finds_the_value_in_redis(new_cache, owner):
    await get_stored(new_cache(), "1")
    assert await new_cache().get("1") == ANN
    assert owner.loads == 1


async def test_callers_do_not_wait_until_redis_has_the_value(new_cache, owner):
    class Slow(fakeredis.FakeAsyncRedis):
        async def evalsha(self, *arguments):
            await asyncio.Event().wait()

    assert await asyncio.wait_for(new_cache(Slow()).get("1"), 0.4 * CALL_SECONDS) == ANN


async def test_memory_forgets_after_seconds_and_redis_after_minutes(new_cache, owner, clock, redis):
    cache = new_cache()
    await get_stored(cache, "1")
    assert 295_000 < await redis.pttl(cache.redis_key("1")) <= 300_000
    await redis.delete(cache.redis_key("1"))
    assert await cache.get("1") == ANN
    assert owner.loads == 1
    clock.advance(5)
    await cache.get("1")
    assert owner.loads == 2


async def test_keys_looked_up_together_cost_one_call_to_redis_and_one_to_the_owner(new_cache, owner, redis):
    keys = [str(number) for number in range(1_000)]
    assert await get_stored(new_cache(), *keys) == dict.fromkeys(keys, ANN)
    assert owner.groups == [keys]
    assert await redis.mget([new_cache().redis_key(key) for key in keys]) == [TEXTS[ANN]] * 1_000
    asked = []

    class Counting(fakeredis.FakeAsyncRedis):
        async def mget(self, keys, *more):
            asked.append(len(keys))
            return [TEXTS[BOB]] * len(keys)

    counting = Counting()
    assert await new_cache(counting).get_many(keys) == dict.fromkeys(keys, BOB)
    assert (asked, owner.loads) == ([1_000], 1)
    await counting.aclose()


async def test_single_look_ups_gather_while_others_are_under_way(new_cache, owner):
    cache, keys = new_cache(), [str(number) for number in range(100)]
    assert await asyncio.gather(*map(cache.get, keys)) == [ANN] * 100
    assert sorted(key for group in owner.groups for key in group) == sorted(keys)
    assert owner.loads == 1


async def test_a_question_is_never_larger_than_the_owner_takes(new_cache, owner):
    keys = [str(number) for number in range(25)]
    assert await new_cache(max_size=10).get_many(keys) == dict.fromkeys(keys, ANN)
    assert [len(group) for group in owner.groups] == [10, 10, 5]


async def test_nor_is_one_that_gathered_while_the_owner_was_slow(new_cache, owner):
    cache = new_cache(max_size=2)
    owner.go_on.clear()
    slow = asyncio.create_task(cache.get_many([str(number) for number in range(2 * LOADS_AT_ONCE)]))
    await eventually(lambda: owner.loads == LOADS_AT_ONCE, 5)
    more = asyncio.create_task(cache.get_many(["a", "b", "c", "d", "e"]))
    await eventually(lambda: cache.at_owner.waiting() >= 5, 5)
    owner.go_on.set()
    assert set({**await slow, **await more}.values()) == {ANN}
    assert [len(group) for group in owner.groups] == [2] * (LOADS_AT_ONCE + 2) + [1]


async def test_each_key_has_its_own_outcome(new_cache, owner, redis):
    failed = LookupError("this one alone")
    owner.others = {"unknown": None, "failed": failed, "broken": b'{"nom":"Ann"}'}
    cache = new_cache()
    found = await cache.get_many(["1", "unknown", "failed", "broken"])
    assert (found["1"], found["unknown"], found["failed"]) == (ANN, None, failed)
    assert isinstance(found["broken"], DependencyUnavailable)
    assert await cache.get("unknown") is None
    with pytest.raises(LookupError):
        await cache.get("failed")
    assert await redis.exists(*(cache.redis_key(key) for key in found)) == 1
    owner.others = {}
    assert set((await cache.get_many(list(found))).values()) == {ANN}, "nothing but a value is remembered"


async def test_concurrent_misses_share_one_load(new_cache, owner):
    cache = new_cache()
    values = await asyncio.gather(*(cache.get("1") for _ in range(50)), cache.get_many(["1"]))
    assert values == [ANN] * 50 + [{"1": ANN}]
    assert owner.groups == [["1"]]


async def test_a_cancelled_waiter_does_not_cancel_the_others_load(new_cache, owner):
    cache = new_cache()
    owner.go_on.clear()
    first = asyncio.create_task(cache.get("1"))
    await owner.read.wait()
    second, batch = asyncio.create_task(cache.get("1")), asyncio.create_task(cache.get_many(["1"]))
    await other_tasks()
    first.cancel()
    batch.cancel()
    await asyncio.wait([first, batch])
    owner.go_on.set()
    assert await second == ANN
    assert owner.loads == 1


async def test_a_failed_load_is_raised_and_not_remembered(new_cache, owner):
    cache = new_cache()
    owner.value = LookupError("the owner is down")
    results = await asyncio.gather(*(cache.get("1") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    owner.value = ANN
    assert await cache.get("1") == ANN


async def test_an_owner_that_hangs_holds_up_neither_what_redis_has_nor_the_next_few(new_cache, owner):
    await get_stored(new_cache(), "in redis")
    cache = new_cache()
    owner.go_on.clear()
    hanging = []
    for number in range(LOADS_AT_ONCE):
        owner.read.clear()
        hanging.append(asyncio.create_task(cache.get(str(number))))
        await asyncio.wait_for(owner.read.wait(), 5)
    async with asyncio.timeout(5):
        assert await cache.get("in redis") == ANN
    owner.go_on.set()
    assert await asyncio.gather(*hanging) == [ANN] * LOADS_AT_ONCE


async def test_the_owner_is_asked_in_the_context_of_one_of_those_who_wait(name, redis):
    whose, seen, released = contextvars.ContextVar("whose", default=""), {}, asyncio.Event()

    async def load_many(keys):
        seen.update(dict.fromkeys(keys, whose.get()))
        await released.wait()
        return {}

    async def asks(key):
        whose.set(key)
        await cache.get(key)

    cache = LayeredCache(name, redis, TypeAdapter(Person), load_many, memory_seconds=5, redis_seconds=300, max_size=1)
    asking = [asyncio.create_task(asks(str(number))) for number in range(2 * LOADS_AT_ONCE)]
    async with asyncio.timeout(5):
        await eventually(lambda: len(seen) == LOADS_AT_ONCE)
        released.set()
        await asyncio.gather(*asking)
    assert seen == {key: key for key in seen}
    assert len(seen) == 2 * LOADS_AT_ONCE


async def test_urgent_items_do_not_wait_for_a_hanging_group(new_cache, owner):
    cache = new_cache(max_size=1)
    owner.go_on.clear()
    waiting = [asyncio.create_task(cache.get(str(number))) for number in range(LOADS_AT_ONCE + 1)]
    await eventually(lambda: owner.loads == LOADS_AT_ONCE, 5)
    urgent = asyncio.create_task(cache.get("urgent", urgent=True))
    await eventually(lambda: ["urgent"] in owner.groups, 5)
    owner.go_on.set()
    assert set(await asyncio.gather(urgent, *waiting)) == {ANN}


async def test_a_refresh_skips_process_memory(new_cache, owner, writer):
    cache = new_cache()
    await cache.get_many(["1", "2"])
    owner.value = BOB
    assert await writer.forget("1")
    assert await writer.forget("2")
    assert await cache.get("1") == ANN
    assert await cache.refresh("1") == BOB
    assert await cache.refresh_many(["2"]) == {"2": BOB}
    assert await new_cache().get("1") == BOB
    assert cache.remembered("2") == BOB


async def test_a_load_that_began_before_the_write_leaves_no_old_value_in_redis(new_cache, owner, writer):
    reader = new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(reader.get("1"))
    await owner.read.wait()
    owner.value = BOB
    await writer.forget("1")
    owner.go_on.set()
    assert await reading == ANN
    assert await new_cache().get("1") == BOB


async def test_a_load_that_was_overtaken_leaves_no_old_value_in_memory(new_cache, owner, writer):
    cache = new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(cache.get("1"))
    await owner.read.wait()
    owner.value = BOB
    await writer.forget("1")
    again = asyncio.create_task(cache.refresh("1"))
    await other_tasks()
    owner.go_on.set()
    assert (await reading, await again) == (ANN, BOB)
    assert cache.remembered("1") == BOB


async def test_an_old_value_that_lands_late_does_not_replace_a_newer_one(new_cache, owner, redis):
    cache = new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(cache.get("1"))
    await owner.read.wait()
    await redis.set(cache.redis_key("1"), TEXTS[BOB])
    assert await cache.refresh("1") == BOB
    owner.go_on.set()
    assert await reading == ANN
    assert cache.remembered("1") == BOB


async def test_a_refresh_shares_a_look_up_that_has_not_begun(new_cache):
    asked = []

    class Counting(fakeredis.FakeAsyncRedis):
        async def mget(self, keys, *more):
            asked.append(len(keys))
            return await super().mget(keys, *more)

    counting = Counting()
    cache = new_cache(counting)
    assert await asyncio.gather(cache.get("1"), cache.refresh("1"), cache.refresh("1")) == [ANN] * 3
    assert asked == [1]
    await counting.aclose()


async def test_forgetting_does_not_wait_until_redis_has_rested(name):
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeAsyncRedis(server=server)
    writer = Invalidator(name, redis)
    server.connected = False
    assert not await writer.forget("1")
    server.connected = True
    assert await writer.forget("1")
    assert await redis.get(f"{name}:1") == b""
    await redis.aclose()


async def test_an_overtaken_load_is_not_written_even_if_no_tombstone_could_be(new_cache, owner, name, clock):
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeAsyncRedis(server=server)
    cache = new_cache(redis)
    owner.go_on.clear()
    reading = asyncio.create_task(cache.get("1"))
    await owner.read.wait()
    server.connected = False
    assert not await Invalidator(name, redis).forget("1")
    owner.value = BOB
    again = asyncio.create_task(cache.refresh("1"))  # finds Redis down, and does not change the key
    owner.read.clear()
    await asyncio.wait_for(owner.read.wait(), 5)
    server.connected = True
    clock.advance(REST_SECONDS)
    owner.go_on.set()
    assert (await reading, await again) == (ANN, BOB)
    assert await redis.get(cache.redis_key("1")) is None
    await redis.aclose()


async def test_a_load_that_outlived_any_tombstone_is_not_written(new_cache, owner, clock, redis, writer):
    reader = new_cache()
    owner.go_on.clear()
    reading = asyncio.create_task(reader.get("1"))
    await owner.read.wait()
    owner.value = BOB
    await writer.forget("1")
    await redis.delete(reader.redis_key("1"))  # as Redis does when the tombstone expires
    clock.advance(MAX_STORED_LOAD_SECONDS)
    owner.go_on.set()
    assert await reading == ANN
    assert await new_cache().get("1") == BOB


async def test_values_are_cached_again_once_the_tombstone_is_gone(new_cache, redis, writer):
    cache = new_cache()
    await writer.forget("1")
    assert 0 < await redis.ttl(cache.redis_key("1")) <= 10
    await get_stored(new_cache(), "1")
    assert await redis.get(cache.redis_key("1")) == b""
    await redis.delete(cache.redis_key("1"))
    await get_stored(new_cache(), "1")
    assert await redis.get(cache.redis_key("1")) == b'{"name":"Ann"}'


async def test_a_value_is_kept_in_redis_as_its_owner_wrote_it(new_cache, owner, redis):
    owner.value = b'{"name":"Ann","newer":1}'
    cache = new_cache()
    assert await get_stored(cache, "1") == {"1": ANN}
    assert await redis.get(cache.redis_key("1")) == owner.value


async def test_a_value_of_another_version_is_loaded_anew_and_left_alone(new_cache, redis):
    cache = new_cache()
    await redis.set(cache.redis_key("1"), b'{"nom":"Ann"}', ex=60)
    assert await get_stored(cache, "1") == {"1": ANN}
    assert await redis.get(cache.redis_key("1")) == b'{"nom":"Ann"}'


async def test_a_dead_redis_is_tolerated(new_cache, owner, name, dead_redis):
    cache = new_cache(dead_redis)
    assert await cache.get("1") == ANN
    assert await cache.get("1") == ANN
    assert owner.loads == 1
    assert not await Invalidator(name, dead_redis).forget("1")
    assert await cache.refresh("1") == ANN
    assert owner.loads == 2


async def test_a_slow_redis_delays_one_call_only(new_cache, slow_redis, silent_server):
    cache = new_cache(slow_redis)
    for number in range(20):
        assert await cache.get(str(number)) == ANN
    assert silent_server.connections == 1


async def test_an_unexpected_error_ends_every_waiting_look_up(new_cache):
    class Broken(fakeredis.FakeAsyncRedis):
        async def mget(self, keys, *more):
            raise RuntimeError("a defect")

    broken = Broken()
    cache = new_cache(broken)
    async with asyncio.timeout(5):
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await cache.get("1")
    await broken.aclose()
