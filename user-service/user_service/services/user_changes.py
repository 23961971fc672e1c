"""Changing a user, and what has to be proved first."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from chassis.audit import Actor, AuditTrail, changed
from chassis.database import Database
from chassis.security import Identity
from contracts.addresses import address_key
from user_service.errors import CurrentPasswordWrong
from user_service.repositories import users
from user_service.repositories.audit import change_action, user_fields, user_target
from user_service.repositories.push_tokens import Device
from user_service.repositories.sessions import EndedSession
from user_service.repositories.users import StoredUser, UserChanges
from user_service.schemas.users import UserChange
from user_service.services.access import is_self
from user_service.services.contacts import Contacts
from user_service.services.password_gate import PasswordGate
from user_service.services.push_tokens import PushTokens, Registration
from user_service.services.sessions import Sessions
from user_service.services.users import locked, preference_columns, stored

log = structlog.get_logger()


class UserChanger:
    def __init__(
        self,
        database: Database,
        gate: PasswordGate,
        sessions: Sessions,
        push_tokens: PushTokens,
        contacts: Contacts,
        audit: AuditTrail,
    ) -> None:
        self._database = database
        self._gate = gate
        self._sessions = sessions
        self._push_tokens = push_tokens
        self._contacts = contacts
        self._audit = audit

    async def change(self, caller: Identity, user: StoredUser, given: UserChange, actor: Actor) -> StoredUser:
        """The user as it is then. Whether `caller` may change `user` at all was decided before.

        Raises CurrentPasswordWrong, EmailTaken, UserNotFound, and what push tokens raise.
        """
        device = None if given.push_token is None else self._push_tokens.device(given.push_token)
        # An administrator who is logged in, for somebody else: neither a stolen token nor a key made with it is a password.
        unproved = caller.kind != "user" or not caller.is_admin or is_self(caller, user.id)
        if unproved and _touches_credentials(user, given):
            await self._gate.check_user(user.id, given.current_password)
        changes = _columns(given)
        if given.password is not None:
            changes["password_hash"] = await self._gate.hash(given.password)
        written = await self._write(user, changes, given, device, actor)
        await self._sessions.revoke(written.ended)
        await self._contacts.changed(user.id)
        await self._push_tokens.tell(written.registration, actor)
        return written.user

    async def _write(
        self, user: StoredUser, changes: UserChanges, given: UserChange, device: Device | None, actor: Actor
    ) -> "_Written":
        user_id = user.id
        ended: Sequence[EndedSession] = []
        registration = None
        async with self._database.begin() as connection:
            before = await locked(connection, user_id)
            await users.change(connection, user_id, changes)
            if "push_token" in given.model_fields_set:
                registration = await self._push_tokens.replace_within(connection, user_id, device)
            if given.password is not None:
                ended = await self._sessions.end_all(connection, user_id)
                log.info("user.password_changed", user_id=str(user_id))
                await self._audit.record(connection, actor, "user.password_changed", user_target(user_id))
            after = await stored(connection, user_id)
            if user.is_contact and not after.is_contact and given.password is None:
                raise CurrentPasswordWrong  # claimed since it was looked at, so that nothing was proved
            change = changed(user_fields(before), user_fields(after))
            await self._audit.record(connection, actor, change_action(change), user_target(user_id), change)
        return _Written(after, ended, registration)


@dataclass(frozen=True, slots=True)
class _Written:
    user: StoredUser
    ended: Sequence[EndedSession]
    registration: Registration | None


def _touches_credentials(user: StoredUser, given: UserChange) -> bool:
    """A new password, or another address to log in with. The same address in a form that was sent back is no change."""
    moves = given.email is not None and address_key(given.email) != address_key(user.email)
    return given.password is not None or (moves and not user.is_contact)


def _columns(given: UserChange) -> UserChanges:
    changes = preference_columns(given.preferences)
    if given.name is not None:
        changes["name"] = given.name
    if given.email is not None:
        changes["email"] = given.email
        changes["email_key"] = address_key(given.email)
    if "language" in given.model_fields_set:
        changes["language"] = given.language
    return changes
