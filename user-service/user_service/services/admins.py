"""The first administrator: made from the command line or by whoever starts the system, never over HTTP."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import SecretStr

from chassis.database import Database
from contracts.addresses import address_key
from user_service.errors import EmailTaken
from user_service.repositories import users
from user_service.repositories.users import UserChanges
from user_service.schemas.users import SignUp
from user_service.services.passwords import Passwords
from user_service.services.sign_ups import new_user


@dataclass(frozen=True, slots=True)
class EnsuredAdmin:
    user_id: UUID
    outcome: Literal["created", "promoted", "unchanged"]


async def ensure_admin(
    database: Database, passwords: Passwords, *, email: str, name: str, password: str
) -> EnsuredAdmin:
    """Afterwards there is an administrator with this address. A user who was there keeps name and password.

    Raises pydantic's ValidationError for what a sign-up would refuse.
    """
    given = SignUp(name=name, email=email, password=SecretStr(password))
    return await _promote(database, given.email) or await _create(database, passwords, given)


async def _promote(database: Database, email: str) -> EnsuredAdmin | None:
    async with database.begin() as connection:
        user_id = await users.id_of(connection, address_key(email))
        user = await users.find(connection, user_id) if user_id else None
        if user is None:
            return None
        if user.role == "admin":
            return EnsuredAdmin(user.id, "unchanged")
        await users.change(connection, user.id, UserChanges(role="admin"))
    return EnsuredAdmin(user.id, "promoted")


async def _create(database: Database, passwords: Passwords, given: SignUp) -> EnsuredAdmin:
    user = new_user(given, await passwords.hash(given.password.get_secret_value()))
    try:
        async with database.begin() as connection:
            await users.add(connection, user)
            await users.change(connection, user.id, UserChanges(role="admin"))
    except EmailTaken:  # somebody was faster
        return await _promote(database, given.email) or await _create(database, passwords, given)
    return EnsuredAdmin(user.id, "created")
