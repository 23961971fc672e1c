"""Consumes the workers' status events, applies them in groups and acknowledges them after the commit."""

from collections.abc import Sequence
from uuid import uuid4

import structlog
from pydantic import ValidationError

from api_gateway.repositories.outbox import Round
from api_gateway.repositories.progress import AppliedEvent
from api_gateway.services.metrics import GatewayMetrics
from api_gateway.services.outbox import QueuedMarks
from api_gateway.services.store import Store
from chassis.broker import Broker, Consumer, IncomingMessage, Publication
from chassis.broker.watermarks import ConsumedWatermarks
from chassis.errors import Unavailable
from chassis.process.yielding import map_yielding
from contracts.messages import StatusEvent, StatusEvents, read_events
from contracts.status import Status
from contracts.topology import FAILED_KEY, STATUS_QUEUE

log = structlog.get_logger()

TRIES = 3  # of a single event, before it goes to failed.queue
PREFETCH = 50  # messages of up to a hundred events


class Reports:
    """The consumer of `status.queue`; every gateway runs one."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        metrics: GatewayMetrics,
        watermarks: ConsumedWatermarks,
        marks: QueuedMarks,
    ) -> None:
        self._broker = broker
        self._watermarks = watermarks
        self._store = store
        self._metrics = metrics
        self._marks = marks
        self._consumer: Consumer | None = None

    async def start(self) -> None:
        self._consumer = await self._broker.consume(STATUS_QUEUE, self._handle, prefetch=PREFETCH)

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.close()

    async def _handle(self, incoming: IncomingMessage) -> None:
        """Raises if the database is down: then the message returns to the queue and is delivered again."""
        try:
            events, unread = read_events(incoming.body)
        except ValidationError:
            events, unread = [], 1
        for applied in await self._apply_group(events):
            if applied is not None and applied.queued_at is not None:  # otherwise the time of publishing is unknown
                kind, queued_at = applied.notification_type, applied.queued_at
                self._watermarks.note_consumed(kind, applied.priority, queued_at, applied.id)
        if unread:
            log.warning("status.unreadable", message_id=incoming.message_id, events=unread)
            await incoming.reject()
        else:
            await incoming.ack()

    async def _apply_group(self, events: Sequence[StatusEvent]) -> list[AppliedEvent | None]:
        """One event that the database rejects must not block the events next to it or behind it."""
        try:
            return await self.apply(events)
        except Unavailable:
            raise
        except Exception:
            log.exception("status.group_failed", events=len(events))
        return [applied for event in events for applied in await self._apply_or_dead_letter(event)]

    async def _apply_or_dead_letter(self, event: StatusEvent) -> list[AppliedEvent | None]:
        for _ in range(TRIES):
            try:
                return await self.apply([event])
            except Unavailable:
                raise
            except Exception:
                log.exception("status.event_failed", notification_id=str(event.notification_id))
        body = StatusEvents(events=(event,)).model_dump_json(exclude_none=True).encode()
        dead_letter = Publication(routing_key=FAILED_KEY, body=body, message_id=str(uuid4()))
        for failure in await self._broker.publish_many([dead_letter]):
            if failure is not None:  # then the whole message is delivered again
                raise failure
        return []

    async def apply(self, events: Sequence[StatusEvent]) -> list[AppliedEvent | None]:
        """Returns for each event the change that it made, or None. Counts and logs each outcome once."""
        applied_events = await self._store.apply(events) if events else []
        await map_yielding(lambda pair: self._record_outcome(*pair), [*zip(events, applied_events, strict=True)])
        return applied_events

    def _record_outcome(self, event: StatusEvent, applied: AppliedEvent | None) -> None:
        if applied is None:
            return
        if applied.queued_at is not None:
            self._marks.reported(Round(event.notification_id, event.replay))
        if applied.newly_queued:
            self._metrics.count_transition(applied.notification_type, Status.QUEUED)
        if event.status != "retrying" and not applied.same:
            self._metrics.count_transition(applied.notification_type, event.status)
            if event.status == "sent":
                self._metrics.observe_seconds(applied.notification_type, applied.seconds)
        log.info(
            "notification.reported",
            status=event.status,
            notification_id=str(event.notification_id),
            correlation_id=event.correlation_id,
            type=applied.notification_type,
            code=event.code,
            attempts=event.attempts,
            seconds=round(applied.seconds, 3),
        )
