"""Users: found, listed, removed, and what they want to hear."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from chassis.database import Database
from user_service.errors import UserNotFound
from user_service.repositories import api_keys, push_tokens, users
from user_service.repositories.users import StoredUser, UserChanges, UserFilter
from user_service.schemas.users import PreferencesChange
from user_service.services.api_keys import ApiKeys
from user_service.services.contacts import Contacts
from user_service.services.sessions import Sessions

log = structlog.get_logger()


class Users:
    def __init__(self, database: Database, contacts: Contacts, sessions: Sessions, keys: ApiKeys) -> None:
        self._database = database
        self._contacts = contacts
        self._sessions = sessions
        self._keys = keys

    async def find(self, user_id: UUID) -> StoredUser:
        """Raises UserNotFound."""
        async with self._database.begin() as connection:
            user = await users.find(connection, user_id)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, wanted: UserFilter, *, limit: int, offset: int) -> tuple[Sequence[StoredUser], int]:
        """One page, oldest first, and how many there are."""
        async with self._database.begin() as connection:
            found = await users.page(connection, wanted, limit=limit, offset=offset)
            return found, await users.count(connection, wanted)

    async def set_preferences(self, user_id: UUID, given: PreferencesChange) -> StoredUser:
        """Raises UserNotFound."""
        async with self._database.begin() as connection:
            await users.change(connection, user_id, preference_columns(given))
        await self._contacts.changed(user_id)
        return await self.find(user_id)

    async def remove(self, user_id: UUID) -> None:
        """Everything about the user goes: devices, sessions, API keys. Raises UserNotFound."""
        async with self._database.begin() as connection:
            live = await self._sessions.end_all(connection, user_id)
            key_hashes = await api_keys.hashes_of_user(connection, user_id)
            await users.lock(connection, user_id)
            await push_tokens.hold(connection, user_id)  # in their order; those that go with the user have none
            if not await users.remove(connection, user_id):
                raise UserNotFound
        await self._contacts.changed(user_id)
        await self._keys.forget(key_hashes)
        await self._sessions.revoke(live)
        log.info("user.removed", user_id=str(user_id))


def preference_columns(given: PreferencesChange) -> UserChanges:
    changes = UserChanges()
    if given.email is not None:
        changes["wants_email"] = given.email
    if given.push is not None:
        changes["wants_push"] = given.push
    return changes
