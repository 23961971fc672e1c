"""Erases people who were deleted, everywhere: orders it from the gateway until nothing of them is under way any more."""

from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Gauge
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from chassis.audit import Actor, AuditTrail, Change
from chassis.database import Database
from chassis.envelope import Envelope
from chassis.errors import DependencyUnavailable
from chassis.http_client import ServiceClient, found_of
from chassis.security import Identity
from contracts.erasing import ErasureOrder, ErasureProgress
from contracts.lookups import USER_SERVICE
from user_service.errors import ErasureNotFound
from user_service.repositories import erasures, push_tokens
from user_service.repositories.audit import user_target
from user_service.repositories.erasures import StoredErasure
from user_service.repositories.users import StoredUser

log = structlog.get_logger()

LEASE = timedelta(seconds=15)
# Longer than any copy of a user that somebody may still accept or send by: what is erased later than that stays erased.
SETTLED = timedelta(seconds=30)
MAX_PAUSE = timedelta(minutes=5)
_PROGRESS = TypeAdapter(Envelope[ErasureProgress])


async def order(connection: AsyncConnection, user: StoredUser, *, sessions: int, api_keys: int) -> StoredErasure:
    """In the transaction that deletes the user, and before."""
    erased = {"sessions": sessions, "devices": await push_tokens.count(connection, user.id), "api_keys": api_keys}
    return await erasures.add(connection, uuid7(), user.id, user.application_id, erased)


class Erasures:
    def __init__(
        self, database: Database, gateway: ServiceClient, audit: AuditTrail, registry: CollectorRegistry
    ) -> None:
        self._oldest = Gauge(
            "erasure_oldest_seconds", "Age of the oldest erasure that is not complete; 0 for none", registry=registry
        )
        self._database = database
        self._gateway = gateway
        self._audit = audit
        self._settled = SETTLED

    async def find(self, erasure_id: UUID, caller: Identity) -> StoredErasure:
        """For administrators, and for the application whose contact it was. Raises ErasureNotFound."""
        async with self._database.begin() as connection:
            found = await erasures.find(connection, erasure_id)
        if found is None or not (caller.is_admin or _was_contact_of(found, caller)):
            raise ErasureNotFound
        return found

    async def run_once(self) -> int:
        """Goes on with the erasure that is due for longest: 1 when there was one."""
        async with self._database.begin() as connection:
            self._oldest.set((await erasures.oldest_age(connection)).total_seconds())
            due = await erasures.take_due(connection, lease=LEASE)
        if due is None:
            return 0
        erasure, age = due
        try:
            body = ErasureOrder(user_id=erasure.user_id).model_dump_json().encode()
            progress = found_of(_PROGRESS, *await self._gateway.post("/internal/erasures", body))
        except DependencyUnavailable:
            log.warning("erasure.waits", erasure_id=str(erasure.id), age_seconds=round(age.total_seconds()))
            return 1
        await self._went_on(erasure, age, progress)
        return 1

    async def _went_on(self, erasure: StoredErasure, age: timedelta, progress: ErasureProgress) -> None:
        erased = _added(erasure.erased, progress)
        settled = age - timedelta(seconds=progress.seconds) >= self._settled
        complete = progress.finished and not progress.open and settled
        async with self._database.begin() as connection:
            pause = None if complete else self._pause(age, progress)
            await erasures.go_on(connection, erasure.id, erased, pause=pause)
            if complete:
                actor, change = Actor(f"service:{USER_SERVICE}"), Change({}, erased)
                await self._audit.record(connection, actor, "user.erased", user_target(erasure.user_id), change)
        if complete:
            log.info("erasure.completed", erasure_id=str(erasure.id), **erased)

    def _pause(self, age: timedelta, progress: ErasureProgress) -> timedelta:
        """Short while it is at work; else the longer it lasts, the rarer: what is open may wait for a provider for hours."""
        if not progress.finished:
            return timedelta(seconds=1)
        return max(self._settled - age, min(age / 4, MAX_PAUSE), timedelta(seconds=1))


def _was_contact_of(erasure: StoredErasure, caller: Identity) -> bool:
    return erasure.application_id is not None and str(erasure.application_id) == caller.application_id


def _added(before: dict[str, int], progress: ErasureProgress) -> dict[str, int]:
    """The gateway counts anew what is there, and once what it removes."""
    if not progress.finished:
        return before
    removed = before.get("failed_messages", 0) + progress.failed_messages
    return {
        **before,
        "notifications": progress.notifications,
        "deliveries": progress.deliveries,
        "failed_messages": removed,
    }
