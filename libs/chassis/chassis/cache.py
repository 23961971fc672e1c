"""A cache in two layers: the process's memory for seconds, Redis for minutes; whoever owns the data invalidates it.

What is in neither is asked for in groups: a look-up alone costs Redis and the owner a round trip each, and a hundred
that come together cost no more.

A load that began before a write must not leave its old value in Redis after the owner's invalidation. So the owner's
`Invalidator.forget`, called after its commit, does not delete the key but puts a tombstone (an empty value) there for a
few seconds, and readers only ever write with NX: a late old value finds the tombstone and is dropped. A load that took
about as long as a tombstone lives is not written at all. What remains: a process's memory may hold the old value for
`memory_seconds` (plus the time of a load under way), and if `forget` cannot reach Redis, Redis for `redis_seconds`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from chassis.batcher import Batcher
from chassis.errors import DependencyUnavailable
from chassis.redis_client import CALL_SECONDS, OptionalRedis, RedisAway, connect_redis
from chassis.sealing import Seal
from chassis.ttl_memory import TtlMemory
from chassis.yielding import map_yielding

__all__ = ["Invalidator", "LayeredCache", "TtlMemory", "connect_redis"]

TOMBSTONE = b""  # no JSON text is empty
TOMBSTONE_SECONDS = 10
# From before the reader's MGET until its SETs reach Redis; these may take CALL_SECONDS themselves.
MAX_STORED_LOAD_SECONDS = TOMBSTONE_SECONDS - 2 * CALL_SECONDS
# Between two groups of look-ups, once a thousand a second come.
PAUSE_SECONDS, RAMP_CALLS = 0.003, 3
# An owner that hangs does not hold up those who look up more, and its breaker has failures to count.
LOADS_AT_ONCE = 4

# SET key text PX milliseconds NX for each key. So many commands in a pipeline cost three times the CPU, most of it here.
STORE = """
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1], 'NX') end
"""

T = TypeVar("T")
LoadMany = Callable[[Sequence[str]], Awaitable[Mapping[str, bytes | Exception]]]


def _redis_key(name: str, key: str) -> str:
    return f"{name}:{key}"


class Invalidator:
    """The owner's side of the cache `name`."""

    def __init__(self, name: str, redis: Redis) -> None:
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"cache:{name}")

    async def forget(self, *keys: str) -> bool:
        """To be called after the commit that changed their values.

        False: Redis could not be told, and may keep an old value until that expires.
        """
        names = [_redis_key(self._name, key) for key in keys]
        if not names:
            return True
        try:
            await self._redis.insist(lambda redis: _bury(redis, names))
        except RedisAway:
            return False
        return True


async def _bury(redis: Redis, names: Sequence[str]) -> None:
    commands = redis.pipeline(transaction=False)
    for name in names:
        commands.set(name, TOMBSTONE, ex=TOMBSTONE_SECONDS)
    await commands.execute()


class _Flight(Generic[T]):
    """The look-up of one key, shared by all who ask for it meanwhile.

    `landed` gets the value, None or the error as its result. `began` is when Redis was asked. A `storable` value may be
    written there. `context` is that of whoever asked first.
    """

    __slots__ = ("began", "context", "key", "landed", "storable", "urgent")

    def __init__(self, key: str, *, urgent: bool) -> None:
        self.key = key
        self.urgent = urgent
        self.landed: asyncio.Future[T | Exception | None] = asyncio.get_running_loop().create_future()
        self.began: float | None = None
        self.storable = False
        self.context = copy_context()


class LayeredCache(Generic[T]):
    """Values of one kind under `name`. Redis being down or slow is tolerated: the owner is asked then.

    `load_many(keys)` asks the owner about `max_size` keys at most. It returns the JSON text of each value, or the error that
    stands for it; a key that is not there is unknown to the owner. What it raises counts for all of its keys.
    With `seal` Redis holds sealed values, and others are not believed. Values given out are shared between callers: cache
    immutable ones only.
    """

    def __init__(  # noqa: PLR0913 - two lifetimes and two sizes are what such a cache is
        self,
        name: str,
        redis: Redis,
        adapter: TypeAdapter[T],
        load_many: LoadMany,
        *,
        memory_seconds: float,
        redis_seconds: float,
        max_size: int = 1_000,
        max_entries: int = 10_000,
        seal: Seal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"cache:{name}", clock=clock)
        self._script = redis.register_script(STORE)
        self._adapter = adapter
        self._load_many = load_many
        self._redis_seconds = redis_seconds
        self._seal = seal
        self._clock = clock
        self._memory: TtlMemory[str, T] = TtlMemory(max_entries, memory_seconds, clock)
        self._flights: dict[str, _Flight[T]] = {}
        self._in_redis: Batcher[_Flight[T], None] = Batcher(
            self._look_in_redis, max_size=max_size, pause_seconds=PAUSE_SECONDS, ramp_calls=RAMP_CALLS
        )
        self._at_owner: Batcher[_Flight[T], None] = Batcher(self._ask_owner, max_size=max_size, at_once=LOADS_AT_ONCE)

    def redis_key(self, key: str) -> str:
        return _redis_key(self._name, key)

    def remembered(self, key: str) -> T | None:
        """The value from memory alone, without waiting."""
        return self._memory.get(key, None)

    async def get(self, key: str, *, urgent: bool = False) -> T | None:
        """The value from memory, from Redis, or from the owner; None when the owner does not know the key.

        Callers that miss at the same time share one look-up, which goes on when one of them is cancelled. What it raises is
        raised to all of them and not remembered. `urgent`: it goes without a pause, with others that do.
        """
        value = self._memory.get(key, None)
        if value is not None:
            return value
        outcome = await self._landing(self._flight(key, urgent=urgent))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def refresh(self, key: str, *, urgent: bool = False) -> T | None:
        """As `get`, past this process's memory: what the owner has changed, and told Redis, is seen at once."""
        self._overtake(key)
        return await self.get(key, urgent=urgent)

    async def get_many(self, keys: Collection[str], *, urgent: bool = False) -> dict[str, T | Exception | None]:
        """As `get`, for many at once; an error is what its key has."""
        found: dict[str, T | Exception | None] = {key: self._memory.get(key, None) for key in keys}
        for flight in [self._flight(key, urgent=urgent) for key, value in found.items() if value is None]:
            found[flight.key] = await self._landing(flight)
        return found

    async def refresh_many(self, keys: Collection[str], *, urgent: bool = False) -> dict[str, T | Exception | None]:
        """As `get_many`, past this process's memory."""
        for key in keys:
            self._overtake(key)
        return await self.get_many(keys, urgent=urgent)

    def _overtake(self, key: str) -> None:
        """A look-up that has not asked Redis yet is as good as a new one."""
        self._memory.drop(key)
        flight = self._flights.get(key)
        if flight is not None and flight.began is not None:
            del self._flights[key]

    def _flight(self, key: str, *, urgent: bool = False) -> _Flight[T]:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(key, urgent=urgent)
            self._in_redis.offer(flight, urgent=urgent)
        return flight

    @staticmethod
    async def _landing(flight: _Flight[T]) -> T | Exception | None:
        return flight.landed.result() if flight.landed.done() else await asyncio.shield(flight.landed)

    def _land(self, flight: _Flight[T], outcome: T | Exception | None) -> None:
        """What was overtaken may be old: those who wait for it get it, and nobody else."""
        if self._is_current(flight):
            del self._flights[flight.key]
            if outcome is not None and not isinstance(outcome, Exception):
                self._memory.put(flight.key, outcome)
        if not flight.landed.done():
            flight.landed.set_result(outcome)

    def _is_current(self, flight: _Flight[T]) -> bool:
        return self._flights.get(flight.key) is flight

    async def _look_in_redis(self, flights: Sequence[_Flight[T]]) -> list[None]:
        began = self._clock()
        for flight in flights:
            flight.began = began
        try:
            for flight, text in zip(flights, await self._texts(flights), strict=True):
                self._go_on(flight, text)
        except Exception as error:  # noqa: BLE001 - a defect: else those who wait would wait for ever
            for flight in flights:
                self._land(flight, error)
        return [None] * len(flights)

    def _go_on(self, flight: _Flight[T], text: bytes | str | None) -> None:
        value = self._understood(text) if text else None
        if value is not None:
            self._land(flight, value)
            return
        # A tombstone, or another version's value during a deployment, is left there: both will expire.
        flight.storable = text is None
        self._at_owner.offer(flight, urgent=flight.urgent)

    async def _texts(self, flights: Sequence[_Flight[T]]) -> Sequence[bytes | str | None]:
        names = [self.redis_key(flight.key) for flight in flights]
        try:
            found = await self._redis.ask(lambda redis: redis.mget(names))
        except RedisAway:
            return [TOMBSTONE] * len(flights)
        return found if self._seal is None else [self._opened(*pair) for pair in zip(names, found, strict=True)]

    def _opened(self, name: str, text: bytes | str | None) -> bytes | str | None:
        """What was put there without the secret is no better than a tombstone."""
        if self._seal is None or not text:
            return text
        return (self._seal.open(name, text) if isinstance(text, bytes) else None) or TOMBSTONE

    def _understood(self, text: bytes | str) -> T | None:
        try:
            return self._adapter.validate_json(text)
        except ValidationError:
            return None

    async def _ask_owner(self, flights: Sequence[_Flight[T]]) -> list[None]:
        """In the context of one of those who asked: logs and traces of the question name a request that it was for."""
        await asyncio.get_running_loop().create_task(self._load(flights), context=flights[0].context)
        return [None] * len(flights)

    async def _load(self, flights: Sequence[_Flight[T]]) -> None:
        keys = [*dict.fromkeys(flight.key for flight in flights)]
        found: Mapping[str, bytes | Exception]
        try:
            found = await self._load_many(keys)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            found = dict.fromkeys(keys, error)
        outcomes = dict(zip(keys, await map_yielding(lambda key: self._loaded(found.get(key)), keys), strict=True))
        texts = {
            flight.key: text
            for flight in flights
            if isinstance(text := found.get(flight.key), bytes)
            and not isinstance(outcomes[flight.key], Exception)
            and self._may_store(flight)
        }
        for flight in flights:
            self._land(flight, outcomes[flight.key])
        if texts:
            await self._to_redis(texts)

    def _loaded(self, answer: bytes | Exception | None) -> T | Exception | None:
        if not isinstance(answer, bytes):
            return answer
        value = self._understood(answer)
        return DependencyUnavailable("a look-up's answer was not understood") if value is None else value

    def _may_store(self, flight: _Flight[T]) -> bool:
        quick = flight.began is not None and self._clock() - flight.began < MAX_STORED_LOAD_SECONDS
        return flight.storable and quick and self._is_current(flight)

    async def _to_redis(self, texts: Mapping[str, bytes]) -> None:
        names = [self.redis_key(key) for key in texts]
        values = [self._sealed(name, text) for name, text in zip(names, texts.values(), strict=True)]
        arguments: list[int | bytes] = [round(self._redis_seconds * 1000), *values]
        try:
            await self._redis.ask(lambda _: self._script(names, arguments))
        except RedisAway:
            return  # it was already logged, and the callers have their values

    def _sealed(self, name: str, text: bytes) -> bytes:
        return text if self._seal is None else self._seal.close(name, text, seconds=self._redis_seconds)
