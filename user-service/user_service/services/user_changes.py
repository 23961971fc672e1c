"""Changes a user, and checks the current password where the change needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.audit import Actor, AuditTrail, changed
from chassis.postgres.database import Database
from chassis.security import Identity
from contracts.addresses import address_key
from user_service.errors import CurrentPasswordWrong
from user_service.repositories import mailed_tokens, users
from user_service.repositories.audit import change_action, user_fields, user_target
from user_service.repositories.push_tokens import Device
from user_service.repositories.sessions import EndedSession
from user_service.repositories.users import StoredUser, UserChanges
from user_service.schemas.users import UserChange
from user_service.services.access import is_self
from user_service.services.account_mails import ENDED_BY_PASSWORD
from user_service.services.addresses import Addresses, address_columns
from user_service.services.push_tokens import PushTokens, Registration
from user_service.services.sessions import Sessions
from user_service.services.throttle import ThrottledPasswords
from user_service.services.users import UserLookups, locked, preference_columns, stored

log = structlog.get_logger()

# What happens with the address: it stays, changes when it is confirmed, or changes at once.
AddressChange = Literal["none", "when_confirmed", "at_once"]


class UserChanger:
    """Changes a user's data, password, address and devices in one transaction."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition root hands every part in
        self,
        database: Database,
        passwords: ThrottledPasswords,
        sessions: Sessions,
        push_tokens: PushTokens,
        lookups: UserLookups,
        addresses: Addresses,
        audit: AuditTrail,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._sessions = sessions
        self._push_tokens = push_tokens
        self._lookups = lookups
        self._addresses = addresses
        self._audit = audit

    async def change(self, caller: Identity, user: StoredUser, given: UserChange, actor: Actor) -> StoredUser:
        """The changed user. Whether `caller` may change `user` at all was checked before. An address that users set for
        themselves waits until it is confirmed. Other callers change it at once.

        Raises CurrentPasswordWrong, EmailTaken, TooManyMails, UserNotFound, and the errors of push tokens.
        """
        device = None if given.push_token is None else await self._push_tokens.device(given.push_token)
        # Only an administrator who is logged in may set another user's password. A key made with a stolen token cannot.
        unproved = caller.kind != "user" or not caller.is_admin or is_self(caller, user.id)
        if unproved and _touches_credentials(user, given):
            await self._passwords.check_user(user.id, given.current_password)
        address_change = _address_change(caller, user, given)
        if address_change == "when_confirmed" and given.email is not None:
            await self._addresses.check_new_address(given.email, client=actor.address or "")
        changes = _columns(given, address_change)
        if given.password is not None:
            changes["password_hash"] = await self._passwords.hash(given.password)
        written = await self._write(user, given, _Writing(changes, address_change, device), actor)
        await self._sessions.revoke(written.ended)
        await self._lookups.changed(user.id)
        await self._push_tokens.after_registration(written.registration, actor)
        return written.user

    async def _write(self, user: StoredUser, given: UserChange, writing: "_Writing", actor: Actor) -> "_Written":
        ended: Sequence[EndedSession] = []
        registration = None
        async with self._database.begin() as connection:
            before = await locked(connection, user.id)
            await users.change(connection, user.id, writing.changes)
            if "push_token" in given.model_fields_set:
                registration = await self._push_tokens.replace_within(connection, user.id, writing.device, actor)
            if given.password is not None:
                ended = await self._sessions.end_all(connection, user.id)
                await mailed_tokens.void(connection, user.id, ENDED_BY_PASSWORD)
                log.info("user.password_changed", user_id=str(user.id))
                await self._audit.record(connection, actor, "user.password_changed", user_target(user.id))
            await self._change_address(connection, user, given, writing.address_change)
            after = await stored(connection, user.id)
            if user.is_contact and not after.is_contact and given.password is None:
                raise CurrentPasswordWrong  # the contact got a password after it was read, so the current one was not checked
            change = changed(user_fields(before), user_fields(after))
            await self._audit.record(connection, actor, change_action(change), user_target(user.id), change)
        return _Written(after, ended, registration)

    async def _change_address(
        self, connection: AsyncConnection, user: StoredUser, given: UserChange, change: AddressChange
    ) -> None:
        match change:
            case "when_confirmed" if given.email is not None:
                await self._addresses.ask_to_confirm(connection, user.id, given.email)
            case "at_once":
                await self._addresses.mail_old_address(connection, user, "address_notice")


@dataclass(frozen=True, slots=True)
class _Writing:
    """What is written to the database."""

    changes: UserChanges
    address_change: AddressChange
    device: Device | None


@dataclass(frozen=True, slots=True)
class _Written:
    """What remains to be done after the commit."""

    user: StoredUser
    ended: Sequence[EndedSession]
    registration: Registration | None


def _touches_credentials(user: StoredUser, given: UserChange) -> bool:
    """Whether it sets a new password or another login address. The same address sent back unchanged does not count."""
    return given.password is not None or (_has_new_address(user, given) and not user.is_contact)


def _has_new_address(user: StoredUser, given: UserChange) -> bool:
    return given.email is not None and address_key(given.email) != address_key(user.email)


def _address_change(caller: Identity, user: StoredUser, given: UserChange) -> AddressChange:
    if not _has_new_address(user, given):
        return "none"
    return "when_confirmed" if is_self(caller, user.id) else "at_once"


def _columns(given: UserChange, address_change: AddressChange) -> UserChanges:
    changes = preference_columns(given.preferences)
    if given.name is not None:
        changes["name"] = given.name
    if given.email is not None and address_change == "none":
        changes["email"] = given.email  # the same address, perhaps with other capitals
    if given.email is not None and address_change == "at_once":
        changes |= address_columns(given.email)
    if "language" in given.model_fields_set:
        changes["language"] = given.language
    return changes
