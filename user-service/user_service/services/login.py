"""Logs users in."""

from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr

from chassis.audit import Actor, AuditTrail, Change, RefusedAttempts
from chassis.postgres.database import Database
from user_service.errors import (
    TooManyLogins,
    TotpRequired,
    WrongCredentials,
)
from user_service.repositories import credentials, users
from user_service.repositories.audit import mailbox, user_target
from user_service.repositories.credentials import Credentials
from user_service.repositories.users import StoredUser
from user_service.services.sessions import Sessions, TokenPair
from user_service.services.throttle import ThrottledPasswords
from user_service.services.totp import SecondFactors


@dataclass(frozen=True, slots=True)
class Login:
    """A successful login."""

    user: StoredUser
    tokens: TokenPair


class Logins:
    """Checks password and second factor, and opens a session. Counts and audits every attempt."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands every part in
        self,
        database: Database,
        passwords: ThrottledPasswords,
        factors: SecondFactors,
        sessions: Sessions,
        audit: AuditTrail,
        refused: RefusedAttempts,
        registry: CollectorRegistry,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._factors = factors
        self._sessions = sessions
        self._audit = audit
        self._refused = refused
        self._total = Counter("logins_total", "Attempts to log in", ["outcome"], registry=registry)

    async def log_in(self, email: str, password: SecretStr, totp: str | None, stranger: Actor) -> Login:
        """Raises WrongCredentials, TotpRequired, TooManyLogins, HashingBusy."""
        try:
            verified, current_hash = await self._passwords.check_login(email, password, client=stranger.address or "")
            await self._factors.check_at_login(verified.user_id, totp)
            login = await self._open(verified, current_hash, stranger)
        except WrongCredentials:
            await self._note_refused(email, stranger, "refused")
            raise
        except TotpRequired:
            self._total.labels("totp_required").inc()
            raise
        except TooManyLogins:
            await self._note_refused(email, stranger, "throttled")
            raise
        self._total.labels("succeeded").inc()
        return login

    async def _note_refused(self, email: str, stranger: Actor, outcome: str) -> None:
        """Records the mailbox, whether or not it has an account: the response time must not reveal that."""
        self._total.labels(outcome).inc()
        target = f"mailbox:{self._audit.fingerprint(mailbox(email))}"
        await self._refused.note(stranger, "auth.login_refused", target, Change({}, {"outcome": outcome}))

    async def _open(self, verified: Credentials, current_hash: str, stranger: Actor) -> Login:
        await self._sessions.prepare()
        async with self._database.begin() as connection:
            noted = await credentials.note_login(connection, verified, password_hash=current_hash)
            user = await users.find(connection, verified.user_id) if noted else None
            if user is None:
                raise WrongCredentials
            tokens, ended = await self._sessions.open(connection, user.id)
            name = user_target(user.id)
            change = Change({}, {"email": mailbox(user.email)})
            await self._audit.record(connection, replace(stranger, name=name), "auth.login", name, change)
        await self._sessions.revoke(ended)
        return Login(user, tokens)
