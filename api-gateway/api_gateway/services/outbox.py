"""Publishing what was accepted: with confirms, in groups, then the queued-mark.

`offer` never waits and never fails: what cannot be published stays in the database, where a relay finds it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.outbox import DueRow, Round
from api_gateway.services.counting import GatewayMetrics
from api_gateway.services.store import Store
from chassis.broker import Broker, Publication, PublishFailed
from chassis.database import DatabaseUnavailable
from chassis.groupcommit import Closed, GroupCommit
from chassis.jsons import to_json
from chassis.tracing import headers_of
from contracts.messages import MESSAGE_VERSION
from contracts.status import Status
from contracts.topology import URGENT, routing_key_of

log = structlog.get_logger()

LARGEST_GROUP = 250
PAUSE_SECONDS = 0.015  # between two groups: what is sent together is taken, claimed and recorded together by a worker
MOST_WAITING = 20_000  # beyond, offers are left to the relay: memory stays bounded while the broker is slow
SOON_SECONDS = 1.0


class Letter(NamedTuple):
    """A message ready to be published."""

    round: Round
    publication: Publication


class Outbox:
    """One publisher a process. What is urgent does not gather with the rest."""

    def __init__(self, broker: Broker, store: Store, metrics: GatewayMetrics) -> None:
        self._broker = broker
        self._store = store
        self._metrics = metrics
        self._group: GroupCommit[Letter, None] = GroupCommit(
            self._send, largest=LARGEST_GROUP, pause_seconds=PAUSE_SECONDS
        )
        self._marks: set[asyncio.Task[None]] = set()

    def offer(self, row: NewNotification, created_at: datetime) -> None:
        """Publishes `row` soon. For rows that this process holds a lease on."""
        if self._group.waiting < MOST_WAITING:
            try:
                self._group.offer(letter(row, created_at=created_at), express=row.priority >= URGENT)
            except Closed:
                return

    @property
    def can_publish(self) -> bool:
        return self._broker.connected

    async def close(self) -> None:
        """Publishes what waits (the relay of another process would too, once the leases run out)."""
        await self._group.close()
        await asyncio.gather(*self._marks)

    async def _send(self, letters: Sequence[Letter]) -> list[None]:
        """The next group is not kept waiting for the mark of this one. What fails is the relay's when the lease ends."""
        try:
            confirmed = await self._confirmed(letters)
        except DatabaseUnavailable:
            log.warning("outbox.release_deferred", letters=len(letters))
            confirmed = []
        except Exception:
            log.exception("outbox.sending_failed", letters=len(letters))
            confirmed = []
        if confirmed:
            mark = asyncio.create_task(self._mark_in_the_end(confirmed))
            self._marks.add(mark)
            mark.add_done_callback(self._marks.discard)
        return [None] * len(letters)

    async def publish(self, letters: Sequence[Letter]) -> int:
        """Publishes and marks; returns how many were confirmed. What was not stays in the outbox."""
        confirmed = await self._confirmed(letters)
        if confirmed:
            await self._mark(confirmed, express=True)
        return len(confirmed)

    async def _confirmed(self, letters: Sequence[Letter]) -> list[Round]:
        """Publishes; what the broker has."""
        if not self.can_publish:  # certainly not published: the rows may even be cancelled
            await self._store.release([one.round for one in letters], delay_seconds=SOON_SECONDS)
            return []
        outcomes = await self._broker.publish_many([one.publication for one in letters])
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            _log_failures(failures)  # perhaps published: their lease runs on, then a relay publishes them again
        return [one.round for one, outcome in zip(letters, outcomes, strict=True) if outcome is None]

    async def _mark(self, confirmed: Sequence[Round], *, express: bool = False) -> None:
        queued = await self._store.mark_queued(confirmed, express=express)
        self._metrics.moved_all((channel, Status.QUEUED) for channel in queued)

    async def _mark_in_the_end(self, confirmed: Sequence[Round]) -> None:
        try:
            await self._mark(confirmed)
        except DatabaseUnavailable:  # published twice at worst; workers recognise it
            log.warning("outbox.mark_deferred", letters=len(confirmed))


def _log_failures(failures: Sequence[PublishFailed]) -> None:
    kinds = sorted({type(failure).__name__ for failure in failures})
    log.warning("outbox.publish_failed", letters=len(failures), kinds=kinds)


def letter(row: NewNotification | DueRow, *, created_at: datetime, replay: int = 0) -> Letter:
    """The message of a resolved row.

    Written as a dictionary: building and dumping the pydantic model costs five times as much on this path. A test reads
    letters back through `contracts.messages.NotificationMessage`.
    """
    body = {
        "version": MESSAGE_VERSION,
        "notification_id": row.id,
        "request_id": row.request_id,
        "correlation_id": row.correlation_id,
        "notification_type": row.notification_type,
        "user_id": row.user_id,
        "template": {"code": row.template_code, "version": row.template_version, "language": row.language},
        "variables": row.variables,
        "recipient": row.recipient,
        "priority": row.priority,
        "metadata": row.metadata,
        "created_at": created_at,
        "expires_at": row.expires_at,
        "delivery_guarantee": row.delivery_guarantee,
        "replay": replay,
    }
    publication = Publication(
        routing_key=routing_key_of(row.notification_type, row.priority),
        body=to_json(body),
        message_id=str(row.id),
        correlation_id=row.correlation_id,
        priority=row.priority,
        headers=headers_of(row.trace_context),
    )
    return Letter(Round(row.id, replay), publication)
