"""The audit events of all services as one list: each service returns its newest events, and their ids give the order."""

import asyncio
from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter

from api_gateway.repositories.audit import TRAIL
from api_gateway.schemas.audit import AuditEventView, AuditMeta, AuditQuery, Owner
from api_gateway.services.reading import page_meta
from chassis.audit import AUDIT_PATH, AuditFindings, AuditQuestion
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from contracts.messages import first_id_of
from contracts.services import API_GATEWAY

_FINDINGS = TypeAdapter(Envelope[AuditFindings])


class AuditReader:
    """`owners`: the other services that keep an audit trail."""

    def __init__(self, database: Database, owners: Mapping[Owner, ServiceClient]) -> None:
        self._database = database
        self._owners = owners

    async def page(self, query: AuditQuery) -> tuple[Sequence[AuditEventView], AuditMeta]:
        """Newest first. A service that does not answer is named in `meta.unavailable`."""
        owners = [query.service] if query.service else [API_GATEWAY, *self._owners]
        answers = await asyncio.gather(*(self._ask(owner, _question(query)) for owner in owners))
        found = {owner: findings for owner, findings in zip(owners, answers, strict=True) if findings is not None}
        events = sorted(
            (
                AuditEventView(**event.model_dump(), service=owner)
                for owner, findings in found.items()
                for event in findings.events
            ),
            key=lambda event: event.id,
            reverse=True,
        )[: query.limit + 1]
        meta = page_meta(
            [event.id for event in events],
            total=sum(one.total for one in found.values()),
            before=sum(one.newer for one in found.values()),
            limit=query.limit,
        )
        unavailable = [owner for owner in owners if owner not in found]
        return events[: query.limit], AuditMeta(**meta.model_dump(), unavailable=unavailable)

    async def _ask(self, owner: Owner, question: AuditQuestion) -> AuditFindings | None:
        """None: the service does not answer, or its release keeps no audit trail."""
        if owner == API_GATEWAY:
            async with self._database.begin() as connection:
                return await TRAIL.find(connection, question)
        parameters = {name: str(value) for name, value in question if value is not None}
        try:
            return found_of(_FINDINGS, *await self._owners[owner].get(AUDIT_PATH, parameters))
        except DependencyUnavailable:
            return None


def _question(query: AuditQuery) -> AuditQuestion:
    return AuditQuestion(
        actor=query.actor,
        action=query.action,
        target=query.target,
        first=None if query.since is None else first_id_of(query.since),
        end=None if query.until is None else first_id_of(query.until),
        cursor=query.cursor,
        limit=query.limit + 1,
    )
