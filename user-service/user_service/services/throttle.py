"""How often a password may be guessed, and a mail be asked for.

Per account and client address, so that a stranger's guesses lock nobody else out; much wider per account, whatever address
they come from; and per client address, against one who tries many accounts. Attempts are counted in Redis, and in this
process while it is away.
"""

import hashlib
from datetime import datetime
from functools import partial

from redis.asyncio import Redis

from chassis.errors import TooManyRequests
from chassis.ratelimit import RateLimiter
from contracts.addresses import address_key
from user_service.errors import TooManyLogins, TooManyMails
from user_service.settings import UserSettings


class LoginThrottle:
    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        limiter = partial(
            RateLimiter, redis, period_seconds=settings.login_window_seconds, processes=settings.processes
        )
        self._pairs = limiter(limit=settings.login_failures, name="login-pair")
        self._accounts = limiter(limit=settings.login_account_attempts, name="login-account")
        self._clients = limiter(limit=settings.login_client_attempts, name="login-client")
        self._codes = limiter(limit=settings.login_failures, name="login-code")

    async def count_client(self, address: str) -> None:
        """Raises TooManyLogins."""
        await _count(self._clients, address, TooManyLogins)

    async def count_account(self, name: str, last_login_at: datetime | None, *, client: str = "") -> None:
        """Raises TooManyLogins. `name` is the address key or id; no such account counts like one. `client`: the address
        that the guess comes from, none for a guess that has an access token already.

        The limiter takes nothing back, so the last login is part of what is counted: after each success the count
        begins anew, and only failures add up. Addresses do not go into Redis.
        """
        account = f"{name} {last_login_at}"
        await _count(self._pairs, _digest(f"{account} {client}"), TooManyLogins)
        await _count(self._accounts, _digest(account), TooManyLogins)

    async def count_code(self, name: str, last_login_at: datetime | None) -> None:
        """A one-time code that is tried by who knows the password: from wherever, as six digits are soon guessed. Raises
        TooManyLogins."""
        await _count(self._codes, _digest(f"{name} {last_login_at}"), TooManyLogins)


class MailThrottle:
    """Mails that nobody but their sender may have asked for: bounded for each address that they go to, whether or not it is
    known here, and for each that they are asked for from."""

    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        limiter = partial(RateLimiter, redis, period_seconds=3_600, processes=settings.processes)
        self._addresses = limiter(limit=settings.account_mails_per_hour, name="mail-address")
        self._clients = limiter(limit=settings.account_mails_per_client_per_hour, name="mail-client")

    async def count(self, address: str, *, client: str) -> None:
        """Raises TooManyMails."""
        await _count(self._clients, client, TooManyMails)
        await _count(self._addresses, _digest(address_key(address)), TooManyMails)

    async def allows(self, address: str, *, client: str) -> bool:
        """Counts it, too."""
        try:
            await self.count(address, client=client)
        except TooManyMails:
            return False
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _count(limiter: RateLimiter, caller: str, refusal: type[TooManyRequests]) -> None:
    decision = await limiter.check(caller)
    if not decision.allowed:
        raise refusal(headers=decision.headers())
