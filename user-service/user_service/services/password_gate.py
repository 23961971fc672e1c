"""Checking a password somebody gives: throttled, and the same work whether or not the account exists."""

from uuid import UUID

from pydantic import SecretStr

from chassis.database import Database
from contracts.addresses import address_key
from user_service.errors import CurrentPasswordWrong, UserNotFound, WrongCredentials
from user_service.repositories import credentials
from user_service.repositories.credentials import Credentials
from user_service.services.passwords import Passwords
from user_service.services.throttle import LoginThrottle


class PasswordGate:
    def __init__(self, database: Database, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle

    async def hash(self, password: SecretStr) -> str:
        """Raises HashingBusy."""
        return await self._passwords.hash(password.get_secret_value())

    async def check_login(self, email: str, password: SecretStr, *, client: str) -> tuple[Credentials, str]:
        """The account's credentials as they are, and the hash to keep.

        Raises TooManyLogins, and WrongCredentials for an unknown address and a wrong password alike.
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
        """Raises CurrentPasswordWrong, when none is given too, and TooManyLogins: a stolen token is no way to guess it."""
        if password is None:
            raise CurrentPasswordWrong
        async with self._database.begin() as connection:
            found = await credentials.by_id(connection, user_id)
        if found is None:
            raise UserNotFound
        await self._throttle.count_account(str(user_id), found.last_login_at)
        if not (await self._passwords.verify(password.get_secret_value(), found.password_hash)).matches:
            raise CurrentPasswordWrong
