"""Sessions and their tokens.

A session begins with a login and consists of refresh tokens, each of which is good for one use. A refresh token is
`<session>.<secret>`. The session stores only the hash of its newest secret. An older secret means that two parties use the
session, and it is unknown which one is the owner: the session ends.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, Change
from chassis.postgres.database import Database
from chassis.security import Claims, RevokedTokens, Role, sign
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER
from user_service.errors import InvalidRefreshToken, SessionNotFound
from user_service.repositories import sessions, users
from user_service.repositories.audit import user_target
from user_service.repositories.credentials import acting_role
from user_service.repositories.sessions import EndedSession, LiveToken, SessionState, StoredSession
from user_service.services.signing_keys import SigningKeys

log = structlog.get_logger()
_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class UnsignedToken:
    """The content of an access token, before it is signed. Times are whole seconds since 1970."""

    token_id: str
    session_id: UUID
    issued_at: int
    expires_at: int


class AccessTokens:
    """Issues access tokens that are valid for `seconds`."""

    def __init__(self, signing_keys: SigningKeys, *, seconds: int) -> None:
        self._signing_keys = signing_keys
        self.seconds = seconds

    def unsigned(self, session_id: UUID) -> UnsignedToken:
        """A new token of the session."""
        now = int(time.time())
        return UnsignedToken(uuid4().hex, session_id, now, now + self.seconds)

    async def prepare(self) -> None:
        """Call it before a transaction in which `sign` is used: it may have to fetch the key. Raises Unavailable."""
        await self._signing_keys.current()

    async def sign(self, token: UnsignedToken, user_id: UUID, role: Role) -> str:
        """Raises Unavailable while there is no key."""
        claims = {
            "iss": ACCESS_ISSUER,
            "aud": ACCESS_AUDIENCE,
            "sub": str(user_id),
            "iat": token.issued_at,
            "exp": token.expires_at,
            "jti": token.token_id,
            "sid": token.session_id.hex,
            "role": role,
        }
        return sign(claims, await self._signing_keys.current())


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expires_in` is the access token's lifetime in seconds. `role` is the role that the token grants."""

    role: Role
    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _NewTokens:
    """The tokens that a login or a refresh returns, and the session's next state, before anything is written."""

    state: SessionState
    access_token: UnsignedToken
    refresh_token: str


class Sessions:
    """Opens, refreshes, lists and ends sessions."""

    def __init__(  # noqa: PLR0913 - the composition root hands every part in
        self,
        database: Database,
        access: AccessTokens,
        revoked: RevokedTokens,
        audit: AuditTrail,
        *,
        lifetime: timedelta,
        max_lifetime: timedelta,
        admins_need_totp: bool = False,
    ) -> None:
        """A session lasts for `lifetime` after its last refresh, and at most for `max_lifetime` after its login. With
        `admins_need_totp`, an administrator without a second factor gets the tokens of an ordinary user.
        """
        self._database = database
        self._access = access
        self._revoked = revoked
        self._audit = audit
        self._lifetime = lifetime
        self._max_lifetime = max_lifetime
        self._acting_role = acting_role(admins_need_totp=admins_need_totp)

    async def prepare(self) -> None:
        """Call it before the transaction of a login: otherwise the session might be stored and the signing key be missing."""
        await self._access.prepare()

    async def open(self, connection: AsyncConnection, user_id: UUID) -> tuple[TokenPair, Sequence[EndedSession]]:
        """Opens a session in the transaction of the login. Returns also the sessions that were ended to make room: pass
        them to `revoke` after the commit.
        """
        role = await users.role_of(connection, user_id, self._acting_role) or "user"
        new = self._new_tokens(uuid7())
        ended = await sessions.prune(connection, user_id)
        await sessions.add(connection, user_id, new.state)
        return await self._pair(new, user_id, role), ended

    async def refresh(self, refresh_token: str, actor: Actor) -> TokenPair:
        """Raises InvalidRefreshToken. A token that was used before ends its session."""
        session_id, secret_hash = _parsed(refresh_token)
        new = self._new_tokens(session_id)
        await self.prepare()
        async with self._database.begin() as connection:
            owner = await sessions.rotate(
                connection, secret_hash, new.state, max_lifetime=self._max_lifetime, role=self._acting_role
            )
            ended = [] if owner else await sessions.end(connection, session_id)
            for one in ended:
                change = Change(_named(one), {"reason": "refresh_token_refused"})
                await self._audit.record(connection, actor, "session.ended", user_target(one.user_id), change)
        if owner is None:
            await self._refuse(ended)
            raise InvalidRefreshToken
        return await self._pair(new, *owner)

    async def log_out(self, claims: Claims, refresh_token: str | None, actor: Actor) -> None:
        """Ends the session of this access token. Ends the refresh token's session too if it belongs to the same user."""
        named = {one for one in (_session_id(claims.session_id), _session_of(refresh_token)) if one is not None}
        async with self._database.begin() as connection:
            ended = await sessions.end_some(
                connection, UUID(claims.subject), named, access_token_id=claims.token_id or ""
            )
            await self._record(connection, actor, "auth.logout", ended)
        presented = [name for name in (claims.session_id, claims.token_id) if name is not None]
        await self._revoked.revoke(dict.fromkeys(presented, claims.expires_at))
        await self.revoke(ended)

    async def of_user(self, user_id: UUID) -> Sequence[StoredSession]:
        async with self._database.begin() as connection:
            return await sessions.of_user(connection, user_id)

    async def end_one(self, user_id: UUID, session_id: UUID, actor: Actor) -> None:
        """Raises SessionNotFound."""
        async with self._database.begin() as connection:
            ended = await sessions.end_some(connection, user_id, [session_id])
            await self._record(connection, actor, "session.ended", ended)
        if not ended:
            raise SessionNotFound
        await self.revoke(ended)

    async def end_every(self, user_id: UUID, actor: Actor) -> int:
        """The number of sessions that were ended."""
        async with self._database.begin() as connection:
            ended = await self.end_all(connection, user_id)
            await self._record(connection, actor, "session.ended", ended)
        await self.revoke(ended)
        return len(ended)

    async def end_all(self, connection: AsyncConnection, user_id: UUID) -> Sequence[EndedSession]:
        """Ends the user's sessions in a transaction. Pass the result to `revoke` after the commit."""
        return await sessions.end_of_user(connection, user_id)

    async def revoke(self, ended: Sequence[EndedSession]) -> None:
        """Revokes the access tokens of these sessions. While Redis is down, other processes accept them until they expire."""
        await self._revoked.revoke(revocations(ended, seconds=self._access.seconds))

    async def _record(
        self, connection: AsyncConnection, actor: Actor, action: str, ended: Sequence[EndedSession]
    ) -> None:
        for one in ended:
            await self._audit.record(connection, actor, action, user_target(one.user_id), Change(_named(one), {}))

    async def _refuse(self, ended: Sequence[EndedSession]) -> None:
        if ended:
            log.warning("session.refresh_token_reused")
            await self.revoke(ended)

    def _new_tokens(self, session_id: UUID) -> _NewTokens:
        secret, access_token = secrets.token_urlsafe(32), self._access.unsigned(session_id)
        live = LiveToken(access_token.token_id, datetime.fromtimestamp(access_token.expires_at, UTC))
        state = SessionState(session_id, _hash(secret), live, self._lifetime)
        return _NewTokens(state, access_token, f"{session_id.hex}.{secret}")

    async def _pair(self, new: _NewTokens, user_id: UUID, role: Role) -> TokenPair:
        access_token = await self._access.sign(new.access_token, user_id, role)
        return TokenPair(role, access_token, new.refresh_token, self._access.seconds)


def _named(session: EndedSession) -> dict[str, object]:
    return {"session_id": session.id}


def revocations(ended: Sequence[EndedSession], *, seconds: int) -> dict[str, float]:
    """The input of `RevokedTokens.revoke`. Access tokens live for `seconds`."""
    until = time.time() + seconds
    tokens = {session.access.token_id: session.access.expires_at.timestamp() for session in ended}
    return {**tokens, **{session.id.hex: until for session in ended}}


def _parsed(refresh_token: str) -> tuple[UUID, str]:
    match = _REFRESH_TOKEN.fullmatch(refresh_token)
    if match is None:
        raise InvalidRefreshToken
    return UUID(match[1]), _hash(match[2])


def _session_of(refresh_token: str | None) -> UUID | None:
    match = _REFRESH_TOKEN.fullmatch(refresh_token or "")
    return UUID(match[1]) if match else None


def _session_id(text: str | None) -> UUID | None:
    """The session of an access token. Tokens of the previous release name none."""
    return UUID(text) if text else None


def _hash(secret: str) -> str:
    """A fast hash is enough, because 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()
