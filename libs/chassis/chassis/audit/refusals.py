"""Attempts that were refused. They change nothing, so there is no transaction to be in, and a stranger can make many: how
many events they may write is bounded.
"""

import structlog
from fastapi import Request

from chassis.audit.actor import Actor
from chassis.audit.events import NO_CHANGE, Change
from chassis.audit.trail import AuditTrail
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.quota import Quota
from chassis.ratelimit import LocalRateLimiter
from chassis.security import Identity

log = structlog.get_logger()

# In a minute, of each process. What comes beyond is in the log only.
OF_ONE_KIND = Quota(1, 60)  # the same actor, address, action and target
OF_ONE_ADDRESS = Quota(10, 60)
OF_ALL = Quota(60, 60)  # 25 million events a year and process, whoever tries


class RefusedAttempts:
    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database = database
        self._trail = trail
        self._kinds = LocalRateLimiter(OF_ONE_KIND)
        self._addresses = LocalRateLimiter(OF_ONE_ADDRESS)
        self._all = LocalRateLimiter(OF_ALL)

    async def note(self, actor: Actor, action: str, target: str, change: Change = NO_CHANGE) -> None:
        """Never fails: the refusal is what the caller has to learn, also while the database is down."""
        if not self._may_write(f"{actor.name} {actor.address} {action} {target}", actor.address or ""):
            return
        try:
            async with self._database.begin() as connection:
                await self._trail.record(connection, actor, action, target, change)
        except Unavailable:
            log.warning("audit.refusal_not_recorded", action=action, target=target)

    async def forbidden(self, request: Request, identity: Identity) -> None:
        """A route that `identity` may not use; named by its pattern, which has no values of the request in it."""
        target = f"route:{request.method} {request.scope['route'].path}"
        await self.note(Actor.of(identity, request), "access.refused", target)

    def _may_write(self, kind: str, address: str) -> bool:
        return (
            self._kinds.check(kind).allowed and self._addresses.check(address).allowed and self._all.check("").allowed
        )
