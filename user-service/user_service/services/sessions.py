"""Sessions: a login, and the refresh tokens that follow from it, each good for one use.

A refresh token is `<session>.<secret>`. A session knows only its newest secret's hash; whoever comes with another one holds
a used token, which was stolen from the user or by the user's side: the session ends for both.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.security import Claims, RevokedTokens, Role
from user_service.errors import InvalidRefreshToken
from user_service.repositories import sessions
from user_service.repositories.sessions import LiveToken, SessionState
from user_service.services.access_tokens import AccessTokens, Ticket

log = structlog.get_logger()
_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expires_in`: the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class _Step:
    """What a login or a refresh gives out, before anything is written."""

    state: SessionState
    ticket: Ticket
    refresh_token: str


class Sessions:
    def __init__(
        self, database: Database, access: AccessTokens, revoked: RevokedTokens, *, lifetime: timedelta
    ) -> None:
        self._database = database
        self._access = access
        self._revoked = revoked
        self._lifetime = lifetime

    async def open(self, connection: AsyncConnection, user_id: UUID, role: Role) -> TokenPair:
        """A new session, in the transaction of the login."""
        step = self._step(uuid7())
        await sessions.prune(connection, user_id)
        await sessions.add(connection, user_id, step.state)
        return await self._pair(step, user_id, role)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Raises InvalidRefreshToken; a used token ends its session."""
        session_id, secret_hash = _parsed(refresh_token)
        step = self._step(session_id)
        async with self._database.begin() as connection:
            owner = await sessions.rotate(connection, secret_hash, step.state)
            ended = [] if owner else await sessions.end(connection, session_id)
        if owner is None:
            await self._refuse(ended)
            raise InvalidRefreshToken
        return await self._pair(step, *owner)

    async def log_out(self, claims: Claims, refresh_token: str | None) -> None:
        """Ends the session of this access token, and the refresh token's when it is the same user's."""
        session_id = _session_of(refresh_token)
        async with self._database.begin() as connection:
            ended = await sessions.end_one(
                connection, UUID(claims.subject), access_token_id=claims.token_id or "", session_id=session_id
            )
        presented = LiveToken(claims.token_id or "", datetime.fromtimestamp(claims.expires_at, UTC))
        await self.revoke([presented, *ended])

    async def end_all(self, connection: AsyncConnection, user_id: UUID) -> Sequence[LiveToken]:
        """Ends the user's sessions in a transaction; give what it returns to `revoke` after the commit."""
        return await sessions.end_of_user(connection, user_id)

    async def revoke(self, tokens: Sequence[LiveToken]) -> None:
        """As well as it can be done: while Redis is away, other processes honour them until they expire."""
        for token in tokens:
            await self._revoked.revoke(token.token_id, token.expires_at.timestamp())

    async def _refuse(self, ended: Sequence[LiveToken]) -> None:
        if ended:
            log.warning("session.refresh_token_reused")
            await self.revoke(ended)

    def _step(self, session_id: UUID) -> _Step:
        secret, ticket = secrets.token_urlsafe(32), self._access.ticket()
        live = LiveToken(ticket.token_id, datetime.fromtimestamp(ticket.expires_at, UTC))
        state = SessionState(session_id, _hash(secret), live, self._lifetime)
        return _Step(state, ticket, f"{session_id.hex}.{secret}")

    async def _pair(self, step: _Step, user_id: UUID, role: Role) -> TokenPair:
        access_token = await self._access.sign(step.ticket, user_id, role)
        return TokenPair(access_token, step.refresh_token, self._access.seconds)


def _parsed(refresh_token: str) -> tuple[UUID, str]:
    match = _REFRESH_TOKEN.fullmatch(refresh_token)
    if match is None:
        raise InvalidRefreshToken
    return UUID(match[1]), _hash(match[2])


def _session_of(refresh_token: str | None) -> UUID | None:
    match = _REFRESH_TOKEN.fullmatch(refresh_token or "")
    return UUID(match[1]) if match else None


def _hash(secret: str) -> str:
    """A fast hash is enough: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()
