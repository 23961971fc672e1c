"""Logging in."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr

from chassis.database import Database
from user_service.errors import TooManyLogins, WrongCredentials
from user_service.repositories import credentials, users
from user_service.repositories.credentials import Credentials
from user_service.repositories.users import StoredUser
from user_service.services.password_gate import PasswordGate
from user_service.services.sessions import Sessions, TokenPair


@dataclass(frozen=True, slots=True)
class Login:
    user: StoredUser
    tokens: TokenPair


class Logins:
    def __init__(self, database: Database, gate: PasswordGate, sessions: Sessions, registry: CollectorRegistry) -> None:
        self._database = database
        self._gate = gate
        self._sessions = sessions
        self._total = Counter("logins_total", "Attempts to log in", ["outcome"], registry=registry)

    async def log_in(self, email: str, password: SecretStr, *, client: str) -> Login:
        """Raises WrongCredentials, TooManyLogins, HashingBusy."""
        try:
            verified, current_hash = await self._gate.check_login(email, password, client=client)
            login = await self._open(verified, current_hash)
        except WrongCredentials:
            self._total.labels("refused").inc()
            raise
        except TooManyLogins:
            self._total.labels("throttled").inc()
            raise
        self._total.labels("succeeded").inc()
        return login

    async def _open(self, verified: Credentials, current_hash: str) -> Login:
        await self._sessions.prepare()
        async with self._database.begin() as connection:
            noted = await credentials.note_login(connection, verified, password_hash=current_hash)
            user = await users.find(connection, verified.user_id) if noted else None
            if user is None:
                raise WrongCredentials
            tokens, ended = await self._sessions.open(connection, user.id, user.role)
        await self._sessions.revoke(ended)
        return Login(user, tokens)
