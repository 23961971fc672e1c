"""Status events from the workers, applied in groups, acknowledged after the commit."""

from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from api_gateway.repositories.progress import Moved
from api_gateway.services.counting import GatewayMetrics
from api_gateway.services.overtaking import Overtaking
from api_gateway.services.store import Store
from chassis.broker import Broker, Consumer, Delivery
from contracts.messages import StatusEvent, read_events
from contracts.topology import STATUS_QUEUE

log = structlog.get_logger()

PREFETCH = 50  # messages of up to a hundred events


class Reports:
    """The consumer of `status.queue`; every gateway has one."""

    def __init__(self, broker: Broker, store: Store, metrics: GatewayMetrics, overtaking: Overtaking) -> None:
        self._broker = broker
        self._overtaking = overtaking
        self._store = store
        self._metrics = metrics
        self._consumer: Consumer | None = None

    async def start(self) -> None:
        self._consumer = await self._broker.consume(STATUS_QUEUE, self._handle, prefetch=PREFETCH)

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.close()

    async def _handle(self, delivery: Delivery) -> None:
        """Raises when the database is away: the message goes back to the queue and comes again."""
        try:
            events, unread = read_events(delivery.body)
        except ValidationError:
            events, unread = [], 1
        for moved in await self.apply(events):
            if moved is not None:
                self._overtaking.consumed(moved)
        if unread:
            log.warning("status.unreadable", message_id=delivery.message_id, events=unread)
            await delivery.reject()
        else:
            await delivery.ack()

    async def apply(self, events: Sequence[StatusEvent]) -> list[Moved | None]:
        """For each event the notification, when the event moved it. Counts and logs the outcome, once a notification."""
        moves = await self._store.apply(events) if events else []
        for event, moved in zip(events, moves, strict=True):
            if moved is not None:
                self._tell(event, moved)
        return moves

    def _tell(self, event: StatusEvent, moved: Moved) -> None:
        if event.status != "retrying":
            self._metrics.moved(moved.notification_type, event.status)
            if event.status == "sent":
                self._metrics.took(moved.notification_type, moved.seconds)
        log.info(
            "notification.reported",
            status=event.status,
            notification_id=str(event.notification_id),
            correlation_id=event.correlation_id,
            type=moved.notification_type,
            code=event.code,
            attempts=event.attempts,
            seconds=round(moved.seconds, 3),
        )
