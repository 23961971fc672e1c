"""Publishes accepted notifications and marks them as queued."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.held_rows import ToHold
from api_gateway.repositories.outbox import DueRow, Lease, LeasedRound, QueuedMark, Round
from api_gateway.services.known_holds import KnownHolds
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.store import Store
from chassis.broker import Broker, Publication, PublishFailed
from chassis.json_values import to_json
from chassis.observability.tracing import headers_of
from chassis.postgres.database import DatabaseUnavailable
from chassis.process.batcher import Batcher, Closed
from chassis.process.yielding import map_yielding, urgent_work
from chassis.security import is_test_caller
from contracts.messages import MESSAGE_VERSION
from contracts.status import Status
from contracts.system_mails import is_system_caller
from contracts.topology import URGENT, routing_key_of

log = structlog.get_logger()

MAX_GROUP = 250
PAUSE_SECONDS = 0.015  # between two groups: messages that are published together are claimed and recorded together
SOON_SECONDS = 1.0  # after which a row is due again that could not be published
# Beyond this, marks are written at once, and rows are left to a relay; urgent and other rows are counted separately. It takes
# some 10 MB.
MAX_WAITING = 20_000


class QueuedMarks:
    """Messages that the broker confirmed and that have no applied report yet, in this process.

    A mark waits for `moment_seconds`: if the report comes first, the row needs no mark, which saves an UPDATE (ADR 20). A
    mark is lost with its process, by an unexpected error, or when too many wait for the database. Then a relay publishes the
    row again when its lease ends, and the worker recognises it.
    """

    def __init__(self, store: Store, metrics: GatewayMetrics, *, moment_seconds: float) -> None:
        self._store = store
        self._metrics = metrics
        self._moment_seconds = moment_seconds
        self.waiting: dict[Round, QueuedMark] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._closed = False

    def note_confirmed(self, marks: Sequence[QueuedMark], *, by: float) -> None:
        """The broker has confirmed these. They are written after `moment_seconds`, at the latest at `by`
        (`time.monotonic`)."""
        self.waiting.update((mark.round, mark) for mark in marks)
        wait = self._moment_seconds if len(self.waiting) <= MAX_WAITING else 0
        self._write_after(min(wait, by - time.monotonic()), [mark.round for mark in marks])

    def reported(self, known: Round) -> None:
        """A report of this round was applied, and it wrote the time of queueing to the row."""
        self.waiting.pop(known, None)

    async def close(self) -> None:
        """Writes what waits."""
        self._closed = True
        self._begin_writing(list(self.waiting))
        while self._writes:
            await asyncio.wait(self._writes)

    def _write_after(self, seconds: float, rounds: Sequence[Round]) -> None:
        if seconds <= 0 or self._closed:
            self._begin_writing(rounds)
        else:
            asyncio.get_running_loop().call_later(seconds, self._begin_writing, rounds)

    def _begin_writing(self, rounds: Sequence[Round]) -> None:
        marks = [mark for one in rounds if (mark := self.waiting.pop(one, None)) is not None]
        if marks:
            write = asyncio.create_task(self._write(marks))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def _write(self, marks: Sequence[QueuedMark]) -> None:
        try:
            queued = await self._store.mark_queued(marks)
        except DatabaseUnavailable:
            self._put_off(marks)
        except Exception:  # not raised: a stopping gateway must still close its connections; the leases run out
            log.exception("outbox.marking_failed", messages=len(marks))
        else:
            self._metrics.count_transitions((channel, Status.QUEUED) for channel in queued)

    def _put_off(self, marks: Sequence[QueuedMark]) -> None:
        """Keeps the group until the database is up again, if it fits and this process is not stopping. Otherwise the leases
        run out, and a relay publishes the rows again.
        """
        log.warning("outbox.marks_delayed", messages=len(marks))
        if not self._closed and len(self.waiting) + len(marks) <= MAX_WAITING:
            for mark in marks:
                self.waiting.setdefault(mark.round, mark)
            self._write_after(self._moment_seconds, [mark.round for mark in marks])


class OutboxMessage(NamedTuple):
    """A message ready to be published. `mark` is stored when the broker has confirmed the message.

    `maybe_published`: an earlier copy may have been published.
    """

    publication: Publication
    mark: QueuedMark
    lease: Lease
    maybe_published: bool


class Outbox:
    """Publishes accepted notifications in groups, with publisher confirms. Confirmed messages get their queued mark.

    There is one publisher per process. Urgent messages form groups of their own. `offer` never waits and never fails: a
    notification that cannot be published stays in the database, where a relay finds it.
    """

    def __init__(self, broker: Broker, store: Store, marks: QueuedMarks, holds: KnownHolds) -> None:
        self._broker = broker
        self._store = store
        self._marks = marks
        self._holds = holds
        self._group: Batcher[tuple[NewNotification, Lease], None] = Batcher(
            self._send, max_size=MAX_GROUP, pause_seconds=PAUSE_SECONDS
        )

    def has_capacity(self, priority: int) -> bool:
        """Whether an offered row is published soon. If not, it should not be leased: then any relay publishes it at once."""
        return self._group.waiting(urgent=priority >= URGENT) < MAX_WAITING

    def offer(self, row: NewNotification, created_at: datetime) -> None:
        """Publishes `row` soon. This process must hold a lease on the row."""
        with contextlib.suppress(Closed):
            self._group.offer((row, Lease.since(created_at)), urgent=row.priority >= URGENT)

    @property
    def can_publish(self) -> bool:
        return self._broker.connected

    async def close(self) -> None:
        """Publishes the waiting rows. Otherwise another process's relay would, after the leases run out."""
        await self._group.close()
        await self._marks.close()

    async def _send(self, accepted: Sequence[tuple[NewNotification, Lease]]) -> list[None]:
        """A row that fails is left to the relay, when its lease ends. A group is either all urgent or not urgent at all."""
        urgent = accepted[0][0].priority >= URGENT
        held = self._held(accepted) if self._holds.any_stands else {}
        free = [one for one in accepted if one[0].id not in held] if held else accepted
        try:
            with urgent_work(len(accepted), urgent=urgent):
                if free:
                    await self.publish(await map_yielding(_message, free))
                if held:
                    await self._store.hold(list(held.values()))
        except DatabaseUnavailable:
            log.warning("outbox.left_to_relay", messages=len(accepted))
        except Exception:
            log.exception("outbox.sending_failed", messages=len(accepted))
        return [None] * len(accepted)

    def _held(self, accepted: Sequence[tuple[NewNotification, Lease]]) -> dict[UUID, ToHold]:
        """The rows that match a standing hold. They are not published."""
        found = ((row, lease, self._holds.standing_hold(row)) for row, lease in accepted)
        return {
            row.id: ToHold(LeasedRound(Round(row.id), lease.at), hold) for row, lease, hold in found if hold is not None
        }

    async def publish(self, messages: Sequence[OutboxMessage]) -> int:
        """Returns how many were confirmed; their marks follow. Unconfirmed messages stay in the outbox."""
        if not self.can_publish:
            await self._end_leases(messages)
            return 0
        outcomes = await self._broker.publish_many([one.publication for one in messages])
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            _log_failures(failures)  # they may be published: their leases run on, then a relay publishes them again
        confirmed = [one for one, outcome in zip(messages, outcomes, strict=True) if outcome is None]
        if confirmed:
            began = min(one.lease.read_at for one in confirmed)
            self._marks.note_confirmed([one.mark for one in confirmed], by=began + self._store.lease_seconds / 2)
        return len(confirmed)

    async def _end_leases(self, messages: Sequence[OutboxMessage]) -> None:
        """Ends the leases of messages that were certainly not published, so that they can be cancelled. Excludes messages
        that may have been published earlier."""
        unpublished = [LeasedRound(one.mark.round, one.lease.at) for one in messages if not one.maybe_published]
        if unpublished:
            await self._store.end_leases(unpublished, delay_seconds=SOON_SECONDS)


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
    maybe_published: bool = False,
) -> OutboxMessage:
    """The message of a resolved row, to be published now.

    Written as a dictionary: building and dumping the pydantic model takes five times as long on this path. A test reads
    messages back through `contracts.messages.NotificationMessage`.
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
        "fixed_recipient": row.given_recipient is not None or is_system_caller(row.caller),
        "sender": row.sender,
        "caller": row.caller,
    }
    if row.email_options is not None:
        body["email"] = row.email_options
    if row.overrides is not None:
        body["overrides"] = row.overrides
    publication = Publication(
        routing_key=routing_key_of(row.notification_type, row.priority),
        body=to_json(body),
        message_id=str(row.id),
        correlation_id=row.correlation_id,
        priority=row.priority,
        headers=headers_of(row.trace_context),
    )
    return OutboxMessage(publication, QueuedMark(Round(row.id, replay), queued_at), lease, maybe_published)
