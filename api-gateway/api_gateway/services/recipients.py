"""Finds notifications by an address: the ids that they have in place of it, or of the users whose address it is."""

from collections.abc import Iterable
from uuid import UUID

from pydantic import TypeAdapter

from api_gateway.repositories import reading
from api_gateway.schemas.recipients import AddressSearch, recipient_id
from api_gateway.services.reading import is_recipient
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from chassis.security import Identity, application_of
from contracts.users import AddressFindings, AddressQuestion

MAX_CALLERS = 2_000  # applications first; each costs a look into the index, some 10 µs
_FINDINGS = TypeAdapter(Envelope[AddressFindings])


class RecipientFinder:
    """The ids under which `notifications.user_id` has an e-mail address or a device, as far as the caller may know.

    Notifications with `to` have an id that is derived from the address and the application, so the address itself is in no
    index. A caller with `users:read` finds the notifications to users, too: those who have the address now.
    """

    def __init__(self, database: Database, users: ServiceClient) -> None:
        self._database = database
        self._users = users

    async def ids_of(self, to: str, identity: Identity) -> tuple[UUID, ...]:
        """Raises DependencyUnavailable."""
        address = AddressSearch.of(to)
        if is_recipient(identity):
            return await self._users_at(address, None)  # whose list is narrowed to themselves anyway
        given = [recipient_id(key, name) for name in await self._senders(identity) for key in address.keys]
        if not identity.allows("users:read"):
            return tuple(given)
        seen_by = None if identity.is_admin else UUID(identity.application_id or identity.subject)
        return (*given, *await self._users_at(address, seen_by))

    async def _senders(self, identity: Identity) -> Iterable[str]:
        """Whose notifications the caller may see: an application and its test keys count as one."""
        if not identity.is_admin:
            return [identity.caller]
        async with self._database.begin() as connection:
            callers = await reading.callers(connection, limit=MAX_CALLERS)
        return {application_of(caller) or caller for caller in callers}

    async def _users_at(self, address: AddressSearch, seen_by: UUID | None) -> tuple[UUID, ...]:
        tokens = tuple(device.token for device in address.devices)
        question = AddressQuestion(email=address.email, tokens=tokens, seen_by=seen_by)
        answer = await self._users.post("/internal/users/find-by-address", question.model_dump_json().encode())
        return found_of(_FINDINGS, *answer).ids
