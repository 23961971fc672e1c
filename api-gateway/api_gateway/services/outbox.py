"""Publishing what was accepted: with confirms, in groups; what is confirmed gets its queued-mark.

`offer` never waits and never fails: what cannot be published stays in the database, where a relay finds it.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.outbox import DueRow, Lease, LeasedRound, QueuedMark, Round
from api_gateway.services.queued_marks import QueuedMarks
from api_gateway.services.store import Store
from chassis.batcher import Batcher, Closed
from chassis.broker import Broker, Publication, PublishFailed
from chassis.database import DatabaseUnavailable
from chassis.security import is_test_caller
from chassis.serialization import to_json
from chassis.tracing import headers_of
from chassis.yielding import map_yielding, urgent_work
from contracts.messages import MESSAGE_VERSION
from contracts.system_mails import is_system_caller
from contracts.topology import URGENT, routing_key_of

log = structlog.get_logger()

MAX_GROUP = 250
PAUSE_SECONDS = 0.015  # between two groups: what is sent together is taken, claimed and recorded together by a worker
MAX_WAITING = 20_000  # of the urgent and of the others; beyond, rows are left to the relays: memory stays bounded
SOON_SECONDS = 1.0


class OutboxMessage(NamedTuple):
    """A message ready to be published. `mark` is what it leaves behind when the broker has it.

    `handed_over`: an earlier copy may have been published.
    """

    publication: Publication
    mark: QueuedMark
    lease: Lease
    handed_over: bool


class Outbox:
    """One publisher a process. What is urgent does not gather with the rest."""

    def __init__(self, broker: Broker, store: Store, marks: QueuedMarks) -> None:
        self._broker = broker
        self._store = store
        self._marks = marks
        self._group: Batcher[tuple[NewNotification, Lease], None] = Batcher(
            self._send, max_size=MAX_GROUP, pause_seconds=PAUSE_SECONDS
        )

    def has_room(self, priority: int) -> bool:
        """Whether what is offered goes soon. What is not is better not leased: then any relay publishes it, at once."""
        return self._group.waiting(urgent=priority >= URGENT) < MAX_WAITING

    def offer(self, row: NewNotification, created_at: datetime) -> None:
        """Publishes `row` soon. For rows that this process holds a lease on."""
        with contextlib.suppress(Closed):
            self._group.offer((row, Lease.since(created_at)), urgent=row.priority >= URGENT)

    @property
    def can_publish(self) -> bool:
        return self._broker.connected

    async def close(self) -> None:
        """Publishes what waits (the relay of another process would too, once the leases run out)."""
        await self._group.close()
        await self._marks.close()

    async def _send(self, accepted: Sequence[tuple[NewNotification, Lease]]) -> list[None]:
        """What fails is the relay's when the lease ends. A group is all urgent, or none of it is."""
        urgent = accepted[0][0].priority >= URGENT
        try:
            with urgent_work(len(accepted), urgent=urgent):
                await self.publish(await map_yielding(_message, accepted))
        except DatabaseUnavailable:
            log.warning("outbox.release_deferred", messages=len(accepted))
        except Exception:
            log.exception("outbox.sending_failed", messages=len(accepted))
        return [None] * len(accepted)

    async def publish(self, messages: Sequence[OutboxMessage]) -> int:
        """Returns how many were confirmed; their marks follow in a moment. What was not stays in the outbox."""
        if not self.can_publish:
            await self._release(messages)
            return 0
        outcomes = await self._broker.publish_many([one.publication for one in messages])
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            _log_failures(failures)  # perhaps published: their lease runs on, then a relay publishes them again
        confirmed = [one for one, outcome in zip(messages, outcomes, strict=True) if outcome is None]
        if confirmed:
            began = min(one.lease.read_at for one in confirmed)
            self._marks.confirmed([one.mark for one in confirmed], by=began + self._store.lease_seconds / 2)
        return len(confirmed)

    async def _release(self, messages: Sequence[OutboxMessage]) -> None:
        """Certainly not published: these may even be cancelled. Not those of which an earlier copy may be with a worker."""
        unpublished = [LeasedRound(one.mark.round, one.lease.at) for one in messages if not one.handed_over]
        if unpublished:
            await self._store.release(unpublished, delay_seconds=SOON_SECONDS)


def _log_failures(failures: Sequence[PublishFailed]) -> None:
    kinds = sorted({type(failure).__name__ for failure in failures})
    log.warning("outbox.publish_failed", messages=len(failures), kinds=kinds)


def _message(accepted: tuple[NewNotification, Lease]) -> OutboxMessage:
    row, lease = accepted
    return outbox_message(row, lease, created_at=lease.at)


def outbox_message(
    row: NewNotification | DueRow,
    lease: Lease,
    *,
    created_at: datetime,
    replay: int = 0,
    handed_over: bool = False,
) -> OutboxMessage:
    """The message of a resolved row, to be published now.

    Written as a dictionary: building and dumping the pydantic model costs five times as much on this path. A test reads
    letters back through `contracts.messages.NotificationMessage`.
    """
    queued_at = lease.now()
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
        "queued_at": queued_at,
        "expires_at": row.expires_at,
        "delivery_guarantee": row.delivery_guarantee,
        "replay": replay,
        "test": is_test_caller(row.caller),
        "fixed_recipient": is_system_caller(row.caller),
        "sender": row.sender,
    }
    publication = Publication(
        routing_key=routing_key_of(row.notification_type, row.priority),
        body=to_json(body),
        message_id=str(row.id),
        correlation_id=row.correlation_id,
        priority=row.priority,
        headers=headers_of(row.trace_context),
    )
    return OutboxMessage(publication, QueuedMark(Round(row.id, replay), queued_at), lease, handed_over)
