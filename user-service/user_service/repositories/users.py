"""Users: finding, listing and writing them, and their contact data as JSON text for other services."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

from sqlalchemy import ColumnElement, Text, any_, case, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.postgres.autocommit import StatementExecutor, ids
from chassis.security import Role
from contracts.users import NO_APPLICATION
from user_service.errors import EmailTaken
from user_service.models import MailedToken, PushToken, RemovedDevice, User, table_of

USERS = table_of(User)
TOKENS = table_of(PushToken)
MAILED = table_of(MailedToken)
REMOVED = table_of(RemovedDevice)


@dataclass(frozen=True, slots=True)
class StoredUser:
    """`push_token` is the newest FCM token. `pending_email` is the address that was requested last and can still be
    confirmed.

    A contact has no account; it belongs to the application that added it.
    """

    id: UUID
    name: str
    email: str
    role: Role
    language: str | None
    wants_email: bool
    wants_push: bool
    unsubscribed: list[str]
    push_token: str | None
    application_id: UUID | None
    external_id: str | None
    is_contact: bool
    email_verified_at: datetime | None
    pending_email: str | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewUser:
    id: UUID
    name: str
    email: str
    email_key: str
    password_hash: str
    role: Role = "user"
    language: str | None = None
    wants_email: bool = True
    wants_push: bool = True


class UserChanges(TypedDict, total=False):
    """The columns to change. Absent columns stay unchanged."""

    name: str
    email: str
    email_key: str
    email_verified_at: datetime | None
    password_hash: str
    role: Role
    language: str | None
    wants_email: bool
    wants_push: bool
    unsubscribed: list[str]


@dataclass(frozen=True, slots=True)
class UserFilter:
    """The filters of a list; None means no filter. `seen_by` excludes the contacts of other applications.

    `tokens`: only users who have one of these devices.
    """

    seen_by: UUID | None = None
    email_key: str | None = None
    tokens: Sequence[str] | None = None
    role: Literal["admin", "user"] | None = None


_NEWEST_FCM = (
    select(TOKENS.c.token)
    .where(TOKENS.c.user_id == USERS.c.id, TOKENS.c.provider == "fcm")
    .order_by(TOKENS.c.created_at.desc(), TOKENS.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("push_token")
)
_PENDING = (
    select(MAILED.c.address)
    .where(MAILED.c.user_id == USERS.c.id, MAILED.c.purpose == "confirm_address", MAILED.c.expires_at > func.now())
    .order_by(MAILED.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("pending_email")
)
_COMPUTED = {
    "push_token": _NEWEST_FCM,
    "is_contact": USERS.c.email_key.is_(None).label("is_contact"),
    "pending_email": _PENDING,
}
_SHOWN = [_COMPUTED[field.name] if field.name in _COMPUTED else USERS.c[field.name] for field in fields(StoredUser)]


def _user(row: Sequence[Any]) -> StoredUser:
    return StoredUser(*row)


async def find(connection: AsyncConnection, user_id: UUID) -> StoredUser | None:
    row = (await connection.execute(select(*_SHOWN).where(USERS.c.id == user_id))).first()
    return _user(row) if row else None


async def find_external(
    connection: AsyncConnection, application_id: UUID, external_ids: Collection[str]
) -> Sequence[StoredUser]:
    """The application's contacts with these ids, in any order. One statement for all."""
    is_wanted = USERS.c.external_id == any_(literal([*external_ids], ARRAY(Text)))
    query = select(*_SHOWN).where(USERS.c.application_id == application_id, is_wanted)
    return [_user(row) for row in await connection.execute(query)]


async def id_of(connection: AsyncConnection, email_key: str) -> UUID | None:
    return (await connection.execute(select(USERS.c.id).where(USERS.c.email_key == email_key))).scalar()


async def id_to_reset(connection: AsyncConnection, email_key: str) -> UUID | None:
    """The user whose password is reset for this address: the account, or else the first contact that was added with it."""
    has_it = or_(USERS.c.email_key == email_key, USERS.c.contact_key == email_key)
    query = select(USERS.c.id).where(has_it).order_by(USERS.c.email_key.is_(None), USERS.c.id).limit(1)
    return (await connection.execute(query)).scalar()


async def page(connection: AsyncConnection, wanted: UserFilter, *, limit: int, offset: int) -> Sequence[StoredUser]:
    """Oldest first (ids are ordered by time)."""
    query = select(*_SHOWN).where(*_conditions(wanted)).order_by(USERS.c.id).limit(limit).offset(offset)
    return [_user(row) for row in await connection.execute(query)]


async def ids_at(connection: AsyncConnection, wanted: UserFilter, *, limit: int) -> Sequence[UUID]:
    """Oldest first."""
    query = select(USERS.c.id).where(*_conditions(wanted)).order_by(USERS.c.id).limit(limit)
    return (await connection.execute(query)).scalars().all()


async def count(connection: AsyncConnection, wanted: UserFilter) -> int:
    query = select(func.count()).select_from(USERS).where(*_conditions(wanted))
    return (await connection.execute(query)).scalar_one()


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.email_key is not None:
        conditions.append(or_(USERS.c.email_key == wanted.email_key, USERS.c.contact_key == wanted.email_key))
    if wanted.tokens is not None:
        has_one = TOKENS.c.token == any_(literal([*wanted.tokens], ARRAY(Text)))
        conditions.append(USERS.c.id.in_(select(TOKENS.c.user_id).where(has_one)))
    if wanted.role is not None:
        conditions.append(USERS.c.role == wanted.role)
    if wanted.seen_by is not None:
        unowned = USERS.c.application_id.is_(None) & USERS.c.email_key.is_not(None)
        conditions.append(or_(unowned, USERS.c.application_id == wanted.seen_by))
    return conditions


async def add(connection: AsyncConnection, user: NewUser) -> None:
    """Raises EmailTaken."""
    values = {field.name: getattr(user, field.name) for field in fields(user)}
    statement = insert(USERS).values(values).on_conflict_do_nothing(index_elements=["email_key"]).returning(USERS.c.id)
    if (await connection.execute(statement)).first() is None:
        raise EmailTaken


async def change(connection: AsyncConnection, user_id: UUID, changes: UserChanges) -> bool:
    """Returns whether the user exists. A contact that gets a password becomes an account.

    Raises EmailTaken; the transaction cannot continue after it.
    """
    values = {**changes, **_keys(changes), "updated_at": func.now()}
    statement = USERS.update().where(USERS.c.id == user_id).values(values)
    try:
        return (await connection.execute(statement)).rowcount == 1
    except IntegrityError as error:
        if "uq_users_email_key" in str(error.orig):
            raise EmailTaken from None
        raise


def _keys(changes: UserChanges) -> dict[str, Any]:
    key = changes.get("email_key")
    if "password_hash" in changes:
        return {"email_key": key or func.coalesce(USERS.c.email_key, USERS.c.contact_key), "contact_key": None}
    if key is None:
        return {}
    is_contact = USERS.c.email_key.is_(None)
    return {"email_key": case((is_contact, None), else_=key), "contact_key": case((is_contact, key), else_=None)}


async def set_verified(connection: AsyncConnection, user_id: UUID, email_key: str) -> bool:
    """Marks the address as verified if it is still the user's. Returns whether it is."""
    mine = (USERS.c.id == user_id) & (USERS.c.email_key == email_key)
    first = func.coalesce(USERS.c.email_verified_at, func.now())
    statement = USERS.update().where(mine).values(email_verified_at=first, updated_at=func.now())
    return (await connection.execute(statement)).rowcount == 1


async def role_of(connection: AsyncConnection, user_id: UUID, role: ColumnElement[Role] = USERS.c.role) -> Role | None:
    """None if the user does not exist or is disabled."""
    query = select(role).where(USERS.c.id == user_id, USERS.c.disabled_at.is_(None))
    return (await connection.execute(query)).scalar()


async def lock_administrators(connection: AsyncConnection) -> Sequence[UUID]:
    """Locks the administrators who can act as such. None is added or removed until the transaction ends."""
    query = select(USERS.c.id).where(USERS.c.role == "admin", USERS.c.disabled_at.is_(None))
    return (await connection.execute(query.order_by(USERS.c.id).with_for_update())).scalars().all()


async def set_disabled(connection: AsyncConnection, user_id: UUID, *, disabled: bool) -> bool:
    """Returns whether the user exists. Disabling a user who is disabled already keeps the first time."""
    when = func.coalesce(USERS.c.disabled_at, func.now()) if disabled else None
    statement = USERS.update().where(USERS.c.id == user_id).values(disabled_at=when, updated_at=func.now())
    return (await connection.execute(statement)).rowcount == 1


async def lock(connection: AsyncConnection, user_id: UUID) -> bool:
    """Locks the user until the transaction ends, so that no other request adds a device. Returns whether the user exists."""
    query = select(USERS.c.id).where(USERS.c.id == user_id).with_for_update()
    return (await connection.execute(query)).first() is not None


async def remove(connection: AsyncConnection, user_id: UUID) -> bool:
    """Removes also the user's tokens, sessions and API keys. Call it while the user's devices are locked."""
    await connection.execute(REMOVED.delete().where(REMOVED.c.user_id == user_id))
    return (await connection.execute(USERS.delete().where(USERS.c.id == user_id))).rowcount == 1


# PostgreSQL writes the JSON. Rows and models in Python cost ten times as much for each user of a large group. A contact
# that has become an account belongs to no application (`users.is_contact`). The index on (user_id, token) finds a user's
# devices; the oldest comes first.
FIND = text(f"""
SELECT coalesce(json_object_agg(u.id, json_build_object(
    'id', u.id, 'name', u.name, 'email', u.email, 'language', u.language,
    'preferences', json_build_object('email', u.wants_email, 'push', u.wants_push, 'unsubscribed', u.unsubscribed),
    'push_tokens', coalesce((
        SELECT json_agg(json_build_object(
            'provider', t.provider, 'token', t.token,
            'keys', CASE WHEN t.provider = 'web_push' THEN json_build_object('p256dh', t.p256dh, 'auth', t.auth) END,
            'environment', t.environment
        ) ORDER BY t.created_at, t.id)
        FROM user_push_tokens t WHERE t.user_id = u.id
    ), '[]'),
    'application_id', CASE WHEN u.email_key IS NULL THEN coalesce(u.application_id, '{NO_APPLICATION}') END
)), '{{}}')::text AS users
FROM {ids("ids")} AS wanted JOIN users u USING (id)
""")  # noqa: S608 - the columns are ours


async def find_contacts(connection: StatementExecutor, wanted: Collection[UUID]) -> str:
    """A JSON object with a `contracts.users.UserContact` under the id of each user that exists. One statement for all."""
    [row] = await connection.execute(FIND, {"ids": list(set(wanted))})
    found: str = row.users
    return found
