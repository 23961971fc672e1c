"""Status events from the workers, applied in groups, acknowledged after the commit."""

import structlog
from pydantic import ValidationError

from api_gateway.repositories.progress import Moved
from api_gateway.services.counting import GatewayMetrics
from api_gateway.services.overtaking import Overtaking
from api_gateway.services.store import Store
from chassis.broker import Broker, Consumer, Delivery
from contracts.messages import StatusEvent
from contracts.topology import STATUS_QUEUE

log = structlog.get_logger()

PREFETCH = 500


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
            event = StatusEvent.model_validate_json(delivery.body)
        except ValidationError:
            log.warning("status.unreadable", message_id=delivery.message_id)
            await delivery.reject()
            return
        moved = await self.apply(event)
        if moved is not None:
            self._overtaking.consumed(moved)
        await delivery.ack()

    async def apply(self, event: StatusEvent) -> Moved | None:
        """The notification, when the event moved it. Counts and logs the outcome, once a notification."""
        moved = await self._store.apply(event)
        if moved is None:
            return None
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
        return moved
