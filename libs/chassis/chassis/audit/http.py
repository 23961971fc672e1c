"""Records refused attempts as events; the route that lists events."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from chassis.audit.events import NO_CHANGE, Actor, AuditQuestion, Change
from chassis.audit.trail import AuditTrail
from chassis.errors import Unavailable
from chassis.http.envelope import answer
from chassis.postgres.database import Database
from chassis.redis.rate_limit import LocalRateLimiter, Quota
from chassis.security import Identity, calling_service

# Refused attempts change nothing, so they have no transaction, and a stranger can make many of them. So the number of
# events that they may write is limited.

log = structlog.get_logger()

# Limits per minute and process. Attempts above the limits are only logged.
OF_ONE_KIND = Quota(1, 60)  # the same actor, address, action and target
OF_ONE_ADDRESS = Quota(10, 60)
OF_ALL = Quota(60, 60)  # 25 million events a year and process, in total


class RefusedAttempts:
    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database = database
        self._trail = trail
        self._kinds = LocalRateLimiter(OF_ONE_KIND)
        self._addresses = LocalRateLimiter(OF_ONE_ADDRESS)
        self._all = LocalRateLimiter(OF_ALL)

    async def note(self, actor: Actor, action: str, target: str, change: Change = NO_CHANGE) -> None:
        """Never fails: the caller must get the refusal, even while the database is down."""
        if not self._may_write(f"{actor.name} {actor.address} {action} {target}", actor.address or ""):
            return
        try:
            async with self._database.begin() as connection:
                await self._trail.record(connection, actor, action, target, change)
        except Unavailable:
            log.warning("audit.refusal_not_recorded", action=action, target=target)

    async def forbidden(self, request: Request, identity: Identity) -> None:
        """Records a route that `identity` may not use. The route's pattern contains no values of the request."""
        target = f"route:{request.method} {request.scope['route'].path}"
        await self.note(Actor.from_request(identity, request), "access.refused", target)

    def _may_write(self, kind: str, address: str) -> bool:
        return (
            self._kinds.check(kind).allowed and self._addresses.check(address).allowed and self._all.check("").allowed
        )


AUDIT_PATH = "/internal/audit"


def audit_routes(database: Database, trail: AuditTrail, *, asked_by: str) -> APIRouter:
    """`asked_by` is the only service that may call the route."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(calling_service(asked_by))])

    @router.get(AUDIT_PATH)
    async def find(question: Annotated[AuditQuestion, Query()]) -> Response:
        """`AuditFindings`."""
        async with database.begin() as connection:
            return answer(await trail.find(connection, question))

    return router
