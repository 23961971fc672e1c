"""How often a password may be guessed.

Per account, whatever address the guesses come from, so forged `X-Forwarded-For` headers gain nothing; and, much wider, per
client address, against one who tries many accounts. Attempts are counted in Redis, and in this process while it is away.
"""

import hashlib
from datetime import datetime

from redis.asyncio import Redis

from chassis.ratelimit import RateLimiter
from user_service.errors import TooManyLogins
from user_service.settings import UserSettings


class LoginThrottle:
    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        self._accounts = _limiter(redis, settings, settings.login_failures, "login-account")
        self._clients = _limiter(redis, settings, settings.login_client_attempts, "login-client")

    async def count_client(self, address: str) -> None:
        """Raises TooManyLogins."""
        await _count(self._clients, address)

    async def count_account(self, name: str, last_login_at: datetime | None) -> None:
        """Raises TooManyLogins. `name` is the address key or id; no such account counts like one.

        The limiter takes nothing back, so the last login is part of what is counted: after each success the count
        begins anew, and only failures add up. Addresses do not go into Redis.
        """
        await _count(self._accounts, hashlib.sha256(f"{name} {last_login_at}".encode()).hexdigest())


def _limiter(redis: Redis, settings: UserSettings, limit: int, name: str) -> RateLimiter:
    seconds = settings.login_window_seconds
    return RateLimiter(redis, limit=limit, period_seconds=seconds, name=name, processes=settings.processes)


async def _count(limiter: RateLimiter, caller: str) -> None:
    decision = await limiter.check(caller)
    if not decision.allowed:
        raise TooManyLogins(headers=decision.headers())
