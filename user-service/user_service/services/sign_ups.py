"""New users."""

from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.database import Database
from contracts.addresses import address_key
from user_service.errors import EmailTaken, UserNotFound
from user_service.repositories import users
from user_service.repositories.users import NewUser, StoredUser
from user_service.schemas.users import SignUp
from user_service.services.passwords import Passwords
from user_service.services.push_tokens import PushTokens

log = structlog.get_logger()


class SignUps:
    def __init__(self, database: Database, passwords: Passwords, push_tokens: PushTokens) -> None:
        self._database = database
        self._passwords = passwords
        self._push_tokens = push_tokens

    async def add(self, given: SignUp, password: SecretStr) -> StoredUser:
        """The new user, with the role `user`. Raises EmailTaken, HashingBusy, a 422 for a refused push endpoint."""
        device = None if given.push_token is None else self._push_tokens.device(given.push_token)
        await self._refuse_taken(given.email)
        new = new_user(given, await self._passwords.hash(password.get_secret_value()))
        registration = None
        async with self._database.begin() as connection:
            await users.add(connection, new)
            if device is not None:
                registration = await self._push_tokens.replace_within(connection, new.id, device)
            user = await _stored(connection, new.id)
        await self._push_tokens.tell(registration, actor=f"user:{new.id}")
        log.info("user.signed_up", user_id=str(new.id))
        return user

    async def _refuse_taken(self, email: str) -> None:
        """Before a hash is spent; the insert decides."""
        async with self._database.begin() as connection:
            if await users.id_of(connection, address_key(email)) is not None:
                raise EmailTaken


def new_user(given: SignUp, password_hash: str) -> NewUser:
    return NewUser(
        id=uuid7(),
        name=given.name,
        email=given.email,
        email_key=address_key(given.email),
        password_hash=password_hash,
        language=given.language,
        wants_email=given.preferences.email,
        wants_push=given.preferences.push,
    )


async def _stored(connection: AsyncConnection, user_id: UUID) -> StoredUser:
    user = await users.find(connection, user_id)
    if user is None:
        raise UserNotFound
    return user
