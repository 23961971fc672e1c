"""How often a password may be guessed, and a mail be asked for.

Per account and client address, so that a stranger's guesses lock nobody else out; much wider per account, whatever address
they come from; and per client address, against one who tries many accounts. Attempts are counted in Redis, and in this
process while it is away.
"""

import hashlib
from datetime import datetime

from redis.asyncio import Redis

from chassis.ratelimit import RateLimiter
from contracts.addresses import address_key
from user_service.errors import TooManyLogins, TooManyMails
from user_service.settings import UserSettings


class LoginThrottle:
    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        self._pairs = _limiter(redis, settings, settings.login_failures, "login-pair")
        self._accounts = _limiter(redis, settings, settings.login_account_attempts, "login-account")
        self._clients = _limiter(redis, settings, settings.login_client_attempts, "login-client")
        self._codes = _limiter(redis, settings, settings.login_failures, "login-code")

    async def count_client(self, address: str) -> None:
        """Raises TooManyLogins."""
        await _count(self._clients, address)

    async def count_account(self, name: str, last_login_at: datetime | None, *, client: str = "") -> None:
        """Raises TooManyLogins. `name` is the address key or id; no such account counts like one. `client`: the address
        that the guess comes from, none for a guess that has an access token already.

        The limiter takes nothing back, so the last login is part of what is counted: after each success the count
        begins anew, and only failures add up. Addresses do not go into Redis.
        """
        account = f"{name} {last_login_at}"
        await _count(self._pairs, _digest(f"{account} {client}"))
        await _count(self._accounts, _digest(account))

    async def count_code(self, name: str, last_login_at: datetime | None) -> None:
        """A one-time code that is tried by who knows the password: from wherever, as six digits are soon guessed. Raises
        TooManyLogins."""
        await _count(self._codes, _digest(f"{name} {last_login_at}"))


class MailThrottle:
    """Mails that nobody but their sender may have asked for: bounded for each address that they go to, whether or not it is
    known here, and for each that they are asked for from."""

    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        self._addresses = _mail_limiter(redis, settings, settings.account_mails_per_hour, "mail-address")
        self._clients = _mail_limiter(redis, settings, settings.account_mails_per_client_per_hour, "mail-client")

    async def count(self, address: str, *, client: str) -> None:
        """Raises TooManyMails."""
        for limiter, name in ((self._clients, client), (self._addresses, _digest(address_key(address)))):
            decision = await limiter.check(name)
            if not decision.allowed:
                raise TooManyMails(headers=decision.headers())

    async def allows(self, address: str, *, client: str) -> bool:
        """Counts it, too."""
        try:
            await self.count(address, client=client)
        except TooManyMails:
            return False
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _limiter(redis: Redis, settings: UserSettings, limit: int, name: str) -> RateLimiter:
    seconds = settings.login_window_seconds
    return RateLimiter(redis, limit=limit, period_seconds=seconds, name=name, processes=settings.processes)


def _mail_limiter(redis: Redis, settings: UserSettings, limit: int, name: str) -> RateLimiter:
    return RateLimiter(redis, limit=limit, period_seconds=3_600, name=name, processes=settings.processes)


async def _count(limiter: RateLimiter, caller: str) -> None:
    decision = await limiter.check(caller)
    if not decision.allowed:
        raise TooManyLogins(headers=decision.headers())
