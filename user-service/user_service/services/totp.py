"""Second factors of administrators: one-time codes (RFC 6238), and ten recovery codes for a lost device."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import pyotp
import structlog
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, AuditTrail
from chassis.errors import Forbidden
from chassis.postgres.database import Database
from user_service.errors import CurrentTotpWrong, TotpEnabled, TotpNotSetUp, TotpRequired, WrongTotp
from user_service.repositories import credentials
from user_service.repositories import sessions as session_rows
from user_service.repositories.audit import user_target
from user_service.repositories.credentials import StoredTotp
from user_service.repositories.users import StoredUser
from user_service.services.sessions import Sessions
from user_service.services.throttle import LoginThrottle, ThrottledPasswords

log = structlog.get_logger()
ISSUER = "Notifications"
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
CODE_DIGITS = 6
SKEW_STEPS = (0, -1, 1)  # the previous and the next code are accepted too: clocks differ, and typing takes time


@dataclass(frozen=True, slots=True)
class NewSecret:
    """`uri` is what authenticator apps read as a QR code."""

    secret: str
    uri: str


class SecondFactors:
    """Sets second factors up, checks them at logins, and removes them."""

    def __init__(
        self,
        database: Database,
        cipher: Fernet,
        passwords: ThrottledPasswords,
        throttle: LoginThrottle,
        sessions: Sessions,
        audit: AuditTrail,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions
        self._audit = audit

    async def begin(self, user: StoredUser, password: SecretStr | None) -> NewSecret:
        """Creates a secret. It takes effect when a code of it is confirmed. Needs the password: a thief of a token must not
        lock the owner out.

        Raises Forbidden for an ordinary user, CurrentPasswordWrong, TooManyLogins, TotpEnabled.
        """
        if user.role != "admin":
            raise Forbidden("Second factors are for administrators")
        await self._passwords.check_user(user.id, password)
        secret = pyotp.random_base32()
        async with self._database.begin() as connection:
            if not await credentials.begin(connection, user.id, self._cipher.encrypt(secret.encode()).decode()):
                raise TotpEnabled
        return NewSecret(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER))

    async def confirm(self, user_id: UUID, code: str, actor: Actor, *, session_id: UUID | None) -> list[str]:
        """Puts the secret into effect and returns the recovery codes. The user's other sessions end.

        Raises TotpNotSetUp, TotpEnabled, CurrentTotpWrong, TooManyLogins.
        """
        stored = await self._stored(user_id)
        if stored.confirmed_at is not None:
            raise TotpEnabled
        await self._throttle.count_code(str(user_id), stored.last_login_at)
        step = self._step_of(stored, code)
        if step is None:
            raise CurrentTotpWrong
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        async with self._database.begin() as connection:
            if not await credentials.confirm(connection, stored, step, [_hash(one) for one in codes]):
                raise TotpEnabled
            ended = await session_rows.end_others(connection, user_id, session_id)
            await self._audit.record(connection, actor, "totp.enabled", user_target(user_id))
        await self._sessions.revoke(ended)
        log.info("totp.enabled", user_id=str(user_id))
        return codes

    async def check_at_login(self, user_id: UUID, code: str | None) -> None:
        """Checks the second factor at a login with a correct password. Raises TotpRequired, WrongTotp, TooManyLogins."""
        async with self._database.begin() as connection:
            stored = await credentials.find(connection, user_id)
        if stored is None or stored.confirmed_at is None:
            return
        if code is None:
            raise TotpRequired
        if not await self._proved(stored, code):
            raise WrongTotp

    async def remove_own(self, user_id: UUID, password: SecretStr | None, code: str | None, actor: Actor) -> None:
        """Raises TotpNotSetUp, CurrentPasswordWrong, CurrentTotpWrong, TooManyLogins."""
        stored = await self._stored(user_id)
        await self._passwords.check_user(user_id, password)
        if code is None or not await self._proved(stored, code):
            raise CurrentTotpWrong
        async with self._database.begin() as connection:
            await credentials.remove(connection, user_id)
            await self._audit.record(connection, actor, "totp.removed", user_target(user_id))
        log.info("totp.removed", user_id=str(user_id))

    async def reset(self, user_id: UUID, actor: Actor) -> None:
        """For another administrator. The user's sessions end. Raises TotpNotSetUp."""
        async with self._database.begin() as connection:
            if not await credentials.remove(connection, user_id):
                raise TotpNotSetUp
            ended = await self._sessions.end_all(connection, user_id)
            await self._audit.record(connection, actor, "totp.reset", user_target(user_id))
        await self._sessions.revoke(ended)
        log.warning("totp.reset", user_id=str(user_id))

    async def _stored(self, user_id: UUID) -> StoredTotp:
        async with self._database.begin() as connection:
            stored = await credentials.find(connection, user_id)
        if stored is None:
            raise TotpNotSetUp
        return stored

    async def _proved(self, stored: StoredTotp, code: str) -> bool:
        """Whether the code is correct. Uses the code up. Raises TooManyLogins."""
        await self._throttle.count_code(str(stored.user_id), stored.last_login_at)
        async with self._database.begin() as connection:
            return await self._used(connection, stored, code)

    async def _used(self, connection: AsyncConnection, stored: StoredTotp, code: str) -> bool:
        if len(code) == CODE_DIGITS:
            step = self._step_of(stored, code)
            return step is not None and await credentials.use_step(connection, stored.user_id, step)
        used = await credentials.use_recovery_code(connection, stored.user_id, _hash(code))
        if used:
            log.warning("totp.recovery_code_used", user_id=str(stored.user_id))
        return used

    def _step_of(self, stored: StoredTotp, code: str) -> int | None:
        """The time step of the code: half minutes since 1970."""
        try:
            secret = self._cipher.decrypt(stored.secret_encrypted).decode()
        except InvalidToken:
            log.warning("totp.undecryptable", user_id=str(stored.user_id))
            return None
        codes = pyotp.TOTP(secret, digits=CODE_DIGITS)
        now = int(time.time()) // codes.interval
        good = [now + skew for skew in SKEW_STEPS if _same(codes.generate_otp(now + skew), code)]
        return good[0] if good else None


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _recovery_code() -> str:
    """80 random bits, in groups of four."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hash(recovery_code: str) -> str:
    """Ignores case and separators. A fast hash is enough, because 80 random bits cannot be guessed."""
    return hashlib.sha256(recovery_code.replace("-", "").replace(" ", "").lower().encode()).hexdigest()
