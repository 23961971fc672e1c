"""Sessions: opening, rotating and ending them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security import Role
from user_service.models import Session, User, table_of

SESSIONS = table_of(Session)
USERS = table_of(User)
KEPT = 50  # sessions per user; the oldest are removed first


@dataclass(frozen=True, slots=True)
class LiveToken:
    """The newest access token of a session."""

    token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EndedSession:
    """`access` is its newest access token. Services of the previous release revoke tokens, not sessions."""

    id: UUID
    user_id: UUID
    access: LiveToken


@dataclass(frozen=True, slots=True)
class StoredSession:
    id: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionState:
    """The values that change with each refresh. `lifetime` counts from now."""

    id: UUID
    secret_hash: str
    access: LiveToken
    lifetime: timedelta


async def add(connection: AsyncConnection, user_id: UUID, state: SessionState) -> None:
    await connection.execute(SESSIONS.insert().values(id=state.id, user_id=user_id, **_changing(state)))


async def prune(connection: AsyncConnection, user_id: UUID) -> Sequence[EndedSession]:
    """Ends the user's expired sessions, and the oldest ones beyond the limit."""
    newest = (
        select(SESSIONS.c.id)
        .where(SESSIONS.c.user_id == user_id)
        .order_by(SESSIONS.c.expires_at.desc(), SESSIONS.c.id.desc())
        .limit(KEPT - 1)
    )
    over = or_(SESSIONS.c.expires_at <= func.now(), SESSIONS.c.id.not_in(newest))
    return await _end(connection, (SESSIONS.c.user_id == user_id) & over)


async def of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[StoredSession]:
    """Sessions that have not expired, newest first; at most KEPT."""
    query = (
        select(SESSIONS.c.id, SESSIONS.c.created_at, SESSIONS.c.expires_at)
        .where(SESSIONS.c.user_id == user_id, SESSIONS.c.expires_at > func.now())
        .order_by(SESSIONS.c.id.desc())
    )
    return [StoredSession(*row) for row in await connection.execute(query)]


async def rotate(
    connection: AsyncConnection,
    old_secret_hash: str,
    state: SessionState,
    *,
    max_lifetime: timedelta,
    role: ColumnElement[Role],
) -> tuple[UUID, Role] | None:
    """The session's user and their `role`. None, without any change, if the session has ended, is older than
    `max_lifetime`, or if the secret is not its newest one.
    """
    statement = (
        SESSIONS.update()
        .where(SESSIONS.c.id == state.id, SESSIONS.c.secret_hash == old_secret_hash)
        .where(SESSIONS.c.expires_at > func.now(), SESSIONS.c.created_at > func.now() - max_lifetime)
        .where(USERS.c.id == SESSIONS.c.user_id, USERS.c.disabled_at.is_(None))
        .values(_changing(state))
        .returning(USERS.c.id, role.label("role"))
    )
    row = (await connection.execute(statement)).first()
    return (row.id, row.role) if row else None


async def end(connection: AsyncConnection, session_id: UUID) -> Sequence[EndedSession]:
    return await _end(connection, SESSIONS.c.id == session_id)


async def end_of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[EndedSession]:
    """Ends every session of the user."""
    return await _end(connection, SESSIONS.c.user_id == user_id)


async def end_others(connection: AsyncConnection, user_id: UUID, session_id: UUID | None) -> Sequence[EndedSession]:
    """Ends every session of the user except this one."""
    return await _end(connection, (SESSIONS.c.user_id == user_id) & SESSIONS.c.id.is_distinct_from(session_id))


async def end_some(
    connection: AsyncConnection, user_id: UUID, session_ids: Collection[UUID], *, access_token_id: str = ""
) -> Sequence[EndedSession]:
    """Ends those of the given sessions that are the user's, and the session whose newest access token is the given one."""
    named = or_(SESSIONS.c.access_token_id == access_token_id, SESSIONS.c.id.in_(session_ids))
    return await _end(connection, (SESSIONS.c.user_id == user_id) & named)


async def _end(connection: AsyncConnection, which: ColumnElement[bool]) -> Sequence[EndedSession]:
    columns = (SESSIONS.c.id, SESSIONS.c.user_id, SESSIONS.c.access_token_id, SESSIONS.c.access_expires_at)
    statement = SESSIONS.delete().where(which).returning(*columns)
    return [EndedSession(row.id, row.user_id, LiveToken(*row[2:])) for row in await connection.execute(statement)]


def _changing(state: SessionState) -> dict[str, object]:
    return {
        "secret_hash": state.secret_hash,
        "access_token_id": state.access.token_id,
        "access_expires_at": state.access.expires_at,
        "expires_at": func.now() + state.lifetime,
    }
