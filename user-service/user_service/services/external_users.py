"""Contacts: users without a password, which an application adds under its own ids."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, Change, changed
from chassis.errors import Forbidden
from chassis.postgres.database import Database
from chassis.security import Identity
from contracts.addresses import address_key
from user_service.errors import ExternalIdTaken, UserNotFound
from user_service.repositories import external_users, users
from user_service.repositories.audit import change_action, user_fields, user_target
from user_service.repositories.external_users import NewContact, WrittenContact
from user_service.repositories.users import StoredUser
from user_service.schemas.external_users import BulkContact, ContactRequest
from user_service.schemas.users import SignUp
from user_service.services.push_tokens import PushTokens
from user_service.services.users import UserLookups, stored

log = structlog.get_logger()


class ExternalUsers:
    """External ids are unique within an application. Every method raises Forbidden if the caller is not an application."""

    def __init__(self, database: Database, lookups: UserLookups, push_tokens: PushTokens, audit: AuditTrail) -> None:
        self._database = database
        self._lookups = lookups
        self._push_tokens = push_tokens
        self._audit = audit

    async def find(self, caller: Identity, external_id: str) -> StoredUser:
        """Raises UserNotFound."""
        application_id = _application_of(caller, "users:read")
        async with self._database.begin() as connection:
            user_id = await external_users.id_of(connection, application_id, external_id)
            return await _stored(connection, user_id)

    async def find_many(self, caller: Identity, external_ids: Sequence[str]) -> dict[str, StoredUser]:
        """The contacts that exist, by external id, in the given order."""
        application_id = _application_of(caller, "users:read")
        async with self._database.begin() as connection:
            found = await users.find_external(connection, application_id, external_ids)
        known = {user.external_id: user for user in found}
        return {external_id: known[external_id] for external_id in external_ids if external_id in known}

    async def add(self, caller: Identity, given: SignUp, actor: Actor) -> StoredUser:
        """Raises ExternalIdTaken, and the errors of push tokens."""
        user, _ = await self._put(caller, given.external_id, given, actor, only_new=True)
        return user

    async def put(
        self, caller: Identity, external_id: str, given: ContactRequest, actor: Actor
    ) -> tuple[StoredUser, bool]:
        """The user, and whether it is new. Raises the errors of push tokens."""
        return await self._put(caller, external_id, given, actor, only_new=False)

    async def put_many(self, caller: Identity, given: Sequence[BulkContact], actor: Actor) -> list[WrittenContact]:
        """All contacts in the given order. Writes either all or none. The audit trail records their number."""
        application_id = _application_of(caller, "users:write")
        contacts = [_new(contact, contact.external_id) for contact in given]
        async with self._database.begin() as connection:
            await external_users.lock_contacts(connection, application_id)
            written = await _written(connection, application_id, contacts)
            created = sum(one.created for one in written)
            counts = Change({}, {"created": created, "updated": len(written) - created})
            await self._audit.record(connection, actor, "contacts.written", f"application:{application_id}", counts)
        await self._lookups.changed(*(one.id for one in written if not one.created))
        log.info("contacts.written", application_id=str(application_id), count=len(written))
        return written

    async def _put(
        self, caller: Identity, external_id: str | None, given: ContactRequest | SignUp, actor: Actor, *, only_new: bool
    ) -> tuple[StoredUser, bool]:
        application_id = _application_of(caller, "users:write")
        device = None if given.push_token is None else await self._push_tokens.device(given.push_token)
        contacts = [_new(given, external_id)]
        registration = None
        async with self._database.begin() as connection:
            before = await _before(connection, application_id, external_id)
            write = external_users.add if only_new else _written
            written = await write(connection, application_id, contacts)
            if not written:
                raise ExternalIdTaken
            [one] = written
            if device is not None:
                registration = await self._push_tokens.replace_within(connection, one.id, device, actor)
            user = await _stored(connection, one.id)
            change = changed({} if before is None else user_fields(before), user_fields(user))
            action = "user.created" if one.created else change_action(change)
            await self._audit.record(connection, actor, action, user_target(one.id), change)
        await self._lookups.changed(one.id)
        await self._push_tokens.after_registration(registration, actor)
        log.info("contact.written", application_id=str(application_id), user_id=str(one.id), created=one.created)
        return user, one.created


def _application_of(caller: Identity, scope: str) -> UUID:
    if caller.application_id is None or not caller.allows(scope):
        raise Forbidden(f"Contacts belong to applications; this needs an application's key with the scope {scope}")
    return UUID(caller.application_id)


def _new(given: ContactRequest | BulkContact | SignUp, external_id: str | None) -> NewContact:
    return NewContact(
        id=uuid7(),
        external_id=external_id,
        name=given.name,
        email=given.email,
        contact_key=address_key(given.email),
        language=given.language,
        wants_email=given.preferences.email,
        wants_push=given.preferences.push,
    )


async def _written(
    connection: AsyncConnection, application_id: UUID, contacts: Sequence[NewContact]
) -> list[WrittenContact]:
    """Repeats both statements, within the transaction, until every contact was updated or added."""
    found: dict[str | None, WrittenContact] = {}
    while len(found) < len(contacts):
        for write in (external_users.update, external_users.add):
            missing = [contact for contact in contacts if contact.external_id not in found]
            found |= {one.external_id: one for one in await write(connection, application_id, missing)}
    return [found[contact.external_id] for contact in contacts]


async def _before(connection: AsyncConnection, application_id: UUID, external_id: str | None) -> StoredUser | None:
    """The stored contact, locked until the transaction ends."""
    user_id = None if external_id is None else await external_users.id_of(connection, application_id, external_id)
    if user_id is None:
        return None
    await users.lock(connection, user_id)
    return await users.find(connection, user_id)


async def _stored(connection: AsyncConnection, user_id: UUID | None) -> StoredUser:
    if user_id is None:
        raise UserNotFound
    return await stored(connection, user_id)
