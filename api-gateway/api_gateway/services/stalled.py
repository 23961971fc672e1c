"""Asks the workers' ledgers about notifications that were handed over a while ago and have no report since.

A report can be lost when a worker dies, or by the broker. Each turn asks about one page of the oldest rows, which is cheap,
whether they still wait in a queue or were sent long ago.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from pydantic import TypeAdapter

from api_gateway.repositories import lost
from api_gateway.repositories.lost import StalledRow
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.reports import Reports
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.postgres.database import Database
from contracts.ledger import MAX_LEDGER_QUESTION, LedgerFindings, LedgerQuestion
from contracts.recipients import Channel

log = structlog.get_logger()

_FINDINGS = TypeAdapter(Envelope[LedgerFindings])


class StalledDeliveryDetector:
    """`workers`: the client of the ledger of each channel. Any worker of a channel answers for all of them."""

    def __init__(
        self,
        database: Database,
        reports: Reports,
        metrics: GatewayMetrics,
        workers: Mapping[Channel, ServiceClient],
        *,
        silence_seconds: float,
    ) -> None:
        self._database = database
        self._reports = reports
        self._metrics = metrics
        self._workers = workers
        self._silence_seconds = silence_seconds
        self._reached: dict[Channel, StalledRow | None] = dict.fromkeys(workers)

    @property
    def every_seconds(self) -> float:
        """The interval between two runs."""
        return self._silence_seconds / 3

    async def run_once(self) -> int:
        for channel in self._workers:
            await self._ask(channel)
        return 0

    async def _ask(self, channel: Channel) -> None:
        async with self._database.begin() as connection:
            rows = await lost.find_stalled(
                connection,
                channel,
                after=self._reached[channel],
                silence_seconds=self._silence_seconds,
                limit=MAX_LEDGER_QUESTION,
            )
        self._reached[channel] = rows[-1] if len(rows) == MAX_LEDGER_QUESTION else None
        if not rows:
            return
        try:
            found = await self._find(channel, [row.id for row in rows])
        except DependencyUnavailable:
            return
        applied = [one for one in await self._reports.apply(found.ended) if one is not None]
        if applied:
            log.warning("delivery.reports_recovered", channel=channel, notifications=len(applied))
        known = {event.notification_id for event in found.ended} | set(found.open)
        await self._publish_again(channel, [row.id for row in rows if row.begun and row.id not in known])

    async def _publish_again(self, channel: Channel, forgotten: Sequence[UUID]) -> None:
        """Publishes notifications again that a worker had reported and its ledger has lost, for example after a restore."""
        if not forgotten:
            return
        async with self._database.begin() as connection:
            number = await lost.make_due(connection, forgotten)
        log.warning("outbox.redriven", channel=channel, notifications=number, lost_by="ledger")
        self._metrics.count_redriven(number)

    async def _find(self, channel: Channel, ids: Sequence[UUID]) -> LedgerFindings:
        body = LedgerQuestion(ids=tuple(ids)).model_dump_json().encode()
        return found_of(_FINDINGS, *await self._workers[channel].post("/internal/ledger/find", body))
