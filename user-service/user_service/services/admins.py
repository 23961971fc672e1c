"""Creates the first administrator: from the command line or when the system is started, never over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import SecretStr

from chassis.audit import COMMAND, AuditTrail, changed
from chassis.postgres.database import Database
from contracts.addresses import address_key
from user_service.errors import EmailTaken
from user_service.repositories import credentials, push_tokens, sessions, users
from user_service.repositories.audit import user_fields, user_target
from user_service.repositories.sessions import EndedSession
from user_service.repositories.users import StoredUser, UserChanges
from user_service.schemas.users import SignUp
from user_service.services.passwords import Passwords
from user_service.services.sign_ups import new_user
from user_service.services.users import locked, stored


class NotAnAdministrator(EmailTaken):
    message = (
        "A user has signed up with this address and knows its password. To make that user an administrator, add --promote: "
        "it gets the new password, and its sessions end"
    )


@dataclass(frozen=True, slots=True)
class EnsuredAdmin:
    """`ended`: the sessions of a promoted user. The caller must revoke them."""

    user_id: UUID
    outcome: Literal["created", "promoted", "unchanged", "unlocked"]
    ended: Sequence[EndedSession] = ()


@dataclass(frozen=True, slots=True)
class AdminMaker:
    """The dependencies of `ensure_admin`."""

    database: Database
    passwords: Passwords
    audit: AuditTrail


async def ensure_admin(
    maker: AdminMaker, *, email: str, name: str, password: str, promote: bool = False
) -> EnsuredAdmin:
    """Ensures that there is an administrator with this address. An existing administrator stays unchanged, except that
    `promote` removes the second factor.

    An ordinary user with this address is promoted only with `promote`. The user then gets the new password and loses all
    sessions and devices, because anybody may have signed up with this address. Without `promote` it raises
    NotAnAdministrator. It raises pydantic's ValidationError for data that a sign-up would refuse.
    """
    given = SignUp(name=name, email=email, password=SecretStr(password))
    found = await _find(maker.database, given.email)
    if found is None:
        return await _create(maker, given, password, promote=promote)
    if found.role == "admin":
        unlocked = promote and await clear_totp(maker.database, maker.audit, given.email)
        return EnsuredAdmin(found.id, "unlocked" if unlocked else "unchanged")
    if not promote:
        raise NotAnAdministrator
    return await _promote(maker, found.id, await maker.passwords.hash(password))


async def clear_totp(database: Database, audit: AuditTrail, email: str) -> bool:
    """For an administrator who has lost the device and the recovery codes. False: no second factor, or no such user."""
    async with database.begin() as connection:
        user_id = await users.id_of(connection, address_key(email))
        removed = user_id is not None and await credentials.remove(connection, user_id)
        if removed:
            await audit.record(connection, COMMAND, "totp.reset", user_target(str(user_id)))
        return removed


async def _find(database: Database, email: str) -> StoredUser | None:
    async with database.begin() as connection:
        user_id = await users.id_of(connection, address_key(email))
        return await users.find(connection, user_id) if user_id else None


async def _promote(maker: AdminMaker, user_id: UUID, password_hash: str) -> EnsuredAdmin:
    async with maker.database.begin() as connection:
        before = await locked(connection, user_id)
        await users.change(connection, user_id, UserChanges(role="admin", password_hash=password_hash))
        await users.set_disabled(connection, user_id, disabled=False)
        await push_tokens.remove_all(connection, user_id, "by_admin")
        ended = await sessions.end_of_user(connection, user_id)
        change = changed(user_fields(before), user_fields(await stored(connection, user_id)))
        await maker.audit.record(connection, COMMAND, "user.promoted", user_target(user_id), change)
    return EnsuredAdmin(user_id, "promoted", ended)


async def _create(maker: AdminMaker, given: SignUp, password: str, *, promote: bool) -> EnsuredAdmin:
    user = new_user(given, await maker.passwords.hash(password))
    try:
        async with maker.database.begin() as connection:
            await users.add(connection, user)
            await users.change(connection, user.id, UserChanges(role="admin"))
            change = changed({}, user_fields(await stored(connection, user.id)))
            await maker.audit.record(connection, COMMAND, "user.created", user_target(user.id), change)
    except EmailTaken:  # another request was faster
        return await ensure_admin(maker, email=given.email, name=given.name, password=password, promote=promote)
    return EnsuredAdmin(user.id, "created")
