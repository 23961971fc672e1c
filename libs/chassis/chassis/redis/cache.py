"""A cache in two layers: process memory for seconds, Redis for minutes. The service that owns the data invalidates it.

Keys that are missing in both layers are looked up in groups. A single look-up costs Redis and the owner one round trip
each; a group of a hundred costs the same.

A load that began before a write must not put the old value into Redis after the owner's invalidation. The owner calls
`Invalidator.forget` after its commit. `forget` does not delete the key: it writes a tombstone (an empty value) that lives
for `TOMBSTONE_SECONDS`. Readers only write with NX, so a late old value meets the tombstone and is dropped. A load that
took about as long as a tombstone lives is not written at all.

Two limits remain. Process memory may hold the old value for `memory_seconds`, plus the duration of a load under way. If
`forget` cannot reach Redis, Redis may hold the old value for `redis_seconds`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from chassis.errors import DependencyUnavailable
from chassis.process.batcher import Batcher
from chassis.process.ttl_memory import TtlMemory
from chassis.process.yielding import map_yielding
from chassis.redis.client import CALL_SECONDS, OptionalRedis, RedisUnavailable, Seal

TOMBSTONE = b""  # an empty text is never valid JSON
TOMBSTONE_SECONDS = 10
# A value is stored only if its look-up began at most this long ago: its SETs then reach Redis before a tombstone that was
# written meanwhile expires. The MGET and the SETs may take CALL_SECONDS each.
MAX_STORED_LOAD_SECONDS = TOMBSTONE_SECONDS - 2 * CALL_SECONDS
# The pause between two groups of look-ups at about a thousand look-ups a second.
PAUSE_SECONDS, RAMP_CALLS = 0.003, 3
# With several loads at once, one hanging owner call does not block other look-ups, and the breaker has failures to count.
LOADS_AT_ONCE = 4

# SET key text PX milliseconds NX for each key. A pipeline of that many commands costs three times the CPU, mostly here.
STORE = """
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1], 'NX') end
"""

T = TypeVar("T")
LoadMany = Callable[[Sequence[str]], Awaitable[Mapping[str, bytes | Exception]]]


def _redis_key(name: str, key: str) -> str:
    return f"{name}:{key}"


class Invalidator:
    """Invalidates the keys of the cache `name`. The service that owns the data uses it."""

    def __init__(self, name: str, redis: Redis) -> None:
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"cache:{name}")

    async def forget(self, *keys: str) -> bool:
        """Invalidates `keys`. Call it after the commit that changed their values.

        Returns False if Redis could not be reached. Redis may then keep an old value until that value expires.
        """
        names = [_redis_key(self._name, key) for key in keys]
        if not names:
            return True
        try:
            await self._redis.ask_even_if_down(lambda redis: _write_tombstones(redis, names))
        except RedisUnavailable:
            return False
        return True


async def _write_tombstones(redis: Redis, names: Sequence[str]) -> None:
    commands = redis.pipeline(transaction=False)
    for name in names:
        commands.set(name, TOMBSTONE, ex=TOMBSTONE_SECONDS)
    await commands.execute()


class _Flight(Generic[T]):
    """The look-up of one key, shared by all callers that ask for the key while it runs.

    The result of `landed` is the value, None or the error. `began` is the time of the request to Redis. A value may be
    written to Redis only if `storable` is set. `context` is the context of the first caller.
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
    """Values of one kind under `name`. If Redis is down or slow, the cache asks the owner.

    `load_many(keys)` asks the owner for at most `max_size` keys. It returns the JSON text of each value, or an error in its
    place. A key that is missing from the result is unknown to the owner. An exception counts for all keys of the call.
    With `seal`, Redis holds sealed values, and unsealed values are ignored. Callers share the returned values, so cache
    immutable values only.
    """

    def __init__(  # noqa: PLR0913 - such a cache needs two lifetimes and two sizes
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
        self.at_owner: Batcher[_Flight[T], None] = Batcher(self._ask_owner, max_size=max_size, at_once=LOADS_AT_ONCE)

    def redis_key(self, key: str) -> str:
        return _redis_key(self._name, key)

    def remembered(self, key: str) -> T | None:
        """The value from process memory, without waiting. None if it is not there."""
        return self._memory.get(key, None)

    async def get(self, key: str, *, urgent: bool = False) -> T | None:
        """The value from memory, from Redis or from the owner. None if the owner does not know the key.

        Callers that miss the same key at the same time share one look-up. It continues if one of them is cancelled. Its
        exception is raised to all of them and is not cached. `urgent` look-ups do not wait for the pause between groups; they
        form groups of their own.
        """
        value = self._memory.get(key, None)
        if value is not None:
            return value
        outcome = await self._landing(self._flight(key, urgent=urgent))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def refresh(self, key: str, *, urgent: bool = False) -> T | None:
        """Like `get`, but skips process memory. A change that the owner has written to Redis is visible immediately."""
        self._skip_memory(key)
        return await self.get(key, urgent=urgent)

    async def get_many(self, keys: Collection[str], *, urgent: bool = False) -> dict[str, T | Exception | None]:
        """Like `get`, for many keys. The result holds an error for each key whose look-up failed."""
        found: dict[str, T | Exception | None] = {key: self._memory.get(key, None) for key in keys}
        for flight in [self._flight(key, urgent=urgent) for key, value in found.items() if value is None]:
            found[flight.key] = await self._landing(flight)
        return found

    async def refresh_many(self, keys: Collection[str], *, urgent: bool = False) -> dict[str, T | Exception | None]:
        """Like `get_many`, but skips process memory."""
        for key in keys:
            self._skip_memory(key)
        return await self.get_many(keys, urgent=urgent)

    def _skip_memory(self, key: str) -> None:
        """Makes the next `get` skip memory. A look-up that has read Redis already is replaced, because its value may be
        old.
        """
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
        """Finishes a look-up. A replaced look-up may have an old value: only its own waiters get it, and it is not cached."""
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
                self._use_redis_value(flight, text)
        except Exception as error:  # noqa: BLE001 - a defect; without this the waiting callers would wait for ever
            for flight in flights:
                self._land(flight, error)
        return [None] * len(flights)

    def _use_redis_value(self, flight: _Flight[T], text: bytes | str | None) -> None:
        value = self._understood(text) if text else None
        if value is not None:
            self._land(flight, value)
            return
        # Redis holds a tombstone, or the value of another version during a deployment. It expires there; do not replace it.
        flight.storable = text is None
        self.at_owner.offer(flight, urgent=flight.urgent)

    async def _texts(self, flights: Sequence[_Flight[T]]) -> Sequence[bytes | str | None]:
        names = [self.redis_key(flight.key) for flight in flights]
        try:
            found = await self._redis.ask(lambda redis: redis.mget(names))
        except RedisUnavailable:
            return [TOMBSTONE] * len(flights)
        return found if self._seal is None else [self._opened(*pair) for pair in zip(names, found, strict=True)]

    def _opened(self, name: str, text: bytes | str | None) -> bytes | str | None:
        """Opens a sealed value. A value that was not sealed with our secret is treated like a tombstone."""
        if self._seal is None or not text:
            return text
        return (self._seal.open(name, text) if isinstance(text, bytes) else None) or TOMBSTONE

    def _understood(self, text: bytes | str) -> T | None:
        try:
            return self._adapter.validate_json(text)
        except ValidationError:
            return None

    async def _ask_owner(self, flights: Sequence[_Flight[T]]) -> list[None]:
        """Loads in the context of the first caller, so that logs and traces of the load name a request that needed it."""
        await asyncio.get_running_loop().create_task(self._load(flights), context=flights[0].context)
        return [None] * len(flights)

    async def _load(self, flights: Sequence[_Flight[T]]) -> None:
        keys = [*dict.fromkeys(flight.key for flight in flights)]
        found: Mapping[str, bytes | Exception]
        try:
            found = await self._load_many(keys)
        except Exception as error:  # noqa: BLE001 - the waiting callers must get every kind of error
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
        except RedisUnavailable:
            return  # already logged, and the callers have their values

    def _sealed(self, name: str, text: bytes) -> bytes:
        return text if self._seal is None else self._seal.close(name, text, seconds=self._redis_seconds)
