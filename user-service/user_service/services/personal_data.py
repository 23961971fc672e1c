"""Erases and exports a person's data."""

from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Gauge
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, Change
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from chassis.security import Identity
from contracts.erasing import ErasureProgress, ErasureRequest, ExportFindings, ExportQuestion
from contracts.services import USER_SERVICE
from user_service.errors import ErasureNotFound, UserNotFound
from user_service.repositories import applications, erasures, push_tokens, removed_devices, sessions
from user_service.repositories.audit import user_target
from user_service.repositories.erasures import StoredErasure
from user_service.repositories.users import StoredUser
from user_service.schemas.erasures import Export
from user_service.services.access import is_self

log = structlog.get_logger()

LEASE = timedelta(seconds=15)
# Longer than any cached copy of a user stays in use. After this period nothing new about the user can be accepted or sent.
QUIET_PERIOD = timedelta(seconds=30)
MAX_PAUSE = timedelta(minutes=5)
_PROGRESS = TypeAdapter(Envelope[ErasureProgress])


async def record_erasure(
    connection: AsyncConnection, user: StoredUser, *, sessions: int, api_keys: int
) -> StoredErasure:
    """Records the erasure. Call it in the transaction that deletes the user, before the deletion."""
    erased = {"sessions": sessions, "devices": await push_tokens.count(connection, user.id), "api_keys": api_keys}
    return await erasures.add(connection, uuid7(), user.id, user.application_id, erased)


class Erasures:
    """Has the gateway erase what it stores about deleted users, and asks again until nothing is left."""

    def __init__(
        self, database: Database, gateway: ServiceClient, audit: AuditTrail, registry: CollectorRegistry
    ) -> None:
        self._oldest = Gauge(
            "erasure_oldest_seconds",
            "Age in seconds of the oldest incomplete erasure; 0 if there is none",
            registry=registry,
        )
        self._database = database
        self._gateway = gateway
        self._audit = audit
        self.quiet_period = QUIET_PERIOD

    async def find(self, erasure_id: UUID, caller: Identity) -> StoredErasure:
        """For administrators, and for the application that owned the contact. Raises ErasureNotFound."""
        async with self._database.begin() as connection:
            found = await erasures.find(connection, erasure_id)
        if found is None or not (caller.is_admin or _was_contact_of(found, caller)):
            raise ErasureNotFound
        return found

    async def run_once(self) -> int:
        """Continues the erasure that has been due for longest. Returns 1 if there was one, else 0."""
        async with self._database.begin() as connection:
            self._oldest.set((await erasures.oldest_age(connection)).total_seconds())
            due = await erasures.take_due(connection, lease=LEASE)
        if due is None:
            return 0
        erasure, age = due
        try:
            body = ErasureRequest(user_id=erasure.user_id).model_dump_json().encode()
            progress = found_of(_PROGRESS, *await self._gateway.post("/internal/erasures", body))
        except DependencyUnavailable:
            log.warning("erasure.waits", erasure_id=str(erasure.id), age_seconds=round(age.total_seconds()))
            return 1
        await self._record_progress(erasure, age, progress)
        return 1

    async def _record_progress(self, erasure: StoredErasure, age: timedelta, progress: ErasureProgress) -> None:
        erased = _added(erasure.erased, progress)
        quiet = age - timedelta(seconds=progress.seconds) >= self.quiet_period
        complete = progress.finished and not progress.open and quiet
        async with self._database.begin() as connection:
            pause = None if complete else self._pause(age, progress)
            await erasures.record_progress(connection, erasure.id, erased, pause=pause)
            if complete:
                actor, change = Actor(f"service:{USER_SERVICE}"), Change({}, erased)
                await self._audit.record(connection, actor, "user.erased", user_target(erasure.user_id), change)
        if complete:
            log.info("erasure.completed", erasure_id=str(erasure.id), **erased)

    def _pause(self, age: timedelta, progress: ErasureProgress) -> timedelta:
        """The pause before the gateway is asked again. It is short while the gateway is still erasing.

        Otherwise it grows with the erasure's age, because a notification in progress may wait for a provider for hours.
        """
        if not progress.finished:
            return timedelta(seconds=1)
        return max(self.quiet_period - age, min(age / 4, MAX_PAUSE), timedelta(seconds=1))


def _was_contact_of(erasure: StoredErasure, caller: Identity) -> bool:
    return erasure.application_id is not None and str(erasure.application_id) == caller.application_id


def _added(before: dict[str, int], progress: ErasureProgress) -> dict[str, int]:
    """Adds the gateway's counts. Failed messages count once, when they are removed. The other counts are totals."""
    if not progress.finished:
        return before
    removed = before.get("failed_messages", 0) + progress.failed_messages
    return {
        **before,
        "notifications": progress.notifications,
        "deliveries": progress.deliveries,
        "failed_messages": removed,
    }


_FINDINGS = TypeAdapter(Envelope[ExportFindings])


class Exports:
    """Gathers what the system stores about a user, for the user or for their application."""

    def __init__(self, database: Database, gateway: ServiceClient, audit: AuditTrail) -> None:
        self._database = database
        self._gateway = gateway
        self._audit = audit

    async def export(
        self, user: StoredUser, caller: Identity, actor: Actor, *, cursor: UUID | None, limit: int
    ) -> Export:
        """Everything for the user and for administrators. An application gets only what it sent to its own contact.

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
                removed_devices=list(await removed_devices.of_user(connection, user.id)),
                sessions=list(await sessions.of_user(connection, user.id)) if whole else [],
                applications=list(await applications.owned_by(connection, user.id)) if whole else [],
                page=page,
            )
            if cursor is None:
                await self._audit.record(connection, actor, "user.exported", user_target(user.id))
        return found
