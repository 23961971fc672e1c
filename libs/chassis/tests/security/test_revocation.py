import asyncio
import time

import pytest

from chassis.security import RevokedTokens
from chassis.security.revocation import FRESH_SECONDS


@pytest.fixture
def process(redis, clock):
    """Each call is another process on the same Redis."""
    return lambda: RevokedTokens(redis, clock=clock)


async def test_every_process_learns_of_a_revocation(process, name):
    assert await process().revoke({name: time.time() + 600})
    assert await process().is_revoked(name)
    assert not await process().is_revoked(f"{name}-other")


async def test_the_process_that_revokes_knows_at_once_and_others_within_two_seconds(process, name, clock):
    here, there = process(), process()
    assert not await here.is_revoked(name)
    assert not await there.is_revoked(name)
    await here.revoke({name: time.time() + 600})
    assert await here.is_revoked(name)
    assert not await there.is_revoked(name)
    clock.advance(FRESH_SECONDS)
    assert await there.is_revoked(name)


async def test_redis_is_asked_once_in_two_seconds(process, redis, name, clock):
    revoked = process()
    await revoked.is_revoked(name)
    await redis.set(f"revoked:{name}", b"1", ex=60)
    assert not await revoked.is_revoked(name)
    clock.advance(FRESH_SECONDS)
    assert await revoked.is_revoked(name)


async def test_the_mark_lives_as_long_as_the_token(process, redis, name):
    await process().revoke({name: time.time() + 600})
    assert 595 < await redis.ttl(f"revoked:{name}") <= 600


async def test_an_expired_token_needs_no_mark(process, redis, name):
    assert await process().revoke({name: time.time() - 1})
    assert await redis.get(f"revoked:{name}") is None


async def test_many_lookups_at_once_each_get_their_own_answer(process, name):
    revoked = process()
    for number in range(0, 100, 3):
        await process().revoke({f"{name}-{number}": time.time() + 600})
    answers = await asyncio.gather(*(revoked.is_revoked(f"{name}-{number}") for number in range(100)))
    assert answers == [number % 3 == 0 for number in range(100)]


async def test_without_redis_tokens_are_good_but_for_what_this_process_revoked(dead_redis):
    revoked = RevokedTokens(dead_redis)
    assert not await revoked.is_revoked("a")
    assert not await revoked.revoke({"a": time.time() + 600})
    assert await revoked.is_revoked("a")


async def test_a_known_revocation_stays_in_force_without_its_entry_in_redis(process, redis, name, clock):
    revoked = process()
    await redis.set(f"revoked:{name}", b"1", ex=60)
    assert await revoked.is_revoked(name)
    await redis.delete(f"revoked:{name}")
    clock.advance(FRESH_SECONDS * 10)
    assert await revoked.is_revoked(name)


async def test_a_slow_redis_is_waited_for_once(slow_redis, silent_server):
    revoked = RevokedTokens(slow_redis)
    for number in range(50):
        assert not await revoked.is_revoked(str(number))
    assert silent_server.connections == 1
