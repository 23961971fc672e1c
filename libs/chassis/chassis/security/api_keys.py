"""API keys: their form, their hash, and how a service that does not own them looks them up."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable

from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.cache import LayeredCache
from chassis.errors import ServiceError, Unavailable
from chassis.security.identity import Identity
from chassis.ttl_memory import TtlMemory

UNKNOWN_SECONDS = 2.0
UNKNOWN_KEYS = 10_000

_IDENTITY = TypeAdapter(Identity)


def new_api_key() -> str:
    """A new key with 256 random bits. Shown once; only `hash_api_key` of it is kept."""
    return f"nk_{secrets.token_urlsafe(32)}"


def hash_api_key(key: str) -> str:
    """SHA-256 in hex. No slow password hash is needed: nobody can guess 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def api_key_cache(redis: Redis, *, memory_seconds: float = 5.0, redis_seconds: float = 300.0) -> LayeredCache[Identity]:
    """The cache by key hash, the same on both sides: readers fill it, the owner calls `forget(hash)` on a change."""
    return LayeredCache("api-key", redis, _IDENTITY, memory_seconds=memory_seconds, redis_seconds=redis_seconds)


class _NobodysKey(Exception):
    """Carries the answer "unknown" through the cache, which keeps no exceptions."""


class RemoteApiKeys:
    """An ApiKeyDirectory that asks the owner by hash, so that a key itself never leaves this process.

    `fetch(hash)` returns the owner's answer, an Identity in JSON (`identity_json`), or None when it knows no such key.
    Known keys are cached by `cache`, unknown ones for two seconds.
    """

    def __init__(self, fetch: Callable[[str], Awaitable[bytes | None]], cache: LayeredCache[Identity]) -> None:
        self._fetch = fetch
        self._cache = cache
        self._unknown: TtlMemory[str, bool] = TtlMemory(UNKNOWN_KEYS, UNKNOWN_SECONDS)

    async def find(self, key: str) -> Identity | None:
        """Raises Unavailable, or what else of ServiceError `fetch` raised, when the owner cannot be asked."""
        digest = hash_api_key(key)
        remembered = self._cache.remembered(digest)
        if remembered is not None:
            return remembered
        if self._unknown.get(digest, False):
            return None
        try:
            return await self._cache.get(digest, lambda: self._ask(digest))
        except _NobodysKey:
            self._unknown.put(digest, True)
            return None

    async def _ask(self, digest: str) -> Identity:
        try:
            answer = await self._fetch(digest)
            if answer is not None:
                return _IDENTITY.validate_json(answer)
        except ServiceError:
            raise
        except Exception as error:  # whatever failed at the owner: the caller's key may be good, so no 401, and no 500
            raise Unavailable from error
        raise _NobodysKey


def identity_json(identity: Identity) -> bytes:
    """What the owner answers, for `RemoteApiKeys` to read."""
    return _IDENTITY.dump_json(identity)
