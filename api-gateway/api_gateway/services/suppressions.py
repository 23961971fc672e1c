"""The e-mail service's suppression list, and mails that came back, for administrators."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import TypeAdapter

from api_gateway.errors import SuppressionNotFound
from api_gateway.repositories.audit import TRAIL
from chassis.audit import Actor, Change
from chassis.errors import PayloadTooLarge
from chassis.http.client import DependencyUnavailable, ServiceClient, data_of, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from contracts.suppressions import (
    MAX_SUPPRESSIONS,
    BounceResult,
    SuppressionEntry,
    SuppressionFindings,
    SuppressionOrder,
    SuppressionQuestion,
    SuppressionReason,
    SuppressionsAdded,
)

PATH, BOUNCES = "/internal/suppressions", "/internal/bounces"
_ENTRY = TypeAdapter(Envelope[SuppressionEntry])
_FINDINGS = TypeAdapter(Envelope[SuppressionFindings])
_ADDED = TypeAdapter(Envelope[SuppressionsAdded])
_RESULT = TypeAdapter(Envelope[BounceResult])


class Suppressions:
    """Raises DependencyUnavailable while no e-mail worker answers."""

    def __init__(self, database: Database, worker: ServiceClient) -> None:
        self._database = database
        self._worker = worker

    async def page(self, question: SuppressionQuestion) -> SuppressionFindings:
        parameters = {name: str(value) for name, value in question if value is not None}
        return found_of(_FINDINGS, *await self._worker.get(PATH, parameters))

    async def get(self, fingerprint: str) -> SuppressionEntry:
        """Raises SuppressionNotFound."""
        found = data_of(_ENTRY, *await self._worker.get(f"{PATH}/{fingerprint}"))
        if found is None:
            raise SuppressionNotFound
        return found

    async def add(self, order: SuppressionOrder, actor: Actor) -> SuppressionsAdded:
        """Adding an address again changes nothing."""
        added = found_of(_ADDED, *await self._worker.post(PATH, order.model_dump_json().encode()))
        await self._note(actor, "suppressions.added", {"reason": order.reason, "added": added.added})
        return added

    async def import_all(self, by_reason: Mapping[SuppressionReason, Sequence[str]], actor: Actor) -> int:
        """Returns how many were not on the list. What was added is noted, also if the worker fails half-way."""
        added, asked = 0, 0
        try:
            for order in _orders(by_reason):
                added += found_of(_ADDED, *await self._worker.post(PATH, order.model_dump_json().encode())).added
                asked += len(order.emails)
        finally:
            if asked:
                await self._note(actor, "suppressions.imported", {"rows": asked, "added": added})
        return added

    async def remove(self, fingerprint: str, actor: Actor) -> None:
        """Raises SuppressionNotFound."""
        status, _ = await self._worker.delete(f"{PATH}/{fingerprint}")
        if status == 404:
            raise SuppressionNotFound
        if status != 200:
            raise DependencyUnavailable(f"a removal was answered {status}")
        await self._note(actor, "suppressions.removed", {"fingerprint": fingerprint})

    async def report_bounce(self, mail: bytes) -> BounceResult:
        """Raises PayloadTooLarge."""
        status, body = await self._worker.post(BOUNCES, mail)
        if status == 413:
            raise PayloadTooLarge
        return found_of(_RESULT, status, body)

    async def _note(self, actor: Actor, action: str, after: dict[str, object]) -> None:
        async with self._database.begin() as connection:
            await TRAIL.record(connection, actor, action, "suppressions", Change({}, after))


def _orders(by_reason: Mapping[SuppressionReason, Sequence[str]]) -> Iterator[SuppressionOrder]:
    for reason, emails in by_reason.items():
        for start in range(0, len(emails), MAX_SUPPRESSIONS):
            yield SuppressionOrder(emails=tuple(emails[start : start + MAX_SUPPRESSIONS]), reason=reason)
