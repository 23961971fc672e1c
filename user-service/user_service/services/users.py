"""Users and their contact data."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, AuditTrail, changed
from chassis.postgres.database import Database
from chassis.redis.cache import Invalidator
from chassis.security import Role
from contracts.addresses import address_key
from contracts.unsubscribing import Unsubscription
from contracts.users import MAX_USER_QUESTION, USER_CACHE, AddressQuestion
from user_service.errors import LastAdministrator, UserNotFound
from user_service.repositories import api_keys, push_tokens, users
from user_service.repositories.audit import user_fields, user_target
from user_service.repositories.credentials import acting_role
from user_service.repositories.erasures import StoredErasure
from user_service.repositories.users import StoredUser, UserChanges, UserFilter
from user_service.schemas.users import PreferencesChange
from user_service.services import personal_data
from user_service.services.api_keys import ApiKeys
from user_service.services.sessions import Sessions


class UserLookups:
    """Users as other services look them up. Call `changed` after every commit that changed one: it invalidates its cached
    copies.
    """

    def __init__(self, database: Database, redis: Redis) -> None:
        self.database = database
        self._copies = Invalidator(USER_CACHE, redis)

    async def find(self, user_id: UUID) -> dict[str, Any]:
        """Raises UserNotFound."""
        found: dict[str, dict[str, Any]] = orjson.loads(await self.find_many([user_id]))
        if not found:
            raise UserNotFound
        return found[str(user_id)]

    async def find_many(self, user_ids: Collection[UUID]) -> str:
        """A JSON object of the users that exist, by id."""
        async with self.database.autocommit() as connection:
            return await users.find_contacts(connection, user_ids)

    async def ids_at(self, question: AddressQuestion) -> Sequence[UUID]:
        """Oldest first, at most `MAX_USER_QUESTION`."""
        email_key = None if question.email is None else address_key(question.email)
        wanted = UserFilter(seen_by=question.seen_by, email_key=email_key, tokens=question.tokens or None)
        async with self.database.begin() as connection:
            return await users.ids_at(connection, wanted, limit=MAX_USER_QUESTION)

    async def changed(self, *user_ids: UUID) -> None:
        """Never fails: while Redis is down, its copies cannot be read either."""
        await self._copies.forget(*map(str, user_ids))


log = structlog.get_logger()


class Users:
    """Finds, lists, disables, enables and removes users, and changes their preferences."""

    def __init__(
        self,
        database: Database,
        lookups: UserLookups,
        sessions: Sessions,
        api_keys: ApiKeys,
        audit: AuditTrail,
        *,
        admins_need_totp: bool = False,
    ) -> None:
        self.database = database
        self._lookups = lookups
        self._sessions = sessions
        self._api_keys = api_keys
        self._audit = audit
        self._acting_role = acting_role(admins_need_totp=admins_need_totp)

    async def find(self, user_id: UUID) -> StoredUser:
        """Raises UserNotFound."""
        async with self.database.begin() as connection:
            return await stored(connection, user_id)

    async def role_of(self, user_id: UUID) -> Role | None:
        """The user's role. None if the user does not exist or is disabled."""
        async with self.database.begin() as connection:
            return await users.role_of(connection, user_id, self._acting_role)

    async def page(self, wanted: UserFilter, *, limit: int, offset: int) -> tuple[Sequence[StoredUser], int]:
        """One page, oldest first, and the total number."""
        async with self.database.begin() as connection:
            found = await users.page(connection, wanted, limit=limit, offset=offset)
            return found, await users.count(connection, wanted)

    async def set_preferences(self, user_id: UUID, given: PreferencesChange, actor: Actor) -> StoredUser:
        """Raises UserNotFound."""
        async with self.database.begin() as connection:
            before = await locked(connection, user_id)
            after = await self._change(connection, before, preference_columns(given), actor)
        await self._lookups.changed(user_id)
        return after

    async def unsubscribe(self, wanted: Unsubscription, actor: Actor) -> None:
        """The user gets no more e-mails of that purpose. Changes nothing if the user does not exist."""
        async with self.database.begin() as connection:
            try:
                before = await locked(connection, wanted.user_id)
            except UserNotFound:
                return
            if wanted.purpose in before.unsubscribed:
                return
            unsubscribed = sorted({*before.unsubscribed, wanted.purpose})
            await self._change(connection, before, UserChanges(unsubscribed=unsubscribed), actor)
        await self._lookups.changed(wanted.user_id)

    async def _change(
        self, connection: AsyncConnection, before: StoredUser, columns: UserChanges, actor: Actor
    ) -> StoredUser:
        """Changes the user and notes it in the audit trail."""
        await users.change(connection, before.id, columns)
        after = await stored(connection, before.id)
        change = changed(user_fields(before), user_fields(after))
        await self._audit.record(connection, actor, "user.changed", user_target(before.id), change)
        return after

    async def disable(self, user_id: UUID, actor: Actor) -> StoredUser:
        """Ends the user's sessions. From now on logins and the user's API keys are refused. Notifications are still
        delivered.

        Raises LastAdministrator, UserNotFound.
        """
        async with self.database.begin() as connection:
            await _keep_an_administrator(connection, user_id)
            after = await self._set_disabled(connection, user_id, actor, disabled=True)
            ended = await self._sessions.end_all(connection, user_id)
            key_hashes = await api_keys.hashes_of_user(connection, user_id)
        await self._api_keys.forget(key_hashes)
        await self._sessions.revoke(ended)
        log.info("user.disabled", user_id=str(user_id))
        return after

    async def enable(self, user_id: UUID, actor: Actor) -> StoredUser:
        """Raises UserNotFound."""
        async with self.database.begin() as connection:
            after = await self._set_disabled(connection, user_id, actor, disabled=False)
        log.info("user.enabled", user_id=str(user_id))
        return after

    async def _set_disabled(
        self, connection: AsyncConnection, user_id: UUID, actor: Actor, *, disabled: bool
    ) -> StoredUser:
        before = await locked(connection, user_id)
        await users.set_disabled(connection, user_id, disabled=disabled)
        after = await stored(connection, user_id)
        action = "user.disabled" if disabled else "user.enabled"
        change = changed(user_fields(before), user_fields(after))
        await self._audit.record(connection, actor, action, user_target(user_id), change)
        return after

    async def remove(self, user_id: UUID, actor: Actor) -> StoredErasure:
        """Removes the user with all devices, sessions and API keys. Other services remove their data later.

        Raises LastAdministrator, UserNotFound.
        """
        async with self.database.begin() as connection:
            await _keep_an_administrator(connection, user_id)
            before = await locked(connection, user_id)  # the lock keeps the user from logging in meanwhile
            live = await self._sessions.end_all(connection, user_id)
            key_hashes = await api_keys.hashes_of_user(connection, user_id)
            erasure = await personal_data.record_erasure(
                connection, before, sessions=len(live), api_keys=len(key_hashes)
            )
            await push_tokens.lock_devices(connection, user_id)  # locks in id order; the cascade below would not
            await users.remove(connection, user_id)
            change = changed(user_fields(before), {})
            await self._audit.record(connection, actor, "user.deleted", user_target(user_id), change)
        await self._lookups.changed(user_id)
        await self._api_keys.forget(key_hashes)
        await self._sessions.revoke(live)
        log.info("user.deleted", user_id=str(user_id), erasure_id=str(erasure.id))
        return erasure


async def stored(connection: AsyncConnection, user_id: UUID) -> StoredUser:
    """Raises UserNotFound."""
    user = await users.find(connection, user_id)
    if user is None:
        raise UserNotFound
    return user


async def locked(connection: AsyncConnection, user_id: UUID) -> StoredUser:
    """The user, locked until the transaction ends. Raises UserNotFound."""
    await users.lock(connection, user_id)
    return await stored(connection, user_id)


async def _keep_an_administrator(connection: AsyncConnection, user_id: UUID) -> None:
    """Raises LastAdministrator. Takes a lock, so that two administrators cannot remove each other at the same time."""
    is_one = await users.role_of(connection, user_id) == "admin"
    if is_one and list(await users.lock_administrators(connection)) == [user_id]:
        raise LastAdministrator


def preference_columns(given: PreferencesChange) -> UserChanges:
    changes = UserChanges()
    if given.email is not None:
        changes["wants_email"] = given.email
    if given.push is not None:
        changes["wants_push"] = given.push
    if given.unsubscribed is not None:
        changes["unsubscribed"] = sorted(set(given.unsubscribed))
    return changes
