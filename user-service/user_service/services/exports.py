"""Everything that is kept about a person, for them to have."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter

from chassis.audit import Actor, AuditTrail
from chassis.database import Database
from chassis.envelope import Envelope
from chassis.http_client import ServiceClient, found_of
from chassis.security import Identity
from contracts.erasing import ExportFindings, ExportQuestion
from user_service.errors import UserNotFound
from user_service.repositories import applications, push_tokens, sessions
from user_service.repositories.applications import StoredApplication
from user_service.repositories.audit import user_target
from user_service.repositories.push_tokens import StoredPushToken
from user_service.repositories.sessions import StoredSession
from user_service.repositories.users import StoredUser
from user_service.services.access import is_self

_FINDINGS = TypeAdapter(Envelope[ExportFindings])


@dataclass(frozen=True, slots=True)
class Export:
    """`page` is a page of the notifications; the rest is whole."""

    user: StoredUser
    devices: list[StoredPushToken]
    sessions: list[StoredSession]
    applications: list[StoredApplication]
    page: ExportFindings


class Exports:
    def __init__(self, database: Database, gateway: ServiceClient, audit: AuditTrail) -> None:
        self._database = database
        self._gateway = gateway
        self._audit = audit

    async def export(
        self, user: StoredUser, caller: Identity, actor: Actor, *, cursor: UUID | None, limit: int
    ) -> Export:
        """For the person and for administrators; for an application what it has sent to a contact of its own.

        Raises UserNotFound for other callers, and DependencyUnavailable.
        """
        whole = caller.is_admin or is_self(caller, user.id)
        if not whole and (user.application_id is None or str(user.application_id) != caller.application_id):
            raise UserNotFound
        question = ExportQuestion(
            user_id=user.id, application_id=None if whole else user.application_id, after=cursor, limit=limit
        )
        page = found_of(_FINDINGS, *await self._gateway.post("/internal/exports", question.model_dump_json().encode()))
        async with self._database.begin() as connection:
            found = Export(
                user,
                devices=list(await push_tokens.of_user(connection, user.id)),
                sessions=list(await sessions.of_user(connection, user.id)) if whole else [],
                applications=list(await applications.owned_by(connection, user.id)) if whole else [],
                page=page,
            )
            if cursor is None:
                await self._audit.record(connection, actor, "user.exported", user_target(user.id))
        return found
