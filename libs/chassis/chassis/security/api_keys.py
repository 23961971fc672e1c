"""API keys: their form, their hash, and their look-up by services that do not own them."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.errors import ServiceError, Unavailable
from chassis.process.ttl_memory import TtlMemory
from chassis.redis.cache import LayeredCache
from chassis.redis.client import Seal
from chassis.security.credentials import ALPHABET, ID_CHARACTERS, SECRET_CHARACTERS, with_checksum
from chassis.security.identity import Identity
from chassis.security.service_keys import ServiceKey

API_KEY_MEMORY_SECONDS = 5.0
API_KEY_REDIS_SECONDS = 300.0
UNKNOWN_SECONDS = 2.0
UNKNOWN_KEYS = 10_000
ASKED_AT_ONCE = 20

TEST_KEY = "nk_test_"  # the prefix of a test key

_IDENTITY = TypeAdapter(Identity)


def api_key_cache(service: str) -> str:
    """The name of `service`'s cache of identities by key hash. The owner of the keys invalidates it."""
    return f"api-key:{service}"


def new_api_key(*, test: bool = False) -> str:
    """A new key, `nk_live_<id>_<secret><checksum>` (`nk_test_…` for tests), with 190 random bits in its secret.

    The key is shown once; only its `hash_api_key` is stored. `chassis.security.credentials` describes the form.
    """
    name, secret = (_random(length) for length in (ID_CHARACTERS, SECRET_CHARACTERS))
    return with_checksum(f"{TEST_KEY if test else 'nk_live_'}{name}_{secret}")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def hash_api_key(key: str) -> str:
    """SHA-256 in hex. A slow password hash is not needed: 190 random bits cannot be guessed."""
    return hashlib.sha256(key.encode()).hexdigest()


class RemoteApiKeys:
    """An ApiKeyDirectory that asks the owner of the keys by hash, so the key itself never leaves this process.

    `fetch(hash)` returns the owner's answer, an Identity in JSON (`identity_json`), or None for an unknown key. Known keys
    are cached; unknown keys are cached for two seconds.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[bytes | None]],
        redis: Redis,
        key: ServiceKey,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Identities in Redis belong to the service of `key` only and are sealed with it. Entries written by anything else,
        even by another service, are ignored. `clock` is the wall clock.
        """
        name = api_key_cache(key.service)
        self._fetch = fetch
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)
        self._clock = clock
        self._cache = LayeredCache(
            name,
            redis,
            _IDENTITY,
            self._ask,
            memory_seconds=API_KEY_MEMORY_SECONDS,
            redis_seconds=API_KEY_REDIS_SECONDS,
            seal=Seal(key.private, name, clock=clock),
        )
        self._unknown: TtlMemory[str, bool] = TtlMemory(UNKNOWN_KEYS, UNKNOWN_SECONDS)

    async def find(self, key: str) -> Identity | None:
        """Raises Unavailable, or another ServiceError of `fetch`, if the owner cannot be asked."""
        digest = hash_api_key(key)
        remembered = self._cache.remembered(digest)
        if remembered is not None:
            return self._unexpired(remembered)
        if self._unknown.get(digest, False):
            return None
        identity = await self._cache.get(digest)
        if identity is None:
            self._unknown.put(digest, True)
            return None
        return self._unexpired(identity)

    def remembers(self, key: str) -> bool:
        digest = hash_api_key(key)
        return self._cache.remembered(digest) is not None or self._unknown.get(digest, False)

    def _unexpired(self, identity: Identity) -> Identity | None:
        """Drops an expired identity: a cached copy may outlive the key."""
        return identity if identity.expires_at is None or self._clock() < identity.expires_at else None

    async def _ask(self, digests: Sequence[str]) -> dict[str, bytes | Exception]:
        answers = await asyncio.gather(*map(self._fetched, digests), return_exceptions=True)
        return {
            digest: found
            for digest, found in zip(digests, answers, strict=True)
            if isinstance(found, bytes | Exception)
        }

    async def _fetched(self, digest: str) -> bytes | None:
        try:
            async with self._asking:
                return await self._fetch(digest)
        except ServiceError:
            raise
        except Exception as error:  # any failure at the owner: the caller's key may be valid, so neither 401 nor 500
            raise Unavailable from error


def identity_json(identity: Identity) -> bytes:
    """The owner's answer, as `RemoteApiKeys` reads it."""
    return _IDENTITY.dump_json(identity)
