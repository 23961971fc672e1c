"""Access to a Redis that may be down: every call has a time limit, and a down Redis costs little. Also sealed values.

Redis holds nothing that must survive (only caches, rate limits and a deny-list). Each component has its own fallback without
Redis, so it only needs to learn quickly that Redis is unavailable.
"""

import asyncio
import hmac
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.utils import str_if_bytes

from chassis.failover import ServerOrder, servers_of

log = structlog.get_logger()

CALL_SECONDS = 0.5
REST_SECONDS = 2.0  # must be longer than CALL_SECONDS: a probe has to end before the next one begins
CONNECTIONS = 50
REDIS_PORT = 6379

Answer = TypeVar("Answer")


class RedisUnavailable(Exception):
    """Redis failed, was too slow, or is not called because it failed a moment ago."""


def connect_redis(url: str) -> Redis:
    """A client that connects at its first command and waits at most half a second for each step.

    Of several servers in `url`, it uses the one that is the primary. It retries immediately on a broken connection, once for
    each server (a pooled one may have died when the server restarted). It does not retry after a timeout. If every connection
    is busy, the pool makes callers wait instead of raising. Close the client with `await client.aclose()`.
    """
    servers = [parse_url(server) for server in servers_of(url)]
    options: dict[str, Any] = {**servers[0]}
    if len(servers) > 1:
        order = ServerOrder((server.get("host"), server.get("port", REDIS_PORT)) for server in servers)
        encrypted = options.get("connection_class") is SSLConnection
        options |= {"connection_class": PrimarySSLConnection if encrypted else PrimaryConnection, "order": order}
    pool = BlockingConnectionPool(
        **{
            "max_connections": CONNECTIONS,
            "timeout": CALL_SECONDS,
            "socket_timeout": CALL_SECONDS,
            "socket_connect_timeout": CALL_SECONDS / len(servers),
            "retry": Retry(NoBackoff(), len(servers), (RedisConnectionError,)),
            **options,
        }
    )
    return Redis.from_pool(pool)


class PrimaryConnection(Connection):
    """A connection to the primary among the servers of `order`. A replica is left at once, also one that was the primary."""

    def __init__(self, *, order: ServerOrder[tuple[str, int]], **options: Any) -> None:
        super().__init__(**options)
        self._order = order

    async def _connect(self) -> None:
        self.host, self.port = self._order.next
        try:
            await super()._connect()  # type: ignore[no-untyped-call]
        except BaseException:  # cancelled too: the caller's time limit ended while this server did not answer
            self._order.failed((self.host, self.port))
            raise

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        try:
            await super().on_connect_check_health(check_health)
            await self.send_command("ROLE", check_health=False)
            role = str_if_bytes((await self.read_response())[0])
        except BaseException:
            self._order.failed((self.host, self.port))
            raise
        if role != "master":
            self._order.failed((self.host, self.port))
            raise RedisConnectionError(f"the server is a {role}")

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ReadOnlyError as error:
            self._order.failed((self.host, self.port))
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the server is a replica now") from error


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """The same over TLS."""


class OptionalRedis:
    """One component's access to Redis. After a failure it pauses for `REST_SECONDS`; then one call probes for all callers."""

    def __init__(self, redis: Redis, *, used_for: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._used_for = used_for
        self._clock = clock
        self._failed = False
        self._rests_until = 0.0

    async def ask(self, command: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """Runs `command`. Raises RedisUnavailable: immediately during the pause, otherwise after at most `CALL_SECONDS`."""
        if self._failed:
            if self._clock() < self._rests_until:
                raise RedisUnavailable
            self._rests_until = self._clock() + REST_SECONDS  # this call probes; other calls keep failing fast
        return await self.ask_even_if_down(command)

    async def ask_even_if_down(self, command: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """Like `ask`, but also tries during the pause. For rare calls on which other components depend."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await command(self._redis)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._note_failure(error)
            raise RedisUnavailable from error
        self._note_answer()
        return answer

    def _note_failure(self, error: Exception) -> None:
        if not self._failed:
            log.warning("redis.unavailable", used_for=self._used_for, error=type(error).__name__)
        self._failed = True
        self._rests_until = self._clock() + REST_SECONDS

    def _note_answer(self) -> None:
        if self._failed:
            log.info("redis.recovered", used_for=self._used_for)
        self._failed = False


_TIME = struct.Struct(">Q")
_TAG_BYTES = 32


class Seal:
    """Signs and dates values kept in Redis. `purpose` separates kinds of values. `clock` is the wall clock."""

    def __init__(self, secret: str, purpose: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")
        self._clock = clock

    def close(self, name: str, value: bytes, *, seconds: float) -> bytes:
        """Seals `value` for `name`, valid for `seconds`. A copy that is written back later does not open any more."""
        dated = _TIME.pack(int(self._clock() + seconds)) + value
        return self._tag(name, dated) + dated

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The value. None if it was not sealed under this name, or has expired."""
        tag, dated = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if len(dated) < _TIME.size or not hmac.compare_digest(tag, self._tag(name, dated)):
            return None
        [until] = _TIME.unpack_from(dated)
        return dated[_TIME.size :] if self._clock() < until else None

    def _tag(self, name: str, dated: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b"\0" + dated, "sha256")
