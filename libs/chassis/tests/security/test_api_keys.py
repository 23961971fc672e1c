import asyncio
import hashlib
import re
from dataclasses import replace
from secrets import token_urlsafe

import pytest

from chassis.errors import NotFound, Unavailable
from chassis.redis.cache import Invalidator
from chassis.security import (
    Identity,
    RemoteApiKeys,
    api_key_cache,
    hash_api_key,
    identity_json,
    new_api_key,
)
from chassis.security.service_keys import ServiceKey, development_key

KEY = development_key("api-gateway")
IDENTITY = Identity("api_key", "k1", "42", "user", frozenset({"notifications:write", "notifications:read"}))


class Owner:
    """Answers introspection; counts; remembers what it was asked."""

    def __init__(self, *keys):
        self.known = {hash_api_key(key): identity_json(IDENTITY) for key in keys}
        self.asked = []
        self.failure = None

    async def fetch(self, digest):
        self.asked.append(digest)
        if self.failure:
            raise self.failure
        return self.known.get(digest)


@pytest.fixture
def key():
    return new_api_key()


@pytest.fixture
def owner(key):
    return Owner(key)


@pytest.fixture
def process(owner, redis, wall_clock):
    """Each call is another process on the same Redis."""
    return lambda key=KEY: RemoteApiKeys(owner.fetch, redis, key, clock=wall_clock)


def test_keys_have_their_form_and_differ():
    keys = {new_api_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"nk_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", key) for key in keys)


def test_the_hash_is_sha256(key):
    assert hash_api_key(key) == hashlib.sha256(key.encode()).hexdigest()


async def test_a_key_is_looked_up_by_its_hash_and_never_sent(process, owner, key):
    assert await process().find(key) == IDENTITY
    assert owner.asked == [hash_api_key(key)]


async def test_a_known_key_is_asked_for_once_by_all_processes(process, owner, key):
    one = process()
    for _ in range(5):
        assert await one.find(key) == IDENTITY
    assert await process().find(key) == IDENTITY
    assert len(owner.asked) == 1


async def test_an_unknown_key_is_asked_for_once_in_two_seconds(process, owner):
    keys, unknown = process(), new_api_key()
    for _ in range(5):
        assert await keys.find(unknown) is None
    assert len(owner.asked) == 1


async def test_a_revoked_key_stops_working_when_its_owner_forgets_it(process, owner, key, redis):
    assert await process().find(key) == IDENTITY
    owner.known.clear()
    await Invalidator(api_key_cache(KEY.service), redis).forget(hash_api_key(key))
    assert await process().find(key) is None


async def test_an_identity_that_was_written_into_redis_by_others_is_ignored(process, owner, key, redis):
    admin = identity_json(Identity("api_key", "k1", "42", "admin", frozenset({"admin"})))
    name = f"{api_key_cache(KEY.service)}:{hash_api_key(key)}"
    elsewhere = f"{api_key_cache('template-service')}:{hash_api_key(key)}"
    await process(ServiceKey(KEY.service, token_urlsafe(32))).find(key)
    await process(ServiceKey("template-service", KEY.private)).find(key)
    for forged in (admin, await redis.get(name), await redis.get(elsewhere)):
        await redis.set(name, forged)
        owner.asked.clear()
        assert await process().find(key) == IDENTITY
        assert owner.asked == [hash_api_key(key)]
    assert await process().find(new_api_key()) is None


async def test_another_private_key_costs_questions_to_the_owner_and_nothing_else(process, owner, key):
    """Until the copies under the old key are gone."""
    assert await process().find(key) == IDENTITY
    changed = process(ServiceKey(KEY.service, token_urlsafe(32)))
    assert await changed.find(key) == await process().find(key) == IDENTITY
    assert len(owner.asked) == 2


async def test_a_key_is_good_to_the_second_whatever_copies_say(process, owner, key, wall_clock):
    until = wall_clock.now + 3
    owner.known[hash_api_key(key)] = identity_json(replace(IDENTITY, expires_at=until))
    one = process()
    assert (await one.find(key)).expires_at == until
    wall_clock.advance(2.9)
    assert await one.find(key) is not None
    wall_clock.advance(0.1)
    assert [await one.find(key), await process().find(key)] == [None, None]


@pytest.mark.parametrize("failure", [OSError("away"), TimeoutError(), KeyError("mistake")])
async def test_an_owner_that_cannot_be_asked_is_not_a_wrong_key(process, owner, key, failure):
    owner.failure = failure
    keys = process()
    with pytest.raises(Unavailable):
        await keys.find(key)
    owner.failure = None
    assert await keys.find(key) == IDENTITY


async def test_an_unreadable_answer_of_the_owner_is_unavailable(process, owner, key):
    owner.known[hash_api_key(key)] = b'{"kind":"robot"}'
    with pytest.raises(Unavailable):
        await process().find(key)


async def test_an_error_of_the_service_is_raised_unchanged(process, owner, key):
    owner.failure = NotFound()
    with pytest.raises(NotFound):
        await process().find(key)


async def test_without_redis_keys_are_found_all_the_same(owner, key, dead_redis):
    keys = RemoteApiKeys(owner.fetch, dead_redis, KEY)
    assert await keys.find(key) == IDENTITY
    assert await keys.find(key) == IDENTITY
    assert len(owner.asked) == 1


async def test_keys_that_are_looked_up_together_fail_each_for_itself(owner, key, redis):
    other, fetch = new_api_key(), owner.fetch

    async def fails_for_one(digest):
        if digest == hash_api_key(other):
            raise OSError("down")
        return await fetch(digest)

    keys = RemoteApiKeys(fails_for_one, redis, KEY)
    found = await asyncio.gather(keys.find(other), keys.find(key), return_exceptions=True)
    assert (type(found[0]), found[1]) == (Unavailable, IDENTITY)
