"""Reports bounces and confirmed deliveries to the gateway. Both stay in the database until the broker has confirmed their
events."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.broker import Broker
from chassis.postgres.database import Database
from contracts.messages import StatusEvent
from delivery.reporting import publication
from email_service.bounces.recording import SOFT_DAYS
from email_service.repositories import bounces as repository
from email_service.repositories import webhooks
from email_service.repositories.bounces import Unreported
from email_service.repositories.webhooks import Confirmed

REPORT_SECONDS, CLEAN_SECONDS = 1.0, 3_600.0
MAX_BOUNCES = 100  # in a message
KEPT_DAYS = 30  # mail servers repeat for five days at most
REMEMBERED_SECONDS = 2 * 86_400.0  # longer than a request of a provider is accepted (webhooks/events.py)


class BounceReporter:
    """A repeated event changes nothing at the gateway. Raises DatabaseUnavailable and PublishFailed."""

    def __init__(self, database: Database, broker: Broker) -> None:
        self._database = database
        self._broker = broker

    async def run_once(self) -> int:
        """Bounces come first: a mail may be confirmed and then bounce at once."""
        return await self._report_bounces() + await self._report_confirmed()

    async def _report_bounces(self) -> int:
        async with self._database.begin() as connection:
            waiting = await repository.unreported(connection, limit=MAX_BOUNCES)
            if waiting:
                await self._publish([_bounced(one) for one in waiting])
                await repository.reported(connection, waiting)
        return len(waiting)

    async def _report_confirmed(self) -> int:
        async with self._database.begin() as connection:
            waiting = await webhooks.confirmed(connection, limit=MAX_BOUNCES)
            if waiting:
                await self._publish([_delivered(one) for one in waiting])
                await webhooks.reported(connection, waiting)
        return len(waiting)

    async def _publish(self, events: Sequence[StatusEvent]) -> None:
        for failure in await self._broker.publish_many([publication(events)]):
            if failure is not None:
                raise failure

    async def clean(self) -> int:
        limit = MAX_BOUNCES * 50
        async with self._database.begin() as connection:
            removed = await repository.remove(connection, days=KEPT_DAYS, soft_days=SOFT_DAYS, limit=limit)
            return removed + await webhooks.remove(
                connection, remembered_seconds=REMEMBERED_SECONDS, days=KEPT_DAYS, limit=limit
            )


def _bounced(bounce: Unreported) -> StatusEvent:
    """A complaint proves that the mail was delivered."""
    failed = bounce.kind == "failed"
    return StatusEvent(
        notification_id=bounce.notification_id,
        notification_type="email",
        status="failed" if failed else "delivered",
        code="bounced" if failed else "complained",
        detail=bounce.status or None,
        replay=bounce.replay,
        sent_at=bounce.sent_at,
        at=datetime.now(UTC),
        provider_timestamp=bounce.created_at,
    )


def _delivered(delivery: Confirmed) -> StatusEvent:
    """It may overtake the event `sent`, so it has all of its data."""
    return StatusEvent(
        notification_id=delivery.notification_id,
        notification_type="email",
        status="delivered",
        provider_message_id=delivery.provider_message_id,
        provider=delivery.provider,
        attempts=delivery.attempts,
        replay=delivery.replay,
        sent_at=delivery.sent_at,
        at=datetime.now(UTC),
        provider_timestamp=delivery.created_at,
    )
