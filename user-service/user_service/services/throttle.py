"""Limits password guesses and requested mails, and checks passwords."""

import hashlib
from datetime import datetime
from functools import partial
from uuid import UUID

from pydantic import SecretStr
from redis.asyncio import Redis

from chassis.errors import TooManyRequests
from chassis.postgres.database import Database
from chassis.redis.rate_limit import RateLimiter
from contracts.addresses import address_key
from user_service.errors import (
    CurrentPasswordWrong,
    TooManyLogins,
    TooManyMails,
    UserNotFound,
    WrongCredentials,
)
from user_service.repositories import credentials
from user_service.repositories.credentials import Credentials
from user_service.services.passwords import Passwords
from user_service.settings import UserSettings


class LoginThrottle:
    """Limits password guesses.

    There are three counters: per account and client address, so that an attacker cannot lock other users out; a much higher
    one per account over all addresses; and one per client address, against attacks on many accounts. Redis counts. While
    Redis is down, each process counts for itself.
    """

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
        """Raises TooManyLogins.

        `name` is the address key or the id. Unknown accounts are counted in the same way. `client` is the address of the
        client; it is empty for a guess that comes with an access token. The counted key contains the last successful login,
        so the count starts again from zero after a success. Redis stores no e-mail addresses.
        """
        account = f"{name} {last_login_at}"
        await _count(self._pairs, _digest(f"{account} {client}"), TooManyLogins)
        await _count(self._accounts, _digest(account), TooManyLogins)

    async def count_code(self, name: str, last_login_at: datetime | None) -> None:
        """Counts a try of a one-time code after a correct password, from any address: six digits can be guessed quickly.
        Raises TooManyLogins.
        """
        await _count(self._codes, _digest(f"{name} {last_login_at}"), TooManyLogins)


class MailThrottle:
    """Limits mails that anybody may request. Counts per mailbox, known or unknown, and per client address."""

    def __init__(self, redis: Redis, settings: UserSettings) -> None:
        limiter = partial(RateLimiter, redis, period_seconds=3_600, processes=settings.processes)
        self._addresses = limiter(limit=settings.account_mails_per_hour, name="mail-address")
        self._clients = limiter(limit=settings.account_mails_per_client_per_hour, name="mail-client")

    async def count(self, address: str, *, client: str) -> None:
        """Raises TooManyMails."""
        await _count(self._clients, client, TooManyMails)
        await _count(self._addresses, _digest(address_key(address)), TooManyMails)

    async def allows(self, address: str, *, client: str) -> bool:
        """Counts, and returns False when a limit is reached."""
        try:
            await self.count(address, client=client)
        except TooManyMails:
            return False
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _count(limiter: RateLimiter, key: str, refusal: type[TooManyRequests]) -> None:
    decision = await limiter.check(key)
    if not decision.allowed:
        raise refusal(headers=decision.headers())


class ThrottledPasswords:
    """Hashes and checks passwords. Each check counts against the limits of LoginThrottle."""

    def __init__(self, database: Database, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle

    async def hash(self, password: SecretStr) -> str:
        """Raises HashingBusy."""
        return await self._passwords.hash(password.get_secret_value())

    async def check_login(self, email: str, password: SecretStr, *, client: str) -> tuple[Credentials, str]:
        """The account's current credentials, and the hash to store.

        Raises TooManyLogins. Raises WrongCredentials both for an unknown address and for a wrong password.
        """
        await self._throttle.count_client(client)
        key = address_key(email)
        async with self._database.begin() as connection:
            found = await credentials.by_email(connection, key)
        await self._throttle.count_account(key, found.last_login_at if found else None, client=client)
        verification = await self._passwords.verify(password.get_secret_value(), found.password_hash if found else None)
        if found is None or not verification.matches:
            raise WrongCredentials
        return found, verification.current_hash

    async def check_user(self, user_id: UUID, password: SecretStr | None) -> None:
        """Raises CurrentPasswordWrong, also without a password, and TooManyLogins: a stolen token must not allow guessing."""
        if password is None:
            raise CurrentPasswordWrong
        async with self._database.begin() as connection:
            found = await credentials.by_id(connection, user_id)
        if found is None:
            raise UserNotFound
        await self._throttle.count_account(str(user_id), found.last_login_at)
        if not (await self._passwords.verify(password.get_secret_value(), found.password_hash)).matches:
            raise CurrentPasswordWrong
