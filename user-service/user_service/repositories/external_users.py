"""Contacts: users that applications add under their own ids."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from user_service.errors import ApplicationGone
from user_service.models import User, table_of

USERS = table_of(User)

_GIVEN = """
SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(
    id uuid, external_id text, name text, email text, contact_key text, language text,
    wants_email boolean, wants_push boolean)
"""

# Groups of one application are written one after another. Otherwise two groups could lock the same rows in different
# orders.
LOCK_CONTACTS = text("SELECT pg_advisory_xact_lock(hashtextextended('contacts:' || CAST(:application_id AS text), 0))")

# The owner of an account decides about its address.
UPDATE = text(f"""
UPDATE users u SET
    name = given.name,
    email = CASE WHEN u.email_key IS NULL THEN given.email ELSE u.email END,
    contact_key = CASE WHEN u.email_key IS NULL THEN given.contact_key END,
    language = coalesce(given.language, u.language),
    wants_email = coalesce(given.wants_email, u.wants_email),
    wants_push = coalesce(given.wants_push, u.wants_push),
    updated_at = now()
FROM ({_GIVEN}) AS given
WHERE u.application_id = :application_id AND u.external_id = given.external_id
RETURNING u.id, u.external_id
""")  # noqa: S608 - of constants

INSERT = text(f"""
INSERT INTO users (
    id, application_id, external_id, name, email, contact_key, role, language, wants_email, wants_push)
SELECT id, :application_id, external_id, name, email, contact_key, 'user', language, coalesce(wants_email, true),
    coalesce(wants_push, true)
FROM ({_GIVEN}) AS given ORDER BY external_id
ON CONFLICT (application_id, external_id) DO NOTHING
RETURNING id, external_id
""")  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class NewContact:
    """A user without a password. None: the stored value stays, or the default of a new user applies."""

    id: UUID
    external_id: str | None
    name: str
    email: str
    contact_key: str
    language: str | None
    wants_email: bool | None
    wants_push: bool | None


@dataclass(frozen=True, slots=True)
class WrittenContact:
    id: UUID
    external_id: str | None
    created: bool


async def id_of(connection: AsyncConnection, application_id: UUID, external_id: str) -> UUID | None:
    query = select(USERS.c.id).where(USERS.c.application_id == application_id, USERS.c.external_id == external_id)
    found: UUID | None = (await connection.execute(query)).scalar()
    return found


async def lock_contacts(connection: AsyncConnection, application_id: UUID) -> None:
    """Waits until no other transaction writes contacts of the application. The lock is held until the transaction ends."""
    await connection.execute(LOCK_CONTACTS, {"application_id": str(application_id)})


async def add(
    connection: AsyncConnection, application_id: UUID, contacts: Sequence[NewContact]
) -> list[WrittenContact]:
    """Adds the contacts that did not exist, and returns those that it added. Raises ApplicationGone."""
    try:
        rows = await connection.execute(INSERT, {"application_id": application_id, "rows": _rows(contacts)})
    except IntegrityError as error:
        if "fk_users_application_id" in str(error.orig):
            raise ApplicationGone from None
        raise
    return [WrittenContact(row.id, row.external_id, created=True) for row in rows]


async def update(
    connection: AsyncConnection, application_id: UUID, contacts: Sequence[NewContact]
) -> list[WrittenContact]:
    """Updates the contacts that exist, and returns those that it updated."""
    rows = await connection.execute(UPDATE, {"application_id": application_id, "rows": _rows(contacts)})
    return [WrittenContact(row.id, row.external_id, created=False) for row in rows]


def _rows(contacts: Sequence[NewContact]) -> str:
    return orjson.dumps([asdict(contact) for contact in contacts]).decode()
